//! Deadlines, ordered by time.

use std::collections::BTreeSet;
use std::time::Duration;

use mio::Token;

use crate::clock::Timestamp;

/// At most one deadline a source, so that what visitors do cannot make them pile up. Who arms a timer remembers when it is set for
/// and leaves it alone when the deadline moves away: it then fires early and is armed again, which costs less than moving it with every packet.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Timestamp, usize)>,
}

impl Timers {
    /// Makes sure that `token` is called at `due` or before; `armed` is when it is set for.
    pub(super) fn arm(&mut self, token: Token, armed: &mut Option<Timestamp>, due: Timestamp) {
        match *armed {
            Some(earlier) if earlier <= due => return,
            Some(later) => drop(self.queue.remove(&(later, token.0))),
            None => {}
        }
        self.queue.insert((due, token.0));
        *armed = Some(due);
    }

    /// Takes the timer back.
    pub(super) fn disarm(&mut self, token: Token, armed: &mut Option<Timestamp>) {
        if let Some(due) = armed.take() {
            self.queue.remove(&(due, token.0));
        }
    }

    /// The next timer that has come; its owner must forget that it was armed.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Token> {
        let first = self.queue.first().copied().filter(|&(due, _)| due <= now)?;
        self.queue.remove(&first);
        Some(Token(first.1))
    }

    /// Time until the first timer.
    pub(super) fn wait(&self, now: Timestamp) -> Option<Duration> {
        self.queue.first().map(|(due, _)| due.saturating_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn timers_come_in_the_order_of_their_time() {
        let mut timers = Timers::default();
        let (mut a, mut b) = (None, None);
        timers.arm(Token(1), &mut a, at(20));
        timers.arm(Token(2), &mut b, at(10));
        assert_eq!(timers.wait(at(4)), Some(Duration::from_micros(6)));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(
            [timers.pop(at(30)), timers.pop(at(30)), timers.pop(at(30))],
            [Some(Token(2)), Some(Token(1)), None]
        );
    }

    #[test]
    fn an_earlier_deadline_moves_the_timer_and_a_later_one_leaves_it() {
        let mut timers = Timers::default();
        let mut armed = None;
        timers.arm(Token(1), &mut armed, at(20));
        timers.arm(Token(1), &mut armed, at(40));
        timers.arm(Token(1), &mut armed, at(10));
        assert_eq!(armed, Some(at(10)));
        assert_eq!((timers.pop(at(50)), timers.pop(at(50))), (Some(Token(1)), None));
        timers.arm(Token(1), &mut None, at(60));
        timers.disarm(Token(1), &mut Some(at(60)));
        assert_eq!(timers.pop(at(99)), None);
    }
}
