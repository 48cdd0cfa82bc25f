//! What leads to the other hosts of an overlay network: a pure function of its members.
//!
//! Per host: one FDB entry and one allowed source, per subnet of it one neighbour and one route. The next hop of a subnet
//! is its own first address, which no container has; the host has its own there, as the source of what it sends itself.

use std::{collections::BTreeSet, net::IpAddr};

use netd_model::{
    IpNetwork,
    addr::Mtu,
    element::{Element, ElementKey, Family, Part, Set},
    name::NetworkName,
    object::{Address, Fdb, GROUP, Link, LinkKind, Neighbour, Object, Program, Route, Side, State, Sysctl, SysctlPath},
    overlay::{Member, Overlay},
};

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
    /// What this host has of it.
    pub(crate) own: Member,
    /// What the others have.
    pub(crate) peers: Vec<Member>,
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
            let Network { overlay, mtu, .. } = &*known.network;
            Some(Here { overlay: overlay.clone(), mtu: *mtu, own: known.own.clone()?, peers })
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
pub(crate) fn wanted(here: &Here, mtu: Mtu) -> State {
    let mut wanted: State = device(&here.overlay, &here.own, mtu).into_iter().collect();
    wanted.extend(here.peers.iter().flat_map(|peer| to_peer(&here.overlay, peer)));
    wanted
}

/// The VXLAN device and what does not depend on who else is there.
fn device(overlay: &Overlay, own: &Member, mtu: Mtu) -> Vec<Object> {
    let name = overlay.device();
    let kind = LinkKind::Vxlan { vni: Some(overlay.vni), local: Some(own.vtep), port: Some(overlay.port) };
    let link = Link {
        mac: Some(own.mac),
        mtu: Some(mtu),
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
    for subnet in &own.subnets {
        objects.push(Object::Address(Address {
            side: Side::Host,
            link: name.clone(),
            address: IpNetwork::from(subnet.network()),
            detect_duplicates: false,
        }));
        let forwarding = if subnet.is_ipv4() { "ipv4/ip_forward" } else { "ipv6/conf/all/forwarding" };
        let path = SysctlPath::of_namespace(forwarding);
        objects.push(Object::Sysctl(Sysctl { side: Side::Host, path, value: "1".to_owned() }));
    }
    objects
}

/// What leads to one host, and lets in what it sends.
fn to_peer(overlay: &Overlay, peer: &Member) -> Vec<Object> {
    let link = overlay.device();
    let (set, source) = match peer.vtep {
        IpAddr::V4(address) => (Set::Peer4, Part::Ipv4(address)),
        IpAddr::V6(address) => (Set::Peer6, Part::Ipv6(address)),
    };
    let mut objects = vec![
        element(overlay, set, vec![source, Part::Port(overlay.port), Part::Vni(overlay.vni)]),
        Object::Fdb(Fdb { link: link.clone(), mac: Some(peer.mac), destination: peer.vtep }),
    ];
    for subnet in &peer.subnets {
        let next = subnet.network();
        objects.push(Object::Neighbour(Neighbour { link: link.clone(), address: next, mac: peer.mac }));
        objects.push(Object::Route(Route {
            side: Side::Host,
            link: link.clone(),
            destination: *subnet,
            gateway: Some(next),
            onlink: true,
            table: None,
            priority: None,
            scope: None,
            mtu: None,
            advmss: None,
        }));
    }
    objects
}

fn element(overlay: &Overlay, set: Set, parts: Vec<Part>) -> Object {
    Object::Element(Element { key: ElementKey { set, parts }, owner: owner(&overlay.name) })
}
