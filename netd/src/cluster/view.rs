//! The cluster as the loop reads it: immutable, and the whole of it.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use netd_model::{
    name::{HostName, NetworkName},
    overlay::{Member, NamesOfHost, VERSION},
};

use super::{contact::Contact, members::Members};

#[cfg(test)]
mod tests;

/// All networks that span hosts, as far as they are known here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Each network of the settings.
    pub(crate) networks: BTreeMap<NetworkName, NetworkView>,
    /// What is wrong and a person must mend, one line each.
    pub(crate) errors: Vec<String>,
}

/// One network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NetworkView {
    /// What this host has of it.
    pub(crate) own: Option<Member>,
    /// What each other host has of it.
    pub(crate) peers: BTreeMap<HostName, Peer>,
}

/// Another host in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// How its containers are reached. It holds, whatever the state.
    pub(crate) member: Member,
    /// Its names. Of a silent host they are the last that it told, and are not to be served.
    pub(crate) names: Arc<NamesOfHost>,
    /// Whether it answers.
    pub(crate) state: State,
    /// Since when.
    pub(crate) since: SystemTime,
    /// Why it cannot be asked, or why what it tells is not taken.
    pub(crate) last_error: Option<String>,
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
    /// The view of these members, with what was heard of them; `errors` are those that have no better place.
    pub(super) fn new(members: &Members, contacts: &BTreeMap<HostName, Contact>, errors: Vec<String>) -> Self {
        let networks = members.networks.iter().map(|(name, network)| {
            let heard = |host: &HostName| contacts.get(host);
            let peers = network.others.iter();
            let peers = peers.filter_map(|(host, member)| Some((host.clone(), Peer::new(member, heard(host)?))));
            (name.clone(), NetworkView { own: network.own.clone(), peers: peers.collect() })
        });
        Self { networks: networks.collect(), errors }
    }
}

impl Peer {
    fn new(member: &Member, contact: &Contact) -> Self {
        let (names, outside) = match contact.names.get(&member.network) {
            Some(names) => within(names, member),
            None => (Arc::new(empty(member)), 0),
        };
        let foreign = (outside > 0).then(|| {
            format!("{outside} addresses of network {} are not in its subnets and are left out", member.network)
        });
        Self {
            member: member.clone(),
            names,
            state: contact.state,
            since: contact.since,
            last_error: contact.last_error.clone().or(foreign),
        }
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
