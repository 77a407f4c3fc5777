//! Stream management (XEP-0198) as ejabberd does it without resumption: both sides count stanzas and tell each other.

use super::element::Element;

/// Its two versions that are offered.
pub(super) const NAMESPACES: [&str; 2] = ["urn:xmpp:sm:2", "urn:xmpp:sm:3"];
const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// What one session counts, once it has asked for it.
#[derive(Debug, Default)]
pub(super) struct Management {
    /// The version that was asked for, and the stanzas that came since.
    enabled: Option<(&'static str, u32)>,
}

impl Management {
    /// A stanza came.
    pub(super) fn count(&mut self) {
        if let Some((_, handled)) = &mut self.enabled {
            *handled = handled.wrapping_add(1);
        }
    }

    /// What follows stanzas that are sent: the wish to know whether they came.
    pub(super) fn request(&self) -> String {
        self.enabled.map(|(namespace, _)| format!("<r xmlns='{namespace}'/>")).unwrap_or_default()
    }

    /// Answers an element of this protocol. `None`: it is none.
    pub(super) fn answer(&mut self, element: &Element, is_bound: bool) -> Option<String> {
        let namespace = NAMESPACES.into_iter().find(|known| *known == element.namespace())?;
        let failed = |condition| format!("<failed xmlns='{namespace}'><{condition} xmlns='{STANZA_ERRORS}'/></failed>");
        Some(match (element.name.as_str(), self.enabled) {
            ("enable", None) if is_bound => {
                self.enabled = Some((namespace, 0));
                format!("<enabled xmlns='{namespace}'/>")
            }
            ("r", Some((namespace, handled))) => format!("<a xmlns='{namespace}' h='{handled}'/>"),
            ("resume", _) if !is_bound => failed("item-not-found"),
            ("a", _) => String::new(),
            ("enable" | "resume" | "r", _) => failed("unexpected-request"),
            _ => failed("bad-request"),
        })
    }
}
