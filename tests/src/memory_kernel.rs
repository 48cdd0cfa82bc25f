//! The kernel in memory: one host and its containers, as far as plans touch them.
//!
//! It takes the steps of a plan with the refusals and side effects of the real one, so that the law can be tried on
//! thousands of states. `tests/laws/true_to_life.rs` runs the same steps in both and compares, one by one.

mod places;
mod queues;

use std::collections::BTreeMap;

use netd_model::element::{Data, Element, Family};
use netd_model::name::LinkName;
use netd_model::object::{
    Address, Fdb, Key, Link, LinkKind, Neighbour, Object, Port, Route, Side, State, Sysctl, SysctlPath,
};
use netd_model::plan::{Plan, Step};

/// Why the kernel does not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// EEXIST: there is one already.
    Exists,
    /// ENODEV: no such interface.
    NoDevice,
    /// ENOENT: no such table, set or sysctl.
    NoEntry,
    /// ENETDOWN: the interface is down.
    Down,
    /// ENETUNREACH, EHOSTUNREACH: no way to the gateway.
    Unreachable,
    /// EINVAL, EOPNOTSUPP: no sense.
    Invalid,
}

/// One host, and the containers whose veths end there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryKernel {
    host: State,
    containers: Vec<State>,
    /// The host's end of a pair -> the container with the other.
    ends: BTreeMap<LinkName, usize>,
    /// The second name of an interface of the host -> the container that has it, and what it was at home.
    moved: BTreeMap<LinkName, (usize, Link)>,
}

impl MemoryKernel {
    /// A host with `containers` empty namespaces.
    pub fn new(containers: usize) -> Self {
        Self { containers: vec![State::default(); containers], ..Self::default() }
    }

    /// What exists under these keys, seen with the namespace of one container.
    pub fn observe<'a>(&self, container: usize, keys: impl IntoIterator<Item = &'a Key>) -> State {
        keys.into_iter().filter_map(|key| self.find(container, key)).collect()
    }

    /// Everything in the host's namespace.
    pub fn host(&self) -> &State {
        &self.host
    }

    /// Everything in a container's namespace.
    pub fn container(&self, container: usize) -> &State {
        &self.containers[container]
    }

    /// Takes every step of a plan, or stops at the first that is refused and says which and why.
    pub fn apply(&mut self, container: usize, plan: &Plan) -> Result<(), String> {
        plan.steps.iter().try_for_each(|step| self.take(container, step).map_err(|errno| format!("{step}: {errno:?}")))
    }

    /// Takes one step.
    pub fn take(&mut self, container: usize, step: &Step) -> Result<(), Errno> {
        match step {
            Step::Add(object) => self.add(container, object),
            Step::AddPair(host, peer) => self.add_pair(container, host, peer),
            Step::Set(link) => self.set(container, link),
            Step::Delete(object) => {
                self.delete(container, &object.key());
                Ok(())
            }
        }
    }

    /// `nft flush ruleset`: the programs, and with them all elements.
    pub fn flush_ruleset(&mut self) {
        self.host.retain(|object| {
            let of_nft =
                |object: &Object| matches!(object, Object::Program(_) | Object::Element(_) | Object::Opening(_));
            !of_nft(object) && !matches!(object, Object::Conditions(_) | Object::Admin(_))
        });
    }

    /// The namespace of a container ends, and with it the pairs that end in it.
    pub fn vanish(&mut self, container: usize) {
        let ends: Vec<LinkName> =
            self.ends.iter().filter(|(_, at)| **at == container).map(|(end, _)| end.clone()).collect();
        for end in ends {
            self.delete(container, &Key::Link(Side::Host, end));
        }
        self.end_of_moved(container);
        self.containers[container] = State::default();
    }

    fn side(&self, container: usize, side: Side) -> &State {
        match side {
            Side::Host => &self.host,
            Side::Container => &self.containers[container],
        }
    }

    fn side_mut(&mut self, container: usize, side: Side) -> &mut State {
        match side {
            Side::Host => &mut self.host,
            Side::Container => &mut self.containers[container],
        }
    }

    /// A sysctl always has a value, where its interface is.
    fn find(&self, container: usize, key: &Key) -> Option<Object> {
        let side = side_of(key);
        match key {
            Key::Sysctl(_, path) => self.sysctl(container, side, path).map(Object::Sysctl),
            _ => self.side(container, side).find(key).cloned(),
        }
    }

    fn sysctl(&self, container: usize, side: Side, path: &SysctlPath) -> Option<Sysctl> {
        if path.link().is_some_and(|link| self.side(container, side).link(side, &link).is_none()) {
            return None;
        }
        let written = self.side(container, side).find(&Key::Sysctl(side, path.clone()));
        let initial = || Sysctl { side, path: path.clone(), value: "0".to_owned() };
        Some(written.map_or_else(initial, |object| match object {
            Object::Sysctl(sysctl) => sysctl.clone(),
            _ => initial(),
        }))
    }

    fn add(&mut self, container: usize, object: &Object) -> Result<(), Errno> {
        let (key, side) = (object.key(), object.side());
        match object {
            // A second one of the same content gets another priority.
            Object::Program(_) | Object::Rule(_) | Object::Opening(_) => {}
            Object::Conditions(_) | Object::Admin(_) => self.program(Family::Inet)?,
            Object::Sysctl(sysctl) => {
                self.sysctl(container, side, &sysctl.path).ok_or(Errno::NoEntry)?;
            }
            Object::Link(link) => return self.add_link(container, link),
            Object::Moved(moved) => return self.take_in(container, moved),
            // These come in place of what is there.
            Object::Neighbour(Neighbour { link, .. }) | Object::Fdb(Fdb { link, .. }) => {
                let link = self.host.link(Side::Host, link).ok_or(Errno::NoDevice)?;
                self.replace_host_of(object, &link.name.clone());
            }
            _ if self.side(container, side).find(&key).is_some() => return Err(Errno::Exists),
            Object::Element(element) => self.holds(element)?,
            Object::Vlan(vlan) => {
                let link = self.host.link(Side::Host, &vlan.port).ok_or(Errno::NoDevice)?;
                link.port.as_ref().ok_or(Errno::Invalid)?;
            }
            Object::Address(address) | Object::Point(address) => self.has_link(container, side, &address.link)?,
            Object::Qdisc(qdisc) => self.has_link(container, side, &qdisc.link)?,
            Object::Filter(filter) => self.filters(container, filter)?,
            Object::Route(route) => self.leads(container, route)?,
        }
        self.side_mut(container, side).insert(object.clone());
        Ok(())
    }

    /// A hardware address is at one host.
    fn replace_host_of(&mut self, object: &Object, link: &LinkName) {
        let Object::Fdb(Fdb { mac: Some(mac), .. }) = object else { return };
        self.host
            .retain(|other| !matches!(other, Object::Fdb(other) if other.link == *link && other.mac == Some(*mac)));
    }

    fn program(&self, family: Family) -> Result<(), Errno> {
        self.host.find(&Key::Program(family)).map(|_| ()).ok_or(Errno::NoEntry)
    }

    fn holds(&self, element: &Element) -> Result<(), Errno> {
        if let Some(Data::Chain(chain)) = &element.data {
            self.host.find(&Key::Conditions(chain.clone())).ok_or(Errno::NoEntry)?;
        }
        self.program(element.key.set.family())
    }

    fn leads(&self, container: usize, route: &Route) -> Result<(), Errno> {
        let state = self.side(container, route.side);
        let link = state.link(route.side, &route.link).ok_or(Errno::NoDevice)?;
        if link.up != Some(true) {
            return Err(Errno::Down);
        }
        let Some(gateway) = route.gateway.filter(|_| !route.onlink) else { return Ok(()) };
        let near = |object: &Object| match object {
            Object::Address(address) => address.link == route.link && address.address.contains(gateway),
            Object::Route(other) => {
                other.link == route.link && other.gateway.is_none() && other.destination.contains(gateway)
            }
            _ => false,
        };
        if state.iter().any(near) { Ok(()) } else { Err(Errno::Unreachable) }
    }

    fn add_link(&mut self, container: usize, link: &Link) -> Result<(), Errno> {
        if self.side(container, link.side).link(link.side, &link.name).is_some() {
            return Err(Errno::Exists);
        }
        if matches!(link.kind, LinkKind::Veth { .. } | LinkKind::Loopback | LinkKind::Other(_)) {
            return Err(Errno::Invalid);
        }
        if let Some((side, below)) = link.kind.parent() {
            self.side(container, *side).link(*side, below).ok_or(Errno::NoDevice)?;
        }
        self.insert_new(container, link)
    }

    fn add_pair(&mut self, container: usize, host: &Link, peer: &Link) -> Result<(), Errno> {
        for end in [host, peer] {
            if self.side(container, end.side).link(end.side, &end.name).is_some() {
                return Err(Errno::Exists);
            }
        }
        let pair = |end: &Link, other: &Link| {
            let kind = LinkKind::Veth { peer: Some((other.side, other.name.clone())) };
            Link { kind, ..end.clone() }
        };
        self.insert_new(container, &pair(host, peer))?;
        self.insert_new(container, &pair(peer, host))?;
        self.ends.insert(host.name.clone(), container);
        Ok(())
    }

    /// A new interface is down, and has what the kernel gives where nothing is said.
    fn insert_new(&mut self, container: usize, link: &Link) -> Result<(), Errno> {
        self.bridge_of(link.port.as_ref())?;
        let new = Link {
            mac: link.mac.or_else(|| "02:00:00:00:00:01".parse().ok()),
            mtu: link.mtu.or_else(|| 1500.try_into().ok()),
            group: link.group.or(Some(0)),
            alias: None,
            promiscuous: Some(false),
            all_multicast: Some(false),
            queue_length: link.queue_length.or(Some(1000)),
            link_local: link.link_local.or(Some(true)),
            checksum_offload: matches!(link.kind, LinkKind::Vxlan { .. }).then_some(true),
            port: link.port.as_ref().map(with_port_defaults),
            up: Some(false),
            ..link.clone()
        };
        self.side_mut(container, link.side).insert(Object::Link(new));
        Ok(())
    }

    fn bridge_of(&self, port: Option<&Port>) -> Result<(), Errno> {
        let Some(port) = port else { return Ok(()) };
        let bridge = self.host.link(Side::Host, &port.bridge).ok_or(Errno::NoDevice)?;
        if matches!(bridge.kind, LinkKind::Bridge { .. }) { Ok(()) } else { Err(Errno::Invalid) }
    }

    fn set(&mut self, container: usize, change: &Link) -> Result<(), Errno> {
        self.bridge_of(change.port.as_ref())?;
        let state = self.side_mut(container, change.side);
        let mut link = state.link(change.side, &change.name).cloned().ok_or(Errno::NoDevice)?;
        if let LinkKind::Veth { peer: Some(_) } = change.kind {
            return Err(Errno::Invalid);
        }
        if let (LinkKind::Bridge { vlan_filtering: Some(on) }, LinkKind::Bridge { vlan_filtering }) =
            (&change.kind, &mut link.kind)
        {
            *vlan_filtering = Some(*on);
        }
        replace(&mut link.mac, change.mac);
        replace(&mut link.mtu, change.mtu);
        replace(&mut link.group, change.group);
        replace(&mut link.alias, change.alias.clone());
        replace(&mut link.promiscuous, change.promiscuous);
        replace(&mut link.all_multicast, change.all_multicast);
        replace(&mut link.queue_length, change.queue_length);
        replace(&mut link.link_local, change.link_local);
        replace(&mut link.checksum_offload, change.checksum_offload);
        let port = change.port.as_ref().map(|port| merged(link.port.as_ref(), port));
        replace(&mut link.port, port);
        replace(&mut link.up, change.up);
        state.insert(Object::Link(link));
        if change.up == Some(false) {
            state.retain(|object| !is_lost_when_down(object, &change.name));
        }
        Ok(())
    }

    /// With a link go what it carries, its ports' membership and the other end of the pair.
    fn delete(&mut self, container: usize, key: &Key) {
        let side = side_of(key);
        let removed = self.side_mut(container, side).remove(key);
        match removed {
            Some(Object::Link(link)) => self.end_of_link(container, &link),
            Some(Object::Moved(moved)) => self.bring_home(&moved),
            Some(Object::Qdisc(qdisc)) => self.end_of_qdisc(container, &qdisc),
            Some(Object::Address(address) | Object::Point(address)) if address.address.is_ipv4() => {
                self.end_of_address(container, &address);
            }
            Some(Object::Program(program)) => self.host.retain(|object| match object {
                Object::Element(element) => element.key.set.family() != program.family,
                Object::Conditions(_) | Object::Admin(_) => program.family != Family::Inet,
                _ => true,
            }),
            _ => {}
        }
    }

    fn end_of_link(&mut self, container: usize, link: &Link) {
        let gone = Key::Link(link.side, link.name.clone());
        let ports: Vec<Link> = self.host.iter().filter_map(|object| port_of(object, link)).collect();
        self.host.extend(ports.into_iter().map(Object::Link));
        self.side_mut(container, link.side).retain(|object| object.carrier().as_ref() != Some(&gone));
        self.end_of_target(container, link);
        self.end_of_uppers(container, link);
        let LinkKind::Veth { peer: Some((side, name)) } = &link.kind else { return };
        let host_end = if link.side == Side::Host { &link.name } else { name };
        let at = self.ends.remove(host_end).unwrap_or(container);
        self.delete(at, &Key::Link(*side, name.clone()));
    }

    /// With the last IPv4 address of an interface go its IPv4 routes.
    fn end_of_address(&mut self, container: usize, address: &Address) {
        let state = self.side_mut(container, address.side);
        let of_link = |link: &LinkName| *link == address.link;
        let left = state
            .iter()
            .any(|object| matches!(object, Object::Address(other) | Object::Point(other) if of_link(&other.link) && other.address.is_ipv4()));
        if !left {
            state.retain(
                |object| !matches!(object, Object::Route(route) if of_link(&route.link) && route.destination.is_ipv4()),
            );
        }
    }
}

fn side_of(key: &Key) -> Side {
    match key {
        Key::Program(_)
        | Key::Conditions(_)
        | Key::Admin(_)
        | Key::Opening(..)
        | Key::Element(_)
        | Key::Vlan(..)
        | Key::Neighbour(..)
        | Key::Fdb(..)
        | Key::Moved(_) => Side::Host,
        Key::Sysctl(side, _)
        | Key::Link(side, _)
        | Key::Address(side, ..)
        | Key::Route(side, ..)
        | Key::Rule(side, ..)
        | Key::Qdisc(side, ..)
        | Key::Filter(side, ..) => *side,
    }
}

fn replace<T>(value: &mut Option<T>, change: Option<T>) {
    if change.is_some() {
        *value = change;
    }
}

fn with_port_defaults(port: &Port) -> Port {
    Port { hairpin: port.hairpin.or(Some(false)), isolated: port.isolated.or(Some(false)), ..port.clone() }
}

/// Joining another bridge starts with the flags of a new port.
fn merged(found: Option<&Port>, change: &Port) -> Port {
    let found = found.filter(|found| found.bridge == change.bridge);
    with_port_defaults(&Port {
        hairpin: change.hairpin.or(found.and_then(|port| port.hairpin)),
        isolated: change.isolated.or(found.and_then(|port| port.isolated)),
        ..change.clone()
    })
}

/// A port of the bridge that ends, free.
fn port_of(object: &Object, bridge: &Link) -> Option<Link> {
    match object {
        Object::Link(link) if link.port.as_ref().is_some_and(|port| port.bridge == bridge.name) => {
            Some(Link { port: None, ..link.clone() })
        }
        _ => None,
    }
}

/// A link that goes down keeps its IPv4 addresses, and nothing else that is on it.
fn is_lost_when_down(object: &Object, link: &LinkName) -> bool {
    match object {
        Object::Address(address) | Object::Point(address) => address.link == *link && address.address.is_ipv6(),
        Object::Route(route) => route.link == *link,
        Object::Neighbour(neighbour) => neighbour.link == *link,
        _ => false,
    }
}
