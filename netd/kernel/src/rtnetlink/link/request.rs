//! Interfaces, as requests.

use std::{net::IpAddr, os::fd::RawFd};

use netd_model::{
    name::LinkName,
    object::{Link, LinkKind, Port},
    overlay::Vni,
};
use rustix::io::Errno;

use super::{
    AF_INET6, EUI64, IFF_ALLMULTI, IFF_PROMISC, IFF_UP, IFLA_ADDRESS, IFLA_AF_SPEC, IFLA_BR_VLAN_FILTERING,
    IFLA_BRPORT_ISOLATED, IFLA_BRPORT_MODE, IFLA_EXT_MASK, IFLA_GROUP, IFLA_IFALIAS, IFLA_IFNAME,
    IFLA_INET6_ADDR_GEN_MODE, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA, IFLA_INFO_SLAVE_KIND,
    IFLA_IPVLAN_MODE, IFLA_LINK, IFLA_LINKINFO, IFLA_MACVLAN_BC_QUEUE_LEN, IFLA_MACVLAN_MODE, IFLA_MASTER, IFLA_MTU,
    IFLA_NET_NS_FD, IFLA_TXQLEN, IFLA_VLAN_ID, IFLA_VRF_TABLE, IFLA_VXLAN_ID, IFLA_VXLAN_LEARNING, IFLA_VXLAN_LOCAL,
    IFLA_VXLAN_LOCAL6, IFLA_VXLAN_PORT, IPVLAN_MODES, MACVLAN_MODES, NONE, RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK,
    VETH_INFO_PEER,
};
use crate::wire::{Body, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Requests};

/// Leave the statistics out: they are the longest part of an answer, and summed over all processors.
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

/// An interface by its name; no answer if there is none.
pub(crate) fn get(requests: &mut Requests, name: &LinkName) {
    requests.push_forgiving(RTM_GETLINK, 0, &[Errno::NODEV], |body| {
        header(body, 0, 0, 0).text(IFLA_IFNAME, name.as_str()).u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    });
}

/// An interface by its number; no answer if there is none.
pub(crate) fn get_by_index(requests: &mut Requests, index: u32) {
    requests.push_forgiving(RTM_GETLINK, 0, &[Errno::NODEV], |body| {
        header(body, index, 0, 0).u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    });
}

/// All interfaces.
pub(crate) fn get_all(requests: &mut Requests) {
    requests.push(RTM_GETLINK, NLM_F_DUMP, |body| {
        header(body, 0, 0, 0).u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    });
}

/// Removes an interface.
pub(crate) fn delete(requests: &mut Requests, name: &LinkName) {
    requests.push_forgiving(RTM_DELLINK, 0, &[Errno::NODEV], |body| {
        header(body, 0, 0, 0).text(IFLA_IFNAME, name.as_str());
    });
}

/// Takes an interface out of what it is a port of.
pub(crate) fn release(requests: &mut Requests, name: &LinkName) {
    requests.push_forgiving(RTM_NEWLINK, 0, &[Errno::NODEV], |body| {
        header(body, 0, 0, 0).text(IFLA_IFNAME, name.as_str()).u32(IFLA_MASTER, 0);
    });
}

/// Makes an interface that is no pair, on the bridge of number `master`. A bridge gets its MTU later.
pub(crate) fn add(requests: &mut Requests, link: &Link, master: Option<u32>) {
    requests.push(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, |body| {
        let mtu = link.mtu.filter(|_| !matches!(link.kind, LinkKind::Bridge { .. }));
        new(body, &Link { mtu, ..link.clone() }, master);
        body.nest(IFLA_LINKINFO, |body| {
            body.text(IFLA_INFO_KIND, link.kind.word());
            // A new bridge does not filter. To say so would be refused by a kernel that cannot.
            match link.kind {
                LinkKind::Bridge { vlan_filtering: Some(true) } => vlan_filtering(body, true),
                LinkKind::Vxlan { vni, local, port, learning } => vxlan(body, vni, local, port, learning == Some(true)),
                LinkKind::Vrf { table: Some(table) } => {
                    body.nest(IFLA_INFO_DATA, |body| {
                        body.u32(IFLA_VRF_TABLE, table);
                    });
                }
                _ => {}
            }
        });
    });
}

/// Makes an interface on another, `below` of this socket's namespace; in the namespace of a descriptor where one is
/// given, under its first name.
pub(crate) fn add_upper(requests: &mut Requests, link: &Link, below: u32, netns: Option<RawFd>) {
    requests.push(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, |body| {
        let name = link.newborn().unwrap_or_else(|| link.name.clone());
        new(body, &Link { name, ..link.clone() }, None);
        body.u32(IFLA_LINK, below);
        if let Some(netns) = netns {
            body.bytes(IFLA_NET_NS_FD, &netns.to_ne_bytes());
        }
        body.nest(IFLA_LINKINFO, |body| {
            body.text(IFLA_INFO_KIND, link.kind.word()).nest(IFLA_INFO_DATA, |body| upper(body, &link.kind));
        });
    });
}

/// What an interface on another is born with.
fn upper(body: &mut Body<'_>, kind: &LinkKind) {
    match kind {
        LinkKind::Macvlan { mode, queue, .. } => {
            if let Some((_, number)) = MACVLAN_MODES.iter().find(|(known, _)| Some(*known) == *mode) {
                body.u32(IFLA_MACVLAN_MODE, *number);
            }
            if let Some(queue) = queue {
                body.u32(IFLA_MACVLAN_BC_QUEUE_LEN, *queue);
            }
        }
        LinkKind::Ipvlan { mode, .. } => {
            if let Some((_, number)) = IPVLAN_MODES.iter().find(|(known, _)| Some(*known) == *mode) {
                body.bytes(IFLA_IPVLAN_MODE, &number.to_ne_bytes());
            }
        }
        LinkKind::Vlan { id: Some(id), .. } => {
            body.bytes(IFLA_VLAN_ID, &id.to_ne_bytes());
        }
        _ => {}
    }
}

/// Makes both ends of a veth pair: `link` on the bridge of number `master`, `peer` in the namespace of this descriptor.
///
/// Both are down: a peer that comes up before its other end exists fails with `ENOTCONN`.
pub(crate) fn add_pair(requests: &mut Requests, link: &Link, master: Option<u32>, peer: &Link, netns: Option<RawFd>) {
    requests.push(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, |body| {
        new(body, link, master);
        body.nest(IFLA_LINKINFO, |body| {
            body.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, |body| {
                body.nest(VETH_INFO_PEER, |body| {
                    new(body, peer, None);
                    if let Some(netns) = netns {
                        body.bytes(IFLA_NET_NS_FD, &netns.to_ne_bytes());
                    }
                });
            });
        });
    });
}

/// Changes what `link` says, by one or two requests: the first has what must be so before the flags of a port, which
/// are its bridge's to set, and before the interface is up and has a link-local address.
pub(crate) fn set(requests: &mut Requests, link: &Link, master: Option<u32>) {
    if master.is_some() || link.link_local.is_some() {
        // Where there is no IPv6, there is nothing to turn off.
        let forgiven: &[Errno] = if link.link_local == Some(false) { &[Errno::AFNOSUPPORT] } else { &[] };
        requests.push_forgiving(RTM_NEWLINK, 0, forgiven, |body| {
            header(body, 0, 0, 0).text(IFLA_IFNAME, link.name.as_str());
            if let Some(master) = master {
                body.u32(IFLA_MASTER, master);
            }
            if let Some(link_local) = link.link_local {
                body.nest(IFLA_AF_SPEC, |body| {
                    body.nest(u16::from(AF_INET6), |body| {
                        body.u8(IFLA_INET6_ADDR_GEN_MODE, if link_local { EUI64 } else { NONE });
                    });
                });
            }
        });
    }
    let (flags, mask) = flags(link);
    requests.push(RTM_NEWLINK, 0, |body| {
        header(body, 0, flags, mask).text(IFLA_IFNAME, link.name.as_str());
        attributes(body, link);
        if let Some(alias) = &link.alias {
            body.bytes(IFLA_IFALIAS, alias.as_bytes());
        }
        if let Some(port @ (Port { hairpin: Some(_), .. } | Port { isolated: Some(_), .. })) = &link.port {
            body.nest(IFLA_LINKINFO, |body| port_data(body, port));
        } else if let LinkKind::Bridge { vlan_filtering: Some(filtering) } = link.kind {
            body.nest(IFLA_LINKINFO, |body| {
                body.text(IFLA_INFO_KIND, "bridge");
                vlan_filtering(body, filtering);
            });
        }
    });
}

/// What a new interface is born with.
fn new(body: &mut Body<'_>, link: &Link, master: Option<u32>) {
    header(body, 0, 0, 0).text(IFLA_IFNAME, link.name.as_str());
    attributes(body, link);
    if let Some(master) = master {
        body.u32(IFLA_MASTER, master);
    }
}

fn attributes(body: &mut Body<'_>, link: &Link) {
    if let Some(mac) = link.mac {
        body.bytes(IFLA_ADDRESS, &mac.octets());
    }
    if let Some(mtu) = link.mtu {
        body.u32(IFLA_MTU, mtu.into());
    }
    if let Some(group) = link.group {
        body.u32(IFLA_GROUP, group);
    }
    if let Some(length) = link.queue_length {
        body.u32(IFLA_TXQLEN, length);
    }
}

/// A VXLAN device. One that learns takes the word of whoever is let in; the kernel's own default is that it does.
fn vxlan(body: &mut Body<'_>, vni: Option<Vni>, local: Option<IpAddr>, port: Option<u16>, learning: bool) {
    body.nest(IFLA_INFO_DATA, |body| {
        if let Some(vni) = vni {
            body.u32(IFLA_VXLAN_ID, vni.into());
        }
        match local {
            Some(IpAddr::V4(local)) => drop(body.bytes(IFLA_VXLAN_LOCAL, &local.octets())),
            Some(IpAddr::V6(local)) => drop(body.bytes(IFLA_VXLAN_LOCAL6, &local.octets())),
            None => {}
        }
        if let Some(port) = port {
            body.bytes(IFLA_VXLAN_PORT, &port.to_be_bytes());
        }
        body.u8(IFLA_VXLAN_LEARNING, u8::from(learning));
    });
}

fn vlan_filtering(body: &mut Body<'_>, filtering: bool) {
    body.nest(IFLA_INFO_DATA, |body| {
        body.u8(IFLA_BR_VLAN_FILTERING, u8::from(filtering));
    });
}

fn port_data(body: &mut Body<'_>, port: &Port) {
    body.text(IFLA_INFO_SLAVE_KIND, "bridge").nest(IFLA_INFO_SLAVE_DATA, |body| {
        if let Some(hairpin) = port.hairpin {
            body.u8(IFLA_BRPORT_MODE, u8::from(hairpin));
        }
        if let Some(isolated) = port.isolated {
            body.u8(IFLA_BRPORT_ISOLATED, u8::from(isolated));
        }
    });
}

/// The flags to set and which of them count.
fn flags(link: &Link) -> (u32, u32) {
    let flag = |on: Option<bool>, bit: u32| on.map_or((0, 0), |on| (if on { bit } else { 0 }, bit));
    let all = [(link.up, IFF_UP), (link.promiscuous, IFF_PROMISC), (link.all_multicast, IFF_ALLMULTI)];
    let all = all.map(|(on, bit)| flag(on, bit));
    all.into_iter().fold((0, 0), |(flags, mask), (flag, bit)| (flags | flag, mask | bit))
}

/// `struct ifinfomsg` of the interface of this number, or of one that an attribute names.
pub(crate) fn header<'a, 'b>(body: &'a mut Body<'b>, index: u32, flags: u32, mask: u32) -> &'a mut Body<'b> {
    let mut header = [0; 16];
    for (place, value) in header.chunks_exact_mut(4).zip([0, index, flags, mask]) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    body.fixed(&header)
}
