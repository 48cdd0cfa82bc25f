//! Addresses: `struct ifaddrmsg` and its attributes.

use ipnetwork::IpNetwork;
use netd_model::object::Address;
use rustix::io::Errno;

use super::{AF_UNSPEC, address_of, family, octets};
use crate::wire::{Attributes, Body, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Requests, array, u32_of};

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

/// `struct ifaddrmsg`: family, length of the prefix, flags, scope, index.
const HEADER: usize = 8;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;

const IFA_F_NODAD: u32 = 0x2;
const IFA_F_DADFAILED: u32 = 0x8;
const IFA_F_TENTATIVE: u32 = 0x40;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;

const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_HOST: u8 = 254;

/// An address as the kernel shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) address: IpNetwork,
    /// The interface that it is on.
    pub(crate) index: u32,
    /// Duplicates are still looked for: it cannot be used yet.
    pub(crate) tentative: bool,
    /// A duplicate was found.
    pub(crate) duplicate: bool,
    /// Its subnet is not on the link.
    pub(crate) alone: bool,
}

impl Found {
    /// Reads the body of an answer.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let [_, prefix, _, _, a, b, c, d] = array::<HEADER>(body)?;
        let attributes = Attributes::after(body, HEADER);
        let address = attributes.find(IFA_LOCAL).or_else(|| attributes.find(IFA_ADDRESS)).and_then(address_of)?;
        let flags = attributes.find(IFA_FLAGS).and_then(u32_of).unwrap_or_default();
        Some(Self {
            address: IpNetwork::new(address, prefix).ok()?,
            index: u32::from_ne_bytes([a, b, c, d]),
            tentative: flags & IFA_F_TENTATIVE != 0,
            duplicate: flags & IFA_F_DADFAILED != 0,
            alone: flags & IFA_F_NOPREFIXROUTE != 0,
        })
    }
}

/// The addresses of one interface.
pub(crate) fn get_of(requests: &mut Requests, index: u32) {
    requests.push(RTM_GETADDR, NLM_F_DUMP, |body| {
        header(body, AF_UNSPEC, 0, RT_SCOPE_UNIVERSE, index);
    });
}

/// The addresses of all interfaces.
pub(crate) fn get_all(requests: &mut Requests) {
    get_of(requests, 0);
}

/// Gives an interface an address, and routes to its subnet unless that is not on the link.
pub(crate) fn add(requests: &mut Requests, wanted: &Address, subnet_is_on_link: bool, index: u32) {
    requests.push(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, |body| {
        let scope = if wanted.address.ip().is_loopback() { RT_SCOPE_HOST } else { RT_SCOPE_UNIVERSE };
        named(body, wanted, scope, index);
        let mut flags = if subnet_is_on_link { 0 } else { IFA_F_NOPREFIXROUTE };
        match wanted.address {
            // What ip-address(8) calls `brd +`; links between two have none.
            IpNetwork::V4(network) if network.prefix() < 31 => {
                body.bytes(IFA_BROADCAST, &network.broadcast().octets());
            }
            IpNetwork::V6(_) if !wanted.detect_duplicates => flags |= IFA_F_NODAD,
            _ => {}
        }
        if flags != 0 {
            body.u32(IFA_FLAGS, flags);
        }
        if wanted.address.is_ipv6() && wanted.deprecated {
            // Preferred for no time, valid for ever; the kernel fills in the times of creation and change.
            body.bytes(IFA_CACHEINFO, &[[0; 4], [0xff; 4], [0; 4], [0; 4]].concat());
        }
    });
}

/// Takes an address from an interface.
pub(crate) fn delete(requests: &mut Requests, unwanted: &Address, index: u32) {
    requests.push_forgiving(RTM_DELADDR, 0, &[Errno::ADDRNOTAVAIL, Errno::NODEV], |body| {
        named(body, unwanted, RT_SCOPE_UNIVERSE, index);
    });
}

fn named(body: &mut Body<'_>, address: &Address, scope: u8, index: u32) {
    let ip = address.address.ip();
    header(body, family(ip), address.address.prefix(), scope, index);
    body.bytes(IFA_LOCAL, &octets(ip)).bytes(IFA_ADDRESS, &octets(ip));
}

fn header(body: &mut Body<'_>, family: u8, prefix: u8, scope: u8, index: u32) {
    let [a, b, c, d] = index.to_ne_bytes();
    body.fixed(&[family, prefix, 0, scope, a, b, c, d]);
}
