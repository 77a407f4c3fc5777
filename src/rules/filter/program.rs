//! The code of a filter in one row, and the machine that runs it.
//!
//! Running allocates nothing and ends: jumps lead forward only, and the one statement that loops counts its rounds.

use super::Input;
use super::ast::{Operator, Size};
use super::code::{Block, BlockId, End, Graph, Operand, OwnTest, SLOTS, Stmt, Test};

/// Extension headers that `protochain` follows. A chain of authentication headers may lead back into itself, where libpcap would
/// never return; such a packet is not matched.
const MAX_HEADERS: usize = 256;

#[derive(Debug, Clone, Copy)]
enum Instruction {
    Do(Stmt),
    /// Goes on at one of two places, both behind this one.
    Branch {
        test: Test,
        yes: u32,
        no: u32,
    },
    Return(bool),
}

/// A filter ready to run.
#[derive(Debug)]
pub(super) struct Program {
    instructions: Vec<Instruction>,
    own_tests: Vec<OwnTest>,
}

impl Program {
    /// Accepts every packet.
    pub(super) fn accept_all() -> Self {
        Self { instructions: vec![Instruction::Return(true)], own_tests: Vec::new() }
    }

    /// Puts the blocks of a graph in a row, each before those it leads to.
    pub(super) fn new(graph: Graph) -> Self {
        let mut order = graph.bottom_up();
        order.reverse();
        let mut starts: Vec<u32> = vec![u32::MAX; graph.blocks.len()];
        let mut next = 0u32;
        for &id in &order {
            if let Some(start) = starts.get_mut(id.0) {
                *start = next;
            }
            next += u32::try_from(statements(&graph[id]).count()).unwrap_or(u32::MAX) + 1;
        }
        let start = |id: BlockId| starts.get(id.0).copied().unwrap_or(u32::MAX);
        let mut instructions = Vec::new();
        for &id in &order {
            instructions.extend(statements(&graph[id]).map(Instruction::Do));
            instructions.push(match graph[id].end {
                End::Return(accept) => Instruction::Return(accept),
                End::Branch { test, yes, no } => Instruction::Branch { test, yes: start(yes), no: start(no) },
            });
        }
        Self { instructions, own_tests: graph.own_tests }
    }

    /// Whether the packet is accepted. A load beyond its end and a division by zero reject it.
    #[inline]
    pub(super) fn run(&self, input: &Input<'_>) -> bool {
        self.outcome(input) == Some(true)
    }

    /// What the tests say; `None` if a load beyond the end of the packet or a division by zero cut them short.
    #[inline]
    pub(super) fn outcome(&self, input: &Input<'_>) -> Option<bool> {
        let mut machine = Machine { accumulator: 0, index: 0, slots: [0; SLOTS] };
        let mut at = 0;
        while let Some(instruction) = self.instructions.get(at) {
            match *instruction {
                Instruction::Do(stmt) => {
                    machine.step(stmt, input)?;
                    at += 1;
                }
                Instruction::Branch { test, yes, no } => {
                    let holds = match test {
                        Test::Own(number) => self.own_tests.get(number).is_some_and(|test| test.holds(input.bytes)),
                        test => machine.holds(test),
                    };
                    at = if holds { yes } else { no } as usize;
                }
                Instruction::Return(accept) => return Some(accept),
            }
        }
        None
    }

    pub(super) fn looks_at_payload(&self) -> bool {
        self.own_tests.iter().any(|test| matches!(test, OwnTest::Payload(_)))
    }
}

fn statements(block: &Block) -> impl Iterator<Item = Stmt> {
    block.stmts.iter().copied().filter(|stmt| *stmt != Stmt::Nothing)
}

struct Machine {
    accumulator: u32,
    index: u32,
    slots: [u32; SLOTS],
}

impl Machine {
    #[inline]
    fn holds(&self, test: Test) -> bool {
        let a = self.accumulator;
        match test {
            Test::Equal(operand) => a == self.operand(operand),
            Test::Greater(operand) => a > self.operand(operand),
            Test::GreaterEqual(operand) => a >= self.operand(operand),
            Test::AnyBit(operand) => a & self.operand(operand) != 0,
            // No register says anything about it; the program asks the test itself.
            Test::Own(_) => false,
        }
    }

    #[inline]
    fn operand(&self, operand: Operand) -> u32 {
        match operand {
            Operand::Constant(number) => number,
            Operand::Index => self.index,
        }
    }

    /// `None` rejects the packet.
    #[inline]
    fn step(&mut self, stmt: Stmt, input: &Input<'_>) -> Option<()> {
        match stmt {
            Stmt::Load(size, offset) => self.accumulator = load(input.bytes, size, offset)?,
            Stmt::LoadIndexed(size, offset) => {
                self.accumulator = load(input.bytes, size, self.index.checked_add(offset)?)?;
            }
            Stmt::LoadLength => self.accumulator = u32::try_from(input.wire_len).unwrap_or(u32::MAX),
            Stmt::LoadConstant(number) => self.accumulator = number,
            Stmt::LoadSlot(slot) => self.accumulator = *self.slots.get(slot)?,
            Stmt::IndexConstant(number) => self.index = number,
            Stmt::IndexSlot(slot) => self.index = *self.slots.get(slot)?,
            Stmt::IndexHeaderLength(offset) => self.index = (load(input.bytes, Size::Byte, offset)? & 0xf) << 2,
            Stmt::Store(slot) => *self.slots.get_mut(slot)? = self.accumulator,
            Stmt::Constant(operator, number) => self.accumulator = compute(operator, self.accumulator, number)?,
            Stmt::Indexed(operator) => self.accumulator = compute(operator, self.accumulator, self.index)?,
            Stmt::Negate => self.accumulator = self.accumulator.wrapping_neg(),
            Stmt::ToIndex => self.index = self.accumulator,
            Stmt::FromIndex => self.accumulator = self.index,
            Stmt::WalkHeaders { is_v6, wanted } => self.walk_headers(is_v6, wanted, input.bytes)?,
            Stmt::Nothing => {}
        }
        Some(())
    }

    /// libpcap's walk, header for header: after an authentication header it goes on at the length of that header, not at its end.
    fn walk_headers(&mut self, is_v6: bool, wanted: u32, bytes: &[u8]) -> Option<()> {
        const HOP_BY_HOP: u32 = 0;
        const ROUTING: u32 = 43;
        const FRAGMENT: u32 = 44;
        const AUTHENTICATION: u32 = 51;
        const DESTINATION_OPTIONS: u32 = 60;

        let byte = |offset: u32| load(bytes, Size::Byte, offset);
        let (mut protocol, mut at) = if is_v6 { (byte(6)?, 40) } else { (byte(9)?, (byte(0)? & 0xf) << 2) };
        for _ in 0..MAX_HEADERS {
            (protocol, at) = match protocol {
                HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING | FRAGMENT if is_v6 && protocol != wanted => {
                    (byte(at)?, at + (byte(at.checked_add(1)?)? + 1) * 8)
                }
                AUTHENTICATION if protocol != wanted => (byte(at)?, (byte(at.checked_add(1)?)? + 2) * 4),
                _ => {
                    (self.accumulator, self.index) = (protocol, at);
                    return Some(());
                }
            };
        }
        None
    }
}

/// Bytes in network order; `None` if they are not all there.
#[inline]
fn load(bytes: &[u8], size: Size, offset: u32) -> Option<u32> {
    let rest = bytes.get(offset as usize..)?;
    Some(match size {
        Size::Byte => u32::from(*rest.first()?),
        Size::Half => u32::from(u16::from_be_bytes(*rest.first_chunk()?)),
        Size::Word => u32::from_be_bytes(*rest.first_chunk()?),
    })
}

/// Shifts by 32 and more leave nothing; division by zero rejects.
#[inline]
fn compute(operator: Operator, left: u32, right: u32) -> Option<u32> {
    Some(match operator {
        Operator::Add => left.wrapping_add(right),
        Operator::Subtract => left.wrapping_sub(right),
        Operator::Multiply => left.wrapping_mul(right),
        Operator::Divide => left.checked_div(right)?,
        Operator::Remainder => left.checked_rem(right)?,
        Operator::And => left & right,
        Operator::Or => left | right,
        Operator::Xor => left ^ right,
        Operator::ShiftLeft => left.checked_shl(right).unwrap_or(0),
        Operator::ShiftRight => left.checked_shr(right).unwrap_or(0),
    })
}
