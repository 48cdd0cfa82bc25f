//! Overlay networks: what hosts publish for each other, and what a host gives its plugins.
//!
//! Everything here is state, not events: who reads a document has all of it, and a lost one is replaced by the next.

pub mod l2;
mod vni;

use std::{fmt, net::IpAddr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

pub use vni::{InvalidVni, Vni};

use crate::{
    addr::{Mac, Mtu},
    attachment::NamedPort,
    health::Health,
    name::{ContainerId, Derived, HostName, LinkName, NetworkName, ServedName, derived_link},
};

/// The form of the documents; one that is higher was written by a newer netd.
pub const VERSION: u32 = 1;

/// The port of VXLAN where nothing else is said (RFC 7348 5).
pub const PORT: u16 = 4789;

/// How packets of a network go from host to host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By routes: each host has a subnet of its own, and no broadcast leaves it.
    #[default]
    Routed,
    /// As frames: all hosts are one link with one subnet, see [`l2`].
    L2,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Routed => "routed",
            Self::L2 => "l2",
        })
    }
}

/// An overlay network, the same on all hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// Its name, as in the CNI configuration.
    pub name: NetworkName,
    /// How packets go from host to host.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: Mode,
    /// What all hosts' subnets are parts of: one of IPv4, one of IPv6, or both.
    pub subnets: Vec<IpNetwork>,
    /// The VXLAN network identifier.
    pub vni: Vni,
    /// The UDP port that VXLAN packets go to.
    pub port: u16,
    /// Whether packets that leave the overlay carry the host's address.
    pub masquerade: bool,
    /// The domain that names stand in, where it is not `<network>.internal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<HostName>,
    /// Whether no name is ever asked of another server.
    #[serde(default)]
    pub internal: bool,
}

/// One host in one overlay network: what others need to reach its containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The form of the document.
    pub version: u32,
    /// The host.
    pub host: HostName,
    /// The network.
    pub network: NetworkName,
    /// Where its VXLAN packets go to and come from (VTEP, RFC 7348 3).
    pub vtep: IpAddr,
    /// The hardware address of its VXLAN device.
    pub mac: Mac,
    /// Its parts of the network's subnets.
    pub subnets: Vec<IpNetwork>,
    /// The largest packet that its containers take, in bytes, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
}

/// The names of all containers of one host in one overlay network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamesOfHost {
    /// The form of the document.
    pub version: u32,
    /// The host.
    pub host: HostName,
    /// The network.
    pub network: NetworkName,
    /// Its containers.
    pub containers: Vec<RemoteContainer>,
}

/// A container as other hosts see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteContainer {
    /// Its id.
    pub container: ContainerId,
    /// Its names, relative to the network's domain.
    pub names: Vec<ServedName>,
    /// The addresses that they stand for.
    pub addresses: Vec<IpAddr>,
    /// Ports that are served under each of the names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<NamedPort>,
    /// What is said about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<String>,
    /// Whether it is to be found.
    #[serde(default, skip_serializing_if = "is_default")]
    pub health: Health,
    /// How long an answer may be kept, in seconds.
    pub ttl: u32,
}

/// What a host knows of the others, for people: `<run_dir>/peers.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPeers {
    /// The form of the document.
    pub version: u32,
    /// Each host in each network.
    pub peers: Vec<KnownPeer>,
    /// What is wrong and a person must mend.
    pub errors: Vec<String>,
}

/// Another host in a network, as this one knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPeer {
    /// How it is reached.
    pub member: Member,
    /// Whether it answers; otherwise its names are withdrawn.
    pub alive: bool,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// How many containers it told of.
    pub containers: usize,
    /// Why it cannot be asked, or why what it tells is not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Where nothing was heard of it since netd started: when this was true last, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalled: Option<u64>,
}

/// What a host has of an overlay network, written by netd for the plugin: `<run_dir>/overlays/<network>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostLease {
    /// The form of the document.
    pub version: u32,
    /// The network.
    pub overlay: Overlay,
    /// This host's parts of the subnets.
    pub subnets: Vec<IpNetwork>,
    /// The largest packet that crosses the overlay, in bytes.
    pub mtu: Mtu,
    /// The hardware address of this host's VXLAN device, where the bridge's comes from it: in mode `l2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
}

impl Overlay {
    /// The bridge that the network's containers of this host are on.
    pub fn bridge(&self) -> LinkName {
        bridge(&self.name)
    }

    /// The VXLAN device of this host.
    pub fn device(&self) -> LinkName {
        device(&self.name)
    }
}

/// The bridge of a network.
pub fn bridge(network: &NetworkName) -> LinkName {
    derived_link(Derived::OverlayBridge, &[network.as_str()])
}

/// The VXLAN device of a network.
pub fn device(network: &NetworkName) -> LinkName {
    derived_link(Derived::OverlayDevice, &[network.as_str()])
}

/// What need not be written, so that who knows no other value reads the document too.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
