//! What visitors see on ports that are not the handler's own: a site for each, the same whenever it is asked for, unlike its neighbours.

use std::sync::Arc;

use super::super::release::Release;
use super::super::{Credentials, Persona};
use super::face::Face;
use super::login::Login;
use super::site::draw;

/// Ports of well-known protocols whose servers know no HTTP: what is asked there is recorded and not answered.
const OTHERS: &[u16] = &[
    53, 88, 102, 111, 113, 119, 135, 137, 139, 161, 179, 389, 427, 445, 502, 512, 513, 514, 515, 543, 544, 548, 554,
    636, 1099, 1433, 1434, 1521, 1723, 1883, 1935, 2049, 2181, 2404, 3260, 3268, 3269, 3389, 4369, 5060, 5061, 5222,
    5269, 5432, 5433, 5555, 5672, 6000, 6001, 6379, 6666, 6667, 6697, 7000, 8883, 9042, 9092, 9100, 11_211, 19_132,
    20_000, 25_565, 27_017, 27_018, 44_818, 47_808,
];

/// The port belongs to another protocol.
pub(super) fn is_of_another_protocol(port: u16) -> bool {
    OTHERS.binary_search(&port).is_ok()
}

/// The login that stands on this port, and its server software.
pub(super) fn of_port(persona: &Persona, credentials: &Arc<Credentials>, port: u16) -> (Login, Face) {
    let random = &mut persona.random(&format!("http port {port}"));
    let release = Release::of(persona);
    // The system's own servers, and images that run beside them.
    let servers = [
        release.nginx,
        release.apache,
        release.nginx,
        release.apache,
        "nginx/1.25.5",
        "nginx/1.27.4",
        "nginx",
        "Apache/2.4.62 (Unix)",
        "",
        "",
    ];
    let server = draw(random, &servers);
    let face = if server.is_empty() { Face::Go } else { Face::named(server, persona.host_name()) };
    // One in three is guarded as a whole.
    let guarded = random.within(&(0..=2)) == 0;
    (Login::on_port(persona, credentials, port, guarded), face)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_other_protocols_are_in_order_and_none_is_a_web_port() {
        assert!(OTHERS.is_sorted());
        assert!(
            [80, 81, 443, 3_000, 5_000, 8_080, 8_443, 9_000, 10_000].iter().all(|&port| !is_of_another_protocol(port))
        );
    }
}
