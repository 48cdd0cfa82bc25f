//! Leases of DHCP: what is asked for an interface of a container, what a server gave, and what is said about it on the
//! socket of the keeper.
//!
//! The document of a lease has all that a renewal needs, so that a keeper that was started again goes on with it, and
//! the very frame that gives the address back, so that who detaches a container needs no keeper and no DHCP.

mod octets;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

pub use octets::Octets;

use crate::{
    addr::Mac,
    attachment::{AttachmentId, Namespace},
    digest::digest,
    name::{ContainerId, LinkName},
};

/// The form of the document; one that is higher was written by a newer netd.
pub const VERSION: u32 = 1;

/// Where the keeper listens if nothing else is said: the reference's path.
pub const SOCKET: &str = "/run/cni/dhcp.sock";

/// The largest message on the socket, in bytes.
pub const LARGEST: usize = 64 << 10;

/// What kind of address is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// DHCP, RFC 2131.
    Ipv4,
    /// `DHCPv6`, RFC 8415.
    Ipv6,
}

/// What is asked of a server, for an interface that is there and up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The attachment; its interface is the one to ask over, and the client's name is a function of it.
    pub id: AttachmentId,
    /// The namespace of the container.
    pub netns: Namespace,
    /// The hardware address of the interface.
    pub mac: Mac,
    /// Whether servers are to broadcast their answers: the interface shares its hardware address with others.
    #[serde(default)]
    pub broadcast: bool,
    /// Options that the server is asked for, the most wanted first (`DHCPv4`).
    #[serde(default)]
    pub request: Vec<u8>,
    /// Options that the server is told (`DHCPv4`).
    #[serde(default)]
    pub provide: BTreeMap<u8, Octets>,
}

/// What a server gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The address with the prefix of its subnet.
    pub address: IpNetwork,
    /// The router of the subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<IpAddr>,
    /// Routes, and the router of each; none for what is on the link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<(IpNetwork, Option<IpAddr>)>,
    /// Servers of names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<IpAddr>,
    /// The domain of the client.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Domains that short names are looked up in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
}

/// When something is to be done about a lease, in seconds of this boot: a clock that is set does not touch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// T1: when the server that gave it is asked to go on.
    pub renew: u64,
    /// T2: when all servers are asked.
    pub rebind: u64,
    /// When the address is the client's no more.
    pub expire: u64,
}

/// How far it is with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It is about to be asked for, and nobody uses it.
    Asked,
    /// It is the client's.
    Held,
    /// The server took it back, or it ran out. The container may still use the address.
    Lost,
}

/// The document of a lease: `<run_dir>/dhcp/<hash>.<family>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The form of the document.
    pub version: u32,
    /// How far it is.
    pub stage: Stage,
    /// The kind of address.
    pub family: Family,
    /// The boot of the host in which it was given.
    pub boot: String,
    /// What was asked.
    pub wish: Wish,
    /// The server's identifier: an address of four octets, or a DUID.
    pub server: Octets,
    /// The hardware address of the server, or of the relay before it, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_mac: Option<Mac>,
    /// What was given.
    pub terms: Terms,
    /// When something is to be done.
    pub times: Times,
    /// The frame that gives the address back, as it is to be sent by the interface.
    pub release: Octets,
}

/// What the keeper is asked; one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Is it there?
    Status,
    /// Get a lease of each family, and keep them. Whoever asked has gone when the answer comes: then they are given back.
    Keep {
        /// What to ask for.
        wish: Wish,
        /// The families, each of which must give an address.
        families: BTreeSet<Family>,
    },
    /// Keep the leases of this interface no more. Who asks gives them back.
    Forget {
        /// The container.
        container: ContainerId,
        /// The interface.
        ifname: LinkName,
    },
}

/// What the keeper answers; one message. Leases are in the store by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is done.
    Done,
    /// It is not, and this is why.
    Failed(String),
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// As it is written in documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "DHCPv4",
            Self::Ipv6 => "DHCPv6",
        })
    }
}

impl Wish {
    /// Who asks, in the words of the reference, so that a container that it attached gets the same address from us:
    /// `container/network/ifname`, at most 254 bytes.
    pub fn client(&self) -> Octets {
        let AttachmentId { network, container, ifname } = &self.id;
        let name = format!("{container}/{network}/{ifname}");
        Octets::from(name.into_bytes().into_iter().take(254).collect::<Vec<u8>>())
    }

    /// Who asks, in sixteen bytes.
    pub fn digest(&self) -> [u8; 16] {
        let AttachmentId { network, container, ifname } = &self.id;
        let digest = digest(&["dhcp", network.as_str(), container.as_str(), ifname.as_str()]);
        std::array::from_fn(|index| digest.get(index).copied().unwrap_or_default())
    }
}
