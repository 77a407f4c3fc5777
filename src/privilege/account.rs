//! Whom the engine runs as.

use std::fs;

use super::Error;

/// A user and its group, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The user, never 0.
    pub uid: u32,
    /// The group, never 0.
    pub gid: u32,
}

impl Account {
    /// Looks up `user`: a name or number from /etc/passwd, or `uid:gid`, which needs no entry there.
    ///
    /// # Errors
    /// There is no such user, or it is root.
    pub fn find(user: &str) -> Result<Self, Error> {
        if let Some((uid, gid)) = user.split_once(':') {
            let number = |text: &str| text.parse().map_err(|_| Error::NoUser(user.to_owned()));
            return Self { uid: number(uid)?, gid: number(gid)? }.checked(user);
        }
        let passwd = fs::read("/etc/passwd").map_err(|source| Error::Passwd { user: user.to_owned(), source })?;
        Self::in_passwd(&String::from_utf8_lossy(&passwd), user)
    }

    /// `name:password:uid:gid:...` (passwd(5)).
    fn in_passwd(passwd: &str, user: &str) -> Result<Self, Error> {
        let account = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
            let account = Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? };
            (name == user || uid == user).then_some(account)
        });
        account.ok_or_else(|| Error::NoUser(user.to_owned()))?.checked(user)
    }

    /// u32::MAX means "leave as it is" to the kernel: root would stay root.
    fn checked(self, user: &str) -> Result<Self, Error> {
        if self.uid == 0 || self.gid == 0 {
            return Err(Error::RootUser(user.to_owned()));
        }
        if self.uid == u32::MAX || self.gid == u32::MAX {
            return Err(Error::NoUser(user.to_owned()));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/:/bin/sh\nbroken\n:::\nnobody:x:65534:65534:n:/:/bin/false\ntoor:x:12:0::/:\n";

    #[test]
    fn users_are_found_by_name_and_by_number() {
        let nobody = Account { uid: 65_534, gid: 65_534 };
        assert_eq!(Account::in_passwd(PASSWD, "nobody").unwrap(), nobody);
        assert_eq!(Account::in_passwd(PASSWD, "65534").unwrap(), nobody);
        assert_eq!(Account::find("2000:2001").unwrap(), Account { uid: 2000, gid: 2001 });
    }

    #[test]
    fn root_and_unknown_users_are_refused() {
        for user in ["root", "0", "toor"] {
            assert!(matches!(Account::in_passwd(PASSWD, user), Err(Error::RootUser(_))), "{user}");
        }
        assert!(matches!(Account::find("0:0"), Err(Error::RootUser(_))));
        for user in ["", "x", "broken"] {
            assert!(matches!(Account::in_passwd(PASSWD, user), Err(Error::NoUser(_))), "{user}");
        }
        for user in [":", "1:", "-1:5", "1:2:3", "4294967295:1", "4294967296:1"] {
            assert!(matches!(Account::find(user), Err(Error::NoUser(_))), "{user}");
        }
    }
}
