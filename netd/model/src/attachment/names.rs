//! What the `dns` plugin records for netd to serve.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{
    element::Transport,
    health::Probe,
    name::{HostName, LinkName, ServedName},
    upstream::Upstream,
};

/// The names of an attachment and how its network's names are served, as the `dns` plugin recorded them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The domain that the network's names stand in, as in `web.internal`.
    pub domain: HostName,
    /// Names of this container, relative to the domain.
    pub names: Vec<ServedName>,
    /// The addresses that the names stand for.
    pub addresses: Vec<IpAddr>,
    /// Ports that are served under each of the names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<NamedPort>,
    /// What is said about the container: texts of at most 255 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// Records of the network that no container has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<StaticRecord>,
    /// Where netd listens for this network.
    pub listen: Vec<Listen>,
    /// The network's subnets, whose reverse names are ours.
    pub subnets: Vec<IpNetwork>,
    /// Servers for all other names; the host's where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<Upstream>,
    /// Servers for all other names of this container alone; they go before those of the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_upstreams: Vec<Upstream>,
    /// Domain -> servers for the names in it; nobody is asked where there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub split_domains: BTreeMap<HostName, Vec<Upstream>>,
    /// Whether no name is ever asked of another server.
    #[serde(default)]
    pub internal: bool,
    /// Whether unknown names of one label are asked of another server.
    #[serde(default)]
    pub forward_single_label: bool,
    /// How netd asks the container whether it does its work, where its labels ask for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// How long an answer may be kept, in seconds.
    pub ttl: u32,
}

impl Names {
    /// Gives back the room in which nothing stands: what is read from JSON has some.
    pub fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.addresses.shrink_to_fit();
        self.ports.shrink_to_fit();
        self.texts.shrink_to_fit();
        self.records.shrink_to_fit();
        self.listen.shrink_to_fit();
        self.subnets.shrink_to_fit();
        self.upstreams.shrink_to_fit();
        self.own_upstreams.shrink_to_fit();
    }
}

/// A port of a container, found as `_<name>._<protocol>.<name of the container>` (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedPort {
    /// What it is asked by: one label, as `http`; the number where it has no name.
    pub name: HostName,
    /// What it is of.
    pub protocol: Transport,
    /// The port of the container.
    pub number: u16,
}

/// A record that no container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticRecord {
    /// Its name, relative to the domain.
    pub name: ServedName,
    /// Its type and what it says.
    pub data: StaticData,
}

/// What such a record says, by its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StaticData {
    /// An address.
    A(Ipv4Addr),
    /// An address.
    Aaaa(Ipv6Addr),
    /// The name that has what is asked for.
    Cname(HostName),
    /// A text of at most 255 bytes.
    Txt(String),
}

/// A gateway address on a bridge of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The bridge.
    pub link: LinkName,
    /// The address.
    pub address: IpAddr,
}
