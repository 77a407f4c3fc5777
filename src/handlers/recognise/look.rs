//! A look at bytes of which only the beginning may have come.
//!
//! Every question is answered as soon as the bytes that decide it are there, and never taken back: a mismatch in what has come is final.

/// Why a protocol cannot be affirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The bytes do not fit.
    Unfit,
    /// They fit as far as they have come.
    Short,
}

/// Holds a test to a condition.
pub(super) fn must(condition: bool) -> Result<(), Doubt> {
    if condition { Ok(()) } else { Err(Doubt::Unfit) }
}

/// The first bytes of a visitor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a>(pub(super) &'a [u8]);

impl<'a> Seen<'a> {
    /// The byte at this place.
    pub(super) fn byte(self, at: usize) -> Result<u8, Doubt> {
        self.0.get(at).copied().ok_or(Doubt::Short)
    }

    /// So many bytes at this place.
    pub(super) fn bytes<const N: usize>(self, at: usize) -> Result<[u8; N], Doubt> {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Doubt::Short)
    }

    /// A 16-bit number in network byte order.
    pub(super) fn u16(self, at: usize) -> Result<u16, Doubt> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    /// A 32-bit number in network byte order.
    pub(super) fn u32(self, at: usize) -> Result<u32, Doubt> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    /// What comes from this place on.
    pub(super) fn from(self, at: usize) -> Seen<'a> {
        Seen(self.0.get(at..).unwrap_or_default())
    }

    /// The bytes of `text` stand at this place. Judged byte by byte: what differs early is refused early.
    pub(super) fn literal(self, at: usize, text: &[u8]) -> Result<(), Doubt> {
        let rest = self.from(at).0;
        must(rest.iter().zip(text).all(|(one, other)| one == other))?;
        if rest.len() < text.len() { Err(Doubt::Short) } else { Ok(()) }
    }

    /// One of these words stands at the beginning, in this case or another; its length. No word may begin with another one.
    pub(super) fn word_in_any_case(self, words: &[&str]) -> Result<usize, Doubt> {
        self.one_of(words, |one, other| one.eq_ignore_ascii_case(&other))
    }

    /// One of these words stands at the beginning; its length. No word may begin with another one.
    pub(super) fn word(self, words: &[&str]) -> Result<usize, Doubt> {
        self.one_of(words, |one, other| one == other)
    }

    fn one_of(self, words: &[&str], same: impl Fn(u8, u8) -> bool) -> Result<usize, Doubt> {
        let mut fits =
            words.iter().filter(|word| self.0.iter().zip(word.bytes()).all(|(&one, other)| same(one, other)));
        let longest = fits.clone().find(|word| word.len() <= self.0.len());
        match (longest, fits.next()) {
            (Some(word), _) => Ok(word.len()),
            (None, Some(_)) => Err(Doubt::Short),
            (None, None) => Err(Doubt::Unfit),
        }
    }

    /// Bytes at the beginning that `belongs` takes, at least one and at most `most`; the one after must have come.
    pub(super) fn run(self, most: usize, belongs: impl Fn(u8) -> bool) -> Result<&'a [u8], Doubt> {
        let length = self.0.iter().position(|&byte| !belongs(byte));
        let so_far = length.unwrap_or(self.0.len());
        must(so_far <= most && length != Some(0))?;
        self.0.get(..length.ok_or(Doubt::Short)?).ok_or(Doubt::Short)
    }

    /// The first line, without its end.
    pub(super) fn line(self) -> Result<&'a [u8], Doubt> {
        let end = memchr::memchr(b'\n', self.0).ok_or(Doubt::Short)?;
        let line = self.0.get(..end).unwrap_or_default();
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }
}
