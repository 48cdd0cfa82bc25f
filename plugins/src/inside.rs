//! What stands on the interface of a container, whatever the interface is: addresses, routes, parameters.

use std::net::IpAddr;

use netd_model::{
    IpNetwork,
    element::{Element, Part, Set},
    name::LinkName,
    object::{Address, Object, Route, Side, Sysctl, SysctlPath},
};

use crate::cni::{
    CniResult,
    result::{self, Ip},
};

/// An address for the container and the gateway to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assigned {
    /// The container's address with the prefix of its subnet.
    pub(crate) address: IpNetwork,
    /// The next router of the subnet.
    pub(crate) gateway: Option<IpAddr>,
}

/// How the kernel is told of the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subnet {
    /// Their subnets are on the link.
    OnLink,
    /// The way to their subnets is by the gateway.
    Routed,
}

/// An interface of a container and what it gets.
pub(crate) struct Inside<'a> {
    pub(crate) ifname: &'a LinkName,
    pub(crate) addresses: &'a [Assigned],
    pub(crate) routes: &'a [Route],
    pub(crate) subnet: Subnet,
    /// Whether IPv6 looks for duplicates of the addresses.
    pub(crate) detect_duplicates: bool,
}

impl Assigned {
    /// Those of an IPAM plugin, as it said them.
    pub(crate) fn all(ipam: &CniResult) -> Vec<Self> {
        ipam.ips.iter().map(|ip| Self { address: ip.address, gateway: ip.gateway }).collect()
    }

    /// As the result shows it, on the interface of this index.
    pub(crate) fn on_interface(&self, index: usize) -> Ip {
        Ip { interface: Some(index), address: self.address, gateway: self.gateway }
    }
}

impl Inside<'_> {
    /// A parameter of the interface.
    pub(crate) fn parameter(&self, family: &str, parameter: &str, value: &str) -> Object {
        let path = SysctlPath::of_link(family, self.ifname, parameter);
        Object::Sysctl(Sysctl { side: Side::Container, path, value: value.to_owned() })
    }

    /// Addresses and routes, and what IPv6 needs before it takes any.
    pub(crate) fn objects(&self) -> Vec<Object> {
        let mut objects = Vec::new();
        if self.addresses.iter().any(|assigned| assigned.address.is_ipv6()) {
            let lo: LinkName = "lo".parse().expect("invariant: lo is a link name");
            let path = SysctlPath::of_link("ipv6", &lo, "disable_ipv6");
            objects.push(Object::Sysctl(Sysctl { side: Side::Container, path, value: "0".to_owned() }));
            objects.push(self.parameter("ipv6", "disable_ipv6", "0"));
            objects.push(self.parameter("ipv6", "keep_addr_on_down", "1"));
        }
        objects.extend(self.addresses.iter().map(|assigned| {
            let address = Address {
                side: Side::Container,
                link: self.ifname.clone(),
                address: assigned.address,
                detect_duplicates: self.detect_duplicates,
                deprecated: false,
            };
            match self.subnet {
                Subnet::OnLink => Object::Address(address),
                Subnet::Routed => Object::Point(address),
            }
        }));
        objects.extend(self.routes.iter().cloned().map(Object::Route));
        objects
    }
}

/// The scope of what is on the link itself (`RT_SCOPE_LINK`).
pub(crate) const SCOPE_LINK: u8 = 253;

/// The routes as the container's interface gets them: without a router of its own, and unless it says that it is on the
/// link, a route takes the gateway of the first address of its family.
pub(crate) fn routes(ifname: &LinkName, routes: &[result::Route], assigned: &[Assigned]) -> Vec<Route> {
    let gateway = |dst: IpNetwork| {
        let same_family = |ip: &&Assigned| ip.address.is_ipv4() == dst.is_ipv4() && ip.gateway.is_some();
        assigned.iter().find(same_family).and_then(|ip| ip.gateway)
    };
    let of = |route: &result::Route| Route {
        onlink: false,
        side: Side::Container,
        link: ifname.clone(),
        destination: route.dst,
        gateway: route.gw.or_else(|| gateway(route.dst).filter(|_| route.scope != Some(SCOPE_LINK))),
        table: route.table,
        priority: route.priority,
        scope: route.scope,
        mtu: route.mtu,
        advmss: route.advmss,
    };
    routes.iter().map(of).collect()
}

/// The elements by which packets of an address are masqueraded, but for those that `at_home` names the sets and parts of.
pub(crate) fn masquerade(
    assigned: &[Assigned],
    owner: &str,
    at_home: impl Fn(&Assigned, Part) -> Vec<(Set, Vec<Part>)>,
) -> Vec<Object> {
    let elements = assigned.iter().flat_map(|assigned| {
        let (set, part) = match assigned.address.ip() {
            IpAddr::V4(ip) => (Set::Masquerade4, Part::Ipv4(ip)),
            IpAddr::V6(ip) => (Set::Masquerade6, Part::Ipv6(ip)),
        };
        let home = at_home(assigned, part.clone());
        [(set, vec![part])].into_iter().chain(home)
    });
    let element = |(set, parts)| Object::Element(Element::of_set(set, parts, owner.to_owned()));
    elements.map(element).collect()
}
