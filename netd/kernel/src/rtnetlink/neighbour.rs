//! Neighbours and forwarding entries: `struct ndmsg` and its attributes.

use std::net::IpAddr;

use netd_model::{
    addr::Mac,
    name::LinkName,
    object::{Fdb, Neighbour},
};
use rustix::io::Errno;

use super::{AF_BRIDGE, AF_INET, AF_INET6, address_of, family, octets};
use crate::wire::{Attributes, Body, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, Requests, array};

const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;

/// `struct ndmsg`: family, padding, index, state, flags, type.
const HEADER: usize = 12;

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_IFINDEX: u16 = 8;

const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;
/// Of the device itself, not of the bridge that it is a port of.
const NTF_SELF: u8 = 0x02;

/// Where frames to nobody that is known go.
const NOBODY: [u8; 6] = [0; 6];

/// The neighbours of one family, or the forwarding entries, of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Ipv4,
    Ipv6,
    Fdb,
}

/// A forwarding entry that the kernel made itself, of what came in.
pub(crate) struct Learned {
    mac: [u8; 6],
    destination: IpAddr,
}

/// A permanent entry of any table.
pub(crate) struct Found {
    mac: [u8; 6],
    destination: IpAddr,
}

/// The entries of one interface.
pub(crate) fn get_of(requests: &mut Requests, table: Table, index: u32) {
    requests.push(RTM_GETNEIGH, NLM_F_DUMP, |body| {
        let family = match table {
            Table::Ipv4 => AF_INET,
            Table::Ipv6 => AF_INET6,
            Table::Fdb => AF_BRIDGE,
        };
        header(body, family, 0, 0, 0).u32(NDA_IFINDEX, index);
    });
}

/// One neighbour; no answer if it is not known.
pub(crate) fn get(requests: &mut Requests, address: IpAddr, index: u32) {
    requests.push_forgiving(RTM_GETNEIGH, 0, &[Errno::NOENT, Errno::NODEV], |body| {
        header(body, family(address), index, 0, 0).bytes(NDA_DST, &octets(address));
    });
}

/// One forwarding entry; no answer if there is none.
pub(crate) fn get_fdb(requests: &mut Requests, mac: Mac, index: u32) {
    requests.push_forgiving(RTM_GETNEIGH, 0, &[Errno::NOENT, Errno::NODEV], |body| {
        header(body, AF_BRIDGE, index, 0, NTF_SELF).bytes(NDA_LLADDR, &mac.octets());
    });
}

impl Found {
    /// Reads the body of an answer: an entry that stays until it is removed, and says where to.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let [_, _, _, _, _, _, _, _, s0, s1, _, _] = array::<HEADER>(body)?;
        if u16::from_ne_bytes([s0, s1]) & NUD_PERMANENT == 0 {
            return None;
        }
        let attributes = Attributes::after(body, HEADER);
        let mac = attributes.find(NDA_LLADDR).and_then(array)?;
        Some(Self { mac, destination: attributes.find(NDA_DST).and_then(address_of)? })
    }

    /// As an entry of a forwarding table.
    pub(crate) fn fdb(self, link: &LinkName) -> Option<Fdb> {
        let mac = if self.mac == NOBODY { None } else { Some(Mac::try_from(self.mac).ok()?) };
        Some(Fdb { link: link.clone(), mac, destination: self.destination })
    }

    /// As a neighbour.
    pub(crate) fn neighbour(self, link: &LinkName) -> Option<Neighbour> {
        let mac = Mac::try_from(self.mac).ok()?;
        Some(Neighbour { link: link.clone(), address: self.destination, mac })
    }
}

impl Learned {
    /// Reads the body of an answer: an entry of the device itself that somebody else than a person or a program made.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let [_, _, _, _, _, _, _, _, s0, s1, flags, _] = array::<HEADER>(body)?;
        if u16::from_ne_bytes([s0, s1]) & (NUD_PERMANENT | NUD_NOARP) != 0 || flags & NTF_SELF == 0 {
            return None;
        }
        let attributes = Attributes::after(body, HEADER);
        let destination = attributes.find(NDA_DST).and_then(address_of)?;
        Some(Self { mac: attributes.find(NDA_LLADDR).and_then(array)?, destination })
    }

    /// Where it leads.
    pub(crate) fn destination(&self) -> IpAddr {
        self.destination
    }

    /// Removes it.
    pub(crate) fn delete(&self, requests: &mut Requests, index: u32) {
        requests.push_forgiving(RTM_DELNEIGH, 0, &[Errno::NOENT, Errno::NODEV], |body| {
            header(body, AF_BRIDGE, index, 0, NTF_SELF)
                .bytes(NDA_DST, &octets(self.destination))
                .bytes(NDA_LLADDR, &self.mac);
        });
    }
}

/// Adds a neighbour, in place of what was known of its address.
pub(crate) fn add(requests: &mut Requests, wanted: &Neighbour, index: u32) {
    requests.push(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, |body| {
        header(body, family(wanted.address), index, NUD_PERMANENT, 0)
            .bytes(NDA_DST, &octets(wanted.address))
            .bytes(NDA_LLADDR, &wanted.mac.octets());
    });
}

/// Removes a neighbour.
pub(crate) fn delete(requests: &mut Requests, unwanted: &Neighbour, index: u32) {
    requests.push_forgiving(RTM_DELNEIGH, 0, &[Errno::NOENT, Errno::NODEV], |body| {
        header(body, family(unwanted.address), index, 0, 0).bytes(NDA_DST, &octets(unwanted.address));
    });
}

/// Adds a forwarding entry: in place of another host for this hardware address, or beside those for nobody.
pub(crate) fn add_fdb(requests: &mut Requests, wanted: &Fdb, index: u32) {
    let beside = if wanted.mac.is_some() { NLM_F_REPLACE } else { NLM_F_APPEND };
    requests.push_forgiving(RTM_NEWNEIGH, NLM_F_CREATE | beside, &[Errno::EXIST], |body| fdb(body, wanted, index));
}

/// Removes a forwarding entry.
pub(crate) fn delete_fdb(requests: &mut Requests, unwanted: &Fdb, index: u32) {
    requests.push_forgiving(RTM_DELNEIGH, 0, &[Errno::NOENT, Errno::NODEV], |body| fdb(body, unwanted, index));
}

fn fdb(body: &mut Body<'_>, entry: &Fdb, index: u32) {
    header(body, AF_BRIDGE, index, NUD_PERMANENT, NTF_SELF)
        .bytes(NDA_DST, &octets(entry.destination))
        .bytes(NDA_LLADDR, &entry.mac.map_or(NOBODY, Mac::octets));
}

fn header<'a, 'b>(body: &'a mut Body<'b>, family: u8, index: u32, state: u16, flags: u8) -> &'a mut Body<'b> {
    let ([a, b, c, d], [s0, s1]) = (index.to_ne_bytes(), state.to_ne_bytes());
    body.fixed(&[family, 0, 0, 0, a, b, c, d, s0, s1, flags, 0])
}
