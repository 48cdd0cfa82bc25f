//! What rtnetlink(7) is asked and told, message by message: encoding and decoding, nothing else.
//!
//! The numbers are those of
//! `include/uapi/linux/{rtnetlink,if_link,if_addr,if_bridge,neighbour,net_namespace,pkt_sched,pkt_cls}.h`.

pub(crate) mod address;
pub(crate) mod devices;
pub(crate) mod filter;
pub(crate) mod link;
pub(crate) mod namespace;
pub(crate) mod neighbour;
pub(crate) mod property;
pub(crate) mod qdisc;
pub(crate) mod route;
pub(crate) mod rule;
pub(crate) mod vlan;

use std::net::IpAddr;

use crate::wire::array;

/// Any family, or none.
const AF_UNSPEC: u8 = 0;
pub(crate) const AF_INET: u8 = 2;
const AF_BRIDGE: u8 = 7;
pub(crate) const AF_INET6: u8 = 10;

/// The family of an address.
pub(crate) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// Its bytes.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An address of as many bytes as its family has.
fn address_of(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => array::<4>(value).map(IpAddr::from),
        16 => array::<16>(value).map(IpAddr::from),
        _ => None,
    }
}

/// Whether a notice is about an interface, or an address, a queue or a filter that went. Ports of bridges that learn and
/// forward, and what comes, need nobody.
pub(crate) fn matters(kind: u16, body: &[u8]) -> bool {
    const RTM_NEWLINK: u16 = 16;
    const RTM_DELLINK: u16 = 17;
    const RTM_DELADDR: u16 = 21;
    const RTM_DELQDISC: u16 = 37;
    const RTM_DELTFILTER: u16 = 45;
    match kind {
        RTM_NEWLINK | RTM_DELLINK => body.first() != Some(&AF_BRIDGE),
        kind => [RTM_DELADDR, RTM_DELQDISC, RTM_DELTFILTER].contains(&kind),
    }
}
