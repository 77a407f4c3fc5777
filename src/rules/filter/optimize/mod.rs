//! x
use super::code::Graph;

/// Blocks of a graph that is optimized; the cost grows with their square.
pub(super) const MAX_BLOCKS: usize = 4096;

pub(super) fn optimize(_graph: &mut Graph) -> Result<(), &'static str> {
    Ok(())
}
