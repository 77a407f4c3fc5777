//! What visitors see on ports that are not the handler's own: a site for each, the same whenever it is asked for, unlike its neighbours.

use std::sync::Arc;

use super::super::release::Release;
use super::super::{Credentials, Persona};
use super::face::Face;
use super::login::Login;
use super::site::draw;

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
    ];
    let face = Face::named(draw(random, &servers), persona.host_name());
    // One in three is guarded as a whole.
    let guarded = random.within(&(0..=2)) == 0;
    (Login::on_port(persona, credentials, port, guarded), face)
}
