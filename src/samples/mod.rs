//! Samples: files that visitors bring or name, stored and fetched outside the threads that serve visitors.
//!
//! Owns the store (`SHA256`, and `SHA256.json` with whence it came), the downloader, and the bounded queues to both. Refuses to block a
//! sender, to run or unpack anything, and to connect to anything but public addresses.
//!
//! ```text
//! server workers -> SampleSender -> queue bounded by number and bytes -> thread "samples": store
//!                                -> queue bounded by number           -> thread "fetcher": resolve, check, connect, store, event
//! ```
//! The directory is opened before privileges are given up; the threads run as the unprivileged user, without capabilities.

mod address;
mod fetch;
mod queue;
mod store;
mod thread;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::events::FlowRef;

pub use fetch::Fetching;
pub use queue::{Receivers, SampleSender, channel};
pub use store::{Store, StoreError, Stored};
pub use thread::Collector;

/// Where a file came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// When it was seen.
    pub at: Timestamp,
    /// In which flow.
    pub flow: FlowRef,
    /// To which handler.
    pub handler: Arc<str>,
}

impl Origin {
    /// The beginning of `SHA256.json`.
    fn to_value(&self) -> Value {
        let key = &self.flow.key;
        let time = i64::try_from(self.at.as_micros()).ok().and_then(|at| jiff::Timestamp::from_microsecond(at).ok());
        json!({
            "time": time.map(|time| time.to_string()),
            "flow_id": self.flow.id.to_string(),
            "src_ip": key.client.to_string(),
            "src_port": key.client_port,
            "dest_ip": key.dialled.to_string(),
            "dest_port": key.dialled_port,
            "handler": &*self.handler,
        })
    }
}

/// `value` with another field.
fn with(mut value: Value, name: &str, field: impl Into<Value>) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.insert(name.to_owned(), field.into());
    }
    value
}

#[cfg(test)]
mod tests;
