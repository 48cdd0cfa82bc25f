//! One network, indexed by what is asked of it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use smallvec::SmallVec;

use crate::counters::Tally;
use crate::name::{QuestionName, split_first_label};
use crate::network::Text;
use crate::record::{Kind, Srv};
use crate::reverse::reverse_name;
use crate::{Attachment, Name, Network, StaticData, StaticRecord};

/// Seconds to live of what is not a container's: negative answers (RFC 2308 5), the gateway, special names.
pub(crate) const TTL: u32 = 5;

/// Seconds to live of the answer that there is nothing where containers are that are not healthy: they may be soon.
pub(crate) const WITHHELD_TTL: u32 = 1;

/// The gateway's name below every domain.
const GATEWAY: &str = "host";

/// In front of a name, it is what Swarm calls the containers that bear the name.
const TASKS: &[u8] = b"\x05tasks";

/// Octets of the longest name (RFC 1035 2.3.4).
const MAX_NAME: usize = 255;
const ASTERISK: [u8; 2] = *b"\x01*";

/// A network and its indexes.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) network: Arc<Network>,
    /// What was asked of it; the network keeps it when it changes.
    pub(crate) tally: Arc<Tally>,
    /// By relative name.
    nodes: HashMap<Name, Node>,
    /// Positions in `network.attachments`.
    attachments: HashMap<IpAddr, SmallVec<[usize; 1]>>,
    has_wildcards: bool,
}

/// What stands at a relative name.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) bearer: Bearer,
    pub(crate) v4: SmallVec<[Ipv4Addr; 4]>,
    pub(crate) v6: SmallVec<[Ipv6Addr; 1]>,
    /// The lowest of the bearers': records of one set share their TTL (RFC 2181 5.2).
    pub(crate) ttl: u32,
    is_shared: bool,
    /// What few names have.
    rare: Option<Box<Rare>>,
}

/// Records that are no addresses, and what is not told.
#[derive(Clone, Debug, Default)]
struct Rare {
    services: Vec<Srv>,
    texts: Vec<Text>,
    alias: Option<Name>,
    /// Addresses of bearers that are not healthy.
    withheld: Vec<IpAddr>,
    /// Whether there are services of such bearers.
    withholds_services: bool,
}

/// Why a name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearer {
    /// One or more containers bear it, or a record of the network's own does.
    Container,
    /// It is the host's, and no container bears it.
    Gateway,
    /// A name below it exists: an empty non-terminal (RFC 8020).
    Nobody,
}

impl Zone {
    /// Builds the indexes of a network of which this much was asked before.
    pub(crate) fn new(network: Arc<Network>, tally: Arc<Tally>) -> Self {
        let has_wildcards = network.attachments.iter().flat_map(|it| &it.names).any(Name::is_wildcard)
            || network.records.iter().any(|record| record.name.is_wildcard());
        let count = network.attachments.iter().map(|attachment| attachment.names.len()).sum();
        let (nodes, attachments) = (HashMap::with_capacity(count), HashMap::with_capacity(network.attachments.len()));
        let mut zone = Self { network, tally, nodes, attachments, has_wildcards };
        for (position, attachment) in zone.network.attachments.iter().enumerate() {
            for name in &attachment.names {
                let bearers = zone.nodes.entry(name.clone()).and_modify(|node| node.is_shared = true);
                let node = bearers.or_insert_with(|| Node::empty(Bearer::Container));
                if attachment.is_healthy {
                    node.add(&attachment.addresses, attachment.ttl);
                } else {
                    node.rare.get_or_insert_default().withheld.extend(&attachment.addresses);
                }
            }
            for &address in &attachment.addresses {
                zone.attachments.entry(address).or_default().push(position);
            }
        }
        let rare: Vec<_> = zone.network.attachments.iter().flat_map(|it| zone.rare(it)).collect();
        for (name, ttl, rare) in rare {
            zone.nodes.entry(name).or_insert_with(|| Node::empty(Bearer::Container)).add_rare(rare, ttl);
        }
        for record in &zone.network.records {
            zone.nodes.entry(record.name.clone()).or_insert_with(|| Node::empty(Bearer::Container)).add_static(record);
        }
        zone.add_gateway();
        zone.add_empty_non_terminals();
        // Containers may have names in common.
        zone.nodes.shrink_to_fit();
        zone
    }

    /// The records of an attachment that are no addresses, with their relative names.
    fn rare(&self, attachment: &Attachment) -> Vec<(Name, u32, Rare)> {
        let ttl = attachment.ttl;
        let mut rare = Vec::new();
        let Some(own) = self.own_name(attachment) else { return rare };
        if !attachment.texts.is_empty() {
            rare.push((own.clone(), ttl, Rare { texts: attachment.texts.clone(), ..Rare::default() }));
        }
        let Ok(target) = own.below(&self.network.domain) else { return rare };
        for port in &attachment.ports {
            let srv = Srv { port: port.number, target: target.clone() };
            let told = if attachment.is_healthy {
                Rare { services: vec![srv], ..Rare::default() }
            } else {
                Rare { withholds_services: true, ..Rare::default() }
            };
            let protocol = port.protocol.label();
            for name in attachment.names.iter().filter(|name| !name.is_wildcard()) {
                let above = format!("_{protocol}.{name}").parse::<Name>();
                let name = format!("_{}._{protocol}.{name}", port.name).parse::<Name>();
                rare.extend(above.ok().map(|above| (above, ttl, Rare::default())));
                rare.extend(name.ok().map(|name| (name, ttl, told.clone())));
            }
        }
        rare
    }

    /// The name that leads from a container's address, has what is said of it, and is where its ports are: the first that no
    /// other container bears, for of several that serve a name each is one of its own; else the first.
    pub(crate) fn own_name<'a>(&self, attachment: &'a Attachment) -> Option<&'a Name> {
        let names = || attachment.names.iter().filter(|name| !name.is_wildcard());
        let alone = names().find(|name| self.nodes.get(*name).is_some_and(|node| !node.is_shared));
        alone.or_else(|| names().next())
    }

    /// The host, as its containers see it.
    pub(crate) fn gateway(&self) -> Node {
        let mut node = Node::empty(Bearer::Gateway);
        node.add(&self.network.gateways, TTL);
        node
    }

    fn add_gateway(&mut self) {
        if let Ok(name) = Name::from_str(GATEWAY) {
            let gateway = self.gateway();
            self.nodes.entry(name).or_insert(gateway);
        }
    }

    fn add_empty_non_terminals(&mut self) {
        let names: Vec<Name> = self.nodes.keys().filter(|name| !name.is_single_label()).cloned().collect();
        for name in names {
            let above = std::iter::successors(name.parent(), Name::parent);
            for name in above.take_while(|name| !name.is_root()) {
                self.nodes.entry(name).or_insert_with(|| Node::empty(Bearer::Nobody));
            }
        }
    }

    /// What stands at this relative name, given in wire form.
    pub(crate) fn node(&self, relative: &[u8]) -> Option<&Node> {
        self.nodes.get(relative)
    }

    /// What is heard at this relative name: what stands there; else what a name of other parts says of it, as Swarm and
    /// Compose have them (`tasks.web`, and `web1.web` for the container that bears both); else a wildcard above it.
    pub(crate) fn found(&self, relative: &[u8]) -> Option<Cow<'_, Node>> {
        let node = self.node(relative).map(Cow::Borrowed);
        node.or_else(|| self.composed(relative))
            .or_else(|| self.wildcard(relative).map(|(_, node)| Cow::Borrowed(node)))
    }

    pub(crate) fn composed(&self, relative: &[u8]) -> Option<Cow<'_, Node>> {
        let (first, rest) = split_first_label(relative)?;
        let borne = |name| self.node(name).filter(|node| node.bearer == Bearer::Container);
        let service = borne(rest)?;
        if first == TASKS {
            return Some(Cow::Borrowed(service));
        }
        borne(first)?.in_common(service).map(Cow::Owned)
    }

    /// The wildcard at the closest name above that exists (RFC 4592 3.3.1).
    pub(crate) fn wildcard(&self, relative: &[u8]) -> Option<(&Name, &Node)> {
        if !self.has_wildcards {
            return None;
        }
        let mut room = [0; MAX_NAME];
        let name = room.get_mut(..relative.len())?;
        name.copy_from_slice(relative);
        let mut above = split_first_label(relative)?.1;
        loop {
            // It takes the place of the end of the label before, which has two octets at least.
            let start = relative.len().checked_sub(above.len() + ASTERISK.len())?;
            let wildcard = name.get_mut(start..)?;
            *wildcard.first_chunk_mut()? = ASTERISK;
            if let Some(found) = self.nodes.get_key_value(&*wildcard) {
                return Some(found);
            }
            if self.node(above).is_some() {
                return None;
            }
            above = split_first_label(above)?.1;
        }
    }

    /// The attachments that have this address: one, unless two were given the same.
    pub(crate) fn attachments_at(&self, address: IpAddr) -> impl Iterator<Item = &Attachment> {
        let positions = self.attachments.get(&address).into_iter().flatten();
        positions.filter_map(|&position| self.network.attachments.get(position))
    }

    /// The full names that an address of this network has, for PTR, with their TTL.
    pub(crate) fn names_of(&self, address: IpAddr) -> impl Iterator<Item = (Name, u32)> {
        let domain = &self.network.domain;
        let own =
            self.attachments_at(address).filter_map(|attachment| Some((self.own_name(attachment)?, attachment.ttl)));
        let own = own.filter_map(|(name, ttl)| Some((name.below(domain).ok()?, ttl)));
        let gateway = Some(GATEWAY).filter(|_| self.network.gateways.contains(&address));
        let gateway = gateway.and_then(|name| Name::from_str(name).ok()?.below(domain).ok());
        own.chain(gateway.map(|name| (name, TTL)))
    }

    /// The subnets that hold all of `prefix`.
    pub(crate) fn subnets_around(&self, prefix: IpNetwork) -> impl Iterator<Item = IpNetwork> {
        self.network.subnets.iter().copied().filter(move |&subnet| holds(subnet, prefix))
    }

    /// Whether a name of this network is below this one, which so exists: its domain, a bare one, or the reverse name of a
    /// subnet.
    pub(crate) fn is_below(&self, name: &QuestionName) -> bool {
        let is_in = |ours: &Name| ours.is_in(name.octets());
        is_in(&self.network.domain)
            || self.node(name.octets()).is_some_and(|node| node.bearer == Bearer::Nobody)
            || self.network.subnets.iter().filter_map(|&subnet| reverse_name(subnet)).any(|reverse| is_in(&reverse))
    }

    /// Whether a source that is no known attachment is nevertheless a neighbour in this network.
    ///
    /// An IPv6 link-local source is one: the listener is bound to the bridge, so the packet came from it.
    pub(crate) fn is_on_link(&self, source: IpAddr) -> bool {
        let link_local = matches!(source, IpAddr::V6(v6) if v6.is_unicast_link_local());
        link_local || self.network.subnets.iter().any(|subnet| subnet.contains(source))
    }
}

impl Node {
    fn empty(bearer: Bearer) -> Self {
        Self { bearer, v4: SmallVec::new(), v6: SmallVec::new(), ttl: u32::MAX, is_shared: false, rare: None }
    }

    /// Its SRV records.
    pub(crate) fn services(&self) -> impl Iterator<Item = &Srv> {
        self.rare.iter().flat_map(|rare| &rare.services)
    }

    /// Its TXT records.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.rare.iter().flat_map(|rare| &rare.texts)
    }

    /// Where its name leads, if it has nothing itself.
    pub(crate) fn alias(&self) -> Option<&Name> {
        let alias = self.rare.as_ref()?.alias.as_ref();
        alias.filter(|_| !self.has_addresses())
    }

    /// Whether there are addresses, told or not.
    pub(crate) fn has_addresses(&self) -> bool {
        !self.v4.is_empty() || !self.v6.is_empty() || !self.withheld().is_empty()
    }

    fn add_static(&mut self, record: &StaticRecord) {
        match &record.data {
            StaticData::Address(address) => self.add(&[*address], record.ttl),
            StaticData::Text(text) => {
                self.add_rare(Rare { texts: vec![text.clone()], ..Rare::default() }, record.ttl);
            }
            StaticData::Alias(target) => {
                self.ttl = self.ttl.min(record.ttl);
                self.rare.get_or_insert_default().alias = Some(target.clone());
            }
        }
    }

    /// Whether there is more of this type, of bearers that are not healthy.
    pub(crate) fn withholds(&self, kind: Kind) -> bool {
        let Some(rare) = &self.rare else { return false };
        match kind {
            Kind::A => rare.withheld.iter().any(IpAddr::is_ipv4),
            Kind::AAAA => rare.withheld.iter().any(IpAddr::is_ipv6),
            Kind::SRV => rare.withholds_services,
            _ => false,
        }
    }

    fn withheld(&self) -> &[IpAddr] {
        self.rare.as_ref().map_or(&[], |rare| &rare.withheld)
    }

    /// What both have; none if they have no address in common, told or not.
    fn in_common(&self, other: &Self) -> Option<Self> {
        let v4: SmallVec<_> = self.v4.iter().filter(|v4| other.v4.contains(v4)).copied().collect();
        let v6: SmallVec<_> = self.v6.iter().filter(|v6| other.v6.contains(v6)).copied().collect();
        let withheld: Vec<_> = self.withheld().iter().filter(|it| other.withheld().contains(it)).copied().collect();
        let is_one = !v4.is_empty() || !v6.is_empty() || !withheld.is_empty();
        let rare = (!withheld.is_empty()).then(|| Box::new(Rare { withheld, ..Rare::default() }));
        is_one.then(|| Self { v4, v6, ttl: self.ttl.min(other.ttl), rare, ..Self::empty(Bearer::Container) })
    }

    fn add_rare(&mut self, rare: Rare, ttl: u32) {
        self.ttl = self.ttl.min(ttl);
        if rare.services.is_empty() && rare.texts.is_empty() && !rare.withholds_services {
            return;
        }
        let own = self.rare.get_or_insert_default();
        own.services.extend(rare.services);
        own.texts.extend(rare.texts);
        own.withholds_services |= rare.withholds_services;
    }

    fn add(&mut self, addresses: &[IpAddr], ttl: u32) {
        self.ttl = self.ttl.min(ttl);
        for &address in addresses {
            match address {
                IpAddr::V4(v4) => self.v4.push(v4),
                IpAddr::V6(v6) => self.v6.push(v6),
            }
        }
    }
}

/// Whether all of `inner` lies in `outer`.
pub(crate) fn holds(outer: IpNetwork, inner: IpNetwork) -> bool {
    outer.prefix() <= inner.prefix() && outer.contains(inner.ip())
}
