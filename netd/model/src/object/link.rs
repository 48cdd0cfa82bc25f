//! Interfaces: bridges, pairs, and what is found.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{IpvlanMode, MacvlanMode, Side};
use crate::{
    addr::{Mac, Mtu},
    name::{Derived, LinkName, derived_link},
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
    /// Whether it takes frames for every group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_multicast: Option<bool>,
    /// How many packets wait to be sent (`txqueuelen`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_length: Option<u32>,
    /// Whether IPv6 gives it a link-local address by itself (`addr_gen_mode`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_local: Option<bool>,
    /// Whether it leaves checksums of what it sends to the device below (ethtool(8), `tx`). Only those of VXLAN show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum_offload: Option<bool>,
    /// Of which bridge (or VRF) it is a port, and how.
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
    /// An interface with an own hardware address on another.
    Macvlan {
        /// The interface below.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<(Side, LinkName)>,
        /// Who reaches whom.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<MacvlanMode>,
        /// How many broadcast and multicast packets wait to be copied (`bcqueuelen`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<u32>,
    },
    /// An interface with the hardware address of another, told apart by IP addresses.
    Ipvlan {
        /// The interface below.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<(Side, LinkName)>,
        /// On which layer they are told apart.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<IpvlanMode>,
    },
    /// A VLAN of another interface (IEEE 802.1Q).
    Vlan {
        /// The interface below.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<(Side, LinkName)>,
        /// 0 to 4094.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u16>,
    },
    /// One that swallows what it is given.
    Dummy,
    /// One that holds back what filters of another give it, and gives it back to that.
    Ifb,
    /// A routing table of its own for the interfaces that are its ports.
    Vrf {
        /// The table.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        table: Option<u32>,
    },
    /// One whose other end a program holds, such as a virtual machine.
    Tap {
        /// The user who may hold it; everybody where nothing is said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u32>,
        /// The group who may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<u32>,
        /// Whether it has several queues.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        multi_queue: Option<bool>,
        /// The `SELinux` context that it is made in. Not compared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
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

impl Port {
    /// What two say of a membership: of what both say, what the second does.
    pub fn joined(weak: Option<Self>, strong: Option<&Self>) -> Option<Self> {
        match (weak, strong) {
            (Some(weak), Some(Self { bridge, hairpin, isolated })) => Some(Self {
                bridge: bridge.clone(),
                hairpin: hairpin.or(weak.hairpin),
                isolated: isolated.or(weak.isolated),
            }),
            (weak, strong) => strong.cloned().or(weak),
        }
    }
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
            all_multicast: None,
            queue_length: None,
            link_local: None,
            checksum_offload: None,
            port: None,
            up: None,
        }
    }

    /// The name under which it is made where its parent is in another namespace, for a moment: before 6.14 the kernel
    /// refuses a name that an interface over there has.
    pub fn newborn(&self) -> Option<LinkName> {
        let is_elsewhere = self.kind.parent().is_some_and(|(side, _)| *side != self.side);
        is_elsewhere.then(|| derived_link(Derived::Newborn, &[self.name.as_str()]))
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
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Vlan { .. } => "vlan",
            Self::Dummy => "dummy",
            Self::Ifb => "ifb",
            Self::Vrf { .. } => "vrf",
            Self::Tap { .. } => "tun",
            Self::Loopback => "loopback",
            Self::Other(word) => word,
        }
    }

    /// The interface that one of this kind stands on, where it is said.
    pub fn parent(&self) -> Option<&(Side, LinkName)> {
        match self {
            Self::Macvlan { parent, .. } | Self::Ipvlan { parent, .. } | Self::Vlan { parent, .. } => parent.as_ref(),
            _ => None,
        }
    }

    /// The same kind with nothing said of it: what a change says that changes nothing of it.
    #[must_use]
    pub fn bare(&self) -> Self {
        match self {
            Self::Bridge { .. } => Self::Bridge { vlan_filtering: None },
            Self::Veth { .. } => Self::Veth { peer: None },
            Self::Vxlan { .. } => Self::Vxlan { vni: None, local: None, port: None, learning: None },
            Self::Macvlan { .. } => Self::Macvlan { parent: None, mode: None, queue: None },
            Self::Ipvlan { .. } => Self::Ipvlan { parent: None, mode: None },
            Self::Vlan { .. } => Self::Vlan { parent: None, id: None },
            Self::Vrf { .. } => Self::Vrf { table: None },
            Self::Tap { .. } => Self::Tap { owner: None, group: None, multi_queue: None, context: None },
            other => other.clone(),
        }
    }
}
