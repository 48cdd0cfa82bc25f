//! What is recorded at one moment, read anew: the command and the control socket say the same.

use std::{collections::BTreeSet, sync::Arc};

use netd_model::{
    attachment::Attachment,
    name::NetworkName,
    overlay::{HostLease, KnownPeers},
};
use netd_store::{Reader, Result, Snapshot, Store, boot_id};

use super::{AttachmentRow, NameRow, NetworkRow, known_peers};
use crate::{cluster::View, health, rounds::Faults};

/// The store, and what it held when it was read.
#[derive(Debug)]
pub(crate) struct Recorded {
    store: Store,
    /// The boot of the host.
    pub(crate) boot: String,
    /// The attachments, whole.
    pub(crate) snapshot: Snapshot,
}

impl Recorded {
    /// Reads all of it.
    pub(crate) fn read(store: Store) -> Result<Self> {
        let snapshot = Reader::new(store.clone()).read();
        Ok(Self { store, boot: boot_id()?, snapshot })
    }

    /// `netd show networks`.
    pub(crate) fn networks(&self) -> Result<Vec<NetworkRow>> {
        let lease = |network: NetworkName| -> (NetworkName, Option<HostLease>) {
            let lease = self.store.host_lease(&network).ok().flatten();
            (network, lease)
        };
        let leases = self.store.host_leases()?.into_iter().map(lease).collect();
        Ok(super::networks(self.all(), &leases, &self.paused()))
    }

    /// `netd show attachments`.
    pub(crate) fn attachments(&self) -> Vec<AttachmentRow> {
        super::attachments(self.all())
    }

    /// `netd show names`.
    pub(crate) fn names(&self) -> Vec<NameRow> {
        super::names(self.all(), &self.boot, &health::sick(&self.store))
    }

    /// Other hosts, as the daemon knew them last.
    pub(crate) fn peers(&self) -> Result<KnownPeers> {
        let known = self.store.known_peers()?;
        Ok(known.unwrap_or_else(|| known_peers(&View::default(), &Faults::new())))
    }

    fn all(&self) -> impl Iterator<Item = &Attachment> {
        self.snapshot.attachments.values().map(Arc::as_ref)
    }

    fn paused(&self) -> BTreeSet<NetworkName> {
        let paused = self.snapshot.networks.iter().filter(|(_, settings)| settings.paused);
        paused.map(|(network, _)| network.clone()).collect()
    }
}
