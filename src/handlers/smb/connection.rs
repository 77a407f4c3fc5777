//! What a connection has set up: logins and trees under the numbers that its visitor names them by. The same for SMB1 and SMB2.

use super::account::{Exchange, User};
use super::host::{Host, Kind, Share};
use super::status::Status;

/// Logins, and trees, of one connection.
const MAX: usize = 32;

/// Things under numbers, of which the first is `FIRST` and the others follow in steps.
#[derive(Debug)]
pub(super) struct Numbered<T, const FIRST: u64, const STEP: usize = 1> {
    list: Vec<(u64, T)>,
}

impl<T, const FIRST: u64, const STEP: usize> Default for Numbered<T, FIRST, STEP> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<T, const FIRST: u64, const STEP: usize> Numbered<T, FIRST, STEP> {
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX
    }

    /// Adds under the lowest number that is free; refused when there are as many as there may be.
    pub(super) fn insert(&mut self, value: T) -> Result<u64, Status> {
        let number = (FIRST..).step_by(STEP).find(|number| self.find(*number).is_none()).unwrap_or(FIRST);
        self.insert_as(number, value).map(|()| number)
    }

    /// Adds under this number.
    pub(super) fn insert_as(&mut self, number: u64, value: T) -> Result<(), Status> {
        if self.is_full() {
            return Err(Status::REQUEST_NOT_ACCEPTED);
        }
        self.list.push((number, value));
        Ok(())
    }

    pub(super) fn find(&self, number: impl Into<u64>) -> Option<&T> {
        let number = number.into();
        self.list.iter().find(|(one, _)| *one == number).map(|(_, value)| value)
    }

    pub(super) fn find_mut(&mut self, number: impl Into<u64>) -> Option<&mut T> {
        let number = number.into();
        self.list.iter_mut().find(|(one, _)| *one == number).map(|(_, value)| value)
    }

    /// The number of the first for which this holds.
    pub(super) fn position(&self, is_wanted: impl Fn(&T) -> bool) -> Option<u64> {
        self.list.iter().find(|(_, value)| is_wanted(value)).map(|(number, _)| *number)
    }

    pub(super) fn remove(&mut self, number: impl Into<u64>) {
        let number = number.into();
        self.list.retain(|(one, _)| *one != number);
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }
}

/// A login, under way or let in.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) exchange: Exchange,
    /// Once it is let in.
    pub(super) user: Option<User>,
}

impl<const FIRST: u64, const STEP: usize> Numbered<Share, FIRST, STEP> {
    /// Connects to the share that a path names. `service` is what SMB1 says it expects there (MS-CIFS 2.2.4.55.1).
    pub(super) fn connect(&mut self, path: &str, service: &str, user: &User) -> Result<(u64, Share), Status> {
        let share = Host::share(path).ok_or(Status::BAD_NETWORK_NAME)?;
        // Nobody's session sees nothing but pipes (`RestrictNullSessAccess`).
        if share.kind == Kind::Disk && user.is_anonymous {
            return Err(Status::ACCESS_DENIED);
        }
        let fits = match service {
            "IPC" => share.kind == Kind::Pipe,
            "A:" => share.kind == Kind::Disk,
            other => other.is_empty() || other == "?????",
        };
        if !fits {
            return Err(Status::BAD_DEVICE_TYPE);
        }
        self.insert(share).map(|number| (number, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_bounded() {
        let mut numbered = Numbered::<_, 7>::default();
        for number in 7..7 + MAX as u64 {
            assert_eq!(numbered.insert('x'), Ok(number));
        }
        assert_eq!(numbered.insert('x'), Err(Status::REQUEST_NOT_ACCEPTED));
        numbered.remove(9_u64);
        assert_eq!(numbered.find(9_u64), None);
        assert_eq!(numbered.insert('y'), Ok(9));
    }
}
