//! Equal blocks made one.

use std::collections::HashMap;

use super::super::code::{BlockId, End, Graph, Stmt};

/// Leads all branches to the same block of those that do the same. Branches whose sides were apart may meet thereby.
pub(super) fn share_equal_blocks(graph: &mut Graph) {
    let mut same: HashMap<BlockId, BlockId> = HashMap::new();
    let mut known: HashMap<(Vec<Stmt>, End), BlockId> = HashMap::new();
    for id in graph.bottom_up() {
        let canonical = |id: BlockId| same.get(&id).copied().unwrap_or(id);
        let block = &mut graph[id];
        if let End::Branch { yes, no, .. } = &mut block.end {
            (*yes, *no) = (canonical(*yes), canonical(*no));
        }
        block.stmts.retain(|stmt| *stmt != Stmt::Nothing);
        let first = *known.entry((block.stmts.clone(), block.end)).or_insert(id);
        same.insert(id, first);
    }
    graph.root = same.get(&graph.root).copied().unwrap_or(graph.root);
}
