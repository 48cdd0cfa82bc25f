//! What is served, as a function of what is recorded: networks with their names, and where they are answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use netd_model::{
    attachment::{Attachment, Listen, NamedPort, Names, Progress, StaticData, StaticRecord},
    element::Transport,
    health::Health,
    name::{HostName, LinkName, NetworkName},
    overlay::{Member, NamesOfHost, RemoteContainer, VERSION},
    upstream::{Certified, Upstream, discord},
};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::{
    cluster::{NetworkView, Peer, State},
    health::Sick,
    known::Known,
    listening::PORT,
    settings::Settings,
};

#[cfg(test)]
mod tests;

/// A network as it is served.
///
/// A network whose domain was changed is served under each domain that a living container was told: both hold all of
/// its containers, so that old and new ones find each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    /// Its zone.
    pub(crate) network: Arc<dns::Network>,
    /// Where it is answered.
    pub(crate) listen: BTreeSet<Listen>,
}

/// What is served, kept by network: the change of an attachment costs what its network has, not what all have.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    known: Known,
    networks: BTreeMap<NetworkName, Vec<Served>>,
}

/// How what is served became another.
#[derive(Debug, Default)]
pub(crate) struct Turned {
    /// Networks that are not served any more.
    gone: Vec<dns::NetworkId>,
    /// Networks that were not served before, or otherwise.
    pub(crate) come: Vec<Served>,
    /// Whether something is answered elsewhere than before.
    pub(crate) is_moved: bool,
}

/// What other hosts are told of what is known: a document for each network that spans hosts and that this one is in.
/// Containers that have none of its addresses there are of another network by the same name, and nobody's business.
pub(crate) fn of_host(known: &Known, boot: &str, host: &HostName) -> Vec<NamesOfHost> {
    let container = |attachment: &Attachment, own: &Member| {
        let names = attachment.names()?;
        let is_own = |address: &IpAddr| own.subnets.iter().any(|subnet| subnet.contains(*address));
        let addresses: Vec<IpAddr> = names.addresses.iter().copied().filter(is_own).collect();
        (!addresses.is_empty()).then(|| RemoteContainer {
            container: attachment.id.container.clone(),
            names: names.names.clone(),
            addresses,
            ports: names.ports.clone(),
            texts: names.texts.clone(),
            health: known.sick.get(&attachment.id).copied().unwrap_or_default(),
            ttl: names.ttl,
        })
    };
    let of_network = |(network, view): (&NetworkName, &NetworkView)| {
        let own = view.own.as_ref()?;
        let attachments = known.snapshot.of_network(network).filter(|attachment| is_served(attachment, boot));
        let containers = attachments.filter_map(|attachment| container(attachment, own)).collect();
        Some(NamesOfHost { version: VERSION, host: host.clone(), network: network.clone(), containers })
    };
    known.view.networks.iter().filter_map(of_network).collect()
}

impl Kept {
    /// Takes up what is known now. What of it did not change stays the same object.
    pub(crate) fn turn(&mut self, known: &Known, boot: &str) -> Turned {
        let old = std::mem::replace(&mut self.known, known.clone());
        let mut turned = Turned::default();
        for network in known.differences(&old, boot) {
            let new = in_network(&network, known, boot);
            let place = |served: &Served| (served.network.id.clone(), served.listen.clone());
            let old = self.networks.remove(&network).unwrap_or_default();
            turned.is_moved |= !old.iter().map(place).eq(new.iter().map(place));
            let is_gone = |id: &dns::NetworkId| !new.iter().any(|served| served.network.id == *id);
            turned.gone.extend(old.iter().map(|served| served.network.id.clone()).filter(is_gone));
            turned.come.extend(new.iter().cloned());
            if !new.is_empty() {
                self.networks.insert(network, new);
            }
        }
        turned
    }

    /// What is served.
    pub(crate) fn served(&self) -> impl Iterator<Item = &Served> {
        self.networks.values().flatten()
    }
}

/// All that is served of what is known.
pub(crate) fn served(known: &Known, boot: &str) -> Vec<Served> {
    Kept::default().turn(known, boot).come
}

/// Whether an attachment has names that are answered.
pub(crate) fn is_named(attachment: &Attachment, boot: &str) -> bool {
    is_served(attachment, boot) && attachment.names().is_some()
}

/// Whether the names of an attachment are answered. One of another boot is of a container that is no more.
pub(crate) fn is_served(attachment: &Attachment, boot: &str) -> bool {
    attachment.progress == Progress::Ready && attachment.boot == boot
}

/// The snapshot that questions are answered from, after `previous`, with which it shares what did not change.
pub(crate) fn zones(turned: &Turned, settings: &Settings, previous: &dns::Zones, generation: u64) -> dns::Zones {
    let of_host = settings.split_domains.iter().filter_map(|(domain, upstreams)| split_domain(domain, upstreams));
    let builder = dns::ZonesBuilder::after(previous, generation).split_domains(of_host.collect());
    let builder = turned.gone.iter().fold(builder, dns::ZonesBuilder::without);
    turned.come.iter().fold(builder, |builder, served| builder.network(Arc::clone(&served.network))).build()
}

/// Where to listen: `index` gives the number of an interface, and where it is not there, nobody can ask.
pub(crate) fn listeners<'s>(
    served: impl IntoIterator<Item = &'s Served>,
    index: impl Fn(&LinkName) -> Option<u32>,
) -> BTreeMap<Listen, dns::Listener> {
    let mut networks: BTreeMap<&Listen, Vec<dns::NetworkId>> = BTreeMap::new();
    for served in served {
        for listen in &served.listen {
            networks.entry(listen).or_default().push(served.network.id.clone());
        }
    }
    let mut indexes: BTreeMap<&LinkName, Option<u32>> = BTreeMap::new();
    let listeners = networks.into_iter().filter_map(|(listen, networks)| {
        let index = *indexes.entry(&listen.link).or_insert_with(|| index(&listen.link));
        let device = dns::Device { name: listen.link.to_string(), index: index? };
        let listener = dns::Listener { device: Some(device), address: listen.address, port: PORT, networks };
        Some((listen.clone(), listener))
    });
    listeners.collect()
}

/// Whether each of these networks is listened for where its interfaces are now.
pub(crate) fn are_heard(
    served: &[Served],
    listeners: &BTreeMap<Listen, dns::Listener>,
    index: impl Fn(&LinkName) -> Option<u32>,
) -> bool {
    let known = |listen| listeners.get(listen).and_then(|listener| Some(listener.device.as_ref()?.index));
    served.iter().flat_map(|served| &served.listen).all(|listen| known(listen) == index(&listen.link))
}

/// A network as it is served: under no domain where nobody has names.
fn in_network(network: &NetworkName, known: &Known, boot: &str) -> Vec<Served> {
    let attachments = known.snapshot.of_network(network).filter(|attachment| is_served(attachment, boot));
    let members: Vec<(&Attachment, &Names)> =
        attachments.filter_map(|attachment| Some((attachment.as_ref(), attachment.names()?))).collect();
    of_network(network, &members, known.view.networks.get(network), &known.sick)
}

fn of_network(
    network: &NetworkName,
    members: &[(&Attachment, &Names)],
    others: Option<&NetworkView>,
    sick: &Sick,
) -> Vec<Served> {
    let peers = || others.into_iter().flat_map(|network| network.peers.values());
    let names = || members.iter().map(|(_, names)| *names);
    let domains: BTreeSet<&HostName> = names().map(|names| &names.domain).collect();
    let listen: BTreeSet<Listen> = names().flat_map(|names| names.listen.iter().cloned()).collect();
    let of_peers = peers().flat_map(|peer| peer.member.subnets.iter().copied());
    // Nobody else knows addresses of a part that no host has, or none yet.
    let whole = others.into_iter().flat_map(|others| others.network.overlay.subnets.iter().copied());
    let of_hosts = of_peers.chain(whole);
    let subnets: BTreeSet<_> = names().flat_map(|names| names.subnets.iter().copied()).chain(of_hosts).collect();
    let remote: Vec<dns::Attachment> = elsewhere(peers()).collect();
    let local = others.filter(|network| network.network.prefer_local).and_then(|network| network.own.as_ref());
    let near: Vec<_> = local.into_iter().flat_map(|own| own.subnets.iter().copied()).collect();
    let gateways: BTreeSet<_> = listen.iter().map(|listen| listen.address).collect();
    let of_domain = |domain: dns::Name| dns::Network {
        id: id(network, &domain),
        domain,
        subnets: subnets.iter().copied().collect(),
        gateways: gateways.iter().copied().collect(),
        near: near.clone(),
        upstreams: upstreams(members),
        split_domains: split_domains(members),
        forward_single_label: names().any(|names| names.forward_single_label),
        records: records(names()),
        attachments: members.iter().map(|(it, names)| member(it, names, sick)).chain(remote.iter().cloned()).collect(),
    };
    let domains = domains.into_iter().filter_map(name);
    domains.map(|domain| Served { network: Arc::new(of_domain(domain)), listen: listen.clone() }).collect()
}

/// A network under one domain. No name of a network holds a `/`.
fn id(network: &NetworkName, domain: &dns::Name) -> dns::NetworkId {
    format!("{network}/{domain}").into()
}

/// The name of a network that is served, whatever the domain.
pub(crate) fn network_of(id: &dns::NetworkId) -> String {
    let id = id.to_string();
    id.split_once('/').map_or(&*id, |(network, _)| network).to_owned()
}

/// The records of the network, as its containers were told, each once.
fn records<'n>(names: impl Iterator<Item = &'n Names>) -> Vec<dns::StaticRecord> {
    let mut records: Vec<dns::StaticRecord> = Vec::new();
    for record in names.flat_map(|names| names.records.iter().filter_map(|record| static_record(record, names.ttl))) {
        if !records.contains(&record) {
            records.push(record);
        }
    }
    records
}

fn static_record(record: &StaticRecord, ttl: u32) -> Option<dns::StaticRecord> {
    let data = match &record.data {
        StaticData::A(v4) => dns::StaticData::Address((*v4).into()),
        StaticData::Aaaa(v6) => dns::StaticData::Address((*v6).into()),
        StaticData::Cname(target) => dns::StaticData::Alias(name(target)?),
        StaticData::Txt(said) => dns::StaticData::Text(text(said)?),
    };
    Some(dns::StaticRecord { name: name(&record.name)?, data, ttl })
}

fn member(attachment: &Attachment, names: &Names, sick: &Sick) -> dns::Attachment {
    dns::Attachment {
        container: attachment.id.container.as_str().into(),
        addresses: names.addresses.clone(),
        names: each(&names.names, name),
        ports: each(&names.ports, port),
        texts: each(&names.texts, text),
        is_healthy: !sick.contains_key(&attachment.id),
        upstreams: Some(asked(&names.own_upstreams)).filter(|own| !own.is_empty()),
        ttl: names.ttl,
    }
}

/// The containers of hosts that answer. Their keys are none of this host's containers: an id is unique on its host.
fn elsewhere<'p>(peers: impl Iterator<Item = &'p Arc<Peer>>) -> impl Iterator<Item = dns::Attachment> {
    let alive = peers.filter(|peer| peer.state == State::Alive);
    let containers = alive.flat_map(|peer| peer.names.containers.iter().map(|it| (&peer.member.host, it)));
    containers.map(|(host, it)| dns::Attachment {
        container: format!("{host}/{}", it.container).into(),
        addresses: it.addresses.clone(),
        names: each(&it.names, name),
        ports: each(&it.ports, port),
        texts: each(&it.texts, text),
        is_healthy: it.health == Health::Healthy,
        upstreams: None,
        ttl: it.ttl,
    })
}

/// A network is internal as soon as one of its containers was told so: what was promised is kept.
fn upstreams(members: &[(&Attachment, &Names)]) -> dns::Upstreams {
    let own = together(members.iter().flat_map(|(_, names)| &names.upstreams));
    if members.iter().any(|(_, names)| names.internal) {
        dns::Upstreams::None
    } else if own.is_empty() {
        dns::Upstreams::Host
    } else {
        dns::Upstreams::Own(asked(&own))
    }
}

/// The split domains that any of its containers was told.
fn split_domains(members: &[(&Attachment, &Names)]) -> Vec<dns::SplitDomain> {
    let mut domains: BTreeMap<&HostName, Vec<&Upstream>> = BTreeMap::new();
    for (domain, upstreams) in members.iter().flat_map(|(_, names)| &names.split_domains) {
        domains.entry(domain).or_default().extend(upstreams);
    }
    domains.into_iter().filter_map(|(domain, upstreams)| split_domain(domain, &together(upstreams))).collect()
}

fn split_domain(domain: &HostName, upstreams: &[Upstream]) -> Option<dns::SplitDomain> {
    Some(dns::SplitDomain { domain: name(domain)?, upstreams: asked(upstreams) })
}

/// Each once, in the order in which they come. Where one list is asked over TLS, none is asked in the open after it.
fn together<'u>(upstreams: impl IntoIterator<Item = &'u Upstream>) -> Vec<Upstream> {
    let mut together: Vec<Upstream> = Vec::new();
    for upstream in upstreams {
        if !together.contains(upstream) {
            together.push(upstream.clone());
        }
    }
    if discord(&together).is_some() {
        together.retain(|upstream| upstream.tls.is_some());
    }
    together
}

/// For the server.
pub(crate) fn asked(upstreams: &[Upstream]) -> Arc<[dns::Upstream]> {
    upstreams.iter().filter_map(upstream).collect()
}

/// The upstream for the server. One whose certificate cannot be for the name that it says is left out: it is not asked in
/// another way.
fn upstream(upstream: &Upstream) -> Option<dns::Upstream> {
    let address = upstream.address;
    let tls = match &upstream.tls {
        None => None,
        Some(Certified::Address) => Some(ServerName::IpAddress(address.ip().into())),
        Some(Certified::Name(name)) => {
            let name = ServerName::try_from(name.to_string());
            Some(name.inspect_err(|error| tracing::warn!(%upstream, %error, "upstream is not asked")).ok()?)
        }
    };
    Some(dns::Upstream { address, tls })
}

/// Those that can be served, in no more room than they need: there may be a hundred thousand.
fn each<T, U>(all: &[T], served: impl Fn(&T) -> Option<U>) -> Vec<U> {
    let mut each = Vec::with_capacity(all.len());
    each.extend(all.iter().filter_map(served));
    each
}

/// The name for the server, which refuses no name that the model takes.
fn name(name: &impl ToString) -> Option<dns::Name> {
    let name = name.to_string();
    let parsed = name.parse();
    parsed.inspect_err(|error| tracing::debug!(name, %error, "name is not served")).ok()
}

fn port(port: &NamedPort) -> Option<dns::Port> {
    let protocol = match port.protocol {
        Transport::Tcp => dns::Protocol::Tcp,
        Transport::Udp => dns::Protocol::Udp,
        Transport::Sctp => dns::Protocol::Sctp,
    };
    Some(dns::Port { name: name(&port.name)?, protocol, number: port.number })
}

fn text(text: &String) -> Option<dns::Text> {
    text.parse().inspect_err(|error| tracing::debug!(text, %error, "text is not served")).ok()
}
