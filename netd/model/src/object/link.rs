//! Interfaces: bridges, pairs, and what is found.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Side;
use crate::{
    addr::{Mac, Mtu},
    name::LinkName,
    overlay::Vni,
};

/// The group of every interface that we made (`ip link show group 1852142692`): "netd" in ASCII.
///
/// It is set in the request that creates the interface, so no interface of ours is ever without it.
pub const GROUP: u32 = u32::from_be_bytes(*b"netd");

/// An interface: ip-link(8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The namespace.
    pub side: Side,
    /// The name.
    pub name: LinkName,
    /// What it is, and what only that kind has.
    pub kind: LinkKind,
    /// The hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The largest packet in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// The group; [`GROUP`] says that we made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// Free text; ours is the owner, see [`crate::attachment::AttachmentId::owner`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Whether it takes frames for everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promiscuous: Option<bool>,
    /// Whether IPv6 gives it a link-local address by itself (`addr_gen_mode`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_local: Option<bool>,
    /// Whether it leaves checksums of what it sends to the device below (ethtool(8), `tx`). Only those of VXLAN show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum_offload: Option<bool>,
    /// Of which bridge it is a port, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// Whether it is administratively up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<bool>,
}

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// An Ethernet bridge.
    Bridge {
        /// Whether frames are kept within their VLAN.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vlan_filtering: Option<bool>,
    },
    /// One end of a virtual Ethernet pair. Where the other end is named, making this one makes both.
    Veth {
        /// The other end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<(Side, LinkName)>,
    },
    /// A VXLAN device (RFC 7348). What it has from its birth, it keeps.
    Vxlan {
        /// The network identifier.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vni: Option<Vni>,
        /// The address that packets come from and go to (VTEP).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        local: Option<IpAddr>,
        /// The UDP port that packets go to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// Whether it learns which host a hardware address is at from what comes in. Where nothing is said, it does not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        learning: Option<bool>,
    },
    /// `lo`.
    Loopback,
    /// Anything else, by the kernel's word for it; nothing where it has none (a physical interface).
    Other(String),
}

/// Membership in a bridge: `ip link set master`, `bridge link set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The bridge.
    pub bridge: LinkName,
    /// Frames may leave by the port that they came by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hairpin: Option<bool>,
    /// No frames pass between this and another isolated port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolated: Option<bool>,
}

impl Link {
    /// An interface of which only the name and the kind are said.
    pub fn new(side: Side, name: LinkName, kind: LinkKind) -> Self {
        Self {
            side,
            name,
            kind,
            mac: None,
            mtu: None,
            group: None,
            alias: None,
            promiscuous: None,
            link_local: None,
            checksum_offload: None,
            port: None,
            up: None,
        }
    }

    /// Whether we made it.
    pub fn is_ours(&self) -> bool {
        self.group == Some(GROUP)
    }
}

impl LinkKind {
    /// A bridge or a veth, whatever its attributes: `bridge`, `veth`, ...
    pub fn word(&self) -> &str {
        match self {
            Self::Bridge { .. } => "bridge",
            Self::Veth { .. } => "veth",
            Self::Vxlan { .. } => "vxlan",
            Self::Loopback => "loopback",
            Self::Other(word) => word,
        }
    }
}
