//! A whole small program: what `cat /bin/echo` shows, so that a loader learns the processor.
//!
//! Each is a static executable that really is `echo`: it writes its arguments, with a blank between and a line's end after them.
//! Loaders read `e_ident[EI_DATA]` and `e_machine` (System V ABI, "ELF Header"); the rest is consistent because a careful one looks.

/// The processor of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handlers) enum Architecture {
    /// 32-bit ARM, little endian, EABI 5.
    Arm,
    /// 64-bit ARM, little endian.
    Aarch64,
    /// 32-bit MIPS, big endian.
    Mips,
    /// 32-bit MIPS, little endian.
    Mipsel,
    /// x86 with 64 bits.
    X86,
}

const ARM: &str = "\
    08408de2041094e4000051e30d00000a0020a0e30230d1e7000053e301208212fbffff1a0100a0e30470a0e3000000ef003094e5000053e30200000a2030a0e3\
    060000ebeeffffea0530a0e3053083e2020000eb0000a0e30170a0e3000000ef04302de50d10a0e10120a0e30100a0e30470a0e3000000ef04d08de21eff2fe1";
const AARCH64: &str = "\
    f3430091618640f8c10100b4020080d2236862386300003442040091fdffff17200080d2080880d2010000d4630240f9830000b40304805208000094f2ffff17\
    a30080526314001104000094000080d2a80b80d2010000d4e30f1ff8e1030091220080d2200080d2080880d2010000d4ff430091c0035fd6";
const MIPS: &str = "\
    27b000088e05000010a00011261000040000302500a64021910800001500fffd24c6000124c6ffff2404000124020fa40000000c8e0800001100000500000000\
    04110009240800201000ffee00000000240800050411000425080005\
    24020fa1000020250000000c27bdfff0a3a8000003a02825240600012404000124020fa40000000c03e0000827bd0010";
const X86: &str = "\
    4889e34883c310bd01000000488b334885f6742531d2803c16007404ffc2ebf689e889ef0f054883c30848833b0074096a20e815000000ebd36a0bff0c24e809\
    000000b83c00000031ff0f05488d74240889ea89e889ef0f05c20800";

/// Sections: the empty one, the code, the names.
const NAMES: &[u8] = b"\0.shstrtab\0.text\0";

impl Architecture {
    const fn is_wide(self) -> bool {
        matches!(self, Self::Aarch64 | Self::X86)
    }

    const fn is_big_endian(self) -> bool {
        matches!(self, Self::Mips)
    }

    /// `e_machine`.
    const fn machine(self) -> u16 {
        match self {
            Self::Arm => 40,
            Self::Aarch64 => 183,
            Self::Mips | Self::Mipsel => 8,
            Self::X86 => 62,
        }
    }

    /// `e_flags`: EABI 5 with software floats for ARM, the o32 ABI for MIPS.
    const fn flags(self) -> u32 {
        match self {
            Self::Arm => 0x0500_0200,
            Self::Mips | Self::Mipsel => 0x5000_1001,
            Self::Aarch64 | Self::X86 => 0,
        }
    }

    fn code(self) -> Vec<u8> {
        let text = match self {
            Self::Arm => ARM,
            Self::Aarch64 => AARCH64,
            Self::Mips | Self::Mipsel => MIPS,
            Self::X86 => X86,
        };
        let mut code = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap_or_default();
        if self == Self::Mipsel {
            code.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        }
        code
    }

    /// The executable.
    pub(super) fn echo(self) -> Vec<u8> {
        let code = self.code();
        let (header, program, section) = if self.is_wide() { (64_u64, 56_u64, 64_u16) } else { (52, 32, 40) };
        let base = if self.is_wide() || self == Self::Mips || self == Self::Mipsel { 0x40_0000 } else { 0x1_0000 };
        let start = header + program;
        let names_at = start + code.len() as u64;
        let sections_at = (names_at + NAMES.len() as u64).next_multiple_of(8);
        let mut out = Writer { bytes: Vec::new(), wide: self.is_wide(), big: self.is_big_endian() };

        out.bytes.extend([0x7f, b'E', b'L', b'F', if out.wide { 2 } else { 1 }, if out.big { 2 } else { 1 }, 1]);
        out.bytes.resize(16, 0);
        out.half(2); // ET_EXEC
        out.half(self.machine());
        out.word(1);
        out.address(base + start);
        out.address(header);
        out.address(sections_at);
        out.word(self.flags());
        for size in [u16::try_from(header).unwrap_or(0), u16::try_from(program).unwrap_or(0), 1, section, 3, 2] {
            out.half(size);
        }
        out.segment(base, names_at);
        out.bytes.extend(&code);
        out.bytes.extend(NAMES);
        out.bytes.resize(usize::try_from(sections_at).unwrap_or(0), 0);
        out.bytes.resize(out.bytes.len() + usize::from(section), 0);
        out.section(11, 1, 6, base + start, start, code.len() as u64, 4); // .text: SHT_PROGBITS, allocated and executable
        out.section(1, 3, 0, 0, names_at, NAMES.len() as u64, 1); // .shstrtab: SHT_STRTAB
        out.bytes
    }
}

/// Numbers in the class and byte order of the file.
struct Writer {
    bytes: Vec<u8>,
    wide: bool,
    big: bool,
}

impl Writer {
    fn half(&mut self, n: u16) {
        self.bytes.extend(if self.big { n.to_be_bytes() } else { n.to_le_bytes() });
    }

    fn word(&mut self, n: u32) {
        self.bytes.extend(if self.big { n.to_be_bytes() } else { n.to_le_bytes() });
    }

    fn address(&mut self, n: u64) {
        if self.wide {
            self.bytes.extend(if self.big { n.to_be_bytes() } else { n.to_le_bytes() });
        } else {
            self.word(u32::try_from(n).unwrap_or(u32::MAX));
        }
    }

    /// One PT_LOAD segment, readable and executable; its fields stand in another order in the wide class.
    fn segment(&mut self, base: u64, len: u64) {
        self.word(1);
        if self.wide {
            self.word(5);
        }
        for n in [0, base, base, len, len] {
            self.address(n);
        }
        if !self.wide {
            self.word(5);
        }
        self.address(0x1000);
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a section header, in their order")]
    fn section(&mut self, name: u32, kind: u32, flags: u64, address: u64, offset: u64, len: u64, align: u64) {
        self.word(name);
        self.word(kind);
        for n in [flags, address, offset, len] {
            self.address(n);
        }
        self.word(0);
        self.word(0);
        self.address(align);
        self.address(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Architecture; 5] =
        [Architecture::Arm, Architecture::Aarch64, Architecture::Mips, Architecture::Mipsel, Architecture::X86];

    #[test]
    fn the_header_survives_a_terminal_and_a_telnet_stream() {
        for architecture in ALL {
            let file = architecture.echo();
            assert!(file.len() > 300 && file.len() < 1_024, "{architecture:?}: {}", file.len());
            let header = &file[..52];
            assert!(!header.iter().any(|byte| [b'\n', b'\r', 0xff].contains(byte)), "{architecture:?}: {header:x?}");
            assert_eq!(&header[..4], b"\x7fELF");
        }
    }

    #[test]
    fn machine_and_byte_order_are_what_a_loader_expects() {
        let told = |architecture: Architecture| {
            let file = architecture.echo();
            let machine = [file[18], file[19]];
            (file[5], if file[5] == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) })
        };
        assert_eq!(ALL.map(told), [(1, 40), (1, 183), (2, 8), (1, 8), (1, 62)]);
    }

    #[test]
    fn the_section_table_ends_with_the_file() {
        for architecture in [Architecture::Arm, Architecture::Mipsel] {
            let file = architecture.echo();
            let at = u32::from_le_bytes(file[32..36].try_into().unwrap()) as usize;
            assert_eq!(at + 3 * 40, file.len());
        }
        let file = Architecture::X86.echo();
        let at = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
        assert_eq!(at + 3 * 64, file.len());
    }
}
