//! What the store says, as the loop wants to see it: hosts in networks, as far as they have what they say they have.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::SystemTime,
};

use ipnetwork::IpNetwork;
use netd_model::{
    name::{HostName, NetworkName},
    overlay::{Member, NamesOfHost, VERSION},
};

use super::{document::Document, key::Key, shards, tree::Tree};
use crate::{
    cluster::view::{NetworkView, Peer, State, View},
    settings::{
        cluster::{Host, Place},
        network::{Network, Networks, Refused, family, overlap},
    },
};

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    /// Its name.
    pub(super) host: HostName,
    /// What tells it from all others.
    pub(super) identity: String,
    /// Where it is reached.
    pub(super) vtep: IpAddr,
}

/// The networks that stand in the store, those that this host cannot be in apart.
pub(super) fn networks(tree: &Tree, own: &Own) -> Networks {
    let mut found: Vec<(i64, NetworkName, Result<Network, String>)> = Vec::new();
    let of_networks = tree.iter().map_while(|(key, entry)| match key {
        Key::Network(name) => Some((name, entry)),
        _ => None,
    });
    for (name, entry) in of_networks {
        let network = match &entry.document {
            Ok(Document::Network(document)) => Ok(document.network.clone()),
            Ok(_) => continue,
            Err(error) => Err(format!("what the store says of it cannot be read: {error}")),
        };
        found.push((entry.revision, name.clone(), network));
    }
    // Of two that clash the one that was there before goes on.
    found.sort_by_key(|(revision, ..)| *revision);
    let host = Host { name: own.host.clone(), place: Some(Place::Address(own.vtep)), checksum_offload: None };
    Networks::sorted_out(found.into_iter().map(|(_, name, network)| (name, network)), &host)
}

/// All of it anew, after `old`, and the networks that cannot be here.
pub(super) fn whole(tree: &Tree, own: &Own, old: &View) -> (View, Vec<Refused>) {
    let mut view = View::default();
    let Networks { usable, refused } = networks(tree, own);
    for network in usable {
        let name = network.overlay.name.clone();
        let peers = old.networks.get(&name).map(|old| old.peers.clone()).unwrap_or_default();
        let shown = NetworkView { network: Arc::new(network), own: None, peers, left_out: BTreeMap::new() };
        view.networks.insert(name, shown);
    }
    let there = tree.iter().filter_map(|(key, _)| key.host());
    let hosts: BTreeSet<HostName> =
        there.chain(old.networks.values().flat_map(|network| network.peers.hosts())).cloned().collect();
    for host in &hosts {
        again(&mut view, tree, own, host);
    }
    (view, refused)
}

/// What the store says of one host now.
pub(super) fn again(view: &mut View, tree: &Tree, own: &Own, host: &HostName) {
    for network in view.networks.values_mut() {
        let member = member(tree, &network.network, host);
        if *host == own.host {
            let is_own = matches!(tree.document(&Key::Host(host.clone())), Some(Document::Host(claim)) if claim.identity == own.identity);
            network.own = member.ok().flatten().filter(|_| is_own);
            continue;
        }
        network.left_out.remove(host);
        match member.and_then(|member| in_reach(member, own)) {
            Ok(Some(member)) => {
                let peer = peer(tree, Arc::new(member), None, network.peers.get(host));
                network.peers.insert(host, peer);
            }
            Ok(None) => network.peers.remove(host),
            // What was known of it and could be read goes on.
            Err(error) => {
                if let Some(old) = network.peers.get(host) {
                    let peer = peer(tree, Arc::clone(&old.member), Some(error), Some(old));
                    network.peers.insert(host, peer);
                } else {
                    network.left_out.insert(host.clone(), error);
                }
            }
        }
    }
}

/// What a host has of a network: nothing, or what is its own and no other's.
fn member(tree: &Tree, network: &Network, host: &HostName) -> Result<Option<Member>, String> {
    let name = &network.overlay.name;
    let Some(entry) = tree.get(&Key::Member(name.clone(), host.clone())) else { return Ok(None) };
    let Document::Member(member) = entry.document.clone()? else { return Ok(None) };
    let owns = |key: Key| matches!(tree.document(&key), Some(Document::Owner(owner)) if owner.host == *host);
    if !owns(Key::Vtep(member.vtep)) {
        return Err(format!("its address {} is another host's", member.vtep));
    }
    for part in &member.subnets {
        if !network.overlay.subnets.iter().any(|whole| whole.prefix() <= part.prefix() && overlap(whole, part)) {
            return Err(format!("its subnet {part} is no part of network {name}"));
        }
        if !owns(Key::Subnet(name.clone(), *part)) {
            return Err(format!("its subnet {part} of network {name} is another host's"));
        }
    }
    if member.subnets.is_empty() || member.subnets.len() > network.overlay.subnets.len() {
        return Err(format!("it has {} subnets of network {name}", member.subnets.len()));
    }
    Ok(Some(member))
}

/// The member, where packets can be sent to it from here.
fn in_reach(member: Option<Member>, own: &Own) -> Result<Option<Member>, String> {
    match member {
        Some(Member { vtep, .. }) if vtep.is_ipv4() != own.vtep.is_ipv4() => {
            Err(format!("its address {vtep} is of {}, that of this host of {}", family(vtep), family(own.vtep)))
        }
        member => Ok(member),
    }
}

fn peer(tree: &Tree, member: Arc<Member>, error: Option<String>, old: Option<&Arc<Peer>>) -> Peer {
    let alive = tree.get(&Key::Alive(member.host.clone()));
    let state = if alive.is_some() { State::Alive } else { State::Silent };
    let since = match (old.filter(|old| old.state == state), alive) {
        (Some(old), _) => old.since,
        (None, Some(alive)) => alive.since,
        (None, None) => SystemTime::now(),
    };
    let keys = |shard| Key::Names(member.network.clone(), member.host.clone(), shard);
    let (mut error, mut found) = (error, Vec::new());
    for (_, entry) in tree.range(keys(0)..=keys(u16::MAX)) {
        match &entry.document {
            Ok(Document::Names(names)) => found.push(names),
            Ok(_) => {}
            Err(reason) => error = Some(format!("some of its names cannot be read: {reason}")),
        }
    }
    let mut containers = shards::joined(found.into_iter());
    let is_own = |address: &IpAddr| member.subnets.iter().any(|subnet: &IpNetwork| subnet.contains(*address));
    for container in &mut containers {
        container.addresses.retain(is_own);
    }
    containers.retain(|container| !container.addresses.is_empty());
    let (host, network) = (member.host.clone(), member.network.clone());
    Peer {
        names: Arc::new(NamesOfHost { version: VERSION, host, network, containers }),
        state,
        since,
        last_error: error,
        recalled: None,
        member,
    }
}
