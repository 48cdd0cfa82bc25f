//! The cluster as the loop reads it: immutable, and the whole of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use netd_model::{
    name::{HostName, NetworkName},
    overlay::{Member, NamesOfHost, Overlay, VERSION},
};

use super::{contact::Contact, crossing::Crossing};
use crate::settings::network::Network;

mod peers;
#[cfg(test)]
mod tests;

pub(crate) use peers::{PeerMembers, Peers, changes};

/// All networks that span hosts, as far as they are known here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Each network.
    pub(crate) networks: BTreeMap<NetworkName, NetworkView>,
    /// Networks that there are and that this host cannot be in, or cannot read: what it has of them stays as it is.
    pub(crate) unusable: BTreeSet<NetworkName>,
    /// What is wrong and a person must mend, one line each.
    pub(crate) errors: Vec<String>,
    /// Whether everybody was asked once at least. Before, what is missing here may be there.
    pub(crate) is_whole: bool,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkView {
    /// What all hosts agree on.
    pub(crate) network: Arc<Network>,
    /// What this host has of it.
    pub(crate) own: Option<Member>,
    /// What each other host has of it.
    pub(crate) peers: Peers,
    /// Hosts that say they are in it and of which nothing can be taken, and why.
    pub(crate) left_out: BTreeMap<HostName, String>,
}

/// Another host in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// How its containers are reached. It holds, whatever the state.
    pub(crate) member: Arc<Member>,
    /// Its names. Of a silent host they are the last that it told, and are not to be served.
    pub(crate) names: Arc<NamesOfHost>,
    /// Whether it answers.
    pub(crate) state: State,
    /// Since when.
    pub(crate) since: SystemTime,
    /// Why it cannot be asked, or why what it tells is not taken.
    pub(crate) last_error: Option<String>,
    /// Nothing was heard of it since netd started; this is what was known before, and when that was true last.
    pub(crate) recalled: Option<SystemTime>,
}

/// Whether a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has answered within the time to live.
    Alive,
    /// It has not.
    Silent,
}

impl View {
    /// Whether the same names are served by `other`.
    pub(crate) fn serves_as(&self, other: &Self) -> bool {
        self.differences(other).next().is_none()
    }

    /// The networks of which `other` serves other names.
    pub(crate) fn differences<'v>(&'v self, other: &'v Self) -> impl Iterator<Item = &'v NetworkName> {
        let only_there = other.networks.keys().filter(|network| !self.networks.contains_key(*network));
        self.networks.keys().chain(only_there).filter(|&network| {
            let both = self.networks.get(network).zip(other.networks.get(network));
            !both.is_some_and(|(one, other)| one.serves_as(other))
        })
    }
}

impl NetworkView {
    fn serves_as(&self, other: &Self) -> bool {
        let near = |known: &Self| (known.network.prefer_local, known.own.as_ref().map(|own| own.subnets.clone()));
        near(self) == near(other)
            && self.peers.changes(&other.peers).all(|change| match change {
                (Some(one), Some(other)) => one.serves_as(other),
                _ => false,
            })
    }
}

impl Peer {
    /// A host of which this was heard, in a network that this host has so.
    pub(super) fn new(member: &Member, contact: &Contact, overlay: &Overlay) -> Self {
        let (names, outside) = match contact.told.names.get(&member.network) {
            Some(names) => within(names, member),
            None => (Arc::new(empty(member)), 0),
        };
        let foreign = (outside > 0).then(|| {
            format!("{outside} addresses of network {} are not in its subnets and are left out", member.network)
        });
        let there = contact.told.crossings.get(&member.network).copied();
        let different = there.and_then(|there| Crossing::of(overlay).difference(&member.network, &member.host, there));
        let mtu = contact.told.mtus.get(&member.network).copied().or(member.mtu);
        Self {
            member: Arc::new(Member { mtu, ..member.clone() }),
            names,
            state: contact.state,
            since: contact.since,
            last_error: contact.last_error.clone().or(different).or(foreign),
            recalled: contact.recalled,
        }
    }

    /// Whether the same names are served of `other`.
    fn serves_as(&self, other: &Self) -> bool {
        (self.state, &self.member.subnets) == (other.state, &other.member.subnets) && self.names == other.names
    }
}

/// The names of a host that has none.
fn empty(member: &Member) -> NamesOfHost {
    NamesOfHost { version: VERSION, host: member.host.clone(), network: member.network.clone(), containers: Vec::new() }
}

/// The names, without addresses that are not the host's to give, and how many those were.
fn within(names: &Arc<NamesOfHost>, member: &Member) -> (Arc<NamesOfHost>, usize) {
    let is_own = |address| member.subnets.iter().any(|subnet| subnet.contains(address));
    let addresses = names.containers.iter().flat_map(|container| &container.addresses);
    let outside = addresses.filter(|address| !is_own(**address)).count();
    if outside == 0 {
        return (Arc::clone(names), 0);
    }
    let mut names = NamesOfHost::clone(names);
    for container in &mut names.containers {
        container.addresses.retain(|address| is_own(*address));
    }
    names.containers.retain(|container| !container.addresses.is_empty());
    (Arc::new(names), outside)
}
