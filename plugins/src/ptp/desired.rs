//! What the ptp plugin wants in the kernel: a pure function of configuration, addresses and facts.

use std::net::IpAddr;

use netd_model::{
    IpNetwork,
    addr::Mtu,
    attachment::{AttachmentId, Section},
    element::{Family, Part, Set},
    name::LinkName,
    object::{Address, Object, Program, Route, Side, Sysctl, SysctlPath},
};

use super::config::Config;
use crate::{
    attach,
    inside::{self, Assigned, Inside, Subnet},
    pair::Pair,
};

/// The scope of what is on this host alone (`RT_SCOPE_HOST`).
const SCOPE_HOST: u8 = 254;

/// One attachment of one container, about to be described.
pub(super) struct Attach<'a> {
    pub(super) id: &'a AttachmentId,
    pub(super) config: &'a Config,
    /// Each has a gateway.
    pub(super) addresses: &'a [Assigned],
    /// What IPAM wants besides.
    pub(super) routes: &'a [Route],
    pub(super) mtu: Option<Mtu>,
    /// Whether this kernel has IPv6.
    pub(super) ipv6: bool,
}

/// The pair and what stands on it.
pub(super) struct Wanted {
    /// What is recorded and made.
    pub(super) section: Section,
    /// The two interfaces.
    pub(super) pair: Pair,
}

impl Attach<'_> {
    /// Everything this attachment wants.
    pub(super) fn wanted(&self) -> Wanted {
        let mut pair = Pair::of(self.id, self.addresses, None, self.mtu);
        if self.ipv6 && self.addresses.iter().all(|assigned| assigned.address.is_ipv4()) {
            // The host is the only neighbour, and has no IPv6 there.
            pair.host.link_local = Some(false);
            pair.container.link_local = Some(false);
        }
        let mut section = Section::default();
        section.own.extend([pair.host.clone(), pair.container.clone()].map(Object::Link));
        if self.ipv6 {
            // Nobody else is on the link. While its own address is looked for, the host asks for no neighbour.
            for (parameter, value) in [("accept_dad", "0"), ("accept_ra", "0")] {
                let path = SysctlPath::of_link("ipv6", &pair.host.name, parameter);
                section.own.insert(Object::Sysctl(Sysctl { side: Side::Host, path, value: value.to_owned() }));
            }
        }
        for object in self.on_host(&pair) {
            // What ends with the pair is the attachment's; forwarding is everybody's.
            let place = if object.carrier().is_some() { &mut section.own } else { &mut section.shared };
            place.insert(object);
        }
        section.own.extend(self.inside());
        if self.config.masquerade {
            section.shared.insert(Object::Program(Program { family: Family::Inet, version: Family::Inet.version() }));
            section.own.extend(self.masquerade());
        }
        Wanted { section, pair }
    }

    /// The gateways, and the ways to the container's addresses.
    fn on_host(&self, pair: &Pair) -> Vec<Object> {
        let link = &pair.host.name;
        let gateways = self.gateways().flat_map(|gateway| {
            let address = Address {
                side: Side::Host,
                link: link.clone(),
                address: gateway,
                detect_duplicates: false,
                deprecated: false,
            };
            [Object::Address(address)].into_iter().chain(attach::forwarding(link, gateway))
        });
        let scope = Some(SCOPE_HOST);
        let ways = self.addresses.iter().map(|assigned| {
            let side = Side::Host;
            Object::Route(Route { side, scope, ..on_link(link, alone(assigned.address)) })
        });
        gateways.chain(ways).collect()
    }

    /// Only the gateway is on the link; the way to all others of the subnet is by it.
    fn inside(&self) -> Vec<Object> {
        let ifname = &self.id.ifname;
        let (addresses, routes) = (self.addresses, self.routes());
        let inside = Inside { ifname, addresses, routes: &routes, subnet: Subnet::Routed, detect_duplicates: false };
        let mut objects = inside.objects();
        if self.ipv6 {
            objects.push(inside.parameter("ipv6", "accept_dad", "0"));
        }
        objects.extend(self.gateways().map(|gateway| Object::Route(on_link(ifname, gateway))));
        let subnets = self.addresses.iter().filter(|assigned| !is_alone(assigned.address));
        objects.extend(subnets.map(|assigned| {
            let gateway = assigned.gateway;
            Object::Route(Route { gateway, ..on_link(ifname, subnet(assigned.address)) })
        }));
        objects
    }

    /// IPAM's routes. A router that is no gateway is in the subnet, the way to which is by the gateway: to the kernel it is
    /// no neighbour, unless the route says so.
    fn routes(&self) -> Vec<Route> {
        let is_in_subnet = |router: IpAddr| self.addresses.iter().any(|assigned| assigned.address.contains(router));
        let is_gateway = |router: IpAddr| self.gateways().any(|gateway| gateway.ip() == router);
        let is_neighbour = |router: IpAddr| is_in_subnet(router) && !is_gateway(router);
        let route = |route: &Route| Route { onlink: route.gateway.is_some_and(is_neighbour), ..route.clone() };
        self.routes.iter().map(route).collect()
    }

    /// Within its subnet an address stays as it is, whichever pair leads there.
    fn masquerade(&self) -> Vec<Object> {
        inside::masquerade(self.addresses, &self.id.owner(), |assigned, _| {
            let set = if assigned.address.is_ipv4() { Set::Inside4 } else { Set::Inside6 };
            vec![(set, vec![Part::Subnet(alone(assigned.address)), Part::Subnet(subnet(assigned.address))])]
        })
    }

    /// The gateways as addresses of nothing but themselves.
    fn gateways(&self) -> impl Iterator<Item = IpNetwork> {
        self.addresses.iter().filter_map(|assigned| assigned.gateway).map(IpNetwork::from)
    }
}

/// A route in the container to what is on its link.
fn on_link(link: &LinkName, destination: IpNetwork) -> Route {
    Route {
        side: Side::Container,
        link: link.clone(),
        destination,
        gateway: None,
        onlink: false,
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
    }
}

fn alone(address: IpNetwork) -> IpNetwork {
    IpNetwork::from(address.ip())
}

fn is_alone(address: IpNetwork) -> bool {
    alone(address).prefix() == address.prefix()
}

fn subnet(address: IpNetwork) -> IpNetwork {
    IpNetwork::new(address.network(), address.prefix()).unwrap_or(address)
}
