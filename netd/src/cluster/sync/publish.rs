//! What this host answers, and when it changes.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::body::Bytes;
use netd_model::{name::HostName, overlay::NamesOfHost};
use tokio::{sync::watch, time::sleep};

use super::{LARGEST, Takes, document::Document};
use crate::{
    cluster::{
        Mtus,
        crossing::{Crossing, Crossings},
    },
    settings::Settings,
};

/// Changes that come closer than this are one.
const QUIET: Duration = Duration::from_millis(50);

/// What is answered, until something changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// None until the names are known.
    document: Option<Published>,
    /// Why the last names are not in it.
    pub(crate) error: Option<String>,
}

/// The document.
#[derive(Debug, Clone)]
struct Published {
    version: u64,
    whole: Bytes,
    /// What older ones take.
    names_and_mtus: Bytes,
    names: Bytes,
}

impl Answer {
    /// The document, if it is another than the asker has.
    pub(super) fn news(&self, after: Option<u64>, takes: Takes) -> Option<&Bytes> {
        let document = self.document.as_ref().filter(|document| Some(document.version) != after)?;
        Some(match takes {
            Takes::Names => &document.names,
            Takes::NamesAndMtus => &document.names_and_mtus,
            Takes::All => &document.whole,
        })
    }

    /// Whether the asker has what there is: not so where nothing is known yet.
    pub(super) fn is_as(&self, after: Option<u64>) -> bool {
        self.document.as_ref().is_some_and(|document| Some(document.version) == after)
    }

    fn set(&mut self, document: Document) {
        match Published::new(document) {
            Ok(published) => (self.document, self.error) = (Some(published), None),
            Err(error) => self.error = Some(format!("names of this host are not published: {error}")),
        }
    }
}

impl Published {
    fn new(mut document: Document) -> Result<Self, String> {
        let whole = bytes(&document)?;
        document.crossings.clear();
        let names_and_mtus = bytes(&document)?;
        document.mtus.clear();
        Ok(Self { version: document.version, whole, names_and_mtus, names: bytes(&document)? })
    }
}

fn bytes(document: &Document) -> Result<Bytes, String> {
    let bytes = serde_json::to_vec(document).map_err(|error| error.to_string())?;
    if bytes.len() > LARGEST {
        return Err(format!("they take {} bytes, more than {LARGEST}", bytes.len()));
    }
    Ok(bytes.into())
}

/// Turns each set of names, and what crosses the networks then and how, into an answer.
pub(crate) async fn publish(
    mut names: watch::Receiver<Option<Arc<[NamesOfHost]>>>,
    mut mtus: watch::Receiver<Mtus>,
    mut settings: watch::Receiver<Arc<Settings>>,
    answers: watch::Sender<Answer>,
) {
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut version = u64::try_from(start.as_millis()).unwrap_or_default();
    loop {
        let known = names.borrow_and_update().clone();
        if let Some(networks) = known {
            version = version.wrapping_add(1);
            let mtus = mtus.borrow_and_update().clone();
            let (host, crossings) = of_settings(&settings.borrow_and_update());
            let document = Document { version, host, networks: networks.to_vec(), mtus, crossings };
            answers.send_modify(|answer| answer.set(document));
            sleep(QUIET).await;
        }
        tokio::select! {
            // Who tells the names is gone: netd stops.
            changed = names.changed() => if changed.is_err() { return },
            Ok(()) = mtus.changed() => {}
            Ok(()) = settings.changed() => {}
        }
    }
}

/// What an operator said of this host and of how packets cross.
fn of_settings(settings: &Settings) -> (HostName, Crossings) {
    let overlays = settings.networks.usable.iter().map(|network| &network.overlay);
    let crossings = overlays.map(|overlay| (overlay.name.clone(), Crossing::of(overlay))).collect();
    (settings.host.name.clone(), crossings)
}
