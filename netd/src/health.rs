//! Which containers are not to be found for now, as their runtime said.
//!
//! What was said outlives this process: it is a report beside the attachment's document, and goes with that.

use std::{collections::BTreeMap, sync::Arc};

use netd_model::{
    attachment::AttachmentId,
    health::{Health, Report, VERSION},
};
use netd_store::{Result, Snapshot, Store};
use tokio::sync::oneshot;

use crate::logs::chain;

/// Who is not healthy.
pub(crate) type Sick = BTreeMap<AttachmentId, Health>;

/// What somebody said of an attachment, and who waits until it is served.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) id: AttachmentId,
    pub(crate) health: Health,
    pub(crate) reply: oneshot::Sender<Heard>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is served.
    Served,
    /// There is no such attachment.
    Unknown,
    /// It would not outlive this process, and is not served.
    NotWritten(String),
}

/// What was said.
#[derive(Debug)]
pub(crate) struct Reports {
    store: Store,
    sick: Arc<Sick>,
    changes: u64,
}

impl Reports {
    /// What was said to an earlier netd.
    pub(crate) fn read(store: Store) -> Self {
        let sick = Arc::new(sick(&store, |error| tracing::warn!(error, "report not readable")));
        Self { store, sick, changes: 0 }
    }

    /// Who is not healthy.
    pub(crate) fn sick(&self) -> &Arc<Sick> {
        &self.sick
    }

    /// How often this changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Takes a word for true; whether it makes a difference.
    pub(crate) fn take(&mut self, id: &AttachmentId, health: Health) -> Result<bool> {
        if self.sick.get(id).copied().unwrap_or_default() == health {
            return Ok(false);
        }
        if health == Health::Healthy {
            self.store.remove_report(id)?;
            Arc::make_mut(&mut self.sick).remove(id);
        } else {
            self.store.write_report(&Report { version: VERSION, attachment: id.clone(), health })?;
            Arc::make_mut(&mut self.sick).insert(id.clone(), health);
        }
        self.changes += 1;
        tracing::info!(network = %id.network, container = %id.container, ifname = %id.ifname, %health, "health");
        Ok(true)
    }

    /// Forgets what was said of attachments that are no more, also of one that was made again under its name meanwhile:
    /// its report went with the old one. Whether anything was forgotten.
    pub(crate) fn sweep(&mut self, snapshot: &Snapshot) -> bool {
        // Of a document that cannot be read, nobody knows that it is gone.
        if self.sick.is_empty() || !snapshot.broken.is_empty() {
            return false;
        }
        let is_gone = |id: &AttachmentId| {
            !snapshot.attachments.contains_key(id) || self.store.report(id).is_ok_and(|report| report.is_none())
        };
        let gone: Vec<AttachmentId> = self.sick.keys().filter(|id| is_gone(id)).cloned().collect();
        for id in &gone {
            if let Err(error) = self.store.remove_report(id) {
                tracing::warn!(error = chain(&error), "report not removed");
            }
            Arc::make_mut(&mut self.sick).remove(id);
        }
        self.changes += u64::from(!gone.is_empty());
        !gone.is_empty()
    }
}

/// Who is not healthy, as it is recorded; what cannot be read is told and passed over.
pub(crate) fn sick(store: &Store, mut tell: impl FnMut(String)) -> Sick {
    let reports = store.reports().into_iter().filter_map(|report| match report {
        Ok(report) => Some((report.attachment, report.health)),
        Err(error) => {
            tell(chain(&error));
            None
        }
    });
    reports.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn snapshot(store: &Store) -> Snapshot {
        netd_store::Reader::new(store.clone()).read()
    }

    #[test]
    fn what_was_said_outlives_netd_and_no_attachment() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        let [first, second] = [("c1", "10.1.0.7"), ("c2", "10.1.0.8")].map(|(c, at)| sample::attachment("web", c, at));
        store.write(&first).unwrap();
        store.write(&second).unwrap();
        let mut reports = Reports::read(store.clone());
        assert!(reports.take(&first.id, Health::Unhealthy).unwrap());
        assert!(!reports.take(&first.id, Health::Unhealthy).unwrap(), "that was known");
        assert!(reports.take(&second.id, Health::Starting).unwrap());
        let mut reports = Reports::read(store.clone());
        let known: Vec<Health> = reports.sick().values().copied().collect();
        assert_eq!(known, [Health::Unhealthy, Health::Starting]);
        assert!(!reports.sweep(&snapshot(&store)));
        assert!(reports.take(&second.id, Health::Healthy).unwrap());
        assert_eq!(Reports::read(store.clone()).sick().len(), 1);
        // Deleted and added again between two looks.
        store.remove(&first.id).unwrap();
        store.write(&first).unwrap();
        assert!(reports.sweep(&snapshot(&store)) && reports.sick().is_empty());
        // A word that came at the time of DEL, and so was written after it.
        reports.take(&second.id, Health::Starting).unwrap();
        fs_remove(&folder, &second);
        assert!(reports.sweep(&snapshot(&store)) && store.reports().is_empty());
        assert_eq!(reports.changes(), 4);
    }

    #[test]
    fn nothing_is_forgotten_while_a_document_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        let attachment = sample::attachment("web", "c1", "10.1.0.7");
        store.write(&attachment).unwrap();
        let mut reports = Reports::read(store.clone());
        reports.take(&attachment.id, Health::Starting).unwrap();
        std::fs::write(document(&folder, &attachment), "{").unwrap();
        assert!(!reports.sweep(&snapshot(&store)) && store.reports().len() == 1);
    }

    fn document(folder: &tempfile::TempDir, attachment: &netd_model::attachment::Attachment) -> std::path::PathBuf {
        folder.path().join("attachments/web").join(format!("{}.json", attachment.id.hash()))
    }

    fn fs_remove(folder: &tempfile::TempDir, attachment: &netd_model::attachment::Attachment) {
        std::fs::remove_file(document(folder, attachment)).unwrap();
    }
}
