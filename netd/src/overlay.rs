//! What leads to the other hosts of an overlay network: a pure function of its members.
//!
//! Per host: one FDB entry and one allowed source, per subnet of it one neighbour and one route. The next hop of a subnet
//! is its own first address, which no container has; the host has its own there, as the source of what it sends itself.
//! A network that is `direct` has a plain route, by the host itself, to those that are on a link with this one.

mod change;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use netd_model::{
    IpNetwork,
    addr::Mtu,
    element::{Element, ElementKey, Family, Part, Set},
    name::{LinkName, NetworkName},
    object::{Address, Fdb, GROUP, Link, LinkKind, Neighbour, Object, Program, Route, Side, State, Sysctl, SysctlPath},
    overlay::{Member, Overlay},
};

pub(crate) use change::Change;

use crate::{
    cluster::{NetworkView, View},
    settings::network::{Network, Networks},
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
    /// What this host has of it.
    pub(crate) own: Member,
    /// What the others have, in the order of their names.
    pub(crate) peers: Arc<[Member]>,
}

/// What the host's own network says of the ways to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ways {
    /// The largest packet inside, in bytes.
    pub(crate) mtu: Mtu,
    /// Hosts that are reached without a router, and by which interface; only asked where that is of use.
    pub(crate) on_link: BTreeMap<IpAddr, LinkName>,
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
    pub(crate) fn new(settings: &Networks, view: &View) -> Self {
        let here = |known: &NetworkView| {
            let peers = known.peers.values().map(|peer| peer.member.clone()).collect();
            let Network { overlay, mtu, direct, .. } = &*known.network;
            Some(Here { overlay: overlay.clone(), mtu: *mtu, direct: *direct, own: known.own.clone()?, peers })
        };
        let usable = settings.usable.iter().map(|network| &network.overlay.name);
        let named = usable.chain(settings.refused.iter().map(|refused| &refused.network)).chain(view.networks.keys());
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

/// The least MTU of IPv6 (RFC 8200 5).
const LEAST_FOR_IPV6: u32 = 1280;

/// The priority of routes to hosts on the same link: it says that they are ours, as the group of an interface does.
pub(crate) const DIRECT: u32 = GROUP;

/// The largest packet inside, where the underlay takes `underlay`.
pub(crate) fn mtu_inside(underlay: Mtu, vtep: IpAddr, overlay: &Overlay) -> Result<Mtu, String> {
    let around = if vtep.is_ipv4() { AROUND_IPV4 } else { AROUND_IPV6 };
    let bytes = u32::from(underlay).saturating_sub(around);
    let needs_ipv6 = overlay.subnets.iter().any(IpNetwork::is_ipv6);
    if needs_ipv6 && bytes < LEAST_FOR_IPV6 {
        let (name, underlay) = (&overlay.name, u32::from(underlay));
        return Err(format!(
            "network {name}: {bytes} bytes cross an underlay of {underlay}, IPv6 needs {LEAST_FOR_IPV6}"
        ));
    }
    Mtu::try_from(bytes).map_err(|error| format!("network {}: {error}", overlay.name))
}

/// Whose elements are those of an overlay network; no attachment's owner has a space.
pub(crate) fn owner(network: &NetworkName) -> String {
    format!("overlay {network}")
}

/// All that the host wants for the network.
pub(crate) fn wanted(here: &Here, ways: &Ways) -> State {
    let mut wanted = device(here, ways);
    wanted.extend(here.peers.iter().flat_map(|peer| to_peer(&here.overlay, ways, peer)));
    wanted
}

/// The VXLAN device and what does not depend on who else is there.
pub(crate) fn device(here: &Here, ways: &Ways) -> State {
    let Here { overlay, own, .. } = here;
    let name = overlay.device();
    let kind = LinkKind::Vxlan {
        vni: Some(overlay.vni),
        local: Some(own.vtep),
        port: Some(overlay.port),
        learning: Some(false),
    };
    let link = Link {
        mac: Some(own.mac),
        mtu: Some(ways.mtu),
        group: Some(GROUP),
        link_local: Some(false),
        up: Some(true),
        ..Link::new(Side::Host, name.clone(), kind)
    };
    let mut objects = vec![
        Object::Program(Program { family: Family::Inet, version: Family::Inet.version() }),
        Object::Link(link),
        element(overlay, Set::Vni, vec![Part::Port(overlay.port), Part::Vni(overlay.vni)]),
    ];
    if here.direct {
        objects.extend(overlay.subnets.iter().map(|subnet| {
            let set = if subnet.is_ipv4() { Set::Inside4 } else { Set::Inside6 };
            element(overlay, set, vec![Part::Subnet(*subnet), Part::Subnet(*subnet)])
        }));
    }
    for subnet in &own.subnets {
        objects.push(Object::Address(Address {
            side: Side::Host,
            link: name.clone(),
            address: IpNetwork::from(subnet.network()),
            detect_duplicates: false,
            deprecated: false,
        }));
        let forwarding = if subnet.is_ipv4() { "ipv4/ip_forward" } else { "ipv6/conf/all/forwarding" };
        let path = SysctlPath::of_namespace(forwarding);
        objects.push(Object::Sysctl(Sysctl { side: Side::Host, path, value: "1".to_owned() }));
    }
    objects.into_iter().collect()
}

/// What leads to one host, and lets in what it sends.
fn to_peer(overlay: &Overlay, ways: &Ways, peer: &Member) -> Vec<Object> {
    let link = overlay.device();
    let (set, source) = match peer.vtep {
        IpAddr::V4(address) => (Set::Peer4, Part::Ipv4(address)),
        IpAddr::V6(address) => (Set::Peer6, Part::Ipv6(address)),
    };
    let mut objects = vec![element(overlay, set, vec![source, Part::Port(overlay.port), Part::Vni(overlay.vni)])];
    let mtu = peer.mtu.map(|mtu| mtu.min(ways.mtu).into());
    let mut is_inside = peer.subnets.is_empty();
    for subnet in &peer.subnets {
        if let Some(uplink) = uplink(ways, peer, subnet) {
            let priority = Some(DIRECT);
            objects.push(Object::Route(Route { priority, mtu, ..route(uplink.clone(), *subnet, peer.vtep) }));
            continue;
        }
        is_inside = true;
        let next = subnet.network();
        objects.push(Object::Neighbour(Neighbour { link: link.clone(), address: next, mac: peer.mac }));
        objects.push(Object::Route(Route { onlink: true, mtu, ..route(link.clone(), *subnet, next) }));
    }
    if is_inside {
        objects.push(Object::Fdb(Fdb { link, mac: Some(peer.mac), destination: peer.vtep }));
    }
    objects
}

/// What leads to one host on each link without VXLAN: with a link that goes down, all such routes over it go.
pub(crate) fn samples(here: &Here, ways: &Ways) -> State {
    let uplinks: BTreeSet<&LinkName> = ways.on_link.values().collect();
    let on = |uplink| here.peers.iter().find(|peer| ways.on_link.get(&peer.vtep) == Some(uplink));
    uplinks.into_iter().filter_map(on).flat_map(|peer| to_peer(&here.overlay, ways, peer)).collect()
}

/// The interface by which a subnet of a host is reached without VXLAN. No router of IPv4 takes packets of IPv6.
fn uplink<'a>(ways: &'a Ways, peer: &Member, subnet: &IpNetwork) -> Option<&'a LinkName> {
    ways.on_link.get(&peer.vtep).filter(|_| subnet.is_ipv4() || peer.vtep.is_ipv6())
}

fn route(link: LinkName, destination: IpNetwork, gateway: IpAddr) -> Route {
    Route {
        side: Side::Host,
        link,
        destination,
        gateway: Some(gateway),
        onlink: false,
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
    }
}

/// Whether a route that stands on an interface of the host's own is one that we made into this network.
pub(crate) fn is_direct_route_of(overlay: &Overlay, route: &Route) -> bool {
    let is_in =
        |subnet: &IpNetwork| subnet.contains(route.destination.ip()) && subnet.prefix() <= route.destination.prefix();
    route.priority == Some(DIRECT) && overlay.subnets.iter().any(is_in)
}

fn element(overlay: &Overlay, set: Set, parts: Vec<Part>) -> Object {
    Object::Element(Element { key: ElementKey { set, parts }, owner: owner(&overlay.name) })
}
