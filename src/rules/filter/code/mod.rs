//! The code of a filter as a graph of basic blocks, and how the syntax tree becomes one.
//!
//! The machine is the classic BPF machine (McCanne and Jacobson, "The BSD Packet Filter", 1993): an accumulator, an index register,
//! sixteen slots, and loads that reject the packet when it is too short. Which loads happen, and in which order, is therefore part
//! of what a filter means; the code here makes those that libpcap makes on raw IP, in its order.

mod arithmetic;
mod primitive;

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use super::ast::{Expr, Join, Operator, Size};
use super::error::FilterError;
use super::list::AddressList;
use super::payload::{Matcher, payload};

/// Slots of the machine for intermediate values.
pub(super) const SLOTS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stmt {
    /// A = the bytes at an offset; rejects if they are not there.
    Load(Size, u32),
    /// A = the bytes at X plus an offset; rejects if they are not there.
    LoadIndexed(Size, u32),
    /// A = length on the wire.
    LoadLength,
    /// A = a number.
    LoadConstant(u32),
    /// A = a slot.
    LoadSlot(usize),
    /// X = a number.
    IndexConstant(u32),
    /// X = a slot.
    IndexSlot(usize),
    /// X = 4 times the lower half of the byte at an offset: an IPv4 header length.
    IndexHeaderLength(u32),
    /// slot = A.
    Store(usize),
    /// A = A op number.
    Constant(Operator, u32),
    /// A = A op X; division by an X of 0 rejects.
    Indexed(Operator),
    /// A = -A.
    Negate,
    /// X = A.
    ToIndex,
    /// A = X.
    FromIndex,
    /// A, X = the protocol and offset of the header where the chain of extension headers of an IPv4 or IPv6 packet meets the
    /// wanted protocol or ends.
    WalkHeaders { is_v6: bool, wanted: u32 },
    /// Removed by the optimizer.
    Nothing,
}

/// How a block compares A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Equal(Operand),
    Greater(Operand),
    GreaterEqual(Operand),
    /// Whether a bit of the operand is set in A.
    AnyBit(Operand),
    /// A test beyond libpcap, by its number in the graph; looks at no register.
    Own(usize),
}

impl Test {
    /// What A is compared with.
    pub(super) const fn operand(self) -> Option<Operand> {
        match self {
            Self::Equal(operand) | Self::Greater(operand) | Self::GreaterEqual(operand) | Self::AnyBit(operand) => {
                Some(operand)
            }
            Self::Own(_) => None,
        }
    }

    /// The same comparison with another operand.
    pub(super) const fn with(self, operand: Operand) -> Self {
        match self {
            Self::Equal(_) => Self::Equal(operand),
            Self::Greater(_) => Self::Greater(operand),
            Self::GreaterEqual(_) => Self::GreaterEqual(operand),
            Self::AnyBit(_) => Self::AnyBit(operand),
            Self::Own(number) => Self::Own(number),
        }
    }
}

/// A test that looks at the packet by itself.
#[derive(Debug)]
pub(super) enum OwnTest {
    Payload(Matcher),
    Listed { is_source: bool, list: Arc<AddressList> },
}

impl OwnTest {
    pub(super) fn holds(&self, packet: &[u8]) -> bool {
        match self {
            Self::Payload(matcher) => payload(packet).is_some_and(|payload| matcher.is_in(payload)),
            Self::Listed { is_source, list } => list.holds_end_of(packet, *is_source),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operand {
    Constant(u32),
    /// X.
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// Goes on at a block if the test holds, at another if not.
    Branch { test: Test, yes: BlockId, no: BlockId },
    /// Accepts or rejects the packet.
    Return(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BlockId(pub(super) usize);

#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) stmts: Vec<Stmt>,
    pub(super) end: End,
}

/// Blocks without cycles.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) blocks: Vec<Block>,
    pub(super) root: BlockId,
    /// Whether a statement is in it that the optimizer does not know.
    pub(super) is_opaque: bool,
    /// What [`Test::Own`] refers to.
    pub(super) own_tests: Vec<OwnTest>,
}

impl Index<BlockId> for Graph {
    type Output = Block;

    #[expect(
        clippy::indexing_slicing,
        reason = "a BlockId is made by Generator::block alone and blocks are never removed"
    )]
    fn index(&self, id: BlockId) -> &Block {
        &self.blocks[id.0]
    }
}

impl IndexMut<BlockId> for Graph {
    #[expect(
        clippy::indexing_slicing,
        reason = "a BlockId is made by Generator::block alone and blocks are never removed"
    )]
    fn index_mut(&mut self, id: BlockId) -> &mut Block {
        &mut self.blocks[id.0]
    }
}

impl Graph {
    /// The blocks that can be reached, each behind those it leads to.
    pub(super) fn bottom_up(&self) -> Vec<BlockId> {
        let mut entered = vec![false; self.blocks.len()];
        let mut order = Vec::new();
        // Depth first without recursion: a block is finished behind both of its successors.
        let mut stack = vec![(self.root, false)];
        while let Some((id, successors_done)) = stack.pop() {
            if successors_done {
                order.push(id);
                continue;
            }
            let Some(entered @ false) = entered.get_mut(id.0) else { continue };
            *entered = true;
            stack.push((id, true));
            if let End::Branch { yes, no, .. } = self[id].end {
                stack.extend([(no, false), (yes, false)]);
            }
        }
        order
    }
}

/// Generates the code of an expression.
pub(super) fn generate(expr: &Expr) -> Result<Graph, FilterError> {
    let graph = Graph { blocks: Vec::new(), root: BlockId(0), is_opaque: false, own_tests: Vec::new() };
    let mut generator = Generator { graph, slots: [false; SLOTS], next_slot: 0 };
    let code = generator.expr(expr)?;
    let accept = generator.block(Vec::new(), End::Return(true));
    let reject = generator.block(Vec::new(), End::Return(false));
    generator.patch(&code.yes, accept);
    generator.patch(&code.no, reject);
    generator.graph.root = code.head;
    Ok(generator.graph)
}

struct Generator {
    graph: Graph,
    /// Slots in use.
    slots: [bool; SLOTS],
    next_slot: usize,
}

/// Code with loose ends.
struct Code {
    head: BlockId,
    yes: Vec<Exit>,
    no: Vec<Exit>,
}

/// One side of a branch that leads nowhere yet.
#[derive(Clone, Copy)]
struct Exit {
    block: BlockId,
    yes: bool,
}

/// Stands in a branch until it is patched.
const NOWHERE: BlockId = BlockId(usize::MAX);

impl Generator {
    fn expr(&mut self, expr: &Expr) -> Result<Code, FilterError> {
        match expr {
            Expr::Primitive(primitive, span) => {
                self.primitive(primitive).map_err(|why| FilterError::new(span.clone(), why))
            }
            Expr::Not(inner) => Ok(Self::not(self.expr(inner)?)),
            Expr::Chain(first, rest) => {
                let mut code = self.expr(first)?;
                for (join, next) in rest {
                    let next = self.expr(next)?;
                    code = match join {
                        Join::And => self.and(code, next),
                        Join::Or => self.or(code, next),
                    };
                }
                Ok(code)
            }
        }
    }

    fn block(&mut self, stmts: Vec<Stmt>, end: End) -> BlockId {
        let id = BlockId(self.graph.blocks.len());
        self.graph.blocks.push(Block { stmts, end });
        id
    }

    fn test(&mut self, stmts: Vec<Stmt>, test: Test) -> Code {
        let head = self.block(stmts, End::Branch { test, yes: NOWHERE, no: NOWHERE });
        Code { head, yes: vec![Exit { block: head, yes: true }], no: vec![Exit { block: head, yes: false }] }
    }

    fn patch(&mut self, exits: &[Exit], target: BlockId) {
        for exit in exits {
            if let End::Branch { yes, no, .. } = &mut self.graph[exit.block].end {
                *(if exit.yes { yes } else { no }) = target;
            }
        }
    }

    fn and(&mut self, first: Code, second: Code) -> Code {
        self.patch(&first.yes, second.head);
        let mut no = first.no;
        no.extend(second.no);
        Code { head: first.head, yes: second.yes, no }
    }

    fn or(&mut self, first: Code, second: Code) -> Code {
        self.patch(&first.no, second.head);
        let mut yes = first.yes;
        yes.extend(second.yes);
        Code { head: first.head, yes, no: second.no }
    }

    fn not(code: Code) -> Code {
        Code { head: code.head, yes: code.no, no: code.yes }
    }

    /// A test that always or never holds.
    fn always(&mut self, holds: bool) -> Code {
        self.test(vec![Stmt::LoadConstant(u32::from(!holds))], Test::Equal(Operand::Constant(0)))
    }
}
