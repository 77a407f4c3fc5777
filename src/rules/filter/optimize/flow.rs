//! What the shape of the graph says: levels, dominators, predecessors, and which registers are still needed.

use super::super::code::{Block, BlockId, End, Operand, Stmt};
use super::value::{ACCUMULATOR, INDEX};
use super::{Edge, Optimizer};

/// Which registers (a bit each) a block needs from before, and which are needed behind it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Liveness {
    before: u32,
    pub(super) after: u32,
    /// Set by the block before it needs them.
    killed: u32,
}

impl Liveness {
    /// Whether a register is needed behind the block.
    pub(super) const fn is_needed_after(self, register: usize) -> bool {
        self.after >> register & 1 == 1
    }
}

/// The registers that a statement needs; twice the same if it is one.
pub(super) fn needs(stmt: Stmt) -> Option<(usize, usize)> {
    let register = match stmt {
        Stmt::LoadIndexed(..) | Stmt::FromIndex => INDEX,
        Stmt::LoadSlot(slot) | Stmt::IndexSlot(slot) => slot,
        Stmt::Store(_) | Stmt::Constant(..) | Stmt::Negate | Stmt::ToIndex => ACCUMULATOR,
        Stmt::Indexed(_) => return Some((ACCUMULATOR, INDEX)),
        Stmt::Load(..)
        | Stmt::LoadLength
        | Stmt::LoadConstant(_)
        | Stmt::IndexConstant(_)
        | Stmt::IndexHeaderLength(_)
        | Stmt::WalkHeaders { .. }
        | Stmt::Nothing => return None,
    };
    Some((register, register))
}

/// The register that a statement sets.
pub(super) const fn sets(stmt: Stmt) -> Option<usize> {
    match stmt {
        Stmt::Load(..)
        | Stmt::LoadIndexed(..)
        | Stmt::LoadLength
        | Stmt::LoadConstant(_)
        | Stmt::LoadSlot(_)
        | Stmt::Constant(..)
        | Stmt::Indexed(_)
        | Stmt::Negate
        | Stmt::FromIndex
        | Stmt::WalkHeaders { .. } => Some(ACCUMULATOR),
        Stmt::IndexConstant(_) | Stmt::IndexSlot(_) | Stmt::IndexHeaderLength(_) | Stmt::ToIndex => Some(INDEX),
        Stmt::Store(slot) => Some(slot),
        Stmt::Nothing => None,
    }
}

/// The registers that the end of a block needs.
pub(super) const fn end_needs(end: End) -> Option<(usize, usize)> {
    let End::Branch { test, .. } = end else { return None };
    match test.operand() {
        Some(Operand::Constant(_)) => Some((ACCUMULATOR, ACCUMULATOR)),
        Some(Operand::Index) => Some((ACCUMULATOR, INDEX)),
        None => None,
    }
}

/// What a block needs and sets by itself.
fn local_liveness(block: &Block) -> Liveness {
    let (mut needed, mut set, mut killed) = (0u32, 0u32, 0u32);
    let mut need = |registers: Option<(usize, usize)>, set: u32| {
        if let Some((first, second)) = registers {
            needed |= (1 << first | 1 << second) & !set;
        }
        needed
    };
    for &stmt in &block.stmts {
        let needed = need(needs(stmt), set);
        if let Some(register) = sets(stmt) {
            killed |= (1 << register) & !needed;
            set |= 1 << register;
        }
    }
    let before = need(end_needs(block.end), set);
    Liveness { before, after: 0, killed }
}

impl Optimizer<'_> {
    /// Puts the blocks in levels by their longest way to a return.
    pub(super) fn find_levels(&mut self) {
        let mut entered = vec![false; self.facts.len()];
        self.levels.clear();
        let mut stack = vec![(self.graph.root, false)];
        while let Some((id, successors_done)) = stack.pop() {
            if successors_done {
                let below = |yes| self.target(Edge { from: id, yes }).map(|target| self.facts(target).level);
                let level = below(true).max(below(false)).map_or(0, |level| level + 1);
                self.finish(id, level);
                continue;
            }
            let Some(entered @ false) = entered.get_mut(id.0) else { continue };
            *entered = true;
            stack.push((id, true));
            if let End::Branch { yes, no, .. } = self.graph[id].end {
                stack.extend([(no, false), (yes, false)]);
            }
        }
        self.levels.iter_mut().for_each(|level| level.reverse());
    }

    fn finish(&mut self, id: BlockId, level: usize) {
        self.facts_mut(id).level = level;
        if self.levels.len() <= level {
            self.levels.resize(level + 1, Vec::new());
        }
        if let Some(level) = self.levels.get_mut(level) {
            level.push(id);
        }
    }

    pub(super) fn find_dominators(&mut self) {
        self.dominators.fill();
        self.dominators.clear_row(self.graph.root.0);
        for &id in self.levels.iter().rev().flatten() {
            self.dominators.insert(id.0, id.0);
            if let End::Branch { yes, no, .. } = self.graph[id].end {
                self.dominators.intersect(yes.0, id.0);
                self.dominators.intersect(no.0, id.0);
            }
        }
    }

    pub(super) fn find_edge_dominators(&mut self) {
        self.edge_dominators.fill();
        for yes in [true, false] {
            let number = self.edge_number(Edge { from: self.graph.root, yes });
            self.edge_dominators.clear_row(number);
        }
        let edges = self.levels.iter().rev().flatten().flat_map(|&from| [true, false].map(|yes| Edge { from, yes }));
        for edge in edges.collect::<Vec<_>>() {
            let number = self.edge_number(edge);
            self.edge_dominators.insert(number, number);
            let Some(target) = self.target(edge) else { continue };
            for yes in [true, false] {
                let behind = self.edge_number(Edge { from: target, yes });
                self.edge_dominators.intersect(behind, number);
            }
        }
    }

    pub(super) fn find_liveness(&mut self) {
        let bottom_up: Vec<BlockId> = self.levels.iter().flatten().copied().collect();
        for &id in &bottom_up {
            self.facts_mut(id).live = local_liveness(&self.graph[id]);
        }
        for &id in &bottom_up {
            if let End::Branch { yes, no, .. } = self.graph[id].end {
                let after = self.facts(yes).live.before | self.facts(no).live.before;
                let live = &mut self.facts_mut(id).live;
                live.after = after;
                live.before |= after & !live.killed;
            }
        }
    }

    pub(super) fn find_in_edges(&mut self) {
        self.facts.iter_mut().for_each(|facts| facts.in_edges.clear());
        let edges =
            self.levels.iter().skip(1).rev().flatten().flat_map(|&from| [true, false].map(|yes| Edge { from, yes }));
        for edge in edges.collect::<Vec<_>>() {
            if let Some(target) = self.target(edge) {
                self.facts_mut(target).in_edges.push(edge);
            }
        }
        self.facts.iter_mut().for_each(|facts| facts.in_edges.reverse());
    }
}
