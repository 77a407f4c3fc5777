//! Logins that come by XML-RPC, as those that WordPress is tried with: one call, or many in `system.multicall`.

/// The method that a password is tried with: its arguments are a name and a password.
const METHOD: &str = "wp.getUsersBlogs";
/// Logins of one request that are looked at.
const MAX_LOGINS: usize = 64;

/// Names and passwords that a body tries.
pub(super) fn logins(body: &[u8]) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(body);
    if !body.contains("<methodCall>") {
        return Vec::new();
    }
    let calls = body.split(METHOD).skip(1).take(MAX_LOGINS);
    let login = |call| {
        let mut values = values(call);
        Some((values.next()?, values.next()?))
    };
    calls.filter_map(login).collect()
}

/// The texts of values that hold nothing else: `<value>x</value>`, `<value><string>x</string></value>`.
fn values(text: &str) -> impl Iterator<Item = String> {
    text.split("<value>").skip(1).filter_map(|value| {
        let (inner, _) = value.split_once("</value>")?;
        let inner = inner.trim();
        let inner = inner.strip_prefix("<string>").and_then(|inner| inner.strip_suffix("</string>")).unwrap_or(inner);
        let unescaped =
            || inner.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        (!inner.contains('<')).then(unescaped)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_login_of_a_call_and_of_a_multicall_is_found() {
        let call = b"<?xml version='1.0'?><methodCall><methodName>wp.getUsersBlogs</methodName><params>\
            <param><value>admin</value></param><param><value><string>a&amp;b</string></value></param></params></methodCall>";
        assert_eq!(logins(call), [("admin".to_owned(), "a&b".to_owned())]);
        let one = "<value><struct><member><name>methodName</name><value><string>wp.getUsersBlogs</string></value></member>\
            <member><name>params</name><value><array><data><value><array><data><value><string>admin</string></value>\
            <value><string>x</string></value></data></array></value></data></array></value></member></struct></value>";
        let many = format!("<methodCall><methodName>system.multicall</methodName>{}</methodCall>", one.repeat(100));
        let found = logins(many.as_bytes());
        assert!(found.len() == MAX_LOGINS && found.iter().all(|login| *login == ("admin".to_owned(), "x".to_owned())));
        assert!(logins(b"<methodCall>wp.getUsersBlogs<value>a").is_empty() && logins(b"a=b").is_empty());
    }
}
