//! Code for comparisons of arithmetic.

use super::super::ast::{Arithmetic, Network, Operator, Relation, Size, Step};
use super::super::word::Protocol;
use super::{Code, Generator, Operand, SLOTS, Stmt, Test};

const ICMP6: u32 = 58;
const HEADER6: u32 = 40;
const ICMP6_HEADER: u32 = HEADER6;

/// A value on its way: the code that leaves it in a slot, and the tests under which it exists.
struct Value {
    stmts: Vec<Stmt>,
    slot: usize,
    condition: Option<Code>,
}

impl Generator {
    pub(super) fn take_slot(&mut self) -> Result<usize, String> {
        for _ in 0..SLOTS {
            if let Some(used) = self.slots.get_mut(self.next_slot).filter(|used| !**used) {
                *used = true;
                return Ok(self.next_slot);
            }
            self.next_slot = (self.next_slot + 1) % SLOTS;
        }
        Err(format!("the comparison needs more than {SLOTS} intermediate values"))
    }

    pub(super) fn free_slot(&mut self, slot: usize) {
        if let Some(used) = self.slots.get_mut(slot) {
            *used = false;
        }
    }

    pub(super) fn relation(
        &mut self,
        relation: Relation,
        negated: bool,
        left: &Arithmetic,
        right: &Arithmetic,
    ) -> Result<Code, String> {
        let left = self.value(left)?;
        let right = self.value(right)?;
        let mut stmts = left.stmts;
        stmts.extend(right.stmts);
        stmts.extend([Stmt::IndexSlot(right.slot), Stmt::LoadSlot(left.slot)]);
        let test = match relation {
            Relation::Equal => {
                stmts.push(Stmt::Indexed(Operator::Subtract));
                Test::Equal(Operand::Constant(0))
            }
            Relation::Greater => Test::Greater(Operand::Index),
            Relation::GreaterEqual => Test::GreaterEqual(Operand::Index),
        };
        let holds = self.test(stmts, test);
        let holds = if negated { Self::not(holds) } else { holds };
        self.free_slot(left.slot);
        self.free_slot(right.slot);
        let condition = match (left.condition, right.condition) {
            (Some(first), Some(second)) => Some(self.and(first, second)),
            (first, second) => first.or(second),
        };
        Ok(match condition {
            Some(condition) => self.and(condition, holds),
            None => holds,
        })
    }

    fn value(&mut self, arithmetic: &Arithmetic) -> Result<Value, String> {
        let mut stack: Vec<Value> = Vec::new();
        let underflow = || "the comparison lacks a value".to_owned();
        for step in &arithmetic.steps {
            let value = match *step {
                Step::Constant(number) => self.leaf(Stmt::LoadConstant(number))?,
                Step::Length => self.leaf(Stmt::LoadLength)?,
                Step::Load(protocol, size) => {
                    let offset = stack.pop().ok_or_else(underflow)?;
                    self.accessor(protocol, size, offset)?
                }
                Step::Negate => {
                    let mut value = stack.pop().ok_or_else(underflow)?;
                    value.stmts.extend([Stmt::LoadSlot(value.slot), Stmt::Negate, Stmt::Store(value.slot)]);
                    value
                }
                Step::Binary(operator) => {
                    let right = stack.pop().ok_or_else(underflow)?;
                    let left = stack.pop().ok_or_else(underflow)?;
                    self.binary(operator, left, right)?
                }
            };
            stack.push(value);
        }
        stack.pop().ok_or_else(underflow)
    }

    fn leaf(&mut self, load: Stmt) -> Result<Value, String> {
        let slot = self.take_slot()?;
        Ok(Value { stmts: vec![load, Stmt::Store(slot)], slot, condition: None })
    }

    /// The tests of the right side are dropped, as libpcap drops them: `1 + udp[0] = 1` reads that byte in packets of any protocol.
    fn binary(&mut self, operator: Operator, left: Value, right: Value) -> Result<Value, String> {
        // Only what the right side begins with is looked at, as in libpcap.
        match (operator, right.stmts.first()) {
            (Operator::Divide, Some(Stmt::LoadConstant(0))) => return Err("division by zero".to_owned()),
            (Operator::Remainder, Some(Stmt::LoadConstant(0))) => return Err("modulus by zero".to_owned()),
            (Operator::ShiftLeft | Operator::ShiftRight, Some(Stmt::LoadConstant(32..))) => {
                return Err("shift by more than 31 bits".to_owned());
            }
            _ => {}
        }
        let mut stmts = left.stmts;
        stmts.extend(right.stmts);
        stmts.extend([Stmt::IndexSlot(right.slot), Stmt::LoadSlot(left.slot), Stmt::Indexed(operator)]);
        self.free_slot(left.slot);
        self.free_slot(right.slot);
        let slot = self.take_slot()?;
        stmts.push(Stmt::Store(slot));
        Ok(Value { stmts, slot, condition: left.condition })
    }

    fn accessor(&mut self, protocol: Protocol, size: Size, offset: Value) -> Result<Value, String> {
        let slot = self.take_slot()?;
        self.free_slot(offset.slot);
        let Value { mut stmts, slot: offset_slot, condition } = offset;
        let condition = match protocol {
            Protocol::Icmp6 => {
                stmts.extend([Stmt::IndexSlot(offset_slot), Stmt::LoadIndexed(size, ICMP6_HEADER)]);
                let is_ip6 = self.network(Network::Ip6);
                let is_ip6 = self.both(condition, is_ip6);
                let is_icmp6 = self.next_header_is(ICMP6);
                self.and(is_ip6, is_icmp6)
            }
            Protocol::Tcp
            | Protocol::Udp
            | Protocol::Sctp
            | Protocol::Icmp
            | Protocol::Igmp
            | Protocol::Igrp
            | Protocol::Pim
            | Protocol::Vrrp => {
                stmts.extend([
                    Stmt::IndexHeaderLength(0),
                    Stmt::LoadSlot(offset_slot),
                    Stmt::Indexed(Operator::Add),
                    Stmt::ToIndex,
                    Stmt::LoadIndexed(size, 0),
                ]);
                let carries = self.protocol(protocol);
                let first_fragment = self.is_first_fragment();
                let carries = self.and(carries, first_fragment);
                let carries = self.both(condition, carries);
                let is_ip = self.network(Network::Ip);
                self.and(is_ip, carries)
            }
            _ => {
                stmts.extend([Stmt::IndexSlot(offset_slot), Stmt::LoadIndexed(size, 0)]);
                let is_there = self.protocol(protocol);
                self.both(condition, is_there)
            }
        };
        stmts.push(Stmt::Store(slot));
        Ok(Value { stmts, slot, condition: Some(condition) })
    }

    fn both(&mut self, first: Option<Code>, second: Code) -> Code {
        match first {
            Some(first) => self.and(first, second),
            None => second,
        }
    }
}
