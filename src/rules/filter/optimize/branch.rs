//! Where branches lead: edges that skip tests already decided, and tests moved up to their like.

use super::super::code::{BlockId, End, Operand, Test};
use super::value::REGISTERS;
use super::{Edge, Optimizer};

impl Optimizer<'_> {
    /// Leads an edge past tests whose outcome is known on the way that it is taken.
    pub(super) fn shorten(&mut self, edge: Edge) {
        let Some(successor) = self.target(edge) else { return };
        let End::Branch { yes, no, .. } = self.graph[successor].end else { return };
        if yes == no && !self.loses_values(edge.from, yes) {
            self.note(true);
            self.redirect(edge, yes);
        }
        let dominators = self.edge_dominators.row(self.edge_number(edge));
        'again: loop {
            for &number in &dominators {
                let Some(successor) = self.target(edge) else { return };
                let Some(target) = self.decided(successor, self.edge(number)) else { continue };
                if self.loses_values(edge.from, target) {
                    continue;
                }
                self.changed = true;
                self.redirect(edge, target);
                if matches!(self.graph[target].end, End::Return(_)) {
                    return;
                }
                continue 'again;
            }
            return;
        }
    }

    /// Whether a register needed behind `to` would have another value coming from `from`.
    fn loses_values(&self, from: BlockId, to: BlockId) -> bool {
        let (from, to) = (self.facts(from), self.facts(to));
        (0..REGISTERS)
            .any(|register| to.live.is_needed_after(register) && from.values.at(register) != to.values.at(register))
    }

    /// Where `block` leads if `edge` was taken on the way to it, as far as that decides its test.
    fn decided(&self, block: BlockId, edge: Edge) -> Option<BlockId> {
        let End::Branch { test, yes, no } = self.graph[block].end else { return None };
        let End::Branch { test: before, .. } = self.graph[edge.from].end else { return None };
        let (here, there) = (self.facts(block), self.facts(edge.from));
        if kind(test) != kind(before) || here.values.accumulator() != there.values.accumulator() {
            return None;
        }
        if here.operand == there.operand {
            return Some(if edge.yes { yes } else { no });
        }
        // A equals one constant, so it does not equal another.
        (edge.yes && kind(test) == kind(Test::Equal(Operand::Constant(0)))).then_some(no)
    }

    /// In a chain of tests below `block` that follows one side (`along`) and shares the other, moves one that looks at the same A as the tests before
    /// the chain up to them. This changes the order of tests, hence of loads.
    pub(super) fn pull_up(&mut self, block: BlockId, along: bool) {
        let edges = &self.facts(block).in_edges;
        let Some(first) = edges.first() else { return };
        let value = self.facts(first.from).values.accumulator();
        if edges.iter().any(|edge| self.facts(edge.from).values.accumulator() != value) {
            return;
        }
        let into = Edge { from: first.from, yes: self.target(Edge { from: first.from, yes: true }) == Some(block) };
        // The first link of the chain that looks at another value, and below it the first that looks at this one again.
        let Some(different) = self.follow(block, into, along, |a| a != value) else { return };
        let Some(below) = self.target(different).map(|from| Edge { from, yes: along }) else { return };
        let Some(same) = self.follow(block, below, along, |a| a == value) else { return };
        let (Some(pulled), Some(skipped)) = (self.target(same), self.target(different)) else { return };
        let Some(behind) = self.target(Edge { from: pulled, yes: along }) else { return };
        self.redirect(same, behind);
        self.redirect(Edge { from: pulled, yes: along }, skipped);
        if different == into {
            for edge in self.facts(block).in_edges.clone() {
                let yes = self.target(Edge { from: edge.from, yes: true }) == Some(block);
                self.redirect(Edge { from: edge.from, yes }, pulled);
            }
        } else {
            self.redirect(different, pulled);
        }
        self.changed = true;
    }

    /// From `edge` on, along one side of the tests below `block` that share the other side with it, the edge that leads to the
    /// first whose A is wanted.
    fn follow(
        &self,
        block: BlockId,
        mut edge: Edge,
        along: bool,
        wanted: impl Fn(super::Value) -> bool,
    ) -> Option<Edge> {
        let kept = self.target(Edge { from: block, yes: !along })?;
        loop {
            let link = self.target(edge)?;
            if self.target(Edge { from: link, yes: !along }) != Some(kept) || !self.dominators.contains(link.0, block.0)
            {
                return None;
            }
            if wanted(self.facts(link).values.accumulator()) {
                return Some(edge);
            }
            edge = Edge { from: link, yes: along };
        }
    }
}

/// What a test does, whatever the constant.
fn kind(test: Test) -> Test {
    match test.operand() {
        Some(Operand::Constant(_)) => test.with(Operand::Constant(0)),
        Some(Operand::Index) | None => test,
    }
}
