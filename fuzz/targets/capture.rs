//! Any bytes as a capture: records in order, packets within their bounds, and an end.

#![no_main]

use glutton_nfq::capture::{Capture, MAX_FRAME_LEN};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(mut capture) = Capture::new(input) else { return };
    let mut last = 0;
    while let Ok(Some(record)) = capture.next_record() {
        assert_eq!(record.number, last + 1);
        last = record.number;
        // A record has a header of more bytes than none.
        assert!(last <= input.len() as u64, "more records than bytes");
        let Some(packet) = record.packet else { continue };
        assert!(packet.bytes.len() <= packet.padded.len() && packet.padded.len() <= MAX_FRAME_LEN);
        assert!(packet.bytes.len() <= packet.wire_len, "{} of {} bytes", packet.bytes.len(), packet.wire_len);
        assert!(packet.padded.len() <= input.len(), "bytes that are not in the file");
        assert!(packet.padded.starts_with(packet.bytes));
    }
});
