//! What the binary protocol can ask for, and how it ends.

use super::store::Mode;

/// Response statuses (protocol-binary.xml, "Response Status") and memcached's texts for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    NotFound = 0x01,
    Exists = 0x02,
    TooLarge = 0x03,
    Invalid = 0x04,
    NotStored = 0x05,
    NotNumeric = 0x06,
    Unknown = 0x81,
    NoMemory = 0x82,
}

impl Status {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Exists => "Data exists for key.",
            Self::TooLarge => "Too large.",
            Self::Invalid => "Invalid arguments",
            Self::NotStored => "Not stored.",
            Self::NotNumeric => "Non-numeric server-side value for incr or decr",
            Self::Unknown => "Unknown command",
            Self::NoMemory => "Out of memory",
        }
    }
}

/// What an opcode asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Get { key_back: bool, touches: bool },
    Store(Mode),
    Delete,
    Count { up: bool },
    Quit,
    Flush,
    Noop,
    Version,
    Stat,
    Verbosity,
    Touch,
    SaslList,
    SaslAuth,
    Other,
}

/// Name, meaning and quietness of an opcode.
pub(super) fn operation(opcode: u8) -> (&'static str, Operation, bool) {
    use Operation as O;
    let get = |key_back, touches| O::Get { key_back, touches };
    match opcode {
        0x00 => ("GET", get(false, false), false),
        0x01 => ("SET", O::Store(Mode::Set), false),
        0x02 => ("ADD", O::Store(Mode::Add), false),
        0x03 => ("REPLACE", O::Store(Mode::Replace), false),
        0x04 => ("DELETE", O::Delete, false),
        0x05 => ("INCREMENT", O::Count { up: true }, false),
        0x06 => ("DECREMENT", O::Count { up: false }, false),
        0x07 => ("QUIT", O::Quit, false),
        0x08 => ("FLUSH", O::Flush, false),
        0x09 => ("GETQ", get(false, false), true),
        0x0a => ("NOOP", O::Noop, false),
        0x0b => ("VERSION", O::Version, false),
        0x0c => ("GETK", get(true, false), false),
        0x0d => ("GETKQ", get(true, false), true),
        0x0e => ("APPEND", O::Store(Mode::Append), false),
        0x0f => ("PREPEND", O::Store(Mode::Prepend), false),
        0x10 => ("STAT", O::Stat, false),
        0x11 => ("SETQ", O::Store(Mode::Set), true),
        0x12 => ("ADDQ", O::Store(Mode::Add), true),
        0x13 => ("REPLACEQ", O::Store(Mode::Replace), true),
        0x14 => ("DELETEQ", O::Delete, true),
        0x15 => ("INCREMENTQ", O::Count { up: true }, true),
        0x16 => ("DECREMENTQ", O::Count { up: false }, true),
        0x17 => ("QUITQ", O::Quit, true),
        0x18 => ("FLUSHQ", O::Flush, true),
        0x19 => ("APPENDQ", O::Store(Mode::Append), true),
        0x1a => ("PREPENDQ", O::Store(Mode::Prepend), true),
        0x1b => ("VERBOSITY", O::Verbosity, false),
        0x1c => ("TOUCH", O::Touch, false),
        0x1d => ("GAT", get(false, true), false),
        0x1e => ("GATQ", get(false, true), true),
        0x20 => ("SASL_LIST_MECHS", O::SaslList, false),
        0x21 => ("SASL_AUTH", O::SaslAuth, false),
        0x22 => ("SASL_STEP", O::SaslAuth, false),
        0x23 => ("GATK", get(true, true), false),
        0x24 => ("GATKQ", get(true, true), true),
        _ => ("UNKNOWN", O::Other, false),
    }
}
