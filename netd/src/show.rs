//! What is recorded, as rows for people and as JSON for programs.

mod recorded;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ipnetwork::IpNetwork;
use netd_model::{
    addr::Mtu,
    attachment::{Attachment, Listen, Progress},
    health::Health,
    name::{ContainerId, HostName, LinkName, NetworkName, ServedName},
    object::{Object, Side},
    overlay::{HostLease, KnownPeer, KnownPeers, Member, Mode, VERSION},
};
use serde::Serialize;

use crate::{
    cluster::{NetworkView, Peer, State, View},
    health::Sick,
    rounds::Faults,
    settings::network::Network,
};

#[cfg(test)]
mod tests;

pub(crate) use recorded::Recorded;
pub(crate) use table::{Row, of_network, table};

/// A network: what its attachments recorded.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NetworkRow {
    network: NetworkName,
    /// Nothing where it is of this host alone.
    mode: Option<Mode>,
    /// This host's part of an overlay network.
    subnets: Vec<IpNetwork>,
    domains: BTreeSet<HostName>,
    listen: BTreeSet<Listen>,
    attachments: usize,
    paused: bool,
}

/// A container in a network.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct AttachmentRow {
    network: NetworkName,
    container: ContainerId,
    ifname: LinkName,
    progress: Progress,
    addresses: BTreeSet<IpAddr>,
    host_link: Option<LinkName>,
    /// Ports of the host that lead to it: `0.0.0.0:8080/tcp -> 10.1.0.7:80`.
    ports: Vec<String>,
}

/// Another host in a network.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PeerRow {
    network: NetworkName,
    host: HostName,
    state: &'static str,
    /// Seconds since 1970.
    since: u64,
    vtep: IpAddr,
    /// Nothing where it does not say.
    mtu: Option<Mtu>,
    subnets: Vec<IpNetwork>,
    containers: usize,
    error: Option<String>,
    /// Where nothing was heard of it since netd started: when this was true last, in seconds since 1970.
    recalled: Option<u64>,
}

/// A name, whole, and the addresses it stands for.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NameRow {
    name: String,
    addresses: Vec<IpAddr>,
    container: ContainerId,
    network: NetworkName,
    ttl: u32,
    /// Of one that is not healthy the name leads nowhere.
    health: Health,
}

/// A network of all hosts.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NetworkOfAllRow {
    network: NetworkName,
    subnets: Vec<IpNetwork>,
    vni: u32,
    hosts: usize,
    silent: usize,
    containers: usize,
}

/// A network of all hosts with those that are in it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NetworkOfAll {
    network: Network,
    hosts: Vec<KnownPeer>,
}

/// The networks of all hosts.
pub(crate) fn networks_of_all(view: &View) -> Vec<NetworkOfAllRow> {
    let row = |(name, known): (&NetworkName, &NetworkView)| NetworkOfAllRow {
        network: name.clone(),
        subnets: known.network.overlay.subnets.clone(),
        vni: known.network.overlay.vni.into(),
        hosts: known.peers.values().len(),
        silent: known.peers.values().filter(|peer| peer.state == State::Silent).count(),
        containers: known.peers.values().map(|peer| peer.names.containers.len()).sum(),
    };
    view.networks.iter().map(row).collect()
}

/// One of them, whole.
pub(crate) fn network_of_all(known: &NetworkView) -> NetworkOfAll {
    NetworkOfAll {
        network: Network::clone(&known.network),
        hosts: known.peers.values().map(|peer| known_peer(peer)).collect(),
    }
}

/// The networks that have attachments, are overlay networks of this host by `leases`, or are paused. A lease that cannot be
/// read is none.
pub(crate) fn networks<'a>(
    attachments: impl IntoIterator<Item = &'a Attachment>,
    leases: &BTreeMap<NetworkName, Option<HostLease>>,
    paused: &BTreeSet<NetworkName>,
) -> Vec<NetworkRow> {
    let empty = |network: &NetworkName| {
        let lease = leases.get(network).and_then(Option::as_ref);
        NetworkRow {
            network: network.clone(),
            mode: lease.map(|lease| lease.overlay.mode),
            subnets: lease.map(|lease| lease.subnets.clone()).unwrap_or_default(),
            domains: BTreeSet::new(),
            listen: BTreeSet::new(),
            attachments: 0,
            paused: paused.contains(network),
        }
    };
    let mut rows: BTreeMap<NetworkName, NetworkRow> =
        paused.iter().chain(leases.keys()).map(|name| (name.clone(), empty(name))).collect();
    for attachment in attachments {
        let network = &attachment.id.network;
        let row = rows.entry(network.clone()).or_insert_with(|| empty(network));
        row.attachments += 1;
        if let Some(names) = attachment.names() {
            row.domains.insert(names.domain.clone());
            row.listen.extend(names.listen.iter().cloned());
        }
    }
    rows.into_values().collect()
}

/// The attachments, whatever their progress.
pub(crate) fn attachments<'a>(attachments: impl IntoIterator<Item = &'a Attachment>) -> Vec<AttachmentRow> {
    let row = |attachment: &Attachment| AttachmentRow {
        network: attachment.id.network.clone(),
        container: attachment.id.container.clone(),
        ifname: attachment.id.ifname.clone(),
        progress: attachment.progress,
        addresses: addresses(attachment),
        host_link: attachment.host_link(),
        ports: attachment.ports().map(|port| port.to_string()).collect(),
    };
    attachments.into_iter().map(row).collect()
}

/// Other hosts in networks, as the daemon knew them last.
pub(crate) fn peers(known: &KnownPeers) -> Vec<PeerRow> {
    let row = |peer: &KnownPeer| PeerRow {
        network: peer.member.network.clone(),
        host: peer.member.host.clone(),
        state: if peer.alive { "alive" } else { "silent" },
        since: peer.since,
        vtep: peer.member.vtep,
        mtu: peer.member.mtu,
        subnets: peer.member.subnets.clone(),
        containers: peer.containers,
        error: peer.last_error.clone(),
        recalled: peer.recalled,
    };
    known.peers.iter().map(row).collect()
}

/// What the view of the cluster is for people, with what this host cannot do for networks.
pub(crate) fn known_peers(view: &View, faults: &Faults) -> KnownPeers {
    let peers =
        view.networks.values().flat_map(|network| network.peers.values().map(|peer| known_peer(peer))).collect();
    let faults = faults.iter().map(|(network, fault)| format!("network {network}: {fault}"));
    KnownPeers { version: VERSION, peers, errors: view.errors.iter().cloned().chain(faults).collect() }
}

fn known_peer(peer: &Peer) -> KnownPeer {
    KnownPeer {
        member: Member::clone(&peer.member),
        alive: peer.state == State::Alive,
        since: seconds(peer.since),
        containers: peer.names.containers.len(),
        last_error: peer.last_error.clone(),
        recalled: peer.recalled.map(seconds),
    }
}

/// Since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How long ago that was.
fn ago(seconds: u64) -> u64 {
    let then = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    then.and_then(|then| SystemTime::now().duration_since(then).ok()).map_or(0, |age| age.as_secs())
}

/// The names that are served, in their order.
pub(crate) fn names<'a>(
    attachments: impl IntoIterator<Item = &'a Attachment>,
    boot: &str,
    sick: &Sick,
) -> Vec<NameRow> {
    let served = attachments.into_iter().filter(|attachment| crate::zones::is_served(attachment, boot));
    let mut rows: Vec<NameRow> = served.flat_map(|attachment| names_of(attachment, sick)).collect();
    rows.sort_by(|a, b| (&a.name, &a.addresses).cmp(&(&b.name, &b.addresses)));
    rows
}

fn names_of(attachment: &Attachment, sick: &Sick) -> Vec<NameRow> {
    let Some(names) = attachment.names() else { return Vec::new() };
    let row = |name: &ServedName| NameRow {
        name: format!("{name}.{}", names.domain),
        addresses: names.addresses.clone(),
        container: attachment.id.container.clone(),
        network: attachment.id.network.clone(),
        ttl: names.ttl,
        health: sick.get(&attachment.id).copied().unwrap_or_default(),
    };
    names.names.iter().map(row).collect()
}

/// The container's addresses in this network, as recorded.
fn addresses(attachment: &Attachment) -> BTreeSet<IpAddr> {
    let objects = attachment.sections.values().flat_map(|section| section.own.iter());
    let set = objects.filter_map(|object| match object {
        Object::Address(address) | Object::Point(address) if address.side == Side::Container => {
            Some(address.address.ip())
        }
        _ => None,
    });
    let leased = attachment.sections.values().flat_map(|section| section.leases.iter().map(|lease| lease.address));
    set.chain(leased).collect()
}

fn joined(values: impl IntoIterator<Item: ToString>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(",")
}

impl Row for NetworkRow {
    const HEAD: &'static [&'static str] = &["NETWORK", "MODE", "PART", "DOMAIN", "LISTEN", "ATTACHMENTS", "REPAIR"];

    fn network(&self) -> &NetworkName {
        &self.network
    }

    fn cells(&self) -> Vec<String> {
        let listen = self.listen.iter().map(|listen| format!("{}@{}", listen.address, listen.link));
        let repair = if self.paused { "paused" } else { "on" };
        vec![
            self.network.to_string(),
            joined(self.mode),
            joined(&self.subnets),
            joined(&self.domains),
            joined(listen),
            self.attachments.to_string(),
            repair.to_owned(),
        ]
    }
}

impl Row for NetworkOfAllRow {
    const HEAD: &'static [&'static str] = &["NETWORK", "SUBNETS", "VNI", "HOSTS", "SILENT", "CONTAINERS"];

    fn network(&self) -> &NetworkName {
        &self.network
    }

    fn cells(&self) -> Vec<String> {
        let numbers = [self.hosts, self.silent, self.containers].map(|number| number.to_string());
        [self.network.to_string(), joined(&self.subnets), self.vni.to_string()].into_iter().chain(numbers).collect()
    }
}

impl Row for AttachmentRow {
    const HEAD: &'static [&'static str] = &["NETWORK", "CONTAINER", "IFNAME", "PROGRESS", "ADDRESSES", "HOST LINK"];

    fn network(&self) -> &NetworkName {
        &self.network
    }

    fn cells(&self) -> Vec<String> {
        let progress = match self.progress {
            Progress::Adding => "adding",
            Progress::Ready => "ready",
            Progress::Deleting => "deleting",
        };
        vec![
            self.network.to_string(),
            self.container.to_string(),
            self.ifname.to_string(),
            progress.to_owned(),
            joined(&self.addresses),
            joined(&self.host_link),
        ]
    }
}

impl Row for PeerRow {
    const HEAD: &'static [&'static str] =
        &["NETWORK", "HOST", "STATE", "FOR", "VTEP", "MTU", "SUBNETS", "CONTAINERS", "LAST ERROR"];

    fn network(&self) -> &NetworkName {
        &self.network
    }

    fn cells(&self) -> Vec<String> {
        let recalled = self.recalled.map(|then| format!("as known {} s ago, before netd started", ago(then)));
        let errors: Vec<String> = recalled.into_iter().chain(self.error.clone()).collect();
        vec![
            self.network.to_string(),
            self.host.to_string(),
            self.state.to_owned(),
            format!("{} s", ago(self.since)),
            self.vtep.to_string(),
            joined(self.mtu),
            joined(&self.subnets),
            self.containers.to_string(),
            errors.join("; "),
        ]
    }
}

impl Row for NameRow {
    const HEAD: &'static [&'static str] = &["NAME", "ADDRESSES", "CONTAINER", "NETWORK", "TTL", "HEALTH"];

    fn network(&self) -> &NetworkName {
        &self.network
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            joined(&self.addresses),
            self.container.to_string(),
            self.network.to_string(),
            self.ttl.to_string(),
            self.health.to_string(),
        ]
    }
}
