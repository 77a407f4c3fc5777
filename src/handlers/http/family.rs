//! The families: kinds of service that HTTP visitors look for. A table walks them; the first that claims a request answers it.

use super::super::Context;
use super::answer::Answer;
use super::ask::Ask;
use super::face::Face;

/// One kind of service.
pub(super) trait Family: Send + Sync {
    /// The `family` field of events.
    fn name(&self) -> &'static str;

    /// The request is meant for such a service, told by path or body: asked on ports that any family may answer on.
    fn claims(&self, ask: &Ask<'_>) -> bool;

    /// The server that it runs on; `None` = the sensor's web server.
    fn face(&self) -> Option<&Face> {
        None
    }

    /// Its answer; `None` = a path or method that it does not know, which its face refuses.
    fn answer(&self, cx: &mut Context<'_>, ask: &Ask<'_>) -> Option<Answer>;

    /// There is nothing at this path, whatever the body says.
    fn lacks(&self, ask: &Ask<'_>) -> bool {
        let _ = ask;
        false
    }

    /// It judges the credentials of this request itself; those that nobody judges are recorded as refused.
    fn judges(&self, ask: &Ask<'_>) -> bool {
        let _ = ask;
        false
    }

    /// It answers this on every port of the web: off for what nmap's default scripts ask of each, which no host is on all of them.
    fn is_everywhere(&self, ask: &Ask<'_>) -> bool {
        let _ = ask;
        true
    }

    /// The server judges the request line first, as it does for files: off for families that live on broken paths.
    fn is_strict(&self) -> bool {
        true
    }
}
