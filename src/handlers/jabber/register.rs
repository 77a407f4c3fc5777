//! Accounts made by those who want them (XEP-0077), where every password is let in.

use super::element::{Element, escaped};
use super::room::Room;
use super::text::Wrong;

pub(super) const NAMESPACE: &str = "jabber:iq:register";

/// What is to be filled in; an account that is there has its name in it.
pub(super) fn form(name: Option<&str>) -> String {
    let fields = match name {
        Some(name) => format!("<registered/><username>{}</username><password/>", escaped(name)),
        None => "<username/><password/>".to_owned(),
    };
    format!(
        "<query xmlns='{NAMESPACE}'><instructions>Choose a username and password to register with this server</instructions>\
         {fields}</query>"
    )
}

/// Makes the account: its name and password.
pub(super) fn make(query: &Element, host: &str, room: &mut Room) -> Result<(String, String), Wrong> {
    /// Bytes of a user's name (RFC 7622 section 3.3).
    const MAX_NAME: usize = 1_023;
    let field = |name| query.child(name).map(|child| child.text.clone()).filter(|text| !text.is_empty());
    let (name, password) = field("username").zip(field("password")).ok_or(Wrong::BAD_REQUEST)?;
    if name.len() > MAX_NAME || name.contains(['@', '/', ' ', '<', '>', '\'', '"', '&', ':']) {
        return Err(Wrong::new(400, "modify", "jid-malformed"));
    }
    let bare = format!("{}@{host}", name.to_lowercase());
    if room.has_account(&bare) {
        return Err(Wrong::CONFLICT);
    }
    room.account(&bare).ok_or(Wrong::NO_ROOM)?;
    Ok((name, password))
}
