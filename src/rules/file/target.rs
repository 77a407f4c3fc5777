//! The `target` of a rule: ports, addresses, URLs and handler names.

use std::net::{IpAddr, SocketAddr};

use crate::rules::{Action, ProxyTarget};

/// Longest host, container or handler name (RFC 1035 section 2.3.4 for hosts).
const MAX_NAME_BYTES: usize = 253;

/// What is wrong with a target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TargetError {
    pub(super) message: String,
    pub(super) expected: &'static str,
    pub(super) mend: Option<String>,
}

pub(super) const PROXY: &str = "`tcp://host:port`, `host:port` or `docker://container:port`";
pub(super) const REWRITE: &str = "a port, `address:port` or `[address]:port`";
pub(super) const HANDLER: &str = "the name of a handler, such as `tcp`";
const PORT: &str = "a port from 1 to 65535";

fn error<T>(message: impl Into<String>, expected: &'static str) -> Result<T, TargetError> {
    Err(TargetError { message: message.into(), expected, mend: None })
}

/// `tcp://host:port`, `host:port`, `[address]:port` or `docker://container:port`.
pub(super) fn proxy(target: &str) -> Result<ProxyTarget, TargetError> {
    let (scheme, rest) = target.split_once("://").unwrap_or(("tcp", target));
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = host_and_port(rest)?;
    match scheme {
        "tcp" => Ok(ProxyTarget::Tcp { host: host.to_owned(), port }),
        "docker" => Ok(ProxyTarget::Docker { container: host.to_owned(), port }),
        _ => error(format!("a proxy does not speak `{scheme}://`"), PROXY),
    }
}

/// `port`, `address:port` or `[address]:port`; the address must be one that packets can be delivered to.
pub(super) fn rewrite(target: &str) -> Result<Action, TargetError> {
    if let Ok(address) = target.parse::<SocketAddr>() {
        let port = nonzero(address.port())?;
        deliverable(address.ip(), port)?;
        return Ok(Action::Rewrite { address: Some(address.ip()), port });
    }
    if target.contains([':', '.']) {
        return error("not an address with a port; names are not resolved for rewriting", REWRITE);
    }
    Ok(Action::Rewrite { address: None, port: port(target)? })
}

/// The name of a handler, as the registry spells names.
pub(super) fn handler(target: &str) -> Result<String, TargetError> {
    if target.contains("://") || target.contains(':') {
        let mend = Some("to relay to an address, write `type: proxy`".to_owned());
        return Err(TargetError { mend, message: "an address is no handler".to_owned(), expected: HANDLER });
    }
    let spelled = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if target.is_empty() || target.len() > MAX_NAME_BYTES || !target.chars().all(spelled) {
        return error("not the name of a handler", HANDLER);
    }
    Ok(target.to_owned())
}

/// Refuses addresses to which a packet that came from outside cannot be rewritten.
fn deliverable(address: IpAddr, port: u16) -> Result<(), TargetError> {
    let canonical = address.to_canonical();
    if canonical.is_loopback() {
        // The kernel drops packets from outside to 127.0.0.0/8 and ::1 as martians.
        return Err(TargetError {
            message: "packets from outside cannot be rewritten to a loopback address".to_owned(),
            expected: "an address of this host's interfaces",
            mend: Some(format!("write `type: proxy` and `target: tcp://{}`", SocketAddr::new(address, port))),
        });
    }
    if canonical.is_unspecified() {
        return error(
            "no packet can be sent to the unspecified address",
            "the port alone, to keep the dialled address",
        );
    }
    let broadcast = matches!(canonical, IpAddr::V4(v4) if v4.is_broadcast());
    if canonical.is_multicast() || broadcast {
        return error("a flow cannot be rewritten to a group of hosts", "an address of this host's interfaces");
    }
    Ok(())
}

fn host_and_port(text: &str) -> Result<(&str, u16), TargetError> {
    let Some((host, port_text)) = text.rsplit_once(':') else {
        return error("the port is missing", PROXY);
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bracketed.is_none() && host.contains(':') {
        return error("an IPv6 address needs brackets before its port", "`[address]:port`");
    }
    if bracketed.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_err()) {
        return error("not an IPv6 address between the brackets", "`[address]:port`");
    }
    let host = bracketed.unwrap_or(host);
    let spelled = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.len() > MAX_NAME_BYTES || !host.chars().all(spelled) {
        return error("not a host name or address before the port", PROXY);
    }
    Ok((host, port(port_text)?))
}

fn port(text: &str) -> Result<u16, TargetError> {
    // `parse` alone would take `+22`.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map_or_else(|| error("not a port", PORT), nonzero)
}

fn nonzero(port: u16) -> Result<u16, TargetError> {
    if port == 0 { error("port 0 cannot be dialled", PORT) } else { Ok(port) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> ProxyTarget {
        ProxyTarget::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn every_published_proxy_target_is_understood() {
        for (written, meant) in [
            ("tcp://172.17.0.2:22", tcp("172.17.0.2", 22)),
            ("tcp://portquiz.net:666", tcp("portquiz.net", 666)),
            ("127.0.0.1:9889", tcp("127.0.0.1", 9889)),
            ("tcp://[2001:db8::1]:22/", tcp("2001:db8::1", 22)),
            ("docker://redis:6379", ProxyTarget::Docker { container: "redis".to_owned(), port: 6379 }),
        ] {
            assert_eq!(proxy(written), Ok(meant));
        }
    }

    #[test]
    fn a_proxy_target_that_cannot_be_dialled_is_refused() {
        for written in [
            "",
            "22",
            "tcp://",
            "tcp://host",
            "tcp://:22",
            "tcp://host:0",
            "tcp://host:65536",
            "tcp://host:+22",
            "tcp://host:22/x",
        ] {
            assert!(proxy(written).is_err(), "{written}");
        }
        for written in ["udp://host:53", "http://host:80", "::1:22", "[host]:22", "tcp://a b:22", "tcp://u:p@host:22"] {
            assert!(proxy(written).is_err(), "{written}");
        }
    }

    #[test]
    fn a_rewrite_goes_to_a_port_or_to_an_address_that_packets_reach() {
        assert_eq!(rewrite("22"), Ok(Action::Rewrite { address: None, port: 22 }));
        let to = |address: &str| Ok(Action::Rewrite { address: address.parse().ok(), port: 80 });
        assert_eq!(rewrite("10.0.0.1:80"), to("10.0.0.1"));
        assert_eq!(rewrite("[2001:db8::1]:80"), to("2001:db8::1"));
        for refused in
            ["", "0", "65536", "-1", "+1", "x", "10.0.0.1", "10.0.0.1:0", "localhost:80", "0.0.0.0:80", "224.0.0.1:80"]
        {
            assert!(rewrite(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_rewrite_to_loopback_names_the_proxy_as_the_mend() {
        for (written, mend) in [
            ("127.0.0.1:22", "tcp://127.0.0.1:22"),
            ("127.1.2.3:22", "tcp://127.1.2.3:22"),
            ("[::1]:22", "tcp://[::1]:22"),
            ("[::ffff:127.0.0.1]:22", "tcp://[::ffff:127.0.0.1]:22"),
        ] {
            let error = rewrite(written).unwrap_err();
            assert!(error.mend.as_ref().is_some_and(|text| text.contains(mend)), "{error:?}");
        }
    }

    #[test]
    fn an_address_is_no_handler() {
        assert_eq!(handler("log_tcp"), Ok("log_tcp".to_owned()));
        for refused in ["", "tcp://10.0.0.1:22", "10.0.0.1:22", "two words"] {
            assert!(handler(refused).is_err(), "{refused}");
        }
    }
}
