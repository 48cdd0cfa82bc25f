//! What this host answers, and when it changes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::body::Bytes;
use netd_model::{name::HostName, overlay::NamesOfHost};
use tokio::{sync::watch, time::sleep};

use super::{LARGEST, document::Document};

/// Changes that come closer than this are one.
const QUIET: Duration = Duration::from_millis(50);

/// What is answered, until something changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// The document and its version; none until the names are known.
    pub(super) document: Option<(u64, Bytes)>,
    /// Why the last names are not in it.
    pub(crate) error: Option<String>,
}

impl Answer {
    /// The document, if it is another than the asker has.
    pub(super) fn news(&self, after: Option<u64>) -> Option<&Bytes> {
        self.document.as_ref().filter(|(version, _)| Some(*version) != after).map(|(_, bytes)| bytes)
    }

    /// Whether the asker has what there is: not so where nothing is known yet.
    pub(super) fn is_as(&self, after: Option<u64>) -> bool {
        self.document.as_ref().is_some_and(|(version, _)| Some(*version) == after)
    }

    fn set(&mut self, version: u64, host: HostName, networks: &[NamesOfHost]) {
        let document = Document { version, host, networks: networks.to_vec() };
        self.error = match serde_json::to_vec(&document) {
            Ok(bytes) if bytes.len() > LARGEST => Some(format!(
                "names of this host are not published: they take {} bytes, more than {LARGEST}",
                bytes.len()
            )),
            Ok(bytes) => {
                self.document = Some((version, bytes.into()));
                None
            }
            Err(error) => Some(format!("names of this host are not published: {error}")),
        };
    }
}

/// Turns each set of names into an answer.
pub(crate) async fn publish(
    mut names: watch::Receiver<Option<Arc<[NamesOfHost]>>>,
    host: impl Fn() -> HostName,
    answers: watch::Sender<Answer>,
) {
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut version = u64::try_from(start.as_millis()).unwrap_or_default();
    loop {
        let known = names.borrow_and_update().clone();
        if let Some(networks) = known {
            version = version.wrapping_add(1);
            answers.send_modify(|answer| answer.set(version, host(), &networks));
            sleep(QUIET).await;
        }
        // Who tells the names is gone: netd stops.
        if names.changed().await.is_err() {
            return;
        }
    }
}
