//! What the loop makes of what is recorded: names that are served and published, and where they are answered.

use std::{sync::Arc, time::Instant};

use netd_kernel::link_index;
use netd_model::attachment::Attachment;
use netd_store::{Changes, Watch};

use super::Daemon;
use crate::{cluster::changes, known::Known, logs::chain, overlay::Overlays, settle::Reading, zones};

impl Daemon {
    /// Takes note of what changed in the store. What cannot be watched may have changed: all is read when it `is_time`.
    pub(super) fn hear_of_store(&mut self, watch: &mut Watch, is_time: bool) {
        let told = watch.changes();
        self.watch_errors.say(told.as_ref().err().map(|error| chain(error)), |error| {
            tracing::warn!(error, "store not watched");
        });
        match told {
            Ok(changes) => self.changes.add(changes),
            Err(_) if is_time => self.changes = Changes::Everything,
            Err(_) => {}
        }
        if !self.changes.is_empty() {
            self.settle.change(Instant::now());
        }
    }

    /// Serves what is recorded now, if it is time to. It costs what changed.
    pub(super) fn look_at_store(&mut self, is_waited_for: bool) {
        let Some(reading) = self.settle.read(Instant::now(), is_waited_for) else { return };
        let changed = std::mem::take(&mut self.changes);
        let snapshot = match reading {
            Reading::Changes => self.reader.follow(&changed),
            Reading::Whole => self.reader.read(),
        };
        if snapshot.generation == self.snapshot.generation {
            return;
        }
        self.broken_documents.say(snapshot.broken.iter().map(|error| chain(error.as_ref())), |error| {
            tracing::warn!(error, "document not readable");
        });
        let old = std::mem::replace(&mut self.snapshot, Arc::new(snapshot));
        let new = Arc::clone(&self.snapshot);
        let is_first = old.generation == 0;
        self.pace.ask();
        self.tell_changes(&old, &new);
        let boot = Arc::clone(&self.boot);
        let named = |attachment: Option<&Arc<Attachment>>| attachment.filter(|it| zones::is_named(it, &boot)).cloned();
        let documents = changes(&old.attachments, &new.attachments).map(|(old, new)| (named(old), named(new)));
        let mut is_changed = is_first;
        // Most writes of a verb change no name.
        for (old, new) in documents.filter(|(old, new)| old.is_some() || new.is_some()) {
            is_changed = true;
            self.probe(old.as_deref(), new.as_deref(), is_first);
        }
        if self.reports.sweep(&new) || is_changed {
            self.publish();
            self.serve();
        }
    }

    /// What is known at this moment.
    pub(super) fn known(&self) -> Known {
        let (snapshot, view) = (Arc::clone(&self.snapshot), Arc::clone(&self.view));
        Known { snapshot, view, sick: Arc::clone(self.reports.sick()) }
    }

    /// Tells the other hosts what this one has, once that is known.
    pub(super) fn publish(&self) {
        if self.snapshot.generation > 0 {
            self.cluster.publish(zones::of_host(&self.known(), &self.boot, &self.settings.host.name));
        }
    }

    /// Serves the names of this host's containers, and of those that share a network with them.
    pub(super) fn serve(&mut self) {
        let turned = self.kept.turn(&self.known(), &self.boot);
        let zones = zones::zones(&turned, &self.settings, &self.server.zones(), self.generation());
        self.server.set_zones(Arc::new(zones));
        self.is_moved |= turned.is_moved || !zones::are_heard(&turned.come, &self.listeners, link_index);
    }

    /// Takes up what other hosts have now.
    pub(super) fn look_at_cluster(&mut self) {
        let view = self.cluster.view();
        if Arc::ptr_eq(&view, &self.view) {
            return;
        }
        let old = std::mem::replace(&mut self.view, view);
        self.cluster_errors.say(self.view.errors.iter().cloned(), |error| tracing::error!(error, "cluster"));
        self.is_view_told = false;
        // The way to a container is begun before its name is told.
        self.choose_overlays();
        self.pace_repair(false, false);
        if !self.view.serves_as(&old) {
            self.serve();
        }
    }

    pub(super) fn choose_overlays(&mut self) {
        let overlays = Overlays::new(&self.settings, &self.view);
        if *self.overlays != overlays {
            self.overlays = Arc::new(overlays);
            self.pace.tell();
            self.publish();
        }
    }
}
