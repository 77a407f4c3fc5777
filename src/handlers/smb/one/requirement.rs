//! What a request must have before anything is done for it (MS-CIFS 3.3.5.2): so many words, a login, a tree.

use std::ops::RangeInclusive;

use super::super::status::Status;
use super::One;
use super::command;
use super::message::Block;

/// What must have been set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing, or the command looks for itself.
    Connection,
    Login,
    Tree,
}

/// The counts of words of a request (MS-CIFS 2.2.4), and what it works on; `None` for a command that there is not.
const fn requirement(command: u8) -> Option<(RangeInclusive<usize>, Place)> {
    use Place::{Connection, Login, Tree};
    Some(match command {
        command::CREATE_DIRECTORY | command::DELETE_DIRECTORY | command::QUERY_INFORMATION => (0..=0, Tree),
        command::CHECK_DIRECTORY | command::TREE_DISCONNECT | command::QUERY_INFORMATION_DISK => (0..=0, Tree),
        command::FLUSH | command::DELETE | command::RENAME | command::QUERY_INFORMATION2 => (1..=1, Tree),
        command::FIND_CLOSE2 => (1..=1, Tree),
        command::OPEN => (2..=2, Tree),
        command::CLOSE | command::CREATE | command::CREATE_NEW => (3..=3, Tree),
        command::READ | command::WRITE | command::LOCK | command::UNLOCK => (5..=5, Tree),
        command::SET_INFORMATION2 => (7..=7, Tree),
        command::SET_INFORMATION | command::LOCKING_ANDX => (8..=8, Tree),
        command::READ_ANDX => (10..=12, Tree),
        command::WRITE_ANDX => (12..=14, Tree),
        command::OPEN_ANDX => (15..=15, Tree),
        command::NT_CREATE_ANDX => (24..=24, Tree),
        command::NEGOTIATE | command::PROCESS_EXIT | command::NT_CANCEL => (0..=0, Connection),
        command::ECHO => (1..=1, Connection),
        command::SESSION_SETUP_ANDX => (10..=13, Connection),
        command::TREE_CONNECT => (0..=0, Login),
        command::LOGOFF_ANDX => (2..=2, Login),
        command::TREE_CONNECT_ANDX => (4..=4, Login),
        // With as many words as their setup has; what the first looks for comes after holes that are asked for without it.
        command::TRANSACTION => (14..=255, Connection),
        command::TRANSACTION2 => (15..=255, Connection),
        command::NT_TRANSACT => (19..=255, Connection),
        command::TRANSACTION_SECONDARY => (8..=8, Connection),
        command::TRANSACTION2_SECONDARY => (9..=9, Connection),
        command::NT_TRANSACT_SECONDARY => (18..=18, Connection),
        _ => return None,
    })
}

impl One {
    /// Refuses what has the wrong count of words, nobody's login or no tree, in this order.
    pub(super) fn require(&self, command: u8, block: &Block<'_>) -> Result<(), Status> {
        let (words, place) = requirement(command).ok_or(Status::SMB_BAD_COMMAND)?;
        if !words.contains(&block.word_count()) {
            return Err(Status::INVALID_SMB);
        }
        if place != Place::Connection {
            self.user(block)?;
        }
        if place == Place::Tree {
            self.tree(block)?;
        }
        Ok(())
    }
}
