//! The other hosts of a network. Of thousands one changes: copies share all that they have in common, and to compare them
//! is to look at what they have not.

use std::{sync::Arc, time::SystemTime};

use imbl::{OrdMap, ordmap::DiffItem};
use netd_model::{name::HostName, overlay::Member};

use super::Peer;

/// How the containers of other hosts are reached.
pub(crate) type PeerMembers = OrdMap<HostName, Arc<Member>>;

/// The other hosts of a network, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peers {
    all: OrdMap<HostName, Arc<Peer>>,
    /// What of them does not change with each name.
    members: PeerMembers,
}

impl Peers {
    /// One of them.
    pub(crate) fn get(&self, host: &HostName) -> Option<&Arc<Peer>> {
        self.all.get(host)
    }

    /// All of them.
    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = &Arc<Peer>> {
        self.all.values()
    }

    /// Their names.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &HostName> {
        self.all.keys()
    }

    /// How their containers are reached.
    pub(crate) fn members(&self) -> &PeerMembers {
        &self.members
    }

    /// Puts a host in the place of what was known of it.
    pub(crate) fn insert(&mut self, host: &HostName, peer: Peer) {
        if self.members.get(host) != Some(&peer.member) {
            self.members.insert(host.clone(), Arc::clone(&peer.member));
        }
        self.all.insert(host.clone(), Arc::new(peer));
    }

    /// Takes a host out.
    pub(crate) fn remove(&mut self, host: &HostName) {
        self.members.remove(host);
        self.all.remove(host);
    }

    /// Says of each host that it was known at a time before netd started.
    pub(crate) fn recall(&mut self, as_of: SystemTime) {
        let recalled = |peer: &Peer| Arc::new(Peer { recalled: Some(as_of), ..peer.clone() });
        self.all = self.all.iter().map(|(host, peer)| (host.clone(), recalled(peer))).collect();
    }

    /// Each host that is another one in `new`, or only in one of them: as it is here, and there.
    pub(crate) fn changes<'p>(
        &'p self,
        new: &'p Self,
    ) -> impl Iterator<Item = (Option<&'p Arc<Peer>>, Option<&'p Arc<Peer>>)> {
        changes(&self.all, &new.all)
    }
}

/// What is another value, or none, in the one or the other of two maps: each as it is in the old one and in the new one.
pub(crate) fn changes<'m, K: Ord, V: PartialEq>(
    old: &'m OrdMap<K, V>,
    new: &'m OrdMap<K, V>,
) -> impl Iterator<Item = (Option<&'m V>, Option<&'m V>)> {
    old.diff(new).map(|item| match item {
        DiffItem::Add(_, new) => (None, Some(new)),
        DiffItem::Remove(_, old) => (Some(old), None),
        DiffItem::Update { old: (_, old), new: (_, new) } => (Some(old), Some(new)),
    })
}
