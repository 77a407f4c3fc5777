//! Where a container is: the Docker engine's HTTP API on its Unix socket (`GET /containers/NAME/json`).

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Where the engine listens.
pub(super) const SOCKET: &str = "/var/run/docker.sock";
/// Time for each read and write.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// The addresses of a running container, on all of its networks.
///
/// # Errors
/// When the engine cannot be asked (the error names the socket), knows no such container, or the container has no address.
pub(super) fn addresses(socket: &Path, container: &str) -> io::Result<Vec<IpAddr>> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if container.is_empty() || !container.bytes().all(is_name) {
        return Err(io::Error::other("not a container name"));
    }
    let asked = ask(socket, container)
        .map_err(|error| io::Error::new(error.kind(), format!("the Docker engine at {}: {error}", socket.display())))?;
    let inspected: Value = serde_json::from_slice(body(&asked, container)?)?;
    let networks = inspected.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    let places = networks.into_iter().flat_map(|networks| networks.values()).chain(inspected.get("NetworkSettings"));
    let mut found: Vec<IpAddr> = places
        .flat_map(|place| ["IPAddress", "GlobalIPv6Address"].map(|key| place.get(key)))
        .filter_map(|address| address?.as_str()?.parse().ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return Err(io::Error::other("the container has no address: is it running, and on a network of its own?"));
    }
    Ok(found)
}

/// One request on a connection of its own; HTTP/1.0, so that the answer is not chunked and ends with the connection.
fn ask(socket: &Path, container: &str) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /containers/{container}/json HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

fn body<'a>(answer: &'a [u8], container: &str) -> io::Result<&'a [u8]> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut slots);
    match (response.parse(answer).map_err(io::Error::other)?, response.code) {
        (httparse::Status::Complete(len), Some(200)) => Ok(answer.get(len..).unwrap_or_default()),
        (_, Some(404)) => Err(io::Error::other(format!("Docker knows no container {container}"))),
        (_, code) => Err(io::Error::other(format!("the Docker engine answers with status {}", code.unwrap_or(0)))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Asks an engine that answers this.
    fn ask_one_that_says(answer: &'static str) -> io::Result<Vec<IpAddr>> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let engine = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let len = stream.read(&mut request).unwrap();
            assert!(request[..len].starts_with(b"GET /containers/web-1/json HTTP/1.0\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let found = addresses(&path, "web-1");
        engine.join().unwrap();
        found
    }

    #[test]
    fn a_container_is_found_on_every_network() {
        let found = ask_one_that_says(
            "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"NetworkSettings\":{\"IPAddress\":\"\",\"Networks\":\
             {\"bridge\":{\"IPAddress\":\"172.17.0.2\",\"GlobalIPv6Address\":\"\"},\"own\":{\"IPAddress\":\"172.18.0.9\"}}}}",
        );
        assert_eq!(found.unwrap(), [IpAddr::from([172, 17, 0, 2]), IpAddr::from([172, 18, 0, 9])]);
    }

    #[test]
    fn failures_say_what_is_wrong() {
        let error = ask_one_that_says("HTTP/1.0 404 Not Found\r\n\r\n{}").unwrap_err();
        assert_eq!(error.to_string(), "Docker knows no container web-1");
        let error = ask_one_that_says("HTTP/1.0 200 OK\r\n\r\n{}").unwrap_err();
        assert!(error.to_string().starts_with("the container has no address"));
        let error = addresses(Path::new("/nonexistent/docker.sock"), "web-1").unwrap_err();
        assert!(error.to_string().starts_with("the Docker engine at /nonexistent/docker.sock: "), "{error}");
        assert!(addresses(Path::new(SOCKET), "../images").is_err());
    }
}
