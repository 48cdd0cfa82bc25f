//! By routes: per host one FDB entry, per subnet of it one neighbour and one route. The next hop of a subnet is its own
//! first address, which no container has; the host has its own there, as the source of what it sends itself. A network
//! that is `direct` has a plain route, by the host itself, to those that are on a link with this one.

use std::{collections::BTreeSet, net::IpAddr};

use netd_model::{
    IpNetwork,
    element::{Part, Set},
    name::LinkName,
    object::{Address, Fdb, GROUP, Neighbour, Object, Route, Side, State, Sysctl, SysctlPath},
    overlay::{Member, Overlay},
};

use super::{Here, Ways, device, element};

/// The priority of routes to hosts on the same link: it says that they are ours, as the group of an interface does.
pub(crate) const DIRECT: u32 = GROUP;

/// The VXLAN device, and the host's own addresses on it.
pub(super) fn apart_from_peers(here: &Here, ways: &Ways) -> Vec<Object> {
    let Here { overlay, own, .. } = here;
    let mut objects = vec![device(here, ways, None)];
    if here.direct {
        objects.extend(overlay.subnets.iter().map(|subnet| {
            let set = if subnet.is_ipv4() { Set::Inside4 } else { Set::Inside6 };
            element(overlay, set, vec![Part::Subnet(*subnet), Part::Subnet(*subnet)])
        }));
    }
    for subnet in &own.subnets {
        objects.push(Object::Address(Address {
            side: Side::Host,
            link: overlay.device(),
            address: IpNetwork::from(subnet.network()),
            detect_duplicates: false,
            deprecated: false,
        }));
        let forwarding = if subnet.is_ipv4() { "ipv4/ip_forward" } else { "ipv6/conf/all/forwarding" };
        let path = SysctlPath::of_namespace(forwarding);
        objects.push(Object::Sysctl(Sysctl { side: Side::Host, path, value: "1".to_owned() }));
    }
    objects
}

/// What leads to one host.
pub(super) fn to_peer(overlay: &Overlay, ways: &Ways, peer: &Member) -> Vec<Object> {
    let link = overlay.device();
    let mut objects = Vec::new();
    // Also where ours is the smaller: a route without one may have any, and one that was small would stay so.
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
        let priority = priority(subnet);
        objects.push(Object::Route(Route { onlink: true, priority, mtu, ..route(link.clone(), *subnet, next) }));
    }
    if is_inside {
        objects.push(Object::Fdb(Fdb { link, mac: Some(peer.mac), destination: peer.vtep }));
    }
    objects
}

/// The priority of a route over the device: another for each subnet of IPv4. Where thousands have the same one and the
/// same interface, Linux compares the next hop of a new one with that of each. As no two lead to one subnet, it decides
/// nothing.
fn priority(subnet: &IpNetwork) -> Option<u32> {
    let IpNetwork::V4(subnet) = subnet else { return None };
    let number = subnet.network().to_bits().checked_shr(32 - u32::from(subnet.prefix())).unwrap_or_default();
    Some(1 + (number & 0xffff))
}

/// What leads to one host on each link without VXLAN: with a link that goes down, all such routes over it go.
pub(crate) fn samples(here: &Here, ways: &Ways) -> State {
    let uplinks: BTreeSet<&LinkName> = ways.on_link.values().collect();
    let on = |uplink| here.peers.values().find(|peer| ways.on_link.get(&peer.vtep) == Some(uplink));
    uplinks.into_iter().filter_map(on).flat_map(|peer| super::to_peer(here, ways, peer)).collect()
}

/// The interface by which a subnet of a host is reached without VXLAN. No router of IPv4 takes packets of IPv6.
fn uplink<'a>(ways: &'a Ways, peer: &Member, subnet: &IpNetwork) -> Option<&'a LinkName> {
    ways.on_link.get(&peer.vtep).filter(|_| subnet.is_ipv4() || peer.vtep.is_ipv6())
}

pub(super) fn route(link: LinkName, destination: IpNetwork, gateway: IpAddr) -> Route {
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
