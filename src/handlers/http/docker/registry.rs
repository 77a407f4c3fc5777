//! What the engine asks a registry for: credentials, and what is known of an image.

use serde_json::json;

use super::super::answer::Answer;
use super::super::ask::Ask;
use super::decode::{Shape, Type, json as decode};
use super::{error, image, machine, value};

const AUTH: Shape = Shape {
    name: "types.AuthConfig",
    short: "AuthConfig",
    fields: &[("username", Type::Text), ("password", Type::Text), ("serveraddress", Type::Text)],
    status: 500,
};

/// `docker login`: the server has recorded the credentials; no registry takes them.
pub(super) fn login(ask: &Ask<'_>) -> Answer {
    let wanted = match decode(ask, &AUTH) {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    let server = wanted.get("serveraddress").and_then(serde_json::Value::as_str).unwrap_or_default();
    let host = server.trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split('/').next().filter(|host| !host.is_empty() && !host.ends_with("docker.io"));
    match host {
        None => error(500, "Get \"https://registry-1.docker.io/v2/\": unauthorized: incorrect username or password"),
        Some(host) => error(
            500,
            &format!(
                "Get \"https://{host}/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)"
            ),
        ),
    }
}

/// `GET /distribution/NAME/json`.
pub(super) fn distribution(name: &str) -> Answer {
    if let Err(message) = image::check(name) {
        return error(400, message);
    }
    let (name, tag) = image::reference(name, None);
    if !image::exists(&name) {
        return error(
            403,
            "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n",
        );
    }
    let digest =
        format!("sha256:{}", machine::id(u64::from(tag.len() as u32), name.len() as u64, &format!("{name}:{tag}")));
    value(
        200,
        &json!({
            "Descriptor": {"mediaType": "application/vnd.docker.distribution.manifest.list.v2+json", "digest": digest, "size": 1_638},
            "Platforms": [{"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": "linux", "variant": "v8"}],
        }),
    )
}
