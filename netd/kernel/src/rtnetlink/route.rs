//! Routes: `struct rtmsg` and its attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netd_model::{
    name::LinkName,
    object::{Route, Side},
};
use rustix::io::Errno;

use super::{AF_INET, AF_INET6, address_of, family, octets};
use crate::wire::{Attributes, Body, NLM_F_CREATE, NLM_F_DUMP, Requests, array, u32_of};

const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;

/// `struct rtmsg`: family, two lengths of prefixes, TOS, table, protocol, scope, type, flags.
const HEADER: usize = 12;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;

const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;

/// Made by the kernel itself, with an address: not ours to see.
const RTPROT_KERNEL: u8 = 2;
/// Made by an administrator: what ip-route(8) writes, and the reference plugins.
const RTPROT_BOOT: u8 = 3;

const RTN_UNICAST: u8 = 1;

/// Answer with the route as it stands in the table.
const RTM_F_FIB_MATCH: u32 = 0x2000;

/// The next router is on the link, whatever its address.
const RTNH_F_ONLINK: u32 = 4;

const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
/// In a removal: whatever its scope.
const RT_SCOPE_NOWHERE: u8 = 255;

/// The route that one packet would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// The interface that it leaves by.
    pub(crate) index: u32,
    /// The largest packet in bytes, where the route says one.
    pub(crate) mtu: Option<u32>,
    /// Whether it needs no router.
    pub(crate) on_link: bool,
}

/// Reads the body of an answer to a dump: a route of the interface `link`, not made by the kernel itself.
pub(crate) fn read(side: Side, link: &LinkName, index: u32, body: &[u8]) -> Option<Route> {
    let [_, _, _, _, _, protocol, ..] = array::<HEADER>(body)?;
    if protocol == RTPROT_KERNEL { None } else { read_any(side, link, index, body) }
}

/// Reads the body of an answer to a dump: a route of the interface `link`, whoever made it.
///
/// Of IPv6 routes to one place with one priority the kernel makes one with several ways; this is the way by the interface.
pub(crate) fn read_any(side: Side, link: &LinkName, index: u32, body: &[u8]) -> Option<Route> {
    let [inet, length, _, _, table, _, scope, kind, f0, f1, f2, f3] = array::<HEADER>(body)?;
    if kind != RTN_UNICAST {
        return None;
    }
    let any = if inet == AF_INET { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let attributes = Attributes::after(body, HEADER);
    let number = |kind| attributes.find(kind).and_then(u32_of);
    let destination = attributes.find(RTA_DST).and_then(address_of).unwrap_or(any);
    // An IPv4 route via an IPv6 router: `struct rtvia` is the family, then the address.
    let ways = attributes.find(RTA_MULTIPATH);
    let way = ways.map_or(Some(attributes.clone()), |ways| way_by(index, ways))?;
    let via = || way.find(RTA_VIA).and_then(|via| via.get(2..)).and_then(address_of);
    let metrics = Attributes::of(attributes.find(RTA_METRICS).unwrap_or_default());
    Some(Route {
        side,
        link: link.clone(),
        destination: IpNetwork::new(destination, length).ok()?,
        gateway: way.find(RTA_GATEWAY).and_then(address_of).or_else(via),
        onlink: u32::from_ne_bytes([f0, f1, f2, f3]) & RTNH_F_ONLINK != 0,
        table: Some(number(RTA_TABLE).unwrap_or(u32::from(table))),
        priority: Some(number(RTA_PRIORITY).unwrap_or(0)),
        scope: Some(scope),
        mtu: metrics.find(RTAX_MTU).and_then(u32_of),
        advmss: metrics.find(RTAX_ADVMSS).and_then(u32_of),
    })
}

/// Of several ways the first by the interface of this number: `struct rtnexthop` (length, flags, weight, index) and its
/// attributes.
fn way_by(index: u32, mut ways: &[u8]) -> Option<Attributes<'_>> {
    loop {
        let [l0, l1, _, _, i0, i1, i2, i3] = array::<8>(ways)?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let way = ways.get(8..length)?;
        if u32::from_ne_bytes([i0, i1, i2, i3]) == index {
            return Some(Attributes::of(way));
        }
        ways = ways.get(length.next_multiple_of(4)..)?;
    }
}

/// The interface of the route in an answer or a notice.
pub(crate) fn leaves_by(body: &[u8]) -> Option<u32> {
    Attributes::after(body, HEADER).find(RTA_OIF).and_then(u32_of)
}

/// The table of the route in an answer.
pub(crate) fn table_of(body: &[u8]) -> Option<u32> {
    let [_, _, _, _, table, ..] = array::<HEADER>(body)?;
    Some(Attributes::after(body, HEADER).find(RTA_TABLE).and_then(u32_of).unwrap_or(u32::from(table)))
}

/// Whether the route in an answer has this priority.
pub(crate) fn has_priority(body: &[u8], priority: u32) -> bool {
    Attributes::after(body, HEADER).find(RTA_PRIORITY).and_then(u32_of) == Some(priority)
}

/// Whether the route in a notice is of the kind that [`add`] makes.
pub(crate) fn is_as_ours(body: &[u8]) -> bool {
    matches!(body, [_, _, _, _, _, RTPROT_BOOT, _, RTN_UNICAST, ..])
}

impl Way {
    /// Reads the body of an answer to [`get_to`]. None where packets are dropped, or stay here.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let [_, _, _, _, _, _, _, kind, ..] = array::<HEADER>(body)?;
        let attributes = Attributes::after(body, HEADER);
        let index = attributes.find(RTA_OIF).and_then(u32_of).filter(|_| kind == RTN_UNICAST)?;
        let metrics = Attributes::of(attributes.find(RTA_METRICS).unwrap_or_default());
        let on_link = attributes.find(RTA_GATEWAY).or_else(|| attributes.find(RTA_VIA)).is_none();
        Some(Self { index, mtu: metrics.find(RTAX_MTU).and_then(u32_of), on_link })
    }
}

/// All routes of one family.
pub(crate) fn get_all(requests: &mut Requests, is_ipv6: bool) {
    requests.push(RTM_GETROUTE, NLM_F_DUMP, |body| {
        header(body, if is_ipv6 { AF_INET6 } else { AF_INET }, 0, 0, 0, 0, 0);
    });
}

/// The routes of one family that leave by one interface.
pub(crate) fn get_of(requests: &mut Requests, is_ipv6: bool, index: u32) {
    requests.push(RTM_GETROUTE, NLM_F_DUMP, |body| {
        header(body, if is_ipv6 { AF_INET6 } else { AF_INET }, 0, 0, 0, 0, 0);
        body.u32(RTA_OIF, index);
    });
}

/// The route of a packet to this address; no answer if it has none.
pub(crate) fn get_to(requests: &mut Requests, address: IpAddr) {
    ask(requests, address, 0);
}

/// The route itself by which a packet to this address leaves; no answer if there is none.
pub(crate) fn get_that_leads_to(requests: &mut Requests, address: IpAddr) {
    ask(requests, address, RTM_F_FIB_MATCH);
}

fn ask(requests: &mut Requests, address: IpAddr, flags: u32) {
    let none = &[Errno::NETUNREACH, Errno::HOSTUNREACH, Errno::INVAL, Errno::ACCESS, Errno::AFNOSUPPORT];
    requests.push_forgiving(RTM_GETROUTE, 0, none, |body| {
        let length = if address.is_ipv4() { 32 } else { 128 };
        header(body, family(address), length, 0, 0, 0, flags);
        body.bytes(RTA_DST, &octets(address));
    });
}

/// Adds a route beside others to the same place. That the very same one is there is success.
pub(crate) fn add(requests: &mut Requests, wanted: &Route, index: u32) {
    requests.push_forgiving(RTM_NEWROUTE, NLM_F_CREATE, &[Errno::EXIST], |body| {
        // Without a router, and without other word, IPv4 wants to hear that the destination is on the link.
        let on_link = wanted.gateway.is_none() && wanted.destination.is_ipv4();
        let scope = wanted.scope.unwrap_or(if on_link { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE });
        named(body, wanted, index, RTPROT_BOOT, scope, RTN_UNICAST);
        if wanted.mtu.is_some() || wanted.advmss.is_some() {
            body.nest(RTA_METRICS, |body| {
                for (kind, value) in [(RTAX_MTU, wanted.mtu), (RTAX_ADVMSS, wanted.advmss)] {
                    if let Some(value) = value {
                        body.u32(kind, value);
                    }
                }
            });
        }
    });
}

/// Removes a route.
pub(crate) fn delete(requests: &mut Requests, unwanted: &Route, index: u32) {
    requests.push_forgiving(RTM_DELROUTE, 0, &[Errno::SRCH, Errno::NODEV, Errno::NOENT], |body| {
        named(body, unwanted, index, 0, RT_SCOPE_NOWHERE, 0);
    });
}

fn named(body: &mut Body<'_>, route: &Route, index: u32, protocol: u8, scope: u8, kind: u8) {
    let destination = route.destination;
    let flags = if route.onlink { RTNH_F_ONLINK } else { 0 };
    header(body, family(destination.ip()), destination.prefix(), protocol, scope, kind, flags);
    body.bytes(RTA_DST, &octets(destination.ip()))
        .u32(RTA_OIF, index)
        .u32(RTA_TABLE, route.table())
        .u32(RTA_PRIORITY, route.priority());
    match route.gateway {
        Some(gateway) if gateway.is_ipv4() == destination.is_ipv4() => {
            body.bytes(RTA_GATEWAY, &octets(gateway));
        }
        Some(gateway) => {
            let mut via = u16::from(family(gateway)).to_ne_bytes().to_vec();
            via.extend(octets(gateway));
            body.bytes(RTA_VIA, &via);
        }
        None => {}
    }
}

fn header(body: &mut Body<'_>, family: u8, length: u8, protocol: u8, scope: u8, kind: u8, flags: u32) {
    let [f0, f1, f2, f3] = flags.to_ne_bytes();
    body.fixed(&[family, length, 0, 0, 0, protocol, scope, kind, f0, f1, f2, f3]);
}
