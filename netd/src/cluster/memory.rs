//! What is known of other hosts outlives netd: while the store cannot be asked after a start, it is what was known last.
//!
//! It is written a while after it changed, by a thread that nobody waits for but who stops. Whoever reads it afterwards
//! knows how old it is by the time of the file, which is renewed while the store is there and nothing changes.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use netd_store::{Documents, Identity, Remembered};
use serde::Serialize;
use serde_json::{Value, value::to_raw_value};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    logs::{Once, chain},
    settings::Settings,
};

/// How often it is written at most.
const EVERY: Duration = Duration::from_secs(5);

/// How often the time of the file is renewed.
const RENEWED_EVERY: Duration = Duration::from_mins(1);

/// What was known before netd started.
#[derive(Debug)]
pub(super) struct Recalled {
    /// Documents as the store writes and reads them.
    pub(super) documents: Documents,
    /// This host, which knew it.
    pub(super) identity: String,
    /// When that was true last.
    pub(super) as_of: SystemTime,
}

/// What is known, by its keys, each document as the text that it is read from again.
pub(super) fn documents<K: ToString, D: Serialize>(known: impl IntoIterator<Item = (K, D)>) -> Documents {
    let text = |(key, document): (K, D)| Some((key.to_string(), to_raw_value(&document).ok()?));
    known.into_iter().filter_map(text).collect()
}

/// The file.
pub(super) struct Memory {
    /// The kind of store.
    store: &'static str,
    /// When it was last written or renewed.
    kept: Option<Instant>,
    writing: Option<JoinHandle<Result<(), String>>>,
    /// Whether the last writing failed: what stands there is old.
    is_owed: bool,
    failures: Once,
}

impl Memory {
    /// Of a kind of store. It is not written at once: what was known before may be better than what is known first.
    pub(super) fn new(store: &'static str) -> Self {
        Self { store, kept: Some(Instant::now()), writing: None, is_owed: false, failures: Once::default() }
    }

    /// What the file says, if it is of this host in this cluster.
    pub(super) async fn recall(&self, settings: &Arc<Settings>) -> Option<Recalled> {
        let (store, settings) = (self.store, Arc::clone(settings));
        let recalled = tokio::task::spawn_blocking(move || recall(store, &settings)).await;
        match recalled.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(recalled) => recalled,
            Err(error) => {
                tracing::warn!(error, "what was known of other hosts is not known any more");
                None
            }
        }
    }

    /// Writes what is known now, if it `is_news` and the last time is long enough ago. Nobody waits for it.
    pub(super) async fn keep(
        &mut self,
        settings: &Arc<Settings>,
        is_news: &mut bool,
        known: impl FnOnce() -> Documents,
    ) {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.finish().await;
        }
        *is_news |= std::mem::take(&mut self.is_owed);
        let now = Instant::now();
        let rest = if *is_news { EVERY } else { RENEWED_EVERY };
        let is_due = self.kept.is_none_or(|kept| now.duration_since(kept) >= rest);
        if !is_due || self.writing.is_some() {
            return;
        }
        self.kept = Some(now);
        let known = std::mem::take(is_news).then(known);
        let (store, settings) = (self.store, Arc::clone(settings));
        let work = move || match known {
            Some(known) => write(store, &settings, known),
            None => Remembered::touch(&settings.state_dir, SystemTime::now()).map_err(|error| chain(&error)),
        };
        self.writing = Some(tokio::task::spawn_blocking(work));
    }

    /// The last of it, when netd stops.
    pub(super) async fn end(mut self, settings: &Arc<Settings>, is_news: &mut bool, known: impl FnOnce() -> Documents) {
        self.finish().await;
        self.kept = None;
        self.keep(settings, is_news, known).await;
        self.finish().await;
    }

    async fn finish(&mut self) {
        let Some(writing) = self.writing.take() else { return };
        let written = writing.await.unwrap_or_else(|error| Err(error.to_string()));
        self.is_owed = written.is_err();
        self.failures.say(written.err(), |error| tracing::warn!(error, "what is known of other hosts is not kept"));
    }
}

/// Returns when nobody gives orders any more: netd stops.
pub(super) async fn end_of(mut settings: watch::Receiver<Arc<Settings>>) {
    while settings.changed().await.is_ok() {}
}

fn recall(store: &str, settings: &Settings) -> Result<Option<Recalled>, String> {
    let read = Remembered::read(&settings.state_dir).map_err(|error| chain(&error))?;
    let Some((remembered, as_of)) = read else { return Ok(None) };
    let identity = identity(&settings.state_dir)?;
    let of = (&*remembered.store, &remembered.cluster, &remembered.identity, &remembered.host);
    let are_others = remembered.networks.iter().any(|then| {
        let now = networks(settings).into_iter().find(|now| name(now) == name(then));
        now.is_some_and(|now| now != *then)
    });
    if of != (store, &settings.cluster.name, &identity, &settings.host.name) || are_others {
        tracing::info!("what was known before is of another cluster, host or network and is left alone");
        return Ok(None);
    }
    Ok(Some(Recalled { documents: remembered.documents, identity, as_of }))
}

fn write(store: &str, settings: &Settings, documents: Documents) -> Result<(), String> {
    let identity = identity(&settings.state_dir)?;
    let (cluster, host) = (settings.cluster.name.clone(), settings.host.name.clone());
    let mut remembered = Remembered::new(store.to_owned(), cluster, identity, host);
    remembered.networks = networks(settings);
    remembered.documents = documents;
    remembered.write(&settings.state_dir).map_err(|error| chain(&error))
}

fn identity(state_dir: &Path) -> Result<String, String> {
    Identity::of(state_dir).map(|identity| identity.text().to_owned()).map_err(|error| chain(&error))
}

/// The networks of the settings as they stand in the file.
fn networks(settings: &Settings) -> Vec<Value> {
    settings.networks.usable.iter().filter_map(|network| serde_json::to_value(network).ok()).collect()
}

fn name(network: &Value) -> Option<&Value> {
    network.get("overlay")?.get("name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_could_not_be_written_is_written_later_and_the_file_before_it_is_not_said_to_be_true() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("state_dir = '{}/state'", folder.path().display());
        let settings = Arc::new(Settings::parse(&text).unwrap());
        std::fs::write(&settings.state_dir, "in its place").unwrap();
        let mut memory = Memory::new("static");
        for (is_news, is_written) in [(true, false), (false, true)] {
            memory.kept = None;
            memory.keep(&settings, &mut { is_news }, Documents::default).await;
            memory.finish().await;
            assert_eq!(Remembered::read(&settings.state_dir).is_ok_and(|it| it.is_some()), is_written);
            let _ = std::fs::remove_file(&settings.state_dir);
        }
        assert!(memory.recall(&settings).await.is_some());
    }
}
