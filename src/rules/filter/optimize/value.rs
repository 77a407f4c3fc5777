//! Value numbering: registers that surely hold the same value carry the same number.

use std::collections::HashMap;

use super::super::ast::{Operator, Size};
use super::super::code::{BlockId, End, Operand, SLOTS, Stmt};
use super::{Impossible, Optimizer};

/// Registers: the slots, then A and X.
pub(super) const ACCUMULATOR: usize = SLOTS;
pub(super) const INDEX: usize = SLOTS + 1;
pub(super) const REGISTERS: usize = SLOTS + 2;

/// A number for a value, whatever that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Value(u32);

impl Value {
    /// Nothing is known. Two unknown values compare equal, here as in libpcap.
    pub(super) const UNKNOWN: Self = Self(0);
}

/// The values of all registers at one point.
#[derive(Debug, Clone, Default)]
pub(super) struct Registers([Value; REGISTERS]);

impl Registers {
    pub(super) fn accumulator(&self) -> Value {
        self.at(ACCUMULATOR)
    }

    pub(super) fn index(&self) -> Value {
        self.at(INDEX)
    }

    pub(super) fn at(&self, register: usize) -> Value {
        self.0.get(register).copied().unwrap_or_default()
    }

    fn set(&mut self, register: usize, value: Value) {
        if let Some(slot) = self.0.get_mut(register) {
            *slot = value;
        }
    }

    /// Forgets what is different in `other`.
    pub(super) fn keep_common(&mut self, other: &Self) {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            if *ours != theirs {
                *ours = Value::UNKNOWN;
            }
        }
    }
}

/// How a value comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    Constant(u32),
    Load(Size, u32),
    LoadIndexed(Size, u32, Value),
    Length,
    HeaderLength(u32),
    Negated(Value),
    WithConstant(Operator, Value, Value),
    WithIndex(Operator, Value, Value),
}

/// All values of a pass.
#[derive(Debug, Default)]
pub(super) struct ValueTable {
    known: HashMap<Origin, Value>,
    /// By value number, from 1.
    constants: Vec<Option<u32>>,
}

impl ValueTable {
    /// Forgets all values; their numbers begin anew.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.constants.clear();
    }

    fn number(&mut self, origin: Origin) -> Value {
        let next = Value(u32::try_from(self.constants.len()).unwrap_or(u32::MAX).saturating_add(1));
        let value = *self.known.entry(origin).or_insert(next);
        if value == next {
            self.constants.push(match origin {
                Origin::Constant(constant) => Some(constant),
                _ => None,
            });
        }
        value
    }

    pub(super) fn constant(&mut self, constant: u32) -> Value {
        self.number(Origin::Constant(constant))
    }

    /// The constant that a value is.
    pub(super) fn as_constant(&self, value: Value) -> Option<u32> {
        let index = (value.0 as usize).checked_sub(1)?;
        self.constants.get(index).copied().flatten()
    }

    /// Follows a statement; if `alter`, replaces it by a cheaper one. Says whether another pass is worth it for that.
    pub(super) fn evaluate(
        &mut self,
        stmt: &mut Stmt,
        registers: &mut Registers,
        alter: bool,
    ) -> Result<bool, Impossible> {
        let (a, x) = (registers.accumulator(), registers.index());
        let mut rewritten = false;
        let (register, value) = match *stmt {
            Stmt::Load(size, offset) => (ACCUMULATOR, self.number(Origin::Load(size, offset))),
            Stmt::LoadIndexed(size, offset) => match self.as_constant(x) {
                Some(index) if alter => {
                    let offset = offset.wrapping_add(index);
                    *stmt = Stmt::Load(size, offset);
                    rewritten = true;
                    (ACCUMULATOR, self.number(Origin::Load(size, offset)))
                }
                _ => (ACCUMULATOR, self.number(Origin::LoadIndexed(size, offset, x))),
            },
            Stmt::LoadLength => (ACCUMULATOR, self.number(Origin::Length)),
            Stmt::LoadConstant(constant) => (ACCUMULATOR, self.constant(constant)),
            Stmt::IndexConstant(constant) => (INDEX, self.constant(constant)),
            Stmt::IndexHeaderLength(offset) => (INDEX, self.number(Origin::HeaderLength(offset))),
            Stmt::FromIndex => (ACCUMULATOR, x),
            Stmt::ToIndex => (INDEX, a),
            Stmt::Store(slot) => (slot, a),
            Stmt::LoadSlot(slot) => {
                let value = registers.at(slot);
                if let Some(constant) = self.as_constant(value).filter(|_| alter) {
                    *stmt = Stmt::LoadConstant(constant);
                    rewritten = true;
                }
                (ACCUMULATOR, value)
            }
            Stmt::IndexSlot(slot) => {
                let value = registers.at(slot);
                if let Some(constant) = self.as_constant(value).filter(|_| alter) {
                    *stmt = Stmt::IndexConstant(constant);
                    rewritten = true;
                }
                (INDEX, value)
            }
            Stmt::Negate | Stmt::Constant(..) | Stmt::Indexed(_) => {
                return self.evaluate_arithmetic(stmt, registers, alter);
            }
            // Graphs with opaque statements are not optimized.
            Stmt::WalkHeaders { .. } | Stmt::Nothing => return Ok(false),
        };
        if alter && value != Value::UNKNOWN && registers.at(register) == value {
            *stmt = Stmt::Nothing;
        } else {
            registers.set(register, value);
        }
        Ok(rewritten)
    }

    fn evaluate_arithmetic(
        &mut self,
        stmt: &mut Stmt,
        registers: &mut Registers,
        alter: bool,
    ) -> Result<bool, Impossible> {
        let (a, x) = (registers.accumulator(), registers.index());
        match *stmt {
            Stmt::Negate => {
                let value = match self.as_constant(a).filter(|_| alter) {
                    Some(constant) => {
                        *stmt = Stmt::LoadConstant(constant.wrapping_neg());
                        self.constant(constant.wrapping_neg())
                    }
                    None => self.number(Origin::Negated(a)),
                };
                registers.set(ACCUMULATOR, value);
                Ok(false)
            }
            Stmt::Constant(operator, constant) if alter => {
                self.simplify_with_constant(stmt, operator, constant, registers)
            }
            Stmt::Constant(operator, constant) => {
                let right = self.constant(constant);
                registers.set(ACCUMULATOR, self.number(Origin::WithConstant(operator, a, right)));
                Ok(false)
            }
            Stmt::Indexed(operator) if alter => self.simplify_with_index(stmt, operator, registers),
            Stmt::Indexed(operator) => {
                registers.set(ACCUMULATOR, self.number(Origin::WithIndex(operator, a, x)));
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// A op constant.
    fn simplify_with_constant(
        &mut self,
        stmt: &mut Stmt,
        operator: Operator,
        constant: u32,
        registers: &mut Registers,
    ) -> Result<bool, Impossible> {
        let a = registers.accumulator();
        if constant == 0 {
            match operator {
                Operator::Add | Operator::ShiftLeft | Operator::ShiftRight | Operator::Or | Operator::Xor => {
                    *stmt = Stmt::Nothing;
                    return Ok(false);
                }
                Operator::Multiply | Operator::And => {
                    *stmt = Stmt::LoadConstant(0);
                    registers.set(ACCUMULATOR, self.constant(0));
                    return Ok(false);
                }
                Operator::Divide => return Err(DIVISION_BY_ZERO),
                Operator::Remainder => return Err(MODULUS_BY_ZERO),
                // Left for the comparison behind it to take in.
                Operator::Subtract => {}
            }
        }
        if let Some(left) = self.as_constant(a) {
            let result = fold(operator, left, constant)?;
            *stmt = Stmt::LoadConstant(result);
            registers.set(ACCUMULATOR, self.constant(result));
            return Ok(true);
        }
        let right = self.constant(constant);
        registers.set(ACCUMULATOR, self.number(Origin::WithConstant(operator, a, right)));
        Ok(false)
    }

    /// A op X.
    fn simplify_with_index(
        &mut self,
        stmt: &mut Stmt,
        operator: Operator,
        registers: &mut Registers,
    ) -> Result<bool, Impossible> {
        let (a, x) = (registers.accumulator(), registers.index());
        let left = self.as_constant(a);
        if let Some(right) = self.as_constant(x) {
            let value = match left {
                Some(left) => {
                    let result = fold(operator, left, right)?;
                    *stmt = Stmt::LoadConstant(result);
                    self.constant(result)
                }
                None => {
                    if matches!(operator, Operator::ShiftLeft | Operator::ShiftRight) && right > 31 {
                        return Err("shift by more than 31 bits");
                    }
                    *stmt = Stmt::Constant(operator, right);
                    let right = self.constant(right);
                    self.number(Origin::WithConstant(operator, a, right))
                }
            };
            registers.set(ACCUMULATOR, value);
            return Ok(true);
        }
        let simpler = match (left, operator) {
            (Some(0), Operator::Add | Operator::Or | Operator::Xor) => Some((Stmt::FromIndex, x)),
            (Some(0), Operator::Subtract) | (Some(1..) | None, _) => None,
            (Some(0), _) => Some((Stmt::LoadConstant(0), self.constant(0))),
        };
        match simpler {
            Some((_, value)) if value != Value::UNKNOWN && value == a => *stmt = Stmt::Nothing,
            Some((simpler, value)) => {
                *stmt = simpler;
                registers.set(ACCUMULATOR, value);
            }
            None => registers.set(ACCUMULATOR, self.number(Origin::WithIndex(operator, a, x))),
        }
        Ok(false)
    }
}

const DIVISION_BY_ZERO: Impossible = "division by zero";
const MODULUS_BY_ZERO: Impossible = "modulus by zero";

fn fold(operator: Operator, left: u32, right: u32) -> Result<u32, Impossible> {
    Ok(match operator {
        Operator::Add => left.wrapping_add(right),
        Operator::Subtract => left.wrapping_sub(right),
        Operator::Multiply => left.wrapping_mul(right),
        Operator::Divide => left.checked_div(right).ok_or(DIVISION_BY_ZERO)?,
        Operator::Remainder => left.checked_rem(right).ok_or(MODULUS_BY_ZERO)?,
        Operator::And => left & right,
        Operator::Or => left | right,
        Operator::Xor => left ^ right,
        Operator::ShiftLeft => left.checked_shl(right).unwrap_or(0),
        Operator::ShiftRight => left.checked_shr(right).unwrap_or(0),
    })
}

impl Optimizer<'_> {
    /// The value that the end of a block compares A with.
    pub(super) fn operand_value(&mut self, id: BlockId) -> Value {
        let End::Branch { test, .. } = self.graph[id].end else { return Value::UNKNOWN };
        match test.operand() {
            Some(Operand::Constant(constant)) => self.values.constant(constant),
            Some(Operand::Index) => self.facts(id).values.index(),
            None => Value::UNKNOWN,
        }
    }
}
