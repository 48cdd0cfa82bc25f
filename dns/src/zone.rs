//! One network, indexed by what is asked of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnetwork::IpNetwork;

use crate::{Attachment, Name, Network};

/// Seconds to live of what is not a container's: negative answers (RFC 2308 5), the gateway, special names.
pub(crate) const TTL: u32 = 5;

/// The gateway's name below every domain.
const GATEWAY: &str = "host";

/// A network and its indexes.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) network: Network,
    /// By relative name.
    nodes: HashMap<Name, Node>,
    /// Positions in `network.attachments`.
    attachments: HashMap<IpAddr, Vec<usize>>,
}

/// What stands at a relative name.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) bearer: Bearer,
    pub(crate) v4: Vec<Ipv4Addr>,
    pub(crate) v6: Vec<Ipv6Addr>,
    /// The lowest of the bearers': records of one set share their TTL (RFC 2181 5.2).
    pub(crate) ttl: u32,
}

/// Why a name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bearer {
    /// One or more containers bear it.
    Container,
    /// It is the host's, and no container bears it.
    Gateway,
    /// A name below it exists: an empty non-terminal (RFC 8020).
    Nobody,
}

impl Zone {
    /// Builds the indexes.
    pub(crate) fn new(network: Network) -> Self {
        let mut zone = Self { network, nodes: HashMap::new(), attachments: HashMap::new() };
        for (position, attachment) in zone.network.attachments.iter().enumerate() {
            for name in &attachment.names {
                let node = zone.nodes.entry(name.clone()).or_insert_with(|| Node::empty(Bearer::Container));
                node.add(&attachment.addresses, attachment.ttl);
            }
            for &address in &attachment.addresses {
                zone.attachments.entry(address).or_default().push(position);
            }
        }
        zone.add_gateway();
        zone.add_empty_non_terminals();
        zone
    }

    fn add_gateway(&mut self) {
        if let Ok(name) = Name::from_str(GATEWAY) {
            let gateways = &self.network.gateways;
            self.nodes.entry(name).or_insert_with(|| {
                let mut node = Node::empty(Bearer::Gateway);
                node.add(gateways, TTL);
                node
            });
        }
    }

    fn add_empty_non_terminals(&mut self) {
        let names = self.network.attachments.iter().flat_map(|attachment| &attachment.names);
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

    /// The attachments that have this address: one, unless two were given the same.
    pub(crate) fn attachments_at(&self, address: IpAddr) -> impl Iterator<Item = &Attachment> {
        let positions = self.attachments.get(&address).into_iter().flatten();
        positions.filter_map(|&position| self.network.attachments.get(position))
    }

    /// The full names that an address of this network has, for PTR, with their TTL.
    pub(crate) fn names_of(&self, address: IpAddr) -> impl Iterator<Item = (Name, u32)> {
        let domain = &self.network.domain;
        let own =
            self.attachments_at(address).filter_map(|attachment| Some((attachment.names.first()?, attachment.ttl)));
        let own = own.filter_map(|(name, ttl)| Some((name.below(domain).ok()?, ttl)));
        let gateway = Some(GATEWAY).filter(|_| self.network.gateways.contains(&address));
        let gateway = gateway.and_then(|name| Name::from_str(name).ok()?.below(domain).ok());
        own.chain(gateway.map(|name| (name, TTL)))
    }

    /// The subnets that hold all of `prefix`.
    pub(crate) fn subnets_around(&self, prefix: IpNetwork) -> impl Iterator<Item = IpNetwork> {
        self.network.subnets.iter().copied().filter(move |&subnet| holds(subnet, prefix))
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
        Self { bearer, v4: Vec::new(), v6: Vec::new(), ttl: u32::MAX }
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
