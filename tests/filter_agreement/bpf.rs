//! A machine for the programs that `tcpdump -ddd` prints, after libpcap's bpf_filter.c.

pub(crate) struct Program(Vec<Instruction>);

#[derive(Clone, Copy)]
struct Instruction {
    code: u16,
    yes: usize,
    no: usize,
    k: u32,
}

/// Rounds after which a program is taken to run for ever.
const MAX_STEPS: usize = 20_000;

impl Program {
    /// Reads a line with the number of instructions, then `code jt jf k` in decimal.
    pub(crate) fn parse(text: &str) -> Self {
        let instruction = |line: &str| {
            let fields: Vec<u32> = line.split(' ').map(|field| field.parse().unwrap()).collect();
            Instruction { code: fields[0] as u16, yes: fields[1] as usize, no: fields[2] as usize, k: fields[3] }
        };
        let instructions: Vec<Instruction> = text.lines().skip(1).map(instruction).collect();
        assert_eq!(text.lines().next().unwrap().parse(), Ok(instructions.len()));
        Self(instructions)
    }

    pub(crate) fn run(&self, packet: &[u8], wire_len: u32) -> bool {
        let (mut a, mut x, mut memory, mut pc) = (0u32, 0u32, [0u32; 16], 0usize);
        for _ in 0..MAX_STEPS {
            let Instruction { code, yes, no, k } = self.0[pc];
            pc += 1;
            let class = code & 7;
            match class {
                0 | 1 => {
                    let Some(value) = load(code, k, x, &memory, packet, wire_len) else { return false };
                    *(if class == 0 { &mut a } else { &mut x }) = value;
                }
                2 => memory[k as usize] = a,
                3 => memory[k as usize] = x,
                4 => {
                    let operand = if code & 8 != 0 { x } else { k };
                    let Some(value) = compute(code & 0xf0, a, operand) else { return false };
                    a = value;
                }
                5 => {
                    let operand = if code & 8 != 0 { x } else { k };
                    pc = match code & 0xf0 {
                        0x00 => pc.wrapping_add_signed(k as i32 as isize),
                        0x10 => pc + if a == operand { yes } else { no },
                        0x20 => pc + if a > operand { yes } else { no },
                        0x30 => pc + if a >= operand { yes } else { no },
                        _ => pc + if a & operand != 0 { yes } else { no },
                    };
                }
                6 => return k != 0,
                _ if code & 0xf8 == 0 => x = a,
                _ => a = x,
            }
        }
        false
    }
}

fn load(code: u16, k: u32, x: u32, memory: &[u32; 16], packet: &[u8], wire_len: u32) -> Option<u32> {
    let at = |offset: u32| {
        let size = [4, 2, 1][usize::from(code >> 3 & 3)];
        let bytes = packet.get(offset as usize..)?.get(..size)?;
        Some(bytes.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    };
    match code & 0xe0 {
        0x00 => Some(k),
        0x20 => at(k),
        0x40 => at(x.checked_add(k)?),
        0x60 => Some(memory[k as usize]),
        0x80 => Some(wire_len),
        _ => Some((u32::from(*packet.get(k as usize)?) & 0xf) << 2),
    }
}

fn compute(op: u16, a: u32, operand: u32) -> Option<u32> {
    Some(match op {
        0x00 => a.wrapping_add(operand),
        0x10 => a.wrapping_sub(operand),
        0x20 => a.wrapping_mul(operand),
        0x30 => a.checked_div(operand)?,
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a.checked_shl(operand).unwrap_or(0),
        0x70 => a.checked_shr(operand).unwrap_or(0),
        0x80 => a.wrapping_neg(),
        0x90 => a.checked_rem(operand)?,
        _ => a ^ operand,
    })
}
