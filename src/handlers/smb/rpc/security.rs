//! Logins inside RPC (MS-RPCE 2.2.2.11, 3.3.1.5.2): NTLM in the verifiers of bind, `alter_context` and AUTH3, judged like any other.
//!
//! Calls of who proved itself are answered under its name at the level of connections. Who asks for signed or sealed packets is let in and
//! then denied every call: the policy may let in a visitor whose password, and so whose key, nobody knows.

use super::super::account::{Exchange, Turn, User};
use super::super::wire::{Fields, Put};
use super::Caller;

/// Bytes of a verifier before its token.
const VERIFIER: usize = 8;
/// `auth_type` (MS-RPCE 2.2.1.1.7): SPNEGO and NTLM.
const NEGOTIATE: u8 = 9;
const WINNT: u8 = 10;
/// `auth_level` (MS-RPCE 2.2.1.1.8): RPC_C_AUTHN_LEVEL_CONNECT. Those above sign packets.
const CONNECT: u8 = 2;

/// Takes one leg of a login; the number tells the legs of one pipe apart.
pub(in super::super) type Judge<'a> = dyn FnMut(&mut Exchange, u32, &[u8]) -> Turn + 'a;

/// How the visitor of a pipe stands.
#[derive(Debug, Default)]
enum Standing {
    /// It never asked for security: it is who it is in SMB.
    #[default]
    Open,
    /// A login is under way or failed, or is of a level whose packets are not served.
    Shut,
    Proved(User),
}

/// The login of one pipe.
#[derive(Debug, Default)]
pub(super) struct Security {
    exchange: Exchange,
    legs: u32,
    standing: Standing,
}

/// What a verifier is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verified {
    /// A verifier; empty for none.
    Answer(Vec<u8>),
    /// The kind of authentication is unknown, or its first token unreadable.
    Refused,
}

/// Bytes that the verifier of a PDU takes at its end, its token included.
pub(super) fn len(pdu: &[u8]) -> usize {
    pdu.at16(10).filter(|len| *len > 0).map_or(0, |len| len + VERIFIER)
}

impl Security {
    /// Takes the verifier of a bind, `alter_context` or AUTH3.
    pub(super) fn take(&mut self, pdu: &[u8], judge: &mut Judge<'_>) -> Verified {
        let nothing = Verified::Answer(Vec::new());
        if len(pdu) == 0 {
            return nothing;
        }
        let Some((head, token)) =
            pdu.len().checked_sub(len(pdu)).and_then(|at| pdu.get(at..)).and_then(|all| all.split_at_checked(VERIFIER))
        else {
            return Verified::Refused;
        };
        let (kind, level) = (head.byte(0).unwrap_or(0), head.byte(1).unwrap_or(0));
        if !matches!(kind, NEGOTIATE | WINNT) {
            return Verified::Refused;
        }
        self.standing = Standing::Shut;
        self.legs = self.legs.wrapping_add(1);
        let token = match judge(&mut self.exchange, self.legs, token) {
            Turn::Continue(token) => token,
            Turn::Accepted(user, token) => {
                if level <= CONNECT {
                    self.standing = Standing::Proved(user);
                }
                token
            }
            // A wrong password is told by the fault that the next call gets.
            Turn::Refused(_) if self.legs > 1 => return nothing,
            Turn::Refused(_) => return Verified::Refused,
        };
        if token.is_empty() {
            return nothing;
        }
        let mut answer = vec![kind, level, 0, 0];
        // auth_context_id: the visitor's.
        answer.put32(head.le32(4).unwrap_or(0)).put(&token);
        Verified::Answer(answer)
    }

    /// Who calls: whom the pipe's login proved, or else SMB's; `None` when calls are denied.
    pub(super) fn caller<'a>(&'a self, caller: &Caller<'a>) -> Option<Caller<'a>> {
        match &self.standing {
            Standing::Open => Some(*caller),
            Standing::Shut => None,
            Standing::Proved(user) => Some(Caller { user: &user.name, is_admin: !user.is_anonymous, ..*caller }),
        }
    }
}
