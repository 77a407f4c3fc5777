//! DEFLATE (RFC 1951) and its gzip envelope (RFC 1952), within bounds.

use std::io::{self, Read, Write};

use flate2::read::{DeflateDecoder, GzDecoder};
use flate2::{Compression, GzBuilder};

/// The usual level of compression, of zlib and of the programs.
pub(super) const USUAL: u32 = 6;
/// What zlib calls itself on every Unix (RFC 1952 section 2.3.1).
const UNIX: u8 = 3;

/// What was compressed, up to so many bytes; `None` where it is broken.
pub(super) fn inflate(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    bounded(DeflateDecoder::new(bytes), most)
}

/// What a gzip file holds, up to so many bytes; `None` where it is none, or broken.
pub(super) fn gunzip(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    bounded(GzDecoder::new(bytes), most)
}

fn bounded(reader: impl Read, most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(most as u64).read_to_end(&mut out).ok()?;
    Some(out)
}

/// A gzip file of these bytes as zlib has it at this level, from 0 to 9.
///
/// # Errors
/// None that a Vec could give.
pub(super) fn packed(bytes: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().operating_system(UNIX).write(Vec::new(), Compression::new(level));
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    #[test]
    fn what_gzip_has_compressed_is_read_again() {
        // `seq 40 | gzip -n`, `printf 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaab' | gzip -n` of gzip 1.12.
        for (packed, text) in
            [(SEQ, (1..=40).map(|n| format!("{n}\n")).collect::<String>()), (REPEATED, "a".repeat(29) + "b")]
        {
            let packed = BASE64.decode(packed.as_bytes()).unwrap();
            assert_eq!(gunzip(&packed, 1_000).unwrap(), text.as_bytes());
            assert_eq!(gunzip(&packed, 5).unwrap(), &text.as_bytes()[..5], "bounded");
            assert_eq!(gunzip(&packed[..packed.len() / 2], 1_000), None, "cut short");
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        for text in [&b""[..], b"hello\n", &[7; 200_000]] {
            assert_eq!(gunzip(&packed(text, USUAL).unwrap(), 1 << 20).unwrap(), text);
        }
    }

    #[test]
    fn the_first_bytes_are_those_of_zlib_on_unix() {
        assert_eq!(packed(b"x", 1).unwrap()[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3]);
    }

    const SEQ: &str =
        "H4sIAAAAAAAAAw3MwQHAMAgDsf9Ng21Cwv6LtRpAwoTmMFweiwoJGQU1OmjQRQ8tLixsHNz44MEXP7ykiMhfhjQ5ZMgljyxdfO+00ORvAAAA";
    const REPEATED: &str = "H4sIAAAAAAAAA0tMxAOSAHuCyPIeAAAA";
}
