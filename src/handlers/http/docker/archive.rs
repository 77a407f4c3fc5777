//! Files in and out of containers: `docker cp`, `export`, `diff`.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::super::super::Context;
use super::super::super::shell::{self, Change};
use super::super::answer::{Answer, Framing};
use super::super::ask::Ask;
use super::engine::rfc3339;
use super::stream::Once;
use super::{Docker, error, tar, value};
use crate::clock::Timestamp;

/// Entries and bytes of an archive that is made.
const MAX_ENTRIES: usize = 512;
const MAX_BYTES: usize = 1 << 20;
const DIRECTORY: u32 = 0o040_000;
/// What the engine does not name is of this type to Go.
const UNNAMED: &str = "application/octet-stream";
/// The bit of Go's `os.FileMode` that tells directories.
const GO_DIRECTORY: u32 = 1 << 31;

impl Docker {
    pub(super) fn files(
        &self,
        cx: &Context<'_>,
        ask: &Ask<'_>,
        method: &str,
        (name, id): (&str, &str),
        action: &str,
    ) -> Option<Answer> {
        let inside = self.inside(cx, id, |one| one.inside.clone())?;
        let now = cx.now();
        let path = ask.field("path").unwrap_or_default();
        Some(match (method, action) {
            ("GET", "changes") => changes(&inside, &self.device),
            ("GET", "export") => {
                let answer = tarball(self.packed(&inside, "/", now));
                Answer { content_type: Some(UNNAMED.into()), ..answer }
            }
            ("GET" | "HEAD", "archive") => self.copied_out(&inside, name, &path, (now, method == "HEAD")),
            ("PUT", "archive") => self.copied_in(&inside, name, &path, ask.body, now),
            _ => return None,
        })
    }

    fn copied_out(&self, inside: &shell::Container, id: &str, path: &str, (now, is_stat): (Timestamp, bool)) -> Answer {
        let stat =
            inside.files(&self.device, now, |files| files.stat(files.absolute(b"/", path.as_bytes()).as_slice()));
        let Some((mode, size, changed)) = stat else {
            return error(404, &format!("Could not find the file {path} in container {id}"));
        };
        let name = path.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("/");
        let kind = if mode & DIRECTORY == DIRECTORY { GO_DIRECTORY } else { 0 };
        let shown = json!({"name": name, "size": size, "mode": mode & 0o777 | kind, "mtime": rfc3339(changed), "linkTarget": ""});
        let answer = if is_stat { Answer::empty(200) } else { tarball(self.packed(inside, path, now)) };
        answer.header("X-Docker-Container-Path-Stat", BASE64.encode(shown.to_string().as_bytes()))
    }

    fn copied_in(&self, inside: &shell::Container, id: &str, path: &str, body: &[u8], now: Timestamp) -> Answer {
        inside.files(&self.device, now, |files| {
            let top = files.absolute(b"/", path.as_bytes());
            if !files.exists(&top) {
                return error(404, &format!("Could not find the file {path} in container {id}"));
            }
            if !files.is_directory(&top) {
                return error(500, "extraction point is not a directory");
            }
            if let Some(why) = files.refuses_all(&top) {
                return error(400, why);
            }
            for entry in tar::entries(body) {
                let to = files.absolute(&top, entry.name.as_bytes());
                let done = if entry.is_directory { files.make(&to) } else { files.store(&to, entry.bytes, entry.mode) };
                if let Err(why) = done {
                    return error(
                        500,
                        &format!("Error processing tar file(exit status 1): write /{}: {why}", entry.name),
                    );
                }
            }
            Answer::empty(200)
        })
    }

    /// An archive of a file, or of a directory with what is in it.
    pub(super) fn packed(&self, inside: &shell::Container, path: &str, now: Timestamp) -> Vec<u8> {
        let mut archive = Vec::new();
        inside.files(&self.device, now, |files| {
            let top = files.absolute(b"/", path.as_bytes());
            // The archive's names begin with the last part of the path.
            let cut = top.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
            let mut left = vec![top];
            for _ in 0..MAX_ENTRIES {
                let Some(path) = left.pop() else { break };
                let Some((mode, _, changed)) = files.stat(&path) else { continue };
                let name = String::from_utf8_lossy(path.get(cut..).unwrap_or_default()).into_owned();
                if mode & DIRECTORY == DIRECTORY {
                    if !name.is_empty() {
                        tar::push(&mut archive, &name, mode, changed, None);
                    }
                    let names =
                        files.names(&path).into_iter().rev().filter(|name| !name.is_empty() && path != b"/proc");
                    left.extend(names.map(|name| files.absolute(&path, &name)));
                    left.truncate(MAX_ENTRIES);
                } else if let Some(target) = files.target(&path) {
                    tar::push_link(&mut archive, &name, &String::from_utf8_lossy(&target), changed);
                } else if let Some(bytes) = files.read(&path).filter(|bytes| archive.len() + bytes.len() < MAX_BYTES) {
                    tar::push(&mut archive, &name, mode, changed, Some(&bytes));
                }
            }
        });
        tar::finish(archive)
    }
}

/// An archive as an answer.
pub(super) fn tarball(archive: Vec<u8>) -> Answer {
    let answer = Answer::streamed(200, Framing::Chunked, Once(archive));
    Answer { content_type: Some("application/x-tar".into()), ..answer }
}

fn changes(inside: &shell::Container, device: &shell::Device) -> Answer {
    let own = ["/etc/hostname", "/etc/hosts", "/etc/os-release", "/etc/passwd"];
    let kind = |change| match change {
        Change::Modified => 0,
        Change::Added => 1,
        Change::Removed => 2,
    };
    let all = inside.changes(device).into_iter().filter(|(path, _)| !own.contains(&path.as_str()));
    let all: Vec<Value> = all.map(|(path, change)| json!({"Path": path, "Kind": kind(change)})).collect();
    value(200, &if all.is_empty() { Value::Null } else { all.into() })
}
