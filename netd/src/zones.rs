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
    cluster::{NetworkView, Peer, State, View},
    health::Sick,
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
    view: Arc<View>,
    sick: Arc<Sick>,
    networks: BTreeMap<NetworkName, (Vec<Arc<Attachment>>, Vec<Served>)>,
}

/// The attachments whose names are served.
pub(crate) fn with_names<'a>(
    attachments: impl IntoIterator<Item = &'a Arc<Attachment>>,
    boot: &str,
) -> Vec<Arc<Attachment>> {
    let is_one = |attachment: &Arc<Attachment>| is_served(attachment, boot) && attachment.names().is_some();
    attachments.into_iter().filter(|attachment| is_one(attachment)).cloned().collect()
}

/// Whether nothing changed between two times that attachments were read. A document that is written is read anew.
pub(crate) fn are_same(one: &[Arc<Attachment>], other: &[Arc<Attachment>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

/// What other hosts are told of these attachments: a document for each network that spans hosts and that this one is in.
/// Containers that have none of its addresses there are of another network by the same name, and nobody's business.
pub(crate) fn of_host(attachments: &[Arc<Attachment>], host: &HostName, view: &View, sick: &Sick) -> Vec<NamesOfHost> {
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
            health: sick.get(&attachment.id).copied().unwrap_or_default(),
            ttl: names.ttl,
        })
    };
    let of_network = |(network, known): (&NetworkName, &NetworkView)| {
        let own = known.own.as_ref()?;
        let attachments = attachments.iter().filter(|attachment| attachment.id.network == *network);
        let containers = attachments.filter_map(|attachment| container(attachment, own)).collect();
        Some(NamesOfHost { version: VERSION, host: host.clone(), network: network.clone(), containers })
    };
    view.networks.iter().filter_map(of_network).collect()
}

impl Kept {
    /// [`served`], of attachments in the order of their networks.
    pub(crate) fn served(
        &mut self,
        attachments: &[Arc<Attachment>],
        view: &Arc<View>,
        sick: &Arc<Sick>,
    ) -> Vec<Served> {
        let mut before = std::mem::take(&mut self.networks);
        if !Arc::ptr_eq(&self.view, view) {
            before.clear();
            self.view = Arc::clone(view);
        }
        let were_sick = std::mem::replace(&mut self.sick, Arc::clone(sick));
        let are_as_well = |members: &[Arc<Attachment>]| {
            Arc::ptr_eq(&were_sick, sick) || members.iter().all(|it| were_sick.get(&it.id) == sick.get(&it.id))
        };
        for members in attachments.chunk_by(|one, next| one.id.network == next.id.network) {
            let Some(network) = members.first().map(|first| first.id.network.clone()) else { continue };
            let kept = before.remove(&network).filter(|(old, _)| are_same(old, members) && are_as_well(members));
            self.networks.insert(network, kept.unwrap_or_else(|| (members.to_vec(), served(members, view, sick))));
        }
        self.networks.values().flat_map(|(_, served)| served).cloned().collect()
    }
}

/// The networks of these attachments, with what other hosts have of them.
pub(crate) fn served(attachments: &[Arc<Attachment>], view: &View, sick: &Sick) -> Vec<Served> {
    let mut networks: BTreeMap<&NetworkName, Vec<(&Attachment, &Names)>> = BTreeMap::new();
    for attachment in attachments {
        if let Some(names) = attachment.names() {
            networks.entry(&attachment.id.network).or_default().push((attachment, names));
        }
    }
    let of = |network: &NetworkName, members: &[(&Attachment, &Names)]| {
        of_network(network, members, view.networks.get(network), sick)
    };
    networks.iter().flat_map(|(network, members)| of(network, members)).collect()
}

/// Whether the names of an attachment are answered. One of another boot is of a container that is no more.
pub(crate) fn is_served(attachment: &Attachment, boot: &str) -> bool {
    attachment.progress == Progress::Ready && attachment.boot == boot
}

/// The snapshot that questions are answered from; a network that is as in `previous` is shared with it.
pub(crate) fn zones(served: &[Served], settings: &Settings, previous: &dns::Zones, generation: u64) -> dns::Zones {
    let of_host = settings.split_domains.iter().filter_map(|(domain, upstreams)| split_domain(domain, upstreams));
    let builder = dns::ZonesBuilder::after(previous, generation).split_domains(of_host.collect());
    served.iter().fold(builder, |builder, served| builder.network(Arc::clone(&served.network))).build()
}

/// Where to listen: `index` gives the number of an interface, and where it is not there, nobody can ask.
pub(crate) fn listeners(served: &[Served], index: impl Fn(&LinkName) -> Option<u32>) -> Vec<dns::Listener> {
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
        Some(dns::Listener { device: Some(device), address: listen.address, port: PORT, networks })
    });
    listeners.collect()
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
    let subnets: BTreeSet<_> = names().flat_map(|names| names.subnets.iter().copied()).chain(of_peers).collect();
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
        names: names.names.iter().filter_map(name).collect(),
        ports: names.ports.iter().filter_map(port).collect(),
        texts: names.texts.iter().filter_map(text).collect(),
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
        names: it.names.iter().filter_map(name).collect(),
        ports: it.ports.iter().filter_map(port).collect(),
        texts: it.texts.iter().filter_map(text).collect(),
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
