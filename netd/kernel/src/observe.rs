//! Reads from the kernel what keys name, and nothing else.
//!
//! Owns: questions. Never: changes anything; decides anything.
//! What the kernel makes by itself (routes of `proto kernel`, addresses that nobody asked for) is not in the answer, or
//! the law would fail.

mod chains;
mod kin;
mod queues;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnetwork::IpNetwork;
use netd_model::{
    element::{ElementKey, Family},
    name::{AdminChain, ChainName, LinkName},
    object::{Address, Direction, Gate, Key, Link, LinkKind, Object, Rule, Side, State, Sysctl, SysctlPath, Vlan},
};

use crate::{
    error::Error,
    kernel::{Kernel, Space},
    nft::{element, program},
    offload,
    rtnetlink::{
        address, link,
        neighbour::{self, Table},
        rule as policy, vlan,
    },
    sysctl,
    wire::Requests,
};

/// What is asked, by where the answers come from.
#[derive(Default)]
struct Asked<'k> {
    keys: BTreeSet<&'k Key>,
    host: Names<'k>,
    container: Names<'k>,
    programs: Vec<Family>,
    conditions: Vec<&'k ChainName>,
    admin: Vec<&'k AdminChain>,
    openings: Vec<(&'k Gate, &'k LinkName)>,
    elements: Vec<&'k ElementKey>,
    moved: Vec<&'k LinkName>,
}

/// What is asked of one side.
#[derive(Default)]
struct Names<'k> {
    links: BTreeMap<&'k LinkName, Details>,
    sysctls: Vec<&'k SysctlPath>,
    rules4: bool,
    rules6: bool,
}

/// What is asked of an interface besides itself.
#[derive(Default, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "one for each question")]
struct Details {
    addresses: bool,
    routes4: bool,
    routes6: bool,
    vlans: bool,
    neighbours4: bool,
    neighbours6: bool,
    fdb: bool,
    queues: bool,
    coming: bool,
    leaving: bool,
}

impl Kernel {
    /// What the kernel has under these keys. A key without an object names what does not exist.
    ///
    /// # Errors
    /// When the kernel cannot be asked. A missing namespace, table or set is no error: nothing is in it.
    pub fn observe<'k>(&mut self, keys: impl IntoIterator<Item = &'k Key>) -> Result<State, Error> {
        let asked = Asked::of(keys);
        let mut state = State::default();
        let host = self.host.links(asked.host.links.keys().copied())?;
        let container = self.container.links(asked.container.links.keys().copied())?;
        let parents = self.parents(&host, &container)?;
        let pairs = self.pairs(&host, &container)?;
        let pairs = pairs.into_iter().flat_map(|(one, other)| [(one.clone(), other.clone()), (other, one)]);
        for (side, found, names) in [(Side::Host, host, &asked.host), (Side::Container, container, &asked.container)] {
            let space = self.space(side);
            for found in &found {
                space.details(found, names, &mut state)?;
            }
            state.extend(space.named(found)?.into_iter().map(Object::Link));
            space.sysctls(&names.sysctls, &mut state)?;
            for (_, is_ipv6) in [(names.rules4, false), (names.rules6, true)].into_iter().filter(|(asked, _)| *asked) {
                state.extend(space.rules(is_ipv6)?.into_iter().map(Object::Rule));
            }
        }
        kin::tell_parents(parents, &mut state);
        for mark in &asked.moved {
            state.extend(self.moved(mark)?.map(Object::Moved));
        }
        for ((side, name), peer) in pairs {
            if let Some(mut link) = state.link(side, &name).cloned() {
                link.kind = LinkKind::Veth { peer: Some(peer) };
                state.insert(Object::Link(link));
            }
        }
        self.programs(&asked, &mut state)?;
        self.chains(&asked, &mut state)?;
        state.retain(|object| asked.keys.contains(&object.key()));
        Ok(state)
    }

    /// Programs and elements, all in one write.
    fn programs(&mut self, asked: &Asked<'_>, state: &mut State) -> Result<(), Error> {
        let mut requests = Requests::new();
        let parts: Vec<usize> = asked.programs.iter().map(|family| program::get(&mut requests, *family)).collect();
        let first_element = requests.len();
        asked.elements.iter().for_each(|key| element::get(&mut requests, key));
        if requests.is_empty() {
            return Ok(());
        }
        let (mut chains, mut elements) = (Vec::new(), Vec::new());
        chains.resize_with(first_element, || None);
        let found = self.nft()?.get(&mut requests, |index, body| {
            if let Some(part) = chains.get_mut(index) {
                *part = program::read(body);
            } else {
                let key = asked.elements.get(index - first_element);
                elements.extend(key.and_then(|key| element::read(key, body)));
            }
            Some(())
        });
        found.map_err(|fault| Error::at(fault, |_| "read the elements of nftables".to_owned()))?;
        for (family, parts) in asked.programs.iter().zip(parts) {
            let others = chains.split_off(parts.min(chains.len()));
            state.extend(program::found(*family, &std::mem::replace(&mut chains, others)).map(Object::Program));
        }
        state.extend(elements.into_iter().map(Object::Element));
        Ok(())
    }
}

impl Space {
    /// The interfaces of these names, and their numbers for later.
    pub(crate) fn links<'k>(
        &mut self,
        names: impl IntoIterator<Item = &'k LinkName>,
    ) -> Result<Vec<link::Found>, Error> {
        let mut there = Vec::new();
        for name in names {
            // Most of what an ADD asks for is not there, and to know that costs little.
            match self.exists().then(|| self.number(name)).transpose()?.flatten() {
                Some(index) => {
                    self.indexes.insert(name.clone(), index);
                    there.push(name);
                }
                None => {
                    self.indexes.remove(name);
                }
            }
        }
        if there.is_empty() {
            return Ok(vec![]);
        }
        let side = self.side;
        let mut requests = Requests::new();
        for name in &there {
            link::get(&mut requests, name);
        }
        let found = self.socket()?.get(&mut requests, |_, body| link::Found::read(side, body));
        let attempt = |index: usize| format!("ip link show dev {}", there.get(index).map_or("", |name| name.as_str()));
        let found = found.map_err(|fault| Error::at(fault, attempt))?;
        // An interface may be found by another of its names (`ip link property add altname`): that one is not asked.
        let mut found: Vec<_> = found.into_iter().flatten().filter(|found| there.contains(&&found.link.name)).collect();
        for found in found.iter_mut().filter(|found| matches!(found.link.kind, LinkKind::Vxlan { .. })) {
            // One that went this moment shows nothing.
            found.link.checksum_offload = offload::get(self.socket()?.descriptor(), &found.link.name).ok();
        }
        Ok(found)
    }

    /// The interface of this number.
    pub(crate) fn by_number(&mut self, index: u32) -> Result<Option<link::Found>, Error> {
        let side = self.side;
        let mut requests = Requests::new();
        link::get_by_index(&mut requests, index);
        let found = self.socket()?.get(&mut requests, |_, body| link::Found::read(side, body));
        let attempt = |_| format!("ip link show # number {index}");
        Ok(found.map_err(|fault| Error::at(fault, attempt))?.pop().flatten())
    }

    /// Its name.
    pub(crate) fn name_of(&mut self, index: u32) -> Result<Option<LinkName>, Error> {
        Ok(self.by_number(index)?.map(|found| found.link.name))
    }

    /// All rules of one family.
    pub(crate) fn rules(&mut self, is_ipv6: bool) -> Result<Vec<Rule>, Error> {
        if !self.exists() {
            return Ok(vec![]);
        }
        let side = self.side;
        let mut requests = Requests::new();
        policy::get_all(&mut requests, is_ipv6);
        let found = self.socket()?.dump(&mut requests, |body| policy::read(side, body));
        found.map_err(|fault| Error::at(fault, |_| "ip rule show".to_owned()))
    }

    /// The number of an interface now.
    pub(crate) fn number(&mut self, name: &LinkName) -> Result<Option<u32>, Error> {
        let attempt = || format!("ip link show dev {name}");
        self.socket()?.index(name.as_str()).map_err(|source| Error::Io { attempt: attempt(), source })
    }

    /// The interfaces with the names of their bridges.
    pub(crate) fn named(&mut self, found: Vec<link::Found>) -> Result<Vec<Link>, Error> {
        let mut names: BTreeMap<u32, Option<LinkName>> =
            found.iter().map(|found| (found.index, Some(found.link.name.clone()))).collect();
        let masters: BTreeSet<u32> = found.iter().filter_map(|found| found.master.map(|port| port.master)).collect();
        let unknown: Vec<u32> = masters.into_iter().filter(|master| !names.contains_key(master)).collect();
        let mut requests = Requests::new();
        for master in &unknown {
            link::get_by_index(&mut requests, *master);
        }
        if !unknown.is_empty() {
            let found = self.socket()?.get(&mut requests, |_, body| link::Found::read(Side::Host, body));
            let found = found.map_err(|fault| Error::at(fault, |_| "ip link show type bridge".to_owned()))?;
            names.extend(unknown.into_iter().zip(found.into_iter().map(|found| found.map(|found| found.link.name))));
        }
        let links = found.into_iter().map(|found| {
            let bridge = found.master.and_then(|port| names.get(&port.master).cloned().flatten());
            let port = found.master.zip(bridge).map(|(port, bridge)| port.port(bridge));
            Link { port, ..found.link }
        });
        Ok(links.collect())
    }

    /// Addresses, routes and VLANs of an interface, as far as they are asked.
    fn details(&mut self, found: &link::Found, names: &Names<'_>, state: &mut State) -> Result<(), Error> {
        let (side, name) = (self.side, &found.link.name);
        let Some(asked) = names.links.get(name).copied() else { return Ok(()) };
        if asked.addresses {
            let addresses = self.addresses_of(name, found.index)?.into_iter();
            state.extend(addresses.map(|found| {
                let (link, address) = (name.clone(), found.address);
                let address = Address { side, link, address, detect_duplicates: false, deprecated: false };
                if found.alone { Object::Point(address) } else { Object::Address(address) }
            }));
        }
        for (asked, is_ipv6) in [(asked.routes4, false), (asked.routes6, true)] {
            if asked {
                let routes = self.routes_of(name, found.index, is_ipv6)?;
                state.extend(routes.into_iter().map(Object::Route));
            }
        }
        let tables = [(asked.neighbours4, Table::Ipv4), (asked.neighbours6, Table::Ipv6), (asked.fdb, Table::Fdb)];
        for (_, table) in tables.into_iter().filter(|(asked, _)| *asked) {
            state.extend(self.neighbours_of(name, found.index, table)?);
        }
        self.queues(found, asked, state)?;
        if asked.vlans {
            let ranges = self.vlans_of(name, found.index)?;
            state.extend((1..=4094).filter_map(|vid| {
                let range = ranges.iter().find(|range| range.has(vid))?;
                let (pvid, untagged) = (range.pvid(), range.untagged());
                Some(Object::Vlan(Vlan { port: name.clone(), vid, pvid, untagged }))
            }));
        }
        Ok(())
    }

    /// All addresses of an interface.
    pub(crate) fn addresses_of(&mut self, name: &LinkName, index: u32) -> Result<Vec<address::Found>, Error> {
        let mut requests = Requests::new();
        address::get_of(&mut requests, index);
        let found = self.socket()?.dump(&mut requests, address::Found::read);
        found.map_err(|fault| Error::at(fault, |_| format!("ip address show dev {name}")))
    }

    /// The neighbours of one family, or the forwarding entries, of an interface.
    pub(crate) fn neighbours_of(&mut self, name: &LinkName, index: u32, table: Table) -> Result<Vec<Object>, Error> {
        let mut requests = Requests::new();
        neighbour::get_of(&mut requests, table, index);
        let found = self.socket()?.dump(&mut requests, neighbour::Found::read);
        let found = found.map_err(|fault| Error::at(fault, |_| format!("ip neighbour show dev {name}")))?.into_iter();
        Ok(match table {
            Table::Fdb => found.filter_map(|found| found.fdb(name)).map(Object::Fdb).collect(),
            Table::Ipv4 | Table::Ipv6 => {
                found.filter_map(|found| found.neighbour(name)).map(Object::Neighbour).collect()
            }
        })
    }

    fn vlans_of(&mut self, name: &LinkName, index: u32) -> Result<Vec<vlan::Range>, Error> {
        let mut requests = Requests::new();
        vlan::get_of(&mut requests, index);
        let found = self.socket()?.dump(&mut requests, |body| Some(vlan::read(body)));
        let found = found.map_err(|fault| Error::at(fault, |_| format!("bridge vlan show dev {name}")))?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The parameters, all in one visit.
    fn sysctls(&self, paths: &[&SysctlPath], state: &mut State) -> Result<(), Error> {
        if paths.is_empty() || !self.exists() {
            return Ok(());
        }
        self.within(|| {
            for path in paths {
                let attempt = || format!("sysctl {path}");
                let value = sysctl::read(path).map_err(|source| Error::Io { attempt: attempt(), source })?;
                let sysctl = value.map(|value| Sysctl { side: self.side, path: (*path).clone(), value });
                state.extend(sysctl.map(Object::Sysctl));
            }
            Ok(())
        })
    }
}

impl<'k> Asked<'k> {
    fn of(keys: impl IntoIterator<Item = &'k Key>) -> Self {
        let mut asked = Self::default();
        for key in keys {
            asked.keys.insert(key);
        }
        for key in asked.keys.clone() {
            match key {
                Key::Program(family) => asked.programs.push(*family),
                Key::Conditions(chain) => asked.conditions.push(chain),
                Key::Admin(chain) => asked.admin.push(chain),
                Key::Opening(gate, link) => asked.openings.push((gate, link)),
                Key::Element(element) => asked.elements.push(element),
                Key::Sysctl(side, path) => asked.names(*side).sysctls.push(path),
                Key::Link(side, name) => {
                    asked.details(*side, name);
                }
                Key::Vlan(port, _) => asked.details(Side::Host, port).vlans = true,
                Key::Address(side, name, _) => asked.details(*side, name).addresses = true,
                Key::Neighbour(name, IpAddr::V4(_)) => asked.details(Side::Host, name).neighbours4 = true,
                Key::Neighbour(name, IpAddr::V6(_)) => asked.details(Side::Host, name).neighbours6 = true,
                Key::Fdb(name, ..) => asked.details(Side::Host, name).fdb = true,
                Key::Route(side, name, IpNetwork::V4(_), ..) => asked.details(*side, name).routes4 = true,
                Key::Route(side, name, IpNetwork::V6(_), ..) => asked.details(*side, name).routes6 = true,
                Key::Rule(side, IpNetwork::V4(_), _) => asked.names(*side).rules4 = true,
                Key::Rule(side, IpNetwork::V6(_), _) => asked.names(*side).rules6 = true,
                Key::Moved(mark) => asked.moved.push(mark),
                Key::Qdisc(side, name, _) => asked.details(*side, name).queues = true,
                Key::Filter(side, name, Direction::Ingress, _) => asked.details(*side, name).coming = true,
                Key::Filter(side, name, Direction::Egress, _) => asked.details(*side, name).leaving = true,
            }
        }
        asked
    }

    fn names(&mut self, side: Side) -> &mut Names<'k> {
        match side {
            Side::Host => &mut self.host,
            Side::Container => &mut self.container,
        }
    }

    fn details(&mut self, side: Side, name: &'k LinkName) -> &mut Details {
        self.names(side).links.entry(name).or_default()
    }
}
