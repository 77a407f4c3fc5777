//! Rewritings of neighbouring statements, and of a block's test together with the statement before it.

use super::super::ast::Operator;
use super::super::code::{Block, BlockId, End, Operand, Stmt, Test};
use super::flow::{end_needs, needs, sets};
use super::value::{ACCUMULATOR, INDEX, REGISTERS};
use super::{Optimizer, next_stmt};

impl Optimizer<'_> {
    pub(super) fn peephole(&mut self, id: BlockId) {
        let x_is_needed = self.facts(id).live.is_needed_after(INDEX);
        let block = &mut self.graph[id];
        // A block without statements keeps its test as it is.
        if block.stmts.is_empty() {
            return;
        }
        let (last, rewritten) = rewrite_neighbours(&mut block.stmts, x_is_needed);
        self.note(rewritten);
        self.take_into_test(id, last);
        self.decide_bit_test(id);
        self.decide_test(id);
    }

    /// Takes the last statement into the test, if that is an equality and nobody needs A behind it.
    fn take_into_test(&mut self, id: BlockId, last: usize) {
        let index = self.values.as_constant(self.facts(id).values.index());
        let a_is_needed = self.facts(id).live.is_needed_after(ACCUMULATOR);
        let Block { stmts, end } = &mut self.graph[id];
        let End::Branch { test, yes, no } = end else { return };
        let (Test::Equal(Operand::Constant(constant)), false) = (*test, a_is_needed) else { return };
        let Some(last) = stmts.get_mut(last) else { return };
        match (*last, index) {
            (Stmt::Indexed(Operator::Subtract), Some(index)) => {
                *test = Test::Equal(Operand::Constant(constant.wrapping_add(index)));
            }
            (Stmt::Indexed(Operator::Subtract), None) if constant == 0 => *test = Test::Equal(Operand::Index),
            (Stmt::Constant(Operator::Subtract, minus), _) => {
                *test = Test::Equal(Operand::Constant(constant.wrapping_add(minus)));
            }
            (Stmt::Constant(Operator::And, mask), _) if constant == 0 => {
                *test = Test::AnyBit(Operand::Constant(mask));
                std::mem::swap(yes, no);
            }
            _ => return,
        }
        *last = Stmt::Nothing;
        self.note(true);
    }

    /// No bit of 0 is ever set. That some bit is set among all is taken for granted by libpcap, even of 0.
    fn decide_bit_test(&mut self, id: BlockId) {
        if let End::Branch { test: Test::AnyBit(Operand::Constant(mask)), yes, no } = &mut self.graph[id].end {
            match *mask {
                0 => *yes = *no,
                u32::MAX => *no = *yes,
                _ => {}
            }
        }
    }

    /// Puts in constants for X and A where they are known.
    fn decide_test(&mut self, id: BlockId) {
        let values = &self.facts(id).values;
        let a = self.values.as_constant(values.accumulator());
        let x = self.values.as_constant(values.index());
        let End::Branch { test, yes, no } = &mut self.graph[id].end else { return };
        if let (Some(x), Some(Operand::Index)) = (x, test.operand()) {
            *test = test.with(Operand::Constant(x));
        }
        let Some(a) = a else { return };
        let holds = match *test {
            Test::Equal(Operand::Constant(constant)) => a == constant,
            Test::Greater(Operand::Constant(constant)) => a > constant,
            Test::GreaterEqual(Operand::Constant(constant)) => a >= constant,
            Test::AnyBit(Operand::Constant(constant)) => a & constant != 0,
            _ => return,
        };
        let were_apart = yes != no;
        if holds {
            *no = *yes;
        } else {
            *yes = *no;
        }
        self.note(were_apart);
    }

    /// Removes statements whose results nobody uses, loads among them.
    pub(super) fn drop_dead_stores(&mut self, id: BlockId) {
        let after = self.facts(id).live;
        let Block { stmts, end } = &mut self.graph[id];
        // For each register, the statement that set it and has not been used since.
        let mut unused: [Option<usize>; REGISTERS] = [None; REGISTERS];
        let mut dead = Vec::new();
        for (at, &stmt) in stmts.iter().enumerate() {
            clear(&mut unused, needs(stmt));
            if let Some(unused) = sets(stmt).and_then(|register| unused.get_mut(register)) {
                dead.extend(unused.replace(at));
            }
        }
        clear(&mut unused, end_needs(*end));
        let never_used = unused.iter().enumerate().filter(|(register, _)| !after.is_needed_after(*register));
        dead.extend(never_used.filter_map(|(_, at)| *at));
        for &at in &dead {
            if let Some(stmt) = stmts.get_mut(at) {
                *stmt = Stmt::Nothing;
            }
        }
        self.note(!dead.is_empty());
    }
}

fn clear(unused: &mut [Option<usize>; REGISTERS], registers: Option<(usize, usize)>) {
    let Some((first, second)) = registers else { return };
    for register in [first, second] {
        if let Some(unused) = unused.get_mut(register) {
            *unused = None;
        }
    }
}

/// Rewrites pairs of statements; the last statement of a pair, and whether anything was rewritten. With fewer than two statements
/// that do something there is no pair, and "the last" is the first of the list, whatever it is: so in libpcap.
fn rewrite_neighbours(stmts: &mut [Stmt], x_is_needed: bool) -> (usize, bool) {
    let (mut last, mut rewritten) = (0, false);
    let mut at = 0;
    while let Some(first) = next_stmt(stmts, at) {
        let Some(second) = next_stmt(stmts, first + 1) else { break };
        last = second;
        rewritten |= rewrite_pair(stmts, first, second);
        if !x_is_needed {
            rewritten |= take_offset_into_load(stmts, first, second);
        }
        at = second;
    }
    (last, rewritten)
}

fn rewrite_pair(stmts: &mut [Stmt], first: usize, second: usize) -> bool {
    let (before, after) = match (stmts.get(first), stmts.get(second)) {
        (Some(&Stmt::Store(to)), Some(&Stmt::IndexSlot(from))) if to == from => (Stmt::Store(to), Stmt::ToIndex),
        (Some(&Stmt::LoadConstant(constant)), Some(&Stmt::ToIndex)) => (Stmt::IndexConstant(constant), Stmt::FromIndex),
        _ => return false,
    };
    if let Some(stmt) = stmts.get_mut(first) {
        *stmt = before;
    }
    if let Some(stmt) = stmts.get_mut(second) {
        *stmt = after;
    }
    true
}

/// `A = k; [X = header length;] A += X; X = A; A = bytes at X + n` becomes `[X = header length;] A = bytes at X + k + n`: what
/// `tcp[k]` is made of. An X needed behind the block forbids it, for it is no longer the same.
fn take_offset_into_load(stmts: &mut [Stmt], first: usize, second: usize) -> bool {
    let Some(&Stmt::LoadConstant(constant)) = stmts.get(first) else { return false };
    let add = match stmts.get(second) {
        Some(Stmt::IndexHeaderLength(_)) => next_stmt(stmts, second + 1),
        _ => Some(second),
    };
    let Some(add) = add.filter(|&at| stmts.get(at) == Some(&Stmt::Indexed(Operator::Add))) else { return false };
    let to_index = next_stmt(stmts, add + 1).filter(|&at| stmts.get(at) == Some(&Stmt::ToIndex));
    let Some(to_index) = to_index else { return false };
    let Some(load) = next_stmt(stmts, to_index + 1) else { return false };
    let Some(&Stmt::LoadIndexed(size, offset)) = stmts.get(load) else { return false };
    replace(stmts, load, Stmt::LoadIndexed(size, offset.wrapping_add(constant)));
    for at in [first, add, to_index] {
        replace(stmts, at, Stmt::Nothing);
    }
    true
}

fn replace(stmts: &mut [Stmt], at: usize, with: Stmt) {
    if let Some(stmt) = stmts.get_mut(at) {
        *stmt = with;
    }
}
