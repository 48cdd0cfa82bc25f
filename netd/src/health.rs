//! Which containers are not to be found for now, as their runtime said or netd found when it asked them.
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

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The runtime.
    Runtime,
    /// netd, which asked the container itself.
    Probe,
}

/// What somebody said of an attachment, and who waits until it is served.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) id: AttachmentId,
    pub(crate) by: By,
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

/// What was said, and what was found.
#[derive(Debug)]
pub(crate) struct Reports {
    store: Store,
    /// Of those that are not healthy.
    known: BTreeMap<AttachmentId, Report>,
    sick: Arc<Sick>,
    changes: u64,
}

impl Reports {
    /// What was said to an earlier netd.
    pub(crate) fn read(store: Store) -> Self {
        let reports = recorded(&store, |error| tracing::warn!(error, "report not readable"));
        let sick = Arc::new(reports.iter().map(|(id, report)| (id.clone(), report.health())).collect());
        Self { store, known: reports, sick, changes: 0 }
    }

    /// Who is not healthy.
    pub(crate) fn sick(&self) -> &Arc<Sick> {
        &self.sick
    }

    /// How often this changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// What one of the two said last.
    pub(crate) fn said(&self, id: &AttachmentId, by: By) -> Health {
        let said = |report: &Report| if by == By::Runtime { report.told } else { report.probed };
        self.known.get(id).map(said).unwrap_or_default()
    }

    /// Takes a word for true; whether it makes a difference.
    pub(crate) fn take(&mut self, id: &AttachmentId, by: By, health: Health) -> Result<bool> {
        if self.said(id, by) == health {
            return Ok(false);
        }
        let healthy =
            || Report { version: VERSION, attachment: id.clone(), told: <_>::default(), probed: <_>::default() };
        let mut report = self.known.get(id).cloned().unwrap_or_else(healthy);
        *(if by == By::Runtime { &mut report.told } else { &mut report.probed }) = health;
        let (before, now) = (self.sick.get(id).copied().unwrap_or_default(), report.health());
        if now.is_healthy() {
            self.store.remove_report(id)?;
            self.known.remove(id);
            Arc::make_mut(&mut self.sick).remove(id);
        } else {
            self.store.write_report(&report)?;
            self.known.insert(id.clone(), report);
            Arc::make_mut(&mut self.sick).insert(id.clone(), now);
        }
        if before == now {
            return Ok(false);
        }
        self.changes += 1;
        tracing::info!(network = %id.network, container = %id.container, ifname = %id.ifname, health = %now, "health");
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
            self.known.remove(id);
            Arc::make_mut(&mut self.sick).remove(id);
        }
        self.changes += u64::from(!gone.is_empty());
        !gone.is_empty()
    }
}

/// Who is not healthy, as it is recorded.
pub(crate) fn sick(store: &Store) -> Sick {
    recorded(store, |_| {}).into_iter().map(|(id, report)| (id, report.health())).collect()
}

/// The reports; what cannot be read is told and passed over.
fn recorded(store: &Store, mut tell: impl FnMut(String)) -> BTreeMap<AttachmentId, Report> {
    let reports = store.reports().into_iter().filter_map(|report| match report {
        Ok(report) => Some((report.attachment.clone(), report)),
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
        assert!(reports.take(&first.id, By::Runtime, Health::Unhealthy).unwrap());
        assert!(!reports.take(&first.id, By::Runtime, Health::Unhealthy).unwrap(), "that was known");
        assert!(reports.take(&second.id, By::Runtime, Health::Starting).unwrap());
        let mut reports = Reports::read(store.clone());
        let known: Vec<Health> = reports.sick().values().copied().collect();
        assert_eq!(known, [Health::Unhealthy, Health::Starting]);
        assert!(!reports.sweep(&snapshot(&store)));
        assert!(reports.take(&second.id, By::Runtime, Health::Healthy).unwrap());
        assert_eq!(Reports::read(store.clone()).sick().len(), 1);
        // Deleted and added again between two looks.
        store.remove(&first.id).unwrap();
        store.write(&first).unwrap();
        assert!(reports.sweep(&snapshot(&store)) && reports.sick().is_empty());
        // A word that came at the time of DEL, and so was written after it.
        reports.take(&second.id, By::Runtime, Health::Starting).unwrap();
        fs_remove(&folder, &second);
        assert!(reports.sweep(&snapshot(&store)) && store.reports().is_empty());
        assert_eq!(reports.changes(), 4);
    }

    #[test]
    fn runtime_and_probe_must_both_find_a_container_healthy() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        let id = sample::attachment("web", "c1", "10.1.0.7").id;
        let mut reports = Reports::read(store.clone());
        for (by, health, is_news, together) in [
            (By::Probe, Health::Starting, true, Some(Health::Starting)),
            (By::Runtime, Health::Unhealthy, true, Some(Health::Unhealthy)),
            (By::Probe, Health::Healthy, false, Some(Health::Unhealthy)),
            (By::Probe, Health::Unhealthy, false, Some(Health::Unhealthy)),
            (By::Runtime, Health::Healthy, false, Some(Health::Unhealthy)),
            (By::Probe, Health::Healthy, true, None),
        ] {
            assert_eq!(reports.take(&id, by, health).unwrap(), is_news, "{by:?} {health}");
            for reports in [&reports, &Reports::read(store.clone())] {
                assert_eq!(reports.sick().get(&id).copied(), together, "{by:?} {health}");
                assert_eq!(reports.said(&id, by), health);
            }
        }
    }

    #[test]
    fn nothing_is_forgotten_while_a_document_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        let attachment = sample::attachment("web", "c1", "10.1.0.7");
        store.write(&attachment).unwrap();
        let mut reports = Reports::read(store.clone());
        reports.take(&attachment.id, By::Runtime, Health::Starting).unwrap();
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
