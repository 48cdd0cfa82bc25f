//! What the loop tells people and programs: in the log, in a document, on the control socket.

use std::sync::Arc;

use netd_model::attachment::{Attachment, Progress};
use netd_store::Store;
use tokio::sync::mpsc;

use super::Daemon;
use crate::{
    control::{Desk, Known},
    event::Event,
    logs::chain,
    settings::Settings,
    show,
};

impl Daemon {
    /// What clients of the control socket are answered from.
    pub(super) fn desk(&self, events: mpsc::Sender<Event>) -> Desk {
        let store = Store::open(&self.settings.run_dir);
        Desk::new(store, Arc::clone(&self.boot), Arc::clone(&self.server), Arc::clone(&self.known), events)
    }

    pub(super) fn tell_known(&self) {
        let known = self.known.load();
        let is_known = Arc::ptr_eq(&known.snapshot, &self.snapshot)
            && Arc::ptr_eq(&known.view, &self.view)
            && Arc::ptr_eq(&known.sick, self.reports.sick());
        if !is_known {
            let (snapshot, view) = (Arc::clone(&self.snapshot), Arc::clone(&self.view));
            self.known.store(Arc::new(Known { snapshot, view, sick: Arc::clone(self.reports.sick()) }));
        }
    }

    /// Writes what is known of other hosts for people, once a second at most: of thousands, one changes all the time.
    pub(super) fn tell_view(&mut self) {
        if std::mem::replace(&mut self.is_view_told, true) {
            return;
        }
        if let Err(error) =
            Store::open(&self.settings.run_dir).write_known_peers(&show::known_peers(&self.view, &self.faults))
        {
            tracing::debug!(error = chain(&error), "known peers not written");
        }
    }

    /// One line per attachment that came or went. The next plugin of its chain makes it unfinished again, and no news.
    pub(super) fn tell_changes(&mut self) {
        let attachments = &self.snapshot.attachments;
        let is_ready = |attachment: &Attachment| attachment.progress == Progress::Ready;
        let ready = attachments.iter().filter(|(_, attachment)| is_ready(attachment)).map(|(id, _)| id);
        for id in ready.filter(|id| !self.attached.contains(id)).cloned().collect::<Vec<_>>() {
            tracing::info!(network = %id.network, container = %id.container, ifname = %id.ifname, "attached");
            self.attached.insert(id);
        }
        let goes = |attachment: &Attachment| attachment.progress == Progress::Deleting;
        for id in self.attached.extract_if(.., |id| attachments.get(id).is_none_or(|found| goes(found))) {
            tracing::info!(network = %id.network, container = %id.container, ifname = %id.ifname, "detached");
        }
    }
}

/// One line for each network of the settings that cannot be; the others go on.
pub(super) fn tell_refused(settings: &Settings) {
    for refused in &settings.networks.refused {
        tracing::error!(network = %refused.network, error = refused.reason, "network of the settings refused");
    }
}
