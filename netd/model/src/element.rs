//! Elements of our nftables sets: containers are data, the ruleset is a program.
//!
//! Each set has one line in [`Set`]: its family, its name (with the version of its shape) and the types of its key.

mod transport;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

pub use transport::{Transport, UnknownTransport};

use crate::{
    addr::Mac,
    name::{ChainName, LinkName},
    overlay::Vni,
};

/// The family of a table: `inet netd` sees what is routed, `bridge netd` what is bridged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// `table inet netd`.
    Inet,
    /// `table bridge netd`.
    Bridge,
}

/// A set of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Set {
    /// Container addresses that are masqueraded when they leave the host.
    Masquerade4,
    /// The same for IPv6.
    Masquerade6,
    /// Container address and bridge: packets between them keep their source.
    Home4,
    /// The same for IPv6.
    Home6,
    /// Bridge ports whose frames are checked.
    Guarded,
    /// Bridge port and the hardware address that it may send from.
    Mac,
    /// Bridge ports whose IP addresses are checked too.
    GuardedIp,
    /// Bridge port, hardware address and IPv4 address that it may send from.
    Source4,
    /// The same for IPv6.
    Source6,
    /// Bridge ports by which a network goes on, on other hosts: no word of a router crosses them.
    Elsewhere,
    /// Such a port and the gateway that every host has: no ARP of or for it crosses.
    Gateway4,
    /// The same for IPv6 and neighbour discovery.
    Gateway6,
    /// UDP port and VXLAN network of ours.
    Vni,
    /// Host, UDP port and VXLAN network: who may send there.
    Peer4,
    /// The same for IPv6.
    Peer6,
    /// A subnet, twice: packets from it to it keep their source, whatever way they take.
    Inside4,
    /// The same for IPv6.
    Inside6,
    /// Transport and port of the host: the container that gets what comes to any address of the host's.
    Published4,
    /// The same for IPv6.
    Published6,
    /// Address, transport and port of the host: the container that gets what comes there.
    PublishedAt4,
    /// The same for IPv6.
    PublishedAt6,
    /// Transport and port of the host that are only published under conditions: the chain that asks them.
    Conditional4,
    /// The same for IPv6.
    Conditional6,
    /// Address, transport and port of the host that are only published under conditions: the chain that asks them.
    ConditionalAt4,
    /// The same for IPv6.
    ConditionalAt6,
    /// Bridge, gateway address, transport and port: where netd answers what comes there, another program having the port.
    Redirected4,
    /// The same for IPv6.
    Redirected6,
    /// Sources, and the container that must answer them by way of the host when they came by a published port.
    Hairpin4,
    /// The same for IPv6.
    Hairpin6,
    /// Interfaces whose containers hear whoever is on this host, and nobody else.
    Open,
    /// Two interfaces between which a network's packets go; its containers hear nobody else.
    SameBridge,
    /// An interface, twice: its containers hear the host alone.
    Isolated,
    /// Bridge ports of such containers.
    Alone,
}

/// One part of an element's key, as the set's type has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// `ifname`.
    Link(LinkName),
    /// `ether_addr`.
    Mac(Mac),
    /// `ipv4_addr`.
    Ipv4(Ipv4Addr),
    /// `ipv6_addr`.
    Ipv6(Ipv6Addr),
    /// `inet_proto`.
    Transport(Transport),
    /// `inet_service`.
    Port(u16),
    /// 24 bits of a packet.
    Vni(Vni),
    /// All addresses of a subnet.
    Subnet(IpNetwork),
}

/// Which element of which set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElementKey {
    /// The set.
    pub set: Set,
    /// The parts, in the order of the set's type.
    pub parts: Vec<Part>,
}

/// What a map has under a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// Where packets go instead: `ipv4_addr . inet_service`, or of IPv6.
    To(IpAddr, u16),
    /// `goto`: the chain that packets go on in.
    Chain(ChainName),
}

/// An element and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Which one.
    #[serde(flatten)]
    pub key: ElementKey,
    /// What is under it, where the set is a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// Its comment: the owner, who alone removes it. See [`crate::attachment::AttachmentId::owner`].
    pub owner: String,
}

impl Family {
    /// The word of nft(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Bridge => "bridge",
        }
    }

    /// The version of the family's program that this binary brings. It only goes up.
    pub fn version(self) -> u32 {
        match self {
            Self::Inet => 10,
            Self::Bridge => 4,
        }
    }
}

impl Set {
    /// All sets.
    pub const ALL: [Self; 33] = [
        Self::Masquerade4,
        Self::Masquerade6,
        Self::Home4,
        Self::Home6,
        Self::Guarded,
        Self::Mac,
        Self::GuardedIp,
        Self::Source4,
        Self::Source6,
        Self::Elsewhere,
        Self::Gateway4,
        Self::Gateway6,
        Self::Vni,
        Self::Peer4,
        Self::Peer6,
        Self::Inside4,
        Self::Inside6,
        Self::Published4,
        Self::Published6,
        Self::PublishedAt4,
        Self::PublishedAt6,
        Self::Conditional4,
        Self::Conditional6,
        Self::ConditionalAt4,
        Self::ConditionalAt6,
        Self::Redirected4,
        Self::Redirected6,
        Self::Hairpin4,
        Self::Hairpin6,
        Self::Open,
        Self::SameBridge,
        Self::Isolated,
        Self::Alone,
    ];

    /// Those that overlay networks have elements in.
    pub const OF_OVERLAYS: [Self; 8] = [
        Self::Elsewhere,
        Self::Gateway4,
        Self::Gateway6,
        Self::Vni,
        Self::Peer4,
        Self::Peer6,
        Self::Inside4,
        Self::Inside6,
    ];

    /// The family of the table that the set is in.
    pub fn family(self) -> Family {
        match self {
            Self::Guarded
            | Self::Mac
            | Self::GuardedIp
            | Self::Source4
            | Self::Source6
            | Self::Elsewhere
            | Self::Gateway4
            | Self::Gateway6
            | Self::Alone => Family::Bridge,
            _ => Family::Inet,
        }
    }

    /// Whether its elements change addresses of packets, and hold none back.
    pub fn is_translation(self) -> bool {
        matches!(
            self,
            Self::Masquerade4 | Self::Masquerade6 | Self::Home4 | Self::Home6 | Self::Hairpin4 | Self::Hairpin6
        ) || self.is_map()
    }

    /// Whether there is something under its keys: all of ports of the host.
    pub fn is_map(self) -> bool {
        matches!(
            self,
            Self::Published4
                | Self::Published6
                | Self::PublishedAt4
                | Self::PublishedAt6
                | Self::Conditional4
                | Self::Conditional6
                | Self::ConditionalAt4
                | Self::ConditionalAt6
                | Self::Redirected4
                | Self::Redirected6
        )
    }

    /// The name in the kernel.
    pub fn name(self) -> &'static str {
        match self {
            Self::Masquerade4 => "masquerade4",
            Self::Masquerade6 => "masquerade6",
            Self::Home4 => "home4",
            Self::Home6 => "home6",
            Self::Guarded => "guarded",
            Self::Mac => "mac",
            Self::GuardedIp => "guarded-ip",
            Self::Source4 => "source4",
            Self::Source6 => "source6",
            Self::Elsewhere => "elsewhere",
            Self::Gateway4 => "gateway4",
            Self::Gateway6 => "gateway6",
            Self::Vni => "vni",
            Self::Peer4 => "peer4",
            Self::Peer6 => "peer6",
            Self::Inside4 => "inside4",
            Self::Inside6 => "inside6",
            Self::Published4 => "published4",
            Self::Published6 => "published6",
            Self::PublishedAt4 => "published-at4",
            Self::PublishedAt6 => "published-at6",
            Self::Conditional4 => "conditional4",
            Self::Conditional6 => "conditional6",
            Self::ConditionalAt4 => "conditional-at4",
            Self::ConditionalAt6 => "conditional-at6",
            Self::Redirected4 => "redirected4",
            Self::Redirected6 => "redirected6",
            Self::Hairpin4 => "hairpin4",
            Self::Hairpin6 => "hairpin6",
            Self::Open => "open",
            Self::SameBridge => "same-bridge",
            Self::Isolated => "isolated",
            Self::Alone => "alone",
        }
    }
}

impl Element {
    /// An element of a set, which has nothing under it.
    pub fn of_set(set: Set, parts: Vec<Part>, owner: String) -> Self {
        Self { key: ElementKey { set, parts }, data: None, owner }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(link) => write!(f, "{:?}", link.as_str()),
            Self::Mac(mac) => mac.fmt(f),
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Transport(transport) => transport.fmt(f),
            Self::Port(port) => port.fmt(f),
            Self::Vni(vni) => vni.fmt(f),
            Self::Subnet(subnet) => subnet.fmt(f),
        }
    }
}

/// As nft(8) writes it: `10.1.0.7 . "br-web"`.
impl fmt::Display for ElementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let dot = if index == 0 { "" } else { " . " };
            write!(f, "{dot}{part}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(address, port) => write!(f, "{address} . {port}"),
            Self::Chain(chain) => write!(f, "goto {chain}"),
        }
    }
}

/// Without its owner: `tcp . 8080 : 10.1.0.7 . 80`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.data {
            Some(data) => write!(f, "{} : {data}", self.key),
            None => self.key.fmt(f),
        }
    }
}
