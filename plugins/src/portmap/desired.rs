//! What the portmap plugin wants in the kernel: a function of configuration and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netd_model::{
    IpNetwork,
    attachment::{AttachmentId, Section},
    element::{Data, Element, ElementKey, Family, Part, Set},
    name::{ChainName, LinkName},
    object::{Conditions, Object, Program, Side, Sysctl, SysctlPath},
};

use super::config::{Config, Port};
use crate::cni::result::Ip;

/// One attachment whose ports are about to be published.
pub(super) struct Publish<'a> {
    pub(super) id: &'a AttachmentId,
    pub(super) config: &'a Config,
    /// The container's addresses; the first of each family gets the ports.
    pub(super) addresses: &'a [&'a Ip],
    /// The interface of the host that leads to the container, from which 127.0.0.1 may be answered.
    pub(super) link: Option<&'a LinkName>,
}

/// The sets of one family.
struct Sets {
    published: Set,
    published_at: Set,
    conditional: Set,
    conditional_at: Set,
    hairpin: Set,
}

const IPV4: Sets = Sets {
    published: Set::Published4,
    published_at: Set::PublishedAt4,
    conditional: Set::Conditional4,
    conditional_at: Set::ConditionalAt4,
    hairpin: Set::Hairpin4,
};

const IPV6: Sets = Sets {
    published: Set::Published6,
    published_at: Set::PublishedAt6,
    conditional: Set::Conditional6,
    conditional_at: Set::ConditionalAt6,
    hairpin: Set::Hairpin6,
};

/// `net.ipv4.conf.<link>.route_localnet`: packets of 127.0.0.0/8 may leave by the link.
pub(super) fn route_localnet(link: &LinkName) -> Sysctl {
    Sysctl { side: Side::Host, path: SysctlPath::of_link("ipv4", link, "route_localnet"), value: "1".to_owned() }
}

impl Publish<'_> {
    /// Everything that it takes; nothing where no port is of a family that the container has.
    pub(super) fn section(&self) -> Section {
        let mut section = Section::default();
        for is_ipv4 in [true, false] {
            let Some(address) = self.addresses.iter().map(|ip| ip.address).find(|ip| ip.is_ipv4() == is_ipv4) else {
                continue;
            };
            let mut ports = self.config.ports.iter().filter(|(port, _)| port.at.is_ipv4() == is_ipv4).peekable();
            if ports.peek().is_none() {
                continue;
            }
            let conditions = self.conditions(is_ipv4);
            for (port, container) in ports {
                section.own.extend(self.port(port, (address.ip(), *container), conditions.as_ref()));
            }
            section.shared.extend(conditions.map(Object::Conditions));
            if self.config.snat {
                section.own.extend(self.hairpins(address));
                section.shared.extend(self.link.filter(|_| is_ipv4).map(route_localnet).map(Object::Sysctl));
            }
        }
        if !section.own.is_empty() {
            let version = Family::Inet.version();
            section.shared.insert(Object::Program(Program { family: Family::Inet, version }));
        }
        section
    }

    /// The chain of the network that asks its conditions, if it has some.
    fn conditions(&self, is_ipv4: bool) -> Option<Conditions> {
        let (rule, family) =
            if is_ipv4 { (&self.config.conditions4, "ipv4") } else { (&self.config.conditions6, "ipv6") };
        let rule = format!("meta nfproto {family} {}", rule.as_ref()?);
        let chain = ChainName::of_conditions(&[self.id.network.as_str(), &rule]);
        Some(Conditions { chain, rule: Some(rule) })
    }

    /// One port of the host.
    fn port(&self, port: &Port, to: (IpAddr, u16), conditions: Option<&Conditions>) -> Vec<Object> {
        let sets = sets(to.0);
        let mut parts = vec![Part::Transport(port.transport), Part::Port(port.number)];
        if !port.at.is_unspecified() {
            parts.insert(0, part(port.at));
        }
        let (published, conditional) = if port.at.is_unspecified() {
            (sets.published, sets.conditional)
        } else {
            (sets.published_at, sets.conditional_at)
        };
        let asked = conditions.map(|conditions| (conditional, Data::Chain(conditions.chain.clone())));
        let data = [(published, Data::To(to.0, to.1))].into_iter().chain(asked);
        let element = |(set, data)| {
            let key = ElementKey { set, parts: parts.clone() };
            Object::Element(Element { key, data: Some(data), owner: self.id.owner() })
        };
        data.map(element).collect()
    }

    /// For whom the host stands in when they ask for a port.
    fn hairpins(&self, address: IpNetwork) -> Vec<Object> {
        let (everybody, loopback) = match address {
            IpNetwork::V4(_) => {
                (network(Ipv4Addr::UNSPECIFIED.into(), 0), Some(network(Ipv4Addr::LOCALHOST.into(), 8)))
            }
            IpNetwork::V6(_) => (network(Ipv6Addr::UNSPECIFIED.into(), 0), None),
        };
        let sources = if self.config.masquerade_all {
            vec![everybody]
        } else {
            [network(address.ip(), address.prefix())].into_iter().chain(loopback).collect()
        };
        let element = |source| {
            let parts = vec![Part::Subnet(source), Part::Subnet(IpNetwork::from(address.ip()))];
            Object::Element(Element::of_set(sets(address.ip()).hairpin, parts, self.id.owner()))
        };
        sources.into_iter().map(element).collect()
    }
}

fn sets(address: IpAddr) -> &'static Sets {
    if address.is_ipv4() { &IPV4 } else { &IPV6 }
}

fn part(address: IpAddr) -> Part {
    match address {
        IpAddr::V4(address) => Part::Ipv4(address),
        IpAddr::V6(address) => Part::Ipv6(address),
    }
}

/// The subnet of an address.
fn network(address: IpAddr, prefix: u8) -> IpNetwork {
    let whole = IpNetwork::new(address, prefix).unwrap_or(address.into());
    IpNetwork::new(whole.network(), prefix).unwrap_or(whole)
}
