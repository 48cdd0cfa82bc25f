//! Interfaces: `struct ifinfomsg` and its attributes, as answers.

mod request;

use netd_model::{
    addr::{Mac, Mtu},
    name::LinkName,
    object::{IpvlanMode, Link, LinkKind, MacvlanMode, Port, Side},
    overlay::Vni,
};

pub(crate) use request::{add, add_pair, add_upper, delete, get, get_all, get_by_index, header, release, set};

use super::{AF_INET6, address_of};
use crate::wire::{Attributes, array, text, u8_of, u16_of, u32_of};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

/// `struct ifinfomsg`: family, padding, type, index, flags, mask of flags.
const HEADER: usize = 16;

const ARPHRD_LOOPBACK: u16 = 772;
const IFF_UP: u32 = 0x1;
const IFF_PROMISC: u32 = 0x100;
const IFF_ALLMULTI: u32 = 0x200;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_GROUP: u16 = 27;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;

const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const VETH_INFO_PEER: u16 = 1;

const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_LEARNING: u16 = 7;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_LOCAL6: u16 = 17;

const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_MACVLAN_BC_QUEUE_LEN: u16 = 7;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_VRF_TABLE: u16 = 1;

const IFLA_TUN_OWNER: u16 = 1;
const IFLA_TUN_GROUP: u16 = 2;
const IFLA_TUN_MULTI_QUEUE: u16 = 7;

/// The modes of a macvlan and their numbers (`enum macvlan_mode`).
const MACVLAN_MODES: [(MacvlanMode, u32); 4] =
    [(MacvlanMode::Private, 1), (MacvlanMode::Vepa, 2), (MacvlanMode::Bridge, 4), (MacvlanMode::Passthru, 8)];
/// The modes of an ipvlan and their numbers (`enum ipvlan_mode`).
const IPVLAN_MODES: [(IpvlanMode, u16); 3] = [(IpvlanMode::L2, 0), (IpvlanMode::L3, 1), (IpvlanMode::L3s, 2)];

const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// No link-local address by itself (`IN6_ADDR_GEN_MODE_NONE`).
const NONE: u8 = 1;
/// One from the hardware address (`IN6_ADDR_GEN_MODE_EUI64`).
const EUI64: u8 = 0;

/// `IF_OPER_UP` of RFC 2863.
const OPERATIONAL: u8 = 6;

/// An interface as the kernel shows it. Other interfaces are numbers here.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) index: u32,
    /// `port` and the peer of a veth are none: [`Self::master`] and [`Self::peer`] say them in numbers.
    pub(crate) link: Link,
    /// The bridge and the flags of the port.
    pub(crate) master: Option<Membership>,
    /// The number of a veth's other end, or of the interface below, in the namespace of this number, or in the same.
    pub(crate) peer: Option<(u32, Option<i32>)>,
    /// Whether packets pass.
    pub(crate) operational: bool,
}

/// Membership in a bridge, or in something else that has ports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Membership {
    pub(crate) master: u32,
    hairpin: Option<bool>,
    isolated: Option<bool>,
}

impl Membership {
    /// The membership with the name of its bridge.
    pub(crate) fn port(self, bridge: LinkName) -> Port {
        Port { bridge, hairpin: self.hairpin, isolated: self.isolated }
    }
}

impl Found {
    /// Reads the body of an answer. None if it is of no interface that can be named.
    pub(crate) fn read(side: Side, body: &[u8]) -> Option<Self> {
        let [_, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = array::<HEADER>(body)?;
        let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
        let attributes = Attributes::after(body, HEADER);
        let name = attributes.find(IFLA_IFNAME).and_then(text)?.parse().ok()?;
        let netns = attributes.find(IFLA_LINK_NETNSID).and_then(array).map(i32::from_ne_bytes);
        let master = attributes.find(IFLA_MASTER).and_then(u32_of);
        let mut found = Self {
            index: u32::from_ne_bytes([i0, i1, i2, i3]),
            link: Link::new(side, name, LinkKind::Other(String::new())),
            master: master.map(|master| Membership { master, hairpin: None, isolated: None }),
            peer: attributes.find(IFLA_LINK).and_then(u32_of).map(|index| (index, netns)),
            operational: false,
        };
        found.link.up = Some(flags & IFF_UP != 0);
        found.link.promiscuous = Some(flags & IFF_PROMISC != 0);
        found.link.all_multicast = Some(flags & IFF_ALLMULTI != 0);
        // Without IPv6 there is no link-local address either.
        found.link.link_local = Some(false);
        for (kind, value) in attributes {
            found.attribute(kind, value);
        }
        if u16::from_ne_bytes([t0, t1]) == ARPHRD_LOOPBACK {
            found.link.kind = LinkKind::Loopback;
        }
        if !matches!(
            found.link.kind,
            LinkKind::Veth { .. } | LinkKind::Macvlan { .. } | LinkKind::Ipvlan { .. } | LinkKind::Vlan { .. }
        ) {
            found.peer = None;
        }
        Some(found)
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let link = &mut self.link;
        match kind {
            IFLA_ADDRESS => link.mac = array(value).and_then(|bytes| Mac::try_from(bytes).ok()),
            IFLA_MTU => link.mtu = u32_of(value).and_then(|bytes| Mtu::try_from(bytes).ok()),
            IFLA_GROUP => link.group = u32_of(value),
            IFLA_TXQLEN => link.queue_length = u32_of(value),
            IFLA_IFALIAS => link.alias = text(value).map(str::to_owned),
            IFLA_OPERSTATE => self.operational = u8_of(value) == Some(OPERATIONAL),
            IFLA_LINKINFO => self.info(&Attributes::of(value)),
            IFLA_AF_SPEC => {
                let inet6 = Attributes::of(value).find(u16::from(AF_INET6)).map(Attributes::of);
                if let Some(mode) = inet6.and_then(|inet6| inet6.find(IFLA_INET6_ADDR_GEN_MODE)).and_then(u8_of) {
                    link.link_local = Some(mode != NONE);
                }
            }
            _ => {}
        }
    }

    fn info(&mut self, info: &Attributes<'_>) {
        let data = Attributes::of(info.find(IFLA_INFO_DATA).unwrap_or_default());
        self.link.kind = kind(info.find(IFLA_INFO_KIND).and_then(text).unwrap_or_default(), &data);
        if info.find(IFLA_INFO_SLAVE_KIND).and_then(text) == Some("bridge") {
            let port = Attributes::of(info.find(IFLA_INFO_SLAVE_DATA).unwrap_or_default());
            if let Some(membership) = &mut self.master {
                membership.hairpin = flag(&port, IFLA_BRPORT_MODE);
                membership.isolated = flag(&port, IFLA_BRPORT_ISOLATED);
            }
        }
    }
}

fn flag(attributes: &Attributes<'_>, kind: u16) -> Option<bool> {
    attributes.find(kind).and_then(u8_of).map(|byte| byte != 0)
}

/// What an interface is by the kernel's word and the attributes of that kind. Other interfaces are said elsewhere.
fn kind(word: &str, data: &Attributes<'_>) -> LinkKind {
    let number = |kind| data.find(kind).and_then(u32_of);
    match word {
        "bridge" => {
            // A kernel that cannot filter says nothing, and does not.
            let filtering = flag(data, IFLA_BR_VLAN_FILTERING) == Some(true);
            LinkKind::Bridge { vlan_filtering: Some(filtering) }
        }
        "vxlan" => {
            let local = [IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6].into_iter().find_map(|kind| data.find(kind));
            LinkKind::Vxlan {
                vni: number(IFLA_VXLAN_ID).and_then(|number| Vni::try_from(number).ok()),
                local: local.and_then(address_of),
                port: data.find(IFLA_VXLAN_PORT).and_then(array).map(u16::from_be_bytes),
                learning: flag(data, IFLA_VXLAN_LEARNING),
            }
        }
        "veth" => LinkKind::Veth { peer: None },
        "macvlan" => LinkKind::Macvlan {
            parent: None,
            mode: number(IFLA_MACVLAN_MODE).and_then(|number| named(&MACVLAN_MODES, number)),
            queue: number(IFLA_MACVLAN_BC_QUEUE_LEN),
        },
        "ipvlan" => {
            let mode = data.find(IFLA_IPVLAN_MODE).and_then(u16_of).and_then(|number| named(&IPVLAN_MODES, number));
            LinkKind::Ipvlan { parent: None, mode }
        }
        "vlan" => LinkKind::Vlan { parent: None, id: data.find(IFLA_VLAN_ID).and_then(u16_of) },
        "dummy" => LinkKind::Dummy,
        "ifb" => LinkKind::Ifb,
        "vrf" => LinkKind::Vrf { table: number(IFLA_VRF_TABLE) },
        "tun" => LinkKind::Tap {
            owner: number(IFLA_TUN_OWNER),
            group: number(IFLA_TUN_GROUP),
            multi_queue: flag(data, IFLA_TUN_MULTI_QUEUE),
            context: None,
        },
        other => LinkKind::Other(other.to_owned()),
    }
}

fn named<T: Copy, N: Copy + PartialEq>(names: &[(T, N)], number: N) -> Option<T> {
    names.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}
