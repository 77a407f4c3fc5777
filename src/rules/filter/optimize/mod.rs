//! The optimizer: the same rewritings as libpcap's, in the same order, until nothing changes.
//!
//! It is not there for speed alone. A load beyond the end of a packet rejects the packet, and the optimizer removes loads and
//! moves tests before or behind others; so which short packets match depends on it, and tcpdump optimizes unless told not to.
//! Even what looks like an oversight in libpcap is therefore kept, and said so where it happens.
//!
//! Value numbering after Cocke and Schwartz; the branch movement is that of McCanne and Jacobson's BPF.

mod bits;
mod branch;
mod flow;
mod intern;
mod peephole;
mod value;

use super::code::{Block, BlockId, End, Graph, Stmt};
use bits::BitMatrix;
use flow::Liveness;
use value::{Registers, Value, ValueTable};

/// Blocks of a graph that is optimized; memory and time grow with their square.
pub(super) const MAX_BLOCKS: usize = 4096;

/// Passes in a row that only move branches before that is taken for going round in a circle.
const MAX_IDLE_PASSES: usize = 100;
/// Passes in all; far beyond what any filter needs.
const MAX_PASSES: usize = 10_000;

/// Why a filter cannot be run, found out by computing with its constants.
pub(super) type Impossible = &'static str;

/// Optimizes a graph in place; one that is too large or has statements unknown to the optimizer stays as it is.
pub(super) fn optimize(graph: &mut Graph) -> Result<(), Impossible> {
    if graph.is_opaque || graph.blocks.len() > MAX_BLOCKS {
        return Ok(());
    }
    renumber(graph);
    let mut optimizer = Optimizer::new(graph);
    optimizer.run(Phase::Branches)?;
    optimizer.run(Phase::Statements)?;
    intern::share_equal_blocks(graph);
    skip_idle_root(graph);
    Ok(())
}

/// What a pass may change besides what it always does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Branches are moved.
    Branches,
    /// Statements are replaced by cheaper ones.
    Statements,
}

/// One side of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    from: BlockId,
    yes: bool,
}

/// What is known of a block in a pass.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// The longest way to a return.
    level: usize,
    /// Edges that lead here; the one found last comes first.
    in_edges: Vec<Edge>,
    /// Values of the registers at the end of the block.
    values: Registers,
    /// Value of what the block compares A with.
    operand: Value,
    live: Liveness,
}

struct Optimizer<'g> {
    graph: &'g mut Graph,
    facts: Vec<Facts>,
    /// Blocks by level, from the returns up; in each level the one finished last comes first.
    levels: Vec<Vec<BlockId>>,
    /// For each block, those that every way to it goes through.
    dominators: BitMatrix,
    /// The same for edges; see [`Self::edge_number`].
    edge_dominators: BitMatrix,
    values: ValueTable,
    /// Whether this pass has changed anything.
    changed: bool,
    /// Whether it has changed more than where branches lead.
    progressed: bool,
}

impl<'g> Optimizer<'g> {
    fn new(graph: &'g mut Graph) -> Self {
        let count = graph.blocks.len();
        Self {
            facts: vec![Facts::default(); count],
            levels: Vec::new(),
            dominators: BitMatrix::new(count, count),
            edge_dominators: BitMatrix::new(2 * count, 2 * count),
            values: ValueTable::default(),
            changed: false,
            progressed: false,
            graph,
        }
    }

    fn run(&mut self, phase: Phase) -> Result<(), Impossible> {
        let mut idle = 0;
        for _ in 0..MAX_PASSES {
            self.changed = false;
            self.progressed = false;
            self.find_levels();
            self.find_dominators();
            self.find_liveness();
            self.find_edge_dominators();
            self.pass(phase)?;
            if !self.changed {
                break;
            }
            idle = if self.progressed { 0 } else { idle + 1 };
            if idle == MAX_IDLE_PASSES {
                break;
            }
        }
        Ok(())
    }

    fn pass(&mut self, phase: Phase) -> Result<(), Impossible> {
        self.values.clear();
        self.find_in_edges();
        let top_down: Vec<BlockId> = self.levels.iter().rev().flatten().copied().collect();
        for &id in &top_down {
            self.block(id, phase)?;
        }
        if phase == Phase::Statements {
            return Ok(());
        }
        let branches: Vec<BlockId> = self.levels.iter().skip(1).flatten().copied().collect();
        for &id in &branches {
            self.shorten(Edge { from: id, yes: true });
            self.shorten(Edge { from: id, yes: false });
        }
        self.find_in_edges();
        for &id in &branches {
            self.pull_up(id, false);
            self.pull_up(id, true);
        }
        Ok(())
    }

    /// Values and statements of one block.
    fn block(&mut self, id: BlockId, phase: Phase) -> Result<(), Impossible> {
        let mut registers = self.registers_on_entry(id);
        let (a, x) = (registers.accumulator(), registers.index());
        let mut stmts = std::mem::take(&mut self.graph[id].stmts);
        for stmt in &mut stmts {
            let rewritten = self.values.evaluate(stmt, &mut registers, phase == Phase::Statements)?;
            self.progressed |= rewritten;
            self.changed |= rewritten;
        }
        let changes_nothing = self.facts(id).live.after == 0
            && (a, x) == (registers.accumulator(), registers.index())
            && a != Value::UNKNOWN
            && x != Value::UNKNOWN;
        self.facts_mut(id).values = registers;
        if phase == Phase::Statements && changes_nothing {
            self.note(!stmts.is_empty());
            stmts.clear();
            self.graph[id].stmts = stmts;
        } else {
            self.graph[id].stmts = stmts;
            self.peephole(id);
            self.drop_dead_stores(id);
        }
        self.facts_mut(id).operand = self.operand_value(id);
        Ok(())
    }

    /// What all predecessors agree on.
    fn registers_on_entry(&self, id: BlockId) -> Registers {
        let mut edges = self.facts(id).in_edges.iter();
        let Some(first) = edges.next() else { return Registers::default() };
        let mut registers = self.facts(first.from).values.clone();
        for edge in edges {
            registers.keep_common(&self.facts(edge.from).values);
        }
        registers
    }

    /// Marks a change that is more than moving a branch.
    fn note(&mut self, happened: bool) {
        self.changed |= happened;
        self.progressed |= happened;
    }

    #[expect(clippy::indexing_slicing, reason = "there are facts for every block, and blocks are never removed")]
    fn facts(&self, id: BlockId) -> &Facts {
        &self.facts[id.0]
    }

    #[expect(clippy::indexing_slicing, reason = "there are facts for every block, and blocks are never removed")]
    fn facts_mut(&mut self, id: BlockId) -> &mut Facts {
        &mut self.facts[id.0]
    }

    /// Edges are numbered as libpcap does: those taken when the test holds come before the others.
    fn edge_number(&self, edge: Edge) -> usize {
        edge.from.0 + if edge.yes { 0 } else { self.facts.len() }
    }

    fn edge(&self, number: usize) -> Edge {
        let count = self.facts.len();
        Edge { from: BlockId(number % count), yes: number < count }
    }

    /// Where an edge leads; `None` behind a return.
    fn target(&self, edge: Edge) -> Option<BlockId> {
        match self.graph[edge.from].end {
            End::Branch { yes, no, .. } => Some(if edge.yes { yes } else { no }),
            End::Return(_) => None,
        }
    }

    fn redirect(&mut self, edge: Edge, target: BlockId) {
        if let End::Branch { yes, no, .. } = &mut self.graph[edge.from].end {
            *(if edge.yes { yes } else { no }) = target;
        }
    }
}

/// Numbers the blocks as they are met going down, the side where the test holds first.
fn renumber(graph: &mut Graph) {
    let mut numbers: Vec<Option<usize>> = vec![None; graph.blocks.len()];
    let mut order: Vec<BlockId> = Vec::new();
    let mut stack = vec![graph.root];
    while let Some(id) = stack.pop() {
        let Some(number @ None) = numbers.get_mut(id.0) else { continue };
        *number = Some(order.len());
        order.push(id);
        if let End::Branch { yes, no, .. } = graph[id].end {
            stack.extend([no, yes]);
        }
    }
    let renamed = |id: BlockId| BlockId(numbers.get(id.0).copied().flatten().unwrap_or(0));
    let blocks = order.iter().map(|&id| {
        let block = &graph[id];
        let end = match block.end {
            End::Branch { test, yes, no } => End::Branch { test, yes: renamed(yes), no: renamed(no) },
            end @ End::Return(_) => end,
        };
        Block { stmts: block.stmts.clone(), end }
    });
    graph.blocks = blocks.collect();
    graph.root = BlockId(0);
}

/// Leaves out tests at the top that lead to the same place either way; the statements of the first are kept, for their loads.
fn skip_idle_root(graph: &mut Graph) {
    let root = graph.root;
    let mut stmts = std::mem::take(&mut graph[root].stmts);
    while let End::Branch { yes, no, .. } = graph[graph.root].end {
        if yes != no {
            break;
        }
        graph.root = yes;
    }
    let root = graph.root;
    stmts.append(&mut graph[root].stmts);
    if !matches!(graph[root].end, End::Return(_)) {
        graph[root].stmts = stmts;
    }
}

/// The first statement from `at` on that does something.
fn next_stmt(stmts: &[Stmt], at: usize) -> Option<usize> {
    stmts.iter().enumerate().skip(at).find(|(_, stmt)| **stmt != Stmt::Nothing).map(|(index, _)| index)
}
