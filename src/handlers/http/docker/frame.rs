//! HTTP/2 as a client of gRPC speaks it over a connection that was taken over (RFC 9113, gRPC over HTTP/2): calls go out, messages come back.

/// What a client sends first (RFC 9113 section 3.4), and empty settings.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The longest frame that a peer may send unless it was told otherwise (section 4.2).
const MAX_FRAME: usize = 16_384;
/// The longest message that is put together: the other side sends files in pieces of 32 KiB.
const MAX_MESSAGE: usize = 64 * 1_024;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// Frames out of what comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Frames(Buffer);

/// Bytes of which the first were used.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Buffer {
    /// Adds bytes, up to a limit of what is kept.
    fn push(&mut self, bytes: &[u8], limit: usize) {
        self.bytes.drain(..self.used);
        self.used = 0;
        let room = limit.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.used..).unwrap_or_default()
    }
}

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes, usize::MAX);
    }

    /// The next frame that is whole; an error where one is too long.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, ()> {
        let Some((&[a, b, c, kind, flags, w, x, y, z], rest)) = self.0.rest().split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if length > MAX_FRAME {
            return Err(());
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame =
            Frame { kind, flags, stream: u32::from_be_bytes([w, x, y, z]) & 0x7fff_ffff, payload: payload.to_vec() };
        self.0.used += 9 + length;
        Ok(Some(frame))
    }
}

impl Frame {
    /// The content of a DATA frame without padding.
    pub(super) fn data(&self) -> &[u8] {
        match self.payload.split_first() {
            Some((&padding, rest)) if self.flags & PADDED != 0 => {
                rest.get(..rest.len().saturating_sub(usize::from(padding))).unwrap_or_default()
            }
            _ => &self.payload,
        }
    }
}

/// gRPC messages out of the content of DATA frames.
#[derive(Debug, Default)]
pub(super) struct Messages(Buffer);

impl Messages {
    /// As much as fits; a message that is longer is never whole.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes, 2 * MAX_MESSAGE);
    }

    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let (&[_, a, b, c, d], rest) = self.0.rest().split_first_chunk()?;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let message = rest.get(..length).filter(|_| length <= MAX_MESSAGE)?.to_vec();
        self.0.used += 5 + length;
        Some(message)
    }
}

pub(super) fn write(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A message on a stream, the last one or not.
pub(super) fn write_message(stream: u32, message: &[u8], is_last: bool, out: &mut Vec<u8>) {
    let mut payload = vec![0];
    payload.extend_from_slice(&u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    payload.extend_from_slice(message);
    write(DATA, if is_last { END_STREAM } else { 0 }, stream, &payload, out);
}

/// Lets the peer send so many bytes more, on a stream or (0) on all.
pub(super) fn widen(stream: u32, bytes: u32, out: &mut Vec<u8>) {
    write(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes(), out);
}

/// Calls a method, with these metadata (RFC 7541: indexed where the static table has it, else literal and not to be indexed).
pub(super) fn call(stream: u32, method: &str, metadata: &[(&str, &str)], out: &mut Vec<u8>) {
    // :method POST, :scheme http; the names of :path, :authority, content-type and user-agent stand at 4, 1, 31 and 58.
    let mut block = vec![0x83, 0x86, 0x04];
    text(method, &mut block);
    block.push(0x01);
    text("localhost", &mut block);
    block.extend_from_slice(&[0x0f, 31 - 15]);
    text("application/grpc", &mut block);
    block.extend_from_slice(&[0x0f, 58 - 15]);
    text("grpc-go/1.27.1", &mut block);
    for (name, value) in [("te", "trailers")].iter().chain(metadata) {
        block.push(0);
        text(name, &mut block);
        text(value, &mut block);
    }
    write(HEADERS, END_HEADERS, stream, &block, out);
}

/// A text of less than 127 bytes.
fn text(text: &str, out: &mut Vec<u8>) {
    let text = text.as_bytes().get(..126).unwrap_or(text.as_bytes());
    out.push(u8::try_from(text.len()).unwrap_or(0));
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_frames_that_are_cut_anywhere() {
        let mut sent = Vec::new();
        write_message(3, b"hello", true, &mut sent);
        for cut in 0..sent.len() {
            let (mut frames, mut messages) = (Frames::default(), Messages::default());
            frames.push(&sent[..cut]);
            assert_eq!(frames.next(), Ok(None));
            frames.push(&sent[cut..]);
            let frame = frames.next().unwrap().unwrap();
            assert_eq!((frame.kind, frame.flags, frame.stream), (DATA, END_STREAM, 3));
            messages.push(frame.data());
            assert_eq!((messages.next(), messages.next()), (Some(b"hello".to_vec()), None));
        }
    }

    #[test]
    fn a_frame_that_is_too_long_ends_the_connection() {
        let mut frames = Frames::default();
        frames.push(&[0, 0x40, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(frames.next(), Err(()));
    }
}
