//! Elements of sets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netd_model::{
    IpNetwork,
    addr::Mac,
    element::{Data, Element, ElementKey, Part, Set, Transport},
    overlay::Vni,
};
use rustix::io::Errno;

use super::{HEADER, NFTABLES, TABLE, comment, header, number, with_comment};
use crate::{
    rtnetlink::octets,
    wire::{Attributes, Body, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Requests, array, text},
};

const NFT_MSG_NEWSETELEM: u16 = NFTABLES + 12;
const NFT_MSG_GETSETELEM: u16 = NFTABLES + 13;
pub(super) const NFT_MSG_DELSETELEM: u16 = NFTABLES + 14;

const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_DATA: u16 = 2;
const NFTA_SET_ELEM_TIMEOUT: u16 = 4;
const NFTA_SET_ELEM_USERDATA: u16 = 6;
const NFTA_SET_ELEM_KEY_END: u16 = 10;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
const NFT_GOTO: i32 = -4;

/// `IFNAMSIZ`: what a name takes in a key, filled up with zero bytes.
const NAME: usize = 16;

/// One element; no answer if it, its set or its table is not there.
pub(crate) fn get(requests: &mut Requests, key: &ElementKey) {
    requests.push_forgiving(NFT_MSG_GETSETELEM, 0, &[Errno::NOENT], |body| of_set(body, key, None, |_| {}));
}

/// All elements of a set.
pub(crate) fn get_all(requests: &mut Requests, set: Set) {
    requests.push_forgiving(NFT_MSG_GETSETELEM, NLM_F_DUMP, &[Errno::NOENT], |body| {
        header(body, number(set.family()))
            .text(NFTA_SET_ELEM_LIST_TABLE, TABLE)
            .text(NFTA_SET_ELEM_LIST_SET, set.name());
    });
}

/// Adds an element that must not be there yet.
pub(crate) fn add(requests: &mut Requests, element: &Element) {
    requests.push(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, |body| {
        of_set(body, &element.key, element.data.as_ref(), |body| {
            body.bytes(NFTA_SET_ELEM_USERDATA, &with_comment(&element.owner));
        });
    });
}

/// Lets an element expire within a tick. A kernel before 6.12 leaves one that is there as it is, and says nothing; one
/// that is not there is made, and expires.
pub(crate) fn expire(requests: &mut Requests, element: &Element) {
    const MILLISECONDS: u64 = 1;
    requests.push(NFT_MSG_NEWSETELEM, NLM_F_CREATE, |body| {
        of_set(body, &element.key, element.data.as_ref(), |body| {
            body.bytes(NFTA_SET_ELEM_TIMEOUT, &MILLISECONDS.to_be_bytes());
        });
    });
}

/// Removes an element that is there: otherwise the whole transaction fails.
pub(crate) fn delete(requests: &mut Requests, key: &ElementKey) {
    requests.push(NFT_MSG_DELSETELEM, 0, |body| of_set(body, key, None, |_| {}));
}

/// Reads the body of an answer to [`get`]: the element of this key.
pub(crate) fn read(key: &ElementKey, body: &[u8]) -> Option<Element> {
    let found = elements(body).next()?;
    Some(Element { key: key.clone(), data: data(key.set, &found), owner: owner(&found) })
}

/// Reads the body of an answer to [`get`]: whose the element is.
pub(crate) fn read_owner(body: &[u8]) -> Option<String> {
    elements(body).next().as_ref().map(owner)
}

/// Reads the body of an answer to [`get`]: whether the element expires.
pub(crate) fn read_expires(body: &[u8]) -> bool {
    let timeout = elements(body).next().and_then(|element| element.find(NFTA_SET_ELEM_TIMEOUT));
    timeout.is_some_and(|timeout| timeout.iter().any(|byte| *byte != 0))
}

/// Reads the body of an answer to [`get_all`].
pub(crate) fn read_all(set: Set, body: &[u8]) -> Vec<Element> {
    let read = |attributes: Attributes<'_>| {
        let value = |kind| Attributes::of(attributes.find(kind)?).find(NFTA_DATA_VALUE);
        let parts = parts(set, value(NFTA_SET_ELEM_KEY)?, value(NFTA_SET_ELEM_KEY_END).unwrap_or_default())?;
        let data = data(set, &attributes);
        Some(Element { key: ElementKey { set, parts }, data, owner: owner(&attributes) })
    };
    elements(body).filter_map(read).collect()
}

fn of_set(body: &mut Body<'_>, key: &ElementKey, data: Option<&Data>, write: impl FnOnce(&mut Body<'_>)) {
    header(body, number(key.set.family()))
        .text(NFTA_SET_ELEM_LIST_TABLE, TABLE)
        .text(NFTA_SET_ELEM_LIST_SET, key.set.name())
        .nest(NFTA_SET_ELEM_LIST_ELEMENTS, |body| {
            body.nest(NFTA_LIST_ELEM, |body| {
                body.nest(NFTA_SET_ELEM_KEY, |body| {
                    body.bytes(NFTA_DATA_VALUE, &bytes(key, IpNetwork::network));
                });
                if key.parts.iter().any(|part| matches!(part, Part::Subnet(_))) {
                    body.nest(NFTA_SET_ELEM_KEY_END, |body| {
                        body.bytes(NFTA_DATA_VALUE, &bytes(key, IpNetwork::broadcast));
                    });
                }
                if let Some(data) = data {
                    body.nest(NFTA_SET_ELEM_DATA, |body| write_data(body, data));
                }
                write(body);
            });
        });
}

fn elements(body: &[u8]) -> impl Iterator<Item = Attributes<'_>> {
    let list = Attributes::after(body, HEADER).find(NFTA_SET_ELEM_LIST_ELEMENTS).unwrap_or_default();
    Attributes::of(list).map(|(_, element)| Attributes::of(element))
}

fn owner(element: &Attributes<'_>) -> String {
    element.find(NFTA_SET_ELEM_USERDATA).and_then(comment).unwrap_or_default().to_owned()
}

fn write_data(body: &mut Body<'_>, data: &Data) {
    match data {
        Data::To(address, port) => {
            let mut value = octets(*address);
            value.extend(port.to_be_bytes());
            value.extend([0; 2]);
            body.bytes(NFTA_DATA_VALUE, &value);
        }
        Data::Chain(chain) => {
            body.nest(NFTA_DATA_VERDICT, |body| {
                body.bytes(NFTA_VERDICT_CODE, &NFT_GOTO.to_be_bytes()).text(NFTA_VERDICT_CHAIN, chain.as_str());
            });
        }
    }
}

/// What is under the key; nothing in a set, and where somebody else put what we do not know.
fn data(set: Set, element: &Attributes<'_>) -> Option<Data> {
    let data = Attributes::of(element.find(NFTA_SET_ELEM_DATA)?);
    if let Some(verdict) = data.find(NFTA_DATA_VERDICT) {
        let chain = Attributes::of(verdict).find(NFTA_VERDICT_CHAIN).and_then(text)?;
        return chain.parse().ok().map(Data::Chain);
    }
    let value = data.find(NFTA_DATA_VALUE)?;
    let (address, port): (IpAddr, _) = match set {
        Set::Published4 | Set::PublishedAt4 | Set::Redirected4 => (array::<4>(value)?.into(), value.get(4..)?),
        _ => (array::<16>(value)?.into(), value.get(16..)?),
    };
    Some(Data::To(address, u16::from_be_bytes(array(port)?)))
}

/// The key as the kernel keeps it: each part filled up to a multiple of 4 bytes. Of a subnet, `edge` is its first or its
/// last address.
fn bytes(key: &ElementKey, edge: fn(&IpNetwork) -> IpAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(48);
    for part in &key.parts {
        let start = bytes.len();
        match part {
            Part::Link(link) => {
                bytes.extend(link.as_str().bytes());
                bytes.resize(start + NAME, 0);
            }
            Part::Mac(mac) => bytes.extend(mac.octets()),
            Part::Ipv4(address) => bytes.extend(address.octets()),
            Part::Ipv6(address) => bytes.extend(address.octets()),
            Part::Transport(transport) => bytes.push(transport.number()),
            Part::Port(port) => bytes.extend(port.to_be_bytes()),
            Part::Subnet(subnet) => bytes.extend(octets(edge(subnet))),
            Part::Vni(vni) => bytes.extend(u32::from(*vni).to_be_bytes().into_iter().skip(1)),
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// The parts of a key of this set, which ends at `end` where it is one of subnets.
fn parts(set: Set, key: &[u8], end: &[u8]) -> Option<Vec<Part>> {
    let ipv4 = |bytes: &[u8]| array::<4>(bytes).map(|bytes| Part::Ipv4(bytes.into()));
    let ipv6 = |bytes: &[u8]| array::<16>(bytes).map(|bytes| Part::Ipv6(bytes.into()));
    let mac = |bytes: &[u8]| array(bytes).and_then(|bytes| Mac::try_from(bytes).ok()).map(Part::Mac);
    let link = |bytes: &[u8]| text(bytes.get(..NAME)?)?.parse().ok().map(Part::Link);
    let port = |bytes: &[u8]| array(bytes).map(|bytes| Part::Port(u16::from_be_bytes(bytes)));
    let transport = |bytes: &[u8]| {
        let number = bytes.first()?;
        Transport::ALL.into_iter().find(|transport| transport.number() == *number).map(Part::Transport)
    };
    let vni = |bytes: &[u8]| {
        let [a, b, c] = array(bytes)?;
        Vni::try_from(u32::from_be_bytes([0, a, b, c])).ok().map(Part::Vni)
    };
    let subnet4 = |at: usize| {
        let edge = |key: &[u8]| key.get(at..).and_then(array).map(u32::from_be_bytes);
        let (first, last) = (edge(key)?, edge(end)?);
        let prefix = u8::try_from((first ^ last).leading_zeros()).ok()?;
        IpNetwork::new(Ipv4Addr::from(first).into(), prefix).ok().map(Part::Subnet)
    };
    let subnet6 = |at: usize| {
        let edge = |key: &[u8]| key.get(at..).and_then(array).map(u128::from_be_bytes);
        let (first, last) = (edge(key)?, edge(end)?);
        let prefix = u8::try_from((first ^ last).leading_zeros()).ok()?;
        IpNetwork::new(Ipv6Addr::from(first).into(), prefix).ok().map(Part::Subnet)
    };
    let after = |bytes: usize| key.get(bytes..).unwrap_or_default();
    match set {
        Set::Masquerade4 => [ipv4(key)].into_iter().collect(),
        Set::Masquerade6 => [ipv6(key)].into_iter().collect(),
        Set::Home4 => [ipv4(key), link(after(4))].into_iter().collect(),
        Set::Home6 => [ipv6(key), link(after(16))].into_iter().collect(),
        Set::Vni => [port(key), vni(after(4))].into_iter().collect(),
        Set::Peer4 => [ipv4(key), port(after(4)), vni(after(8))].into_iter().collect(),
        Set::Peer6 => [ipv6(key), port(after(16)), vni(after(20))].into_iter().collect(),
        Set::Inside4 | Set::Hairpin4 => [subnet4(0), subnet4(4)].into_iter().collect(),
        Set::Inside6 | Set::Hairpin6 => [subnet6(0), subnet6(16)].into_iter().collect(),
        Set::Published4 | Set::Published6 | Set::Conditional4 | Set::Conditional6 => {
            [transport(key), port(after(4))].into_iter().collect()
        }
        Set::PublishedAt4 | Set::ConditionalAt4 => {
            [ipv4(key), transport(after(4)), port(after(8))].into_iter().collect()
        }
        Set::PublishedAt6 | Set::ConditionalAt6 => {
            [ipv6(key), transport(after(16)), port(after(20))].into_iter().collect()
        }
        Set::Redirected4 => [link(key), ipv4(after(16)), transport(after(20)), port(after(24))].into_iter().collect(),
        Set::Redirected6 => [link(key), ipv6(after(16)), transport(after(32)), port(after(36))].into_iter().collect(),
        Set::Guarded | Set::GuardedIp | Set::Elsewhere | Set::Open | Set::Alone => [link(key)].into_iter().collect(),
        Set::SameBridge | Set::Isolated => [link(key), link(after(NAME))].into_iter().collect(),
        Set::Mac => [link(key), mac(after(16))].into_iter().collect(),
        Set::Gateway4 => [link(key), ipv4(after(16))].into_iter().collect(),
        Set::Gateway6 => [link(key), ipv6(after(16))].into_iter().collect(),
        Set::Source4 => [link(key), mac(after(16)), ipv4(after(24))].into_iter().collect(),
        Set::Source6 => [link(key), mac(after(16)), ipv6(after(24))].into_iter().collect(),
    }
}
