//! The things of the kernel that make a network, as values: what should be and what is have the same shape.
//!
//! An [`Object`] is one thing, its [`Key`] says which one, a [`State`] holds many. In what should be, an attribute of
//! `None` means "whatever it is"; in what is, it means "the kernel did not say".

mod admin;
mod conditions;
mod link;
mod moved;
mod neighbour;
mod opening;
mod qdisc;
mod route;
mod rule;
mod sysctl;
mod upper;

use std::{collections::BTreeMap, net::IpAddr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

pub use admin::Admin;
pub use conditions::Conditions;
pub use link::{GROUP, Link, LinkKind, Port};
pub use moved::Moved;
pub use neighbour::{Fdb, Neighbour};
pub use opening::{Gate, Opening, Way};
pub use qdisc::{Direction, Filter, Packets, Place, Qdisc, QdiscKind, Verdict, bytes_in};
pub use route::Route;
pub use rule::Rule;
pub use sysctl::{InvalidSysctl, Sysctl, SysctlPath};
pub use upper::{IpvlanMode, MacvlanMode};

use crate::{
    addr::Mac,
    element::{Element, ElementKey, Family},
    name::{AdminChain, ChainName, LinkName},
};

/// Which network namespace a thing is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The host's, where the bridge is.
    Host,
    /// The container's: `CNI_NETNS`.
    Container,
}

/// Which thing of the kernel, apart from its attributes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The nftables program of one family.
    Program(Family),
    /// A chain that asks conditions.
    Conditions(ChainName),
    /// A chain that an operator fills.
    Admin(AdminChain),
    /// What lets an interface's packets through another firewall.
    Opening(Gate, LinkName),
    /// An element of a set or map of the program.
    Element(ElementKey),
    /// A kernel parameter.
    Sysctl(Side, SysctlPath),
    /// An interface.
    Link(Side, LinkName),
    /// A VLAN id of a bridge port.
    Vlan(LinkName, u16),
    /// An address with its prefix on an interface.
    Address(Side, LinkName, IpNetwork),
    /// A neighbour on an interface of the host.
    Neighbour(LinkName, IpAddr),
    /// A forwarding entry of a VXLAN device.
    Fdb(LinkName, Option<Mac>, IpAddr),
    /// A route: interface, destination, gateway, table, priority.
    Route(Side, LinkName, IpNetwork, Option<IpAddr>, u32, u32),
    /// A rule: source, table.
    Rule(Side, IpNetwork, u32),
    /// An interface of the host in a container, by its second name.
    Moved(LinkName),
    /// A queueing discipline of an interface.
    Qdisc(Side, LinkName, Place),
    /// A filter of an interface: direction, priority.
    Filter(Side, LinkName, Direction, u16),
}

/// One thing of the kernel with its attributes.
///
/// ```json
/// {"object": "address", "side": "host", "link": "br-web", "address": "10.1.0.1/24"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "object", rename_all = "kebab-case")]
pub enum Object {
    /// The static part of our nftables tables.
    Program(Program),
    /// A chain that asks conditions.
    Conditions(Conditions),
    /// A chain that an operator fills.
    Admin(Admin),
    /// What lets an interface's packets through another firewall.
    Opening(Opening),
    /// An element of a set or map of the program.
    Element(Element),
    /// A kernel parameter.
    Sysctl(Sysctl),
    /// An interface.
    Link(Link),
    /// A VLAN id of a bridge port.
    Vlan(Vlan),
    /// An address on an interface.
    Address(Address),
    /// An address without its subnet: the kernel makes no route to that (`noprefixroute`). Its key is [`Key::Address`].
    Point(Address),
    /// A neighbour on an interface of the host.
    Neighbour(Neighbour),
    /// A forwarding entry of a VXLAN device.
    Fdb(Fdb),
    /// A route.
    Route(Route),
    /// A rule.
    Rule(Rule),
    /// An interface of the host that a container has.
    Moved(Moved),
    /// A queueing discipline of an interface.
    Qdisc(Qdisc),
    /// A filter of a queueing discipline.
    Filter(Filter),
}

/// The chains and sets of one family, known by a version that only goes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The family of the table.
    pub family: Family,
    /// The version: a newer one serves an older want.
    pub version: u32,
}

/// A VLAN id of a bridge port in the host's namespace: `bridge vlan`, bridge(8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vlan {
    /// The bridge port.
    pub port: LinkName,
    /// 1 to 4094.
    pub vid: u16,
    /// Frames that come without a tag belong to it.
    #[serde(default)]
    pub pvid: bool,
    /// Frames leave without a tag.
    #[serde(default)]
    pub untagged: bool,
}

/// An IP address with its prefix on an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The namespace.
    pub side: Side,
    /// The interface.
    pub link: LinkName,
    /// The address and the length of its prefix.
    pub address: IpNetwork,
    /// Whether IPv6 looks for a duplicate first (RFC 4862 5.4), which takes a second or more. Not compared.
    #[serde(default)]
    pub detect_duplicates: bool,
    /// Whether it answers, and begins nothing while the interface has another: deprecated (RFC 4862 5.5.4), and in IPv4,
    /// which knows no such thing, added after the others. Not compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
}

impl Object {
    /// Which thing this is.
    pub fn key(&self) -> Key {
        match self {
            Self::Program(program) => Key::Program(program.family),
            Self::Conditions(conditions) => Key::Conditions(conditions.chain.clone()),
            Self::Admin(admin) => Key::Admin(admin.chain.clone()),
            Self::Opening(opening) => Key::Opening(opening.gate.clone(), opening.link.clone()),
            Self::Element(element) => Key::Element(element.key.clone()),
            Self::Sysctl(sysctl) => Key::Sysctl(sysctl.side, sysctl.path.clone()),
            Self::Link(link) => Key::Link(link.side, link.name.clone()),
            Self::Vlan(vlan) => Key::Vlan(vlan.port.clone(), vlan.vid),
            Self::Address(address) | Self::Point(address) => {
                Key::Address(address.side, address.link.clone(), address.address)
            }
            Self::Neighbour(neighbour) => Key::Neighbour(neighbour.link.clone(), neighbour.address),
            Self::Fdb(fdb) => Key::Fdb(fdb.link.clone(), fdb.mac, fdb.destination),
            Self::Route(route) => route.key(),
            Self::Rule(rule) => Key::Rule(rule.side, rule.source, rule.table),
            Self::Moved(moved) => Key::Moved(moved.mark.clone()),
            Self::Qdisc(qdisc) => Key::Qdisc(qdisc.side, qdisc.link.clone(), qdisc.place()),
            Self::Filter(Filter { side, link, direction, priority, .. }) => {
                Key::Filter(*side, link.clone(), *direction, *priority)
            }
        }
    }

    /// The namespace that the thing is in.
    pub fn side(&self) -> Side {
        match self {
            Self::Program(_)
            | Self::Conditions(_)
            | Self::Admin(_)
            | Self::Opening(_)
            | Self::Element(_)
            | Self::Vlan(_)
            | Self::Neighbour(_)
            | Self::Fdb(_)
            // It belongs there.
            | Self::Moved(_) => Side::Host,
            Self::Sysctl(sysctl) => sysctl.side,
            Self::Link(link) => link.side,
            Self::Address(address) | Self::Point(address) => address.side,
            Self::Route(route) => route.side,
            Self::Rule(rule) => rule.side,
            Self::Qdisc(qdisc) => qdisc.side,
            Self::Filter(filter) => filter.side,
        }
    }

    /// The interface that this thing ends with, when it is not one itself.
    pub fn carrier(&self) -> Option<Key> {
        match self {
            Self::Program(_)
            | Self::Conditions(_)
            | Self::Admin(_)
            | Self::Opening(_)
            | Self::Element(_)
            | Self::Link(_)
            | Self::Rule(_)
            | Self::Moved(_) => None,
            Self::Sysctl(sysctl) => sysctl.path.link().map(|link| Key::Link(sysctl.side, link)),
            Self::Vlan(vlan) => Some(Key::Link(Side::Host, vlan.port.clone())),
            Self::Address(address) | Self::Point(address) => Some(Key::Link(address.side, address.link.clone())),
            Self::Neighbour(neighbour) => Some(Key::Link(Side::Host, neighbour.link.clone())),
            Self::Fdb(fdb) => Some(Key::Link(Side::Host, fdb.link.clone())),
            Self::Route(route) => Some(Key::Link(route.side, route.link.clone())),
            Self::Qdisc(qdisc) => Some(Key::Link(qdisc.side, qdisc.link.clone())),
            Self::Filter(filter) => Some(Key::Link(filter.side, filter.link.clone())),
        }
    }
}

/// Many things of the kernel, each once.
///
/// As JSON it is the list of its objects, in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Object>", into = "Vec<Object>")]
pub struct State(BTreeMap<Key, Object>);

impl State {
    /// The object of this key.
    pub fn find(&self, key: &Key) -> Option<&Object> {
        self.0.get(key)
    }

    /// The interface of this name.
    pub fn link(&self, side: Side, name: &LinkName) -> Option<&Link> {
        match self.0.get(&Key::Link(side, name.clone())) {
            Some(Object::Link(link)) => Some(link),
            _ => None,
        }
    }

    /// Puts an object in, in place of the one with the same key.
    pub fn insert(&mut self, object: Object) {
        self.0.insert(object.key(), object);
    }

    /// Takes an object out.
    pub fn remove(&mut self, key: &Key) -> Option<Object> {
        self.0.remove(key)
    }

    /// Keeps the objects for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Object) -> bool) {
        self.0.retain(|_, object| keep(object));
    }

    /// The objects in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.0.values()
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Object> for State {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        Self(objects.into_iter().map(|object| (object.key(), object)).collect())
    }
}

impl Extend<Object> for State {
    fn extend<I: IntoIterator<Item = Object>>(&mut self, objects: I) {
        self.0.extend(objects.into_iter().map(|object| (object.key(), object)));
    }
}

impl IntoIterator for State {
    type Item = Object;
    type IntoIter = std::collections::btree_map::IntoValues<Key, Object>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_values()
    }
}

impl From<Vec<Object>> for State {
    fn from(objects: Vec<Object>) -> Self {
        objects.into_iter().collect()
    }
}

impl From<State> for Vec<Object> {
    fn from(state: State) -> Self {
        state.into_iter().collect()
    }
}
