//! What plugins and netd need to know of the kernel before they can say what they want.

mod choice;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnetwork::IpNetwork;
use netd_model::{
    addr::Mtu,
    element::{Element, Set},
    name::LinkName,
    object::{Address, Link, Object, Route, Side, State, SysctlPath},
};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

use crate::{
    error::Error,
    kernel::{Kernel, Space},
    nft::{
        chain::{self, HookedChain},
        element,
    },
    rtnetlink::{address, link, neighbour::Table, route},
    sysctl,
    wire::Requests,
};

/// Addresses for documentation, to which nobody has a route of their own (RFC 5737, RFC 3849).
const ELSEWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

impl Kernel {
    /// The interface of this name.
    pub fn link(&mut self, side: Side, name: &LinkName) -> Result<Option<Link>, Error> {
        let space = self.space(side);
        let found = space.links([name])?;
        Ok(space.named(found)?.pop())
    }

    /// All addresses of an interface, those included that the kernel gave it; none where there is no such interface.
    pub fn addresses(&mut self, side: Side, name: &LinkName) -> Result<Vec<IpNetwork>, Error> {
        let space = self.space(side);
        let Some(found) = space.links([name])?.pop() else { return Ok(vec![]) };
        Ok(space.addresses_of(name, found.index)?.into_iter().map(|found| found.address).collect())
    }

    /// All routes that leave by an interface, without those that the kernel made itself.
    pub fn routes(&mut self, side: Side, name: &LinkName) -> Result<Vec<Route>, Error> {
        let space = self.space(side);
        let Some(found) = space.links([name])?.pop() else { return Ok(vec![]) };
        let mut routes = Vec::new();
        for is_ipv6 in [false, true] {
            routes.extend(space.routes_of(name, found.index, is_ipv6)?);
        }
        Ok(routes)
    }

    /// All that is on an interface of the host: addresses, neighbours, forwarding entries and routes that are not the
    /// kernel's own. Nothing where there is no such interface.
    pub fn on_link(&mut self, name: &LinkName) -> Result<State, Error> {
        let space = &mut self.host;
        let Some(found) = space.links([name])?.pop() else { return Ok(State::default()) };
        let address = |found: address::Found| {
            let (link, address) = (name.clone(), found.address);
            Object::Address(Address { side: Side::Host, link, address, detect_duplicates: false, deprecated: false })
        };
        let mut state: State = space.addresses_of(name, found.index)?.into_iter().map(address).collect();
        for is_ipv6 in [false, true] {
            state.extend(space.routes_of(name, found.index, is_ipv6)?.into_iter().map(Object::Route));
        }
        for table in [Table::Ipv4, Table::Ipv6, Table::Fdb] {
            state.extend(space.neighbours_of(name, found.index, table)?);
        }
        Ok(state)
    }

    /// The largest packet in bytes that leaves the host for elsewhere: of IPv4 and of IPv6, the smaller. None where the
    /// host has no way out.
    pub fn uplink_mtu(&mut self) -> Result<Option<Mtu>, Error> {
        self.mtu_to(&ELSEWHERE)
    }

    /// The largest packet in bytes that goes to all of these addresses, as far as the host's routes and interfaces say.
    /// None where there is no route to any.
    pub fn mtu_to(&mut self, addresses: &[IpAddr]) -> Result<Option<Mtu>, Error> {
        let ways = self.ways_to(addresses)?;
        let found = self.links_by_index(ways.iter().flatten().map(|way| way.index))?;
        let mtus = ways.iter().flatten().filter_map(|way| {
            let of_route = way.mtu.and_then(|mtu| Mtu::try_from(mtu).ok());
            [found.get(&way.index)?.mtu, of_route].into_iter().flatten().min()
        });
        Ok(mtus.min())
    }

    /// Those of these addresses that are reached without a router, with the interface that leads there.
    pub fn on_same_link(&mut self, addresses: &[IpAddr]) -> Result<BTreeMap<IpAddr, LinkName>, Error> {
        let ways = self.ways_to(addresses)?;
        let on_link = || addresses.iter().zip(&ways).filter_map(|(to, way)| Some((to, way.filter(|way| way.on_link)?)));
        let found = self.links_by_index(on_link().map(|(_, way)| way.index))?;
        Ok(on_link().filter_map(|(to, way)| Some((*to, found.get(&way.index)?.name.clone()))).collect())
    }

    /// The interface of the host that leads to an address, whether by a router or not; none where there is no way.
    pub fn link_to(&mut self, address: IpAddr) -> Result<Option<Link>, Error> {
        let way = self.ways_to(&[address])?.pop().flatten();
        let found = self.links_by_index(way.iter().map(|way| way.index))?;
        Ok(found.into_values().next())
    }

    /// The way to each address; none where there is none.
    fn ways_to(&mut self, addresses: &[IpAddr]) -> Result<Vec<Option<route::Way>>, Error> {
        let attempt = |index: usize| {
            format!("ip route get {}", addresses.get(index).map(ToString::to_string).unwrap_or_default())
        };
        let mut requests = Requests::new();
        for address in addresses {
            route::get_to(&mut requests, *address);
        }
        let ways = self.host.socket()?.get(&mut requests, |_, body| route::Way::read(body));
        ways.map_err(|fault| Error::at(fault, attempt))
    }

    /// The interfaces of the host with these numbers.
    fn links_by_index(&mut self, indexes: impl Iterator<Item = u32>) -> Result<BTreeMap<u32, Link>, Error> {
        let indexes: BTreeSet<u32> = indexes.collect();
        let mut requests = Requests::new();
        for index in &indexes {
            link::get_by_index(&mut requests, *index);
        }
        let found = self.host.socket()?.get(&mut requests, |_, body| link::Found::read(Side::Host, body));
        let found = found.map_err(|fault| Error::at(fault, |_| "ip link show".to_owned()))?;
        Ok(found.into_iter().flatten().map(|found| (found.index, found.link)).collect())
    }

    /// All routes of the host that have this priority, whatever interface they leave by.
    pub fn routes_of_priority(&mut self, priority: u32) -> Result<Vec<Route>, Error> {
        let mut found = Vec::new();
        for is_ipv6 in [false, true] {
            let mut requests = Requests::new();
            route::get_all(&mut requests, is_ipv6);
            let read = |body: &[u8]| {
                let index = route::leaves_by(body).filter(|_| route::has_priority(body, priority))?;
                Some((index, body.to_vec()))
            };
            let routes = self.host.socket()?.dump(&mut requests, read);
            found.extend(routes.map_err(|fault| Error::at(fault, |_| "ip route show".to_owned()))?);
        }
        let links = self.links_by_index(found.iter().map(|(index, _)| *index))?;
        let read = |(index, body): &(u32, Vec<u8>)| route::read(Side::Host, &links.get(index)?.name, *index, body);
        Ok(found.iter().filter_map(read).collect())
    }

    /// The largest packet in bytes of the interface that has this address. None where none has.
    pub fn mtu_at(&mut self, address: IpAddr) -> Result<Option<Mtu>, Error> {
        let attempt = |_| format!("ip address show to {address}");
        let mut requests = Requests::new();
        address::get_all(&mut requests);
        let socket = self.host.socket()?;
        let found = socket.dump(&mut requests, address::Found::read).map_err(|fault| Error::at(fault, attempt))?;
        let Some(found) = found.into_iter().find(|found| found.address.ip() == address) else { return Ok(None) };
        let mut requests = Requests::new();
        link::get_by_index(&mut requests, found.index);
        let links = socket.get(&mut requests, |_, body| link::Found::read(Side::Host, body));
        let links = links.map_err(|fault| Error::at(fault, attempt))?;
        Ok(links.into_iter().flatten().find_map(|found| found.link.mtu))
    }

    /// The interfaces of the host that take their default route from a router's word (`accept_ra` = 1), without those
    /// that we made. None once IPv6 is forwarded: then they have lost it already, or have 2.
    pub fn interfaces_accepting_ra(&mut self) -> Result<Vec<LinkName>, Error> {
        let failed = |source| Error::Io { attempt: "sysctl net.ipv6.conf".to_owned(), source };
        let forwarding = SysctlPath::of_namespace("ipv6/conf/all/forwarding");
        if sysctl::read(&forwarding).map_err(failed)?.as_deref() != Some("0") {
            return Ok(vec![]);
        }
        let mut accepting = Vec::new();
        for entry in std::fs::read_dir("/proc/sys/net/ipv6/conf").map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str().and_then(|name| name.parse::<LinkName>().ok()) else { continue };
            let path = SysctlPath::of_link("ipv6", &name, "accept_ra");
            if path.link().is_some() && sysctl::read(&path).map_err(failed)?.as_deref() == Some("1") {
                accepting.push(name);
            }
        }
        let links = self.host.links(&accepting)?;
        let ours = |name: &LinkName| links.iter().any(|found| found.link.name == *name && found.link.is_ours());
        accepting.retain(|name| !ours(name));
        Ok(accepting)
    }

    /// All interfaces of the host that we made.
    pub fn our_links(&mut self) -> Result<Vec<Link>, Error> {
        let mut found = self.found_links()?;
        found.retain(|found| found.link.is_ours());
        self.host.named(found)
    }

    /// All interfaces of the host.
    pub(crate) fn found_links(&mut self) -> Result<Vec<link::Found>, Error> {
        let mut requests = Requests::new();
        link::get_all(&mut requests);
        let found = self.host.socket()?.dump(&mut requests, |body| link::Found::read(Side::Host, body));
        found.map_err(|fault| Error::at(fault, |_| "ip link show".to_owned()))
    }

    /// All elements of a set; none where there is no such set.
    pub fn elements_of(&mut self, set: Set) -> Result<Vec<Element>, Error> {
        let mut requests = Requests::new();
        element::get_all(&mut requests, set);
        let found = self.nft()?.dump(&mut requests, |body| Some(element::read_all(set, body)));
        let attempt = |_| format!("nft list set {} netd {}", set.family().word(), set.name());
        Ok(found.map_err(|fault| Error::at(fault, attempt))?.into_iter().flatten().collect())
    }

    /// All chains that meet packets in a hook, of whatever program: an `accept` of ours cannot undo another's `drop`.
    pub fn hooked_chains(&mut self) -> Result<Vec<HookedChain>, Error> {
        let mut requests = Requests::new();
        chain::get_all(&mut requests);
        let found = self.nft()?.dump(&mut requests, chain::read_hooked);
        found.map_err(|fault| Error::at(fault, |_| "nft list chains".to_owned()))
    }
}

impl Space {
    /// The routes of one family that leave by an interface.
    pub(crate) fn routes_of(&mut self, name: &LinkName, index: u32, is_ipv6: bool) -> Result<Vec<Route>, Error> {
        let side = self.side;
        let mut requests = Requests::new();
        route::get_of(&mut requests, is_ipv6, index);
        let found = self.socket()?.dump(&mut requests, |body| route::read(side, name, index, body));
        found.map_err(|fault| Error::at(fault, |_| format!("ip route show dev {name}")))
    }
}

/// The number of an interface of the calling thread's namespace. It waits for no lock of the kernel's (`SIOCGIFINDEX`),
/// so that who serves names never waits for who changes interfaces.
pub fn link_index(name: &LinkName) -> Option<u32> {
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    net::netdevice::name_to_index(&socket, name.as_str()).ok()
}
