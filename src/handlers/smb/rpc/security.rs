//! Logins inside RPC (MS-RPCE 2.2.2.11, 3.3.1.5.2): NTLM in the verifiers of bind, `alter_context` and AUTH3, judged like any other.
//!
//! Calls of who proved itself are answered under its name, signed and sealed where it asks for that and its password is known. Where it is
//! not, as the policy may let in a visitor whose password nobody knows, such a visitor is let in and then denied every call.

use super::super::account::{Exchange, Turn, User};
use super::super::seal::{self, From, Seal};
use super::super::wire::{Fields, Put, patch};
use super::Caller;

/// Bytes of a verifier before its token.
const VERIFIER: usize = 8;
/// `auth_type` (MS-RPCE 2.2.1.1.7): SPNEGO and NTLM.
const NEGOTIATE: u8 = 9;
const WINNT: u8 = 10;
/// `auth_level` (MS-RPCE 2.2.1.1.8): RPC_C_AUTHN_LEVEL_CONNECT. Those above sign packets, the highest seals them, too.
const CONNECT: u8 = 2;
const PRIVACY: u8 = 6;
/// What parameters are filled up to before a verifier.
const PAD: usize = 16;
/// RPC_S_SEC_PKG_ERROR (MS-ERREF 2.2): a packet that is not as its sender sealed it.
pub(super) const BROKEN: u32 = 1825;

/// Takes one leg of a login; the number tells the legs of one pipe apart.
pub(in super::super) type Judge<'a> = dyn FnMut(&mut Exchange, u32, &[u8]) -> Turn + 'a;

/// How the visitor of a pipe stands.
#[derive(Debug, Default)]
enum Standing {
    /// It never asked for security: it is who it is in SMB.
    #[default]
    Open,
    /// A login is under way or failed, or is of a level whose packets cannot be signed.
    Shut,
    Proved(User, Option<Box<Guard>>),
}

/// What packets of one login are signed and sealed with.
#[derive(Debug)]
struct Guard {
    /// The verifier of every answer but its padding: kind, level, the visitor's number for this login.
    kind: u8,
    level: u8,
    context: u32,
    received: Seal,
    sent: Seal,
}

impl Guard {
    fn new(user: &User, head: &[u8]) -> Option<Self> {
        let (kind, level, context) = (head.byte(0)?, head.byte(1)?, head.le32(4)?);
        Some(Self { kind, level, context, received: user.seal(From::Client)?, sent: user.seal(From::Server)? })
    }

    /// Opens a request whose parameters begin at `start`; false when it is not as the visitor sent it.
    fn open(&mut self, pdu: &mut [u8], start: usize) -> bool {
        let Some(verifier) = pdu.len().checked_sub(len(pdu)).filter(|at| *at >= start) else {
            return false;
        };
        if self.level == PRIVACY
            && let Some(parameters) = pdu.get_mut(start..verifier)
        {
            self.received.crypt(parameters);
        }
        let (message, given) = pdu.split_at_checked(verifier + VERIFIER).unwrap_or_default();
        given == self.received.signature(message)
    }

    /// Seals an answer whose parameters begin at `start`.
    fn close(&mut self, pdu: &mut Vec<u8>, start: usize) {
        let end = pdu.len();
        let verifier = start + (end - start).next_multiple_of(PAD);
        pdu.resize(verifier, 0);
        pdu.put8(self.kind)
            .put8(self.level)
            .put8(u8::try_from(verifier - end).unwrap_or(0))
            .put8(0)
            .put32(self.context);
        let len = u16::try_from(pdu.len() + seal::SIGNATURE).unwrap_or(u16::MAX);
        patch(pdu, 8, &len.to_le_bytes());
        patch(pdu, 10, &[seal::SIGNATURE as u8, 0]);
        let mut sealed = pdu.get(start..verifier).unwrap_or_default().to_vec();
        if self.level == PRIVACY {
            self.sent.crypt(&mut sealed);
        }
        let signature = self.sent.signature(pdu);
        patch(pdu, start, &sealed);
        pdu.put(&signature);
    }
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
                let guard = if level > CONNECT { Guard::new(&user, head).map(Box::new) } else { None };
                if level <= CONNECT || guard.is_some() {
                    self.standing = Standing::Proved(user, guard);
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

    /// Opens a request whose parameters begin at `start`: where they end, before padding and verifier; `None` when it is not as its visitor
    /// sealed it.
    pub(super) fn open(&mut self, pdu: &mut [u8], start: usize) -> Option<usize> {
        let is_genuine = match &mut self.standing {
            Standing::Proved(_, Some(guard)) => guard.open(pdu, start),
            _ => true,
        };
        let end = pdu.len().saturating_sub(len(pdu));
        let pad = if end < pdu.len() { pdu.byte(end + 2).unwrap_or(0) } else { 0 };
        is_genuine.then(|| end.saturating_sub(usize::from(pad)))
    }

    /// Bytes of an answer's fragment that a verifier takes.
    pub(super) const fn room(&self) -> usize {
        match &self.standing {
            // What is left must be a multiple of the padding, of which there is then none.
            Standing::Proved(_, Some(_)) => VERIFIER + seal::SIGNATURE + PAD / 2,
            _ => 0,
        }
    }

    /// Seals an answer whose parameters begin at `start`, where its visitor asked for that.
    pub(super) fn close(&mut self, pdu: &mut Vec<u8>, start: usize) {
        if let Standing::Proved(_, Some(guard)) = &mut self.standing {
            guard.close(pdu, start);
        }
    }

    /// Who calls: whom the pipe's login proved, or else SMB's; `None` when calls are denied.
    pub(super) fn caller<'a>(&'a self, caller: &Caller<'a>) -> Option<Caller<'a>> {
        match &self.standing {
            Standing::Open => Some(*caller),
            Standing::Shut => None,
            Standing::Proved(user, _) => Some(Caller { user: &user.name, is_admin: !user.is_anonymous, ..*caller }),
        }
    }
}
