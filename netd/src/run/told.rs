//! What the loop tells people and programs: in the log, in a document, on the control socket.

use std::sync::Arc;

use netd_model::attachment::Progress;
use netd_store::{Snapshot, Store};
use tokio::sync::mpsc;

use super::Daemon;
use crate::{cluster::changes, control::Desk, event::Event, logs::chain, settings::Settings, show};

impl Daemon {
    /// What clients of the control socket are answered from.
    pub(super) fn desk(&self, events: mpsc::Sender<Event>) -> Desk {
        let store = Store::open(&self.settings.run_dir);
        Desk::new(store, Arc::clone(&self.boot), Arc::clone(&self.server), Arc::clone(&self.told), events)
    }

    pub(super) fn tell_known(&self) {
        let known = self.known();
        if !self.told.load().is(&known) {
            self.told.store(Arc::new(known));
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
    pub(super) fn tell_changes(&mut self, old: &Snapshot, new: &Snapshot) {
        for (old, new) in changes(&old.attachments, &new.attachments) {
            let Some(id) = new.or(old).map(|attachment| &attachment.id) else { continue };
            let was_unfinished = self.unfinished.remove(id);
            let was_there = was_unfinished || old.is_some_and(|old| old.progress == Progress::Ready);
            let news = match new.map(|new| new.progress) {
                Some(Progress::Ready) => (!was_there).then_some("attached"),
                Some(Progress::Adding) => {
                    self.unfinished.extend(was_there.then(|| id.clone()));
                    None
                }
                Some(Progress::Deleting) | None => was_there.then_some("detached"),
            };
            if let Some(news) = news {
                tracing::info!(network = %id.network, container = %id.container, ifname = %id.ifname, "{news}");
            }
        }
    }
}

/// One line for each network of the settings that cannot be; the others go on.
pub(super) fn tell_refused(settings: &Settings) {
    for refused in &settings.networks.refused {
        tracing::error!(network = %refused.network, error = refused.reason, "network of the settings refused");
    }
}
