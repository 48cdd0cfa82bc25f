//! What leads to the other hosts of an overlay network: a pure function of its members.

mod change;
mod l2;
mod routed;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use netd_model::{
    IpNetwork,
    addr::Mtu,
    element::{Element, Family, Part, Set},
    name::{LinkName, NetworkName},
    object::{GROUP, Link, LinkKind, Object, Port, Program, Side, State},
    overlay::{Member, Mode, Overlay},
};

pub(crate) use change::Change;
pub(crate) use routed::{DIRECT, is_direct_route_of, samples};

use crate::{
    cluster::{NetworkView, PeerMembers, View},
    settings::{
        Settings,
        cluster::Host,
        network::{Network, SMALLEST_IPV6_MTU},
    },
};

#[cfg(test)]
mod tests;

/// A network with its members, as far as this host takes part in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Here {
    /// The network.
    pub(crate) overlay: Overlay,
    /// The MTU that a person chose.
    pub(crate) mtu: Option<Mtu>,
    /// Whether packets to hosts on the same link go without VXLAN.
    pub(crate) direct: bool,
    /// Whether the network card computes checksums of what is in VXLAN, where a person said so.
    pub(crate) checksum_offload: Option<bool>,
    /// What this host has of it, but for its MTU: that is measured.
    pub(crate) own: Member,
    /// What the others have.
    pub(crate) peers: PeerMembers,
}

/// What the host itself says of the ways to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ways {
    /// The largest packet inside, in bytes.
    pub(crate) mtu: Mtu,
    /// Hosts that are reached without a router, and by which interface; only asked where that is of use.
    pub(crate) on_link: BTreeMap<IpAddr, LinkName>,
    /// Whether the kernel has IPv6.
    pub(crate) has_ipv6: bool,
    /// Whether it can be left to offload checksums of what is in VXLAN.
    pub(crate) offloads_soundly: bool,
}

/// Overlay networks as this host knows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Overlays {
    /// Those that this host takes part in.
    pub(crate) networks: Vec<Here>,
    /// All that are to be somewhere.
    pub(crate) named: BTreeSet<NetworkName>,
    /// Whether what is not named here is not to be.
    pub(crate) is_whole: bool,
}

impl Overlays {
    /// Those of the settings and of the cluster.
    pub(crate) fn new(settings: &Settings, view: &View) -> Self {
        let Settings { host: Host { checksum_offload, .. }, networks: settings, .. } = settings;
        let here = |known: &NetworkView| {
            let peers = known.peers.members().clone();
            let Network { overlay, mtu, direct, .. } = &*known.network;
            let own = Member { mtu: None, ..known.own.clone()? };
            let checksum_offload = *checksum_offload;
            Some(Here { overlay: overlay.clone(), mtu: *mtu, direct: *direct, checksum_offload, own, peers })
        };
        let usable = settings.usable.iter().map(|network| &network.overlay.name);
        let refused = settings.refused.iter().map(|refused| &refused.network);
        let named = usable.chain(refused).chain(view.networks.keys()).chain(&view.unusable);
        Self {
            networks: view.networks.values().filter_map(here).collect(),
            named: named.cloned().collect(),
            is_whole: view.is_whole,
        }
    }
}

/// What VXLAN puts around a packet, in bytes (RFC 7348 5): Ethernet, IP, UDP and VXLAN headers.
const AROUND_IPV4: u32 = 50;
const AROUND_IPV6: u32 = 70;

/// The largest packet inside, where the underlay takes `underlay`.
pub(crate) fn mtu_inside(underlay: Mtu, vtep: IpAddr, overlay: &Overlay) -> Result<Mtu, String> {
    let around = if vtep.is_ipv4() { AROUND_IPV4 } else { AROUND_IPV6 };
    let bytes = u32::from(underlay).saturating_sub(around);
    let needs_ipv6 = overlay.subnets.iter().any(IpNetwork::is_ipv6);
    if needs_ipv6 && bytes < SMALLEST_IPV6_MTU {
        let (name, underlay) = (&overlay.name, u32::from(underlay));
        return Err(format!(
            "network {name}: {bytes} bytes cross an underlay of {underlay}, IPv6 needs {SMALLEST_IPV6_MTU}"
        ));
    }
    Mtu::try_from(bytes).map_err(|error| format!("network {}: {error}", overlay.name))
}

/// The largest packet for containers of this host, from which `own` bytes cross. On one link nobody knows who gets a
/// packet, so that all take what the host with the least takes.
pub(crate) fn mtu_here(here: &Here, own: Mtu) -> Mtu {
    let least = if here.overlay.subnets.iter().any(IpNetwork::is_ipv6) { SMALLEST_IPV6_MTU } else { 0 };
    // One that says it has less has no such network.
    let of_peers = here.peers.values().filter_map(|peer| peer.mtu).filter(|mtu| u32::from(*mtu) >= least);
    match (here.mtu, here.overlay.mode) {
        (Some(chosen), _) => chosen,
        (None, Mode::Routed) => own,
        (None, Mode::L2) => of_peers.fold(own, Mtu::min),
    }
}

/// Whose elements are those of an overlay network; no attachment's owner has a space.
pub(crate) fn owner(network: &NetworkName) -> String {
    format!("overlay {network}")
}

/// All that the host wants for the network.
pub(crate) fn wanted(here: &Here, ways: &Ways) -> State {
    let mut wanted = apart_from_peers(here, ways);
    wanted.extend(here.peers.values().flat_map(|peer| to_peer(here, ways, peer)));
    wanted
}

/// What does not depend on who else is there.
pub(crate) fn apart_from_peers(here: &Here, ways: &Ways) -> State {
    let Here { overlay, .. } = here;
    let mut objects = match overlay.mode {
        Mode::Routed => routed::apart_from_peers(here, ways),
        Mode::L2 => l2::apart_from_peers(here, ways),
    };
    objects.push(Object::Program(Program { family: Family::Inet, version: Family::Inet.version() }));
    objects.push(element(overlay, Set::Vni, vec![Part::Port(overlay.port), Part::Vni(overlay.vni)]));
    objects.into_iter().collect()
}

/// What leads to one host, and lets in what it sends.
fn to_peer(here: &Here, ways: &Ways, peer: &Member) -> Vec<Object> {
    let Here { overlay, .. } = here;
    let (set, source) = match peer.vtep {
        IpAddr::V4(address) => (Set::Peer4, Part::Ipv4(address)),
        IpAddr::V6(address) => (Set::Peer6, Part::Ipv6(address)),
    };
    let mut objects = vec![element(overlay, set, vec![source, Part::Port(overlay.port), Part::Vni(overlay.vni)])];
    match overlay.mode {
        Mode::Routed => objects.extend(routed::to_peer(overlay, ways, peer)),
        Mode::L2 => objects.push(l2::to_peer(overlay, peer)),
    }
    objects
}

/// The VXLAN device, as a port of a bridge or alone.
fn device(Here { overlay, own, checksum_offload, .. }: &Here, ways: &Ways, port: Option<Port>) -> Object {
    let kind = LinkKind::Vxlan {
        vni: Some(overlay.vni),
        local: Some(own.vtep),
        port: Some(overlay.port),
        // Who is alone knows where each subnet is, and takes nobody's word for it.
        learning: Some(port.is_some()),
    };
    Object::Link(Link {
        mac: Some(own.mac),
        mtu: Some(ways.mtu),
        group: Some(GROUP),
        link_local: Some(false),
        checksum_offload: Some(checksum_offload.unwrap_or(ways.offloads_soundly)),
        port,
        up: Some(true),
        ..Link::new(Side::Host, overlay.device(), kind)
    })
}

fn element(overlay: &Overlay, set: Set, parts: Vec<Part>) -> Object {
    Object::Element(Element::of_set(set, parts, owner(&overlay.name)))
}
