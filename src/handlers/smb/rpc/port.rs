//! `msrpc`: the RPC of a Windows 7 over TCP (`ncacn_ip_tcp`, MS-RPCE 2.1.1.1): the endpoint mapper on port 135, other processes on the ports that
//! it lists.
//!
//! Memory: an idle session holds less than 1 KiB besides what it has sent (`max_tcp_payload`). Whatever comes, one session holds at most one
//! fragment of 5,840 bytes, a request of 64 KiB, and what one request leaves behind (`rpc`).

use std::sync::Arc;

use super::super::account::User;
use super::super::host::Host;
use super::super::wire::Fields;
use super::{COMMON, PORT_FRAGMENT, Pipe, is_little};
use crate::flow::Transport;
use crate::handlers::builtin::Builtin;
use crate::handlers::registry::{Environment, Maker, boxed};
use crate::handlers::{Context, Direction, Handler, Recording, Session};

pub(in crate::handlers) const BUILTIN: Builtin = Builtin {
    name: "msrpc",
    aliases: &[],
    transports: &[Transport::Tcp],
    default_ports: &[135, 49_152, 49_153, 49_154, 49_155, 49_156],
    about: "Windows RPC over TCP: the endpoint mapper and what it lists, DCOM, logins",
    prepare,
};

fn prepare(environment: &Environment<'_>) -> Result<Maker, toml::de::Error> {
    let host = Host::of_ports(environment)?;
    Ok(boxed(move |session: &Session| Port {
        recording: Recording::new(host.max_payload),
        host: Arc::clone(&host),
        pipe: Pipe::on_port(session.dialled.port()),
        held: Vec::new(),
        is_over: false,
    }))
}

struct Port {
    host: Arc<Host>,
    pipe: Pipe,
    /// What came of a PDU that is not whole.
    held: Vec<u8>,
    recording: Recording,
    is_over: bool,
}

impl Port {
    /// Bytes of the PDU under way: first its header, which tells; `None` for what no server reads on.
    fn wanted(&self) -> Option<usize> {
        if self.held.len() < COMMON {
            return Some(COMMON);
        }
        let len = self.held.le16(8)?;
        let len = if is_little(&self.held) { len } else { len.swap_bytes() };
        (COMMON as u16..=PORT_FRAGMENT).contains(&len).then_some(len.into())
    }

    /// A whole PDU: answers go out at once. One of another version is refused, and ends the connection.
    fn pdu(&mut self, cx: &mut Context<'_>) {
        let pdu = std::mem::take(&mut self.held);
        let is_read = is_little(&pdu) || pdu.first() != Some(&5);
        let result = if is_read { self.pipe.take(&self.host, cx, &User::nobody(), 0, &pdu).is_ok() } else { false };
        loop {
            let (answer, _) = self.pipe.read(usize::MAX);
            if answer.is_empty() {
                break;
            }
            cx.send(answer);
        }
        if !result {
            self.end(cx);
        }
    }

    fn end(&mut self, cx: &mut Context<'_>) {
        self.is_over = true;
        cx.close();
    }
}

impl Handler for Port {
    fn data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.is_over && !rest.is_empty() {
            let wanted = self.wanted().unwrap_or(COMMON);
            let (now, later) = rest.split_at(wanted.saturating_sub(self.held.len()).min(rest.len()));
            self.held.extend_from_slice(now);
            self.recording.push(now);
            rest = later;
            match self.wanted() {
                None => self.end(cx),
                Some(wanted) if wanted == self.held.len() => self.pdu(cx),
                Some(_) => {}
            }
        }
    }

    fn closed(&mut self, cx: &mut Context<'_>) {
        cx.event(self.recording.event(Direction::Recv));
    }
}

#[cfg(test)]
mod tests;
