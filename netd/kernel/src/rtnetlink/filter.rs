//! Filters: `struct tcmsg` and its attributes, of `include/uapi/linux/{rtnetlink,pkt_cls,tc_act/tc_mirred}.h`.
//!
//! They are of the classifier u32, which every kernel has that has any.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netd_model::{
    name::LinkName,
    object::{Direction, Filter, Packets, Side, Verdict},
};
use rustix::io::Errno;

use super::{
    octets,
    qdisc::{HEADER, TCA_KIND, TCA_OPTIONS, header},
};
use crate::wire::{Attributes, Body, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Requests, array, text, u32_of};

const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;

const ETH_P_ALL: u16 = 0x0003;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)` and `TC_H_MIN_EGRESS`.
const COMING: u32 = 0xffff_fff2;
const LEAVING: u32 = 0xffff_fff3;

/// The node of a filter in its hash table, whose number the kernel chooses: with it a second one is refused.
const NODE: u32 = 0x800;
const NODES: u32 = 0xfff;

/// The class of what a filter takes, which nobody looks at: `1:1`, as the reference plugin has it.
const CLASS: u32 = 0x0001_0001;

const TCA_U32_CLASSID: u16 = 1;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;

/// `struct tc_u32_sel` without its keys: flags, shift, count of keys, padding, and offsets of no use here.
const SELECTOR: usize = 16;
/// `struct tc_u32_key`: mask, value, offset, mask of the offset.
const KEY: usize = 16;
/// No other filter is asked after this one.
const TC_U32_TERMINAL: u8 = 1;

/// The first of a list of actions.
const FIRST: u16 = 1;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
const TCA_MIRRED_PARMS: u16 = 2;
/// `struct tc_mirred`: index, capabilities, action, two of counts, what is done, interface.
const MIRRED: usize = 28;
const TC_ACT_STOLEN: u32 = 4;
const TCA_EGRESS_REDIR: u32 = 1;

/// Where the addresses of a packet are, from the beginning of its header of IP: source, destination.
const ADDRESSES4: [u32; 2] = [12, 16];
const ADDRESSES6: [u32; 2] = [8, 24];

/// A filter as the kernel shows it. The interface that it leads to is a number here.
pub(crate) struct Found {
    priority: u16,
    packets: Packets,
    /// The number is 0 where the interface is gone.
    target: Option<u32>,
    is_plain: bool,
}

/// Those of one direction of an interface.
pub(crate) fn get_of(requests: &mut Requests, index: u32, direction: Direction) {
    // Where nothing has filters, none are there.
    let none = &[Errno::INVAL, Errno::NOENT, Errno::NODEV, Errno::OPNOTSUPP];
    requests.push_forgiving(RTM_GETTFILTER, NLM_F_DUMP, none, |body| {
        header(body, index, 0, parent(direction), 0);
    });
}

impl Found {
    /// Reads the body of an answer: a filter that stands where ours would. Its classifier and hash table are answers
    /// of their own.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let [_, _, _, _, _, _, _, _, h0, h1, h2, h3, _, _, _, _, i0, i1, i2, i3] = array::<HEADER>(body)?;
        let (handle, info) = (u32::from_ne_bytes([h0, h1, h2, h3]), u32::from_ne_bytes([i0, i1, i2, i3]));
        let [p0, p1, n0, n1] = info.to_be_bytes();
        // The protocol is in network byte order within a number that is not.
        let (priority, protocol) = (u16::from_be_bytes([p0, p1]), u16::from_be(u16::from_be_bytes([n0, n1])));
        let attributes = Attributes::after(body, HEADER);
        let is_u32 = attributes.find(TCA_KIND).and_then(text) == Some("u32");
        let options = Attributes::of(attributes.find(TCA_OPTIONS).unwrap_or_default());
        if !is_u32 {
            // Something else at this priority.
            return (handle != 0).then_some(Self { priority, packets: Packets::Other, target: None, is_plain: false });
        }
        if handle & NODES != NODE {
            return None;
        }
        let action = options.find(TCA_U32_ACT).map(Attributes::of).and_then(|list| list.find(FIRST));
        let packets = options.find(TCA_U32_SEL).and_then(|selector| packets(protocol, selector));
        let target = action.and_then(redirected);
        let packets = packets.unwrap_or(Packets::Other);
        Some(Self { priority, packets, target, is_plain: action.is_none() })
    }

    /// The number of the interface that it leads to.
    pub(crate) fn target(&self) -> Option<u32> {
        self.target.filter(|index| *index != 0)
    }

    /// The filter, with the name of the interface that it leads to.
    pub(crate) fn filter(self, side: Side, link: &LinkName, direction: Direction, target: Option<LinkName>) -> Filter {
        let verdict = match target {
            Some(target) => Verdict::Redirect(target),
            None if self.is_plain => Verdict::Pass,
            None => Verdict::Other,
        };
        let Self { priority, packets, .. } = self;
        Filter { side, link: link.clone(), direction, priority, packets, verdict }
    }
}

/// Adds one that leads to the interface of number `target`, if to any.
pub(crate) fn add(requests: &mut Requests, wanted: &Filter, index: u32, target: Option<u32>) {
    requests.push(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, |body| {
        let protocol = match wanted.packets.subnet() {
            Some(subnet) if subnet.is_ipv4() => ETH_P_IP,
            Some(_) => ETH_P_IPV6,
            None => ETH_P_ALL,
        };
        let info = u32::from(wanted.priority) << 16 | u32::from(protocol.to_be());
        header(body, index, NODE, parent(wanted.direction), info).text(TCA_KIND, "u32").nest(TCA_OPTIONS, |body| {
            body.u32(TCA_U32_CLASSID, CLASS).bytes(TCA_U32_SEL, &selector(&wanted.packets));
            if let Some(target) = target {
                redirect(body, target);
            }
        });
    });
}

/// Removes all of this priority.
pub(crate) fn delete(requests: &mut Requests, unwanted: &Filter, index: u32) {
    // Also where what had it is gone.
    let gone = &[Errno::NOENT, Errno::NODEV, Errno::INVAL];
    requests.push_forgiving(RTM_DELTFILTER, 0, gone, |body| {
        header(body, index, 0, parent(unwanted.direction), u32::from(unwanted.priority) << 16);
    });
}

/// The action that sends packets on to an interface.
fn redirect(body: &mut Body<'_>, target: u32) {
    let mut mirred = [0; MIRRED];
    let numbers = [0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, target];
    for (place, value) in mirred.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    body.nest(TCA_U32_ACT, |body| {
        body.nest(FIRST, |body| {
            body.text(TCA_ACT_KIND, "mirred").nest(TCA_ACT_OPTIONS, |body| {
                body.bytes(TCA_MIRRED_PARMS, &mirred);
            });
        });
    });
}

/// The interface that an action sends packets on to.
fn redirected(action: &[u8]) -> Option<u32> {
    let action = Attributes::of(action);
    if action.find(TCA_ACT_KIND).and_then(text) != Some("mirred") {
        return None;
    }
    let parameters = action.find(TCA_ACT_OPTIONS).map(Attributes::of)?.find(TCA_MIRRED_PARMS)?;
    let number = |at: usize| parameters.get(at * 4..).and_then(u32_of);
    (number(5) == Some(TCA_EGRESS_REDIR)).then(|| number(6)).flatten()
}

/// What u32 compares: words of the address, as far as its prefix goes.
fn selector(packets: &Packets) -> Vec<u8> {
    let mut keys: Vec<[u8; KEY]> = Vec::new();
    if let Some(subnet) = packets.subnet() {
        let [source, destination] = if subnet.is_ipv4() { ADDRESSES4 } else { ADDRESSES6 };
        let at = if matches!(packets, Packets::From(_)) { source } else { destination };
        let (mask, network) = (octets(subnet.mask()), octets(subnet.network()));
        let words = mask.chunks_exact(4).zip(network.chunks_exact(4)).zip((at..).step_by(4));
        // The first also where it takes all: it says which address is meant.
        let compared = words.filter(|((mask, _), offset)| *offset == at || mask.iter().any(|byte| *byte != 0));
        keys.extend(compared.filter_map(|((mask, value), offset)| key(mask, value, offset)));
    } else {
        keys.push([0; KEY]);
    }
    let count = u8::try_from(keys.len()).unwrap_or(u8::MAX);
    let mut selector = vec![0; SELECTOR];
    for (place, value) in selector.iter_mut().zip([TC_U32_TERMINAL, 0, count]) {
        *place = value;
    }
    selector.extend(keys.concat());
    selector
}

fn key(mask: &[u8], value: &[u8], offset: u32) -> Option<[u8; KEY]> {
    [mask, value, &offset.to_ne_bytes(), &[0; 4]].concat().try_into().ok()
}

/// The packets of a selector, if it is as ours are.
fn packets(protocol: u16, found: &[u8]) -> Option<Packets> {
    // The flags are not compared.
    let is = |packets: &Packets| selector(packets).get(2..) == found.get(2..);
    if protocol == ETH_P_ALL {
        return is(&Packets::All).then_some(Packets::All);
    }
    let keys = found.get(SELECTOR..)?;
    [true, false].into_iter().find_map(|from| {
        let subnet = subnet(protocol, keys, from)?;
        let packets = if from { Packets::From(subnet) } else { Packets::To(subnet) };
        is(&packets).then_some(packets)
    })
}

/// The subnet that keys compare an address with.
fn subnet(protocol: u16, keys: &[u8], from: bool) -> Option<IpNetwork> {
    let (offsets, mut mask, mut value) = match protocol {
        ETH_P_IP => (ADDRESSES4, vec![0; 4], vec![0; 4]),
        ETH_P_IPV6 => (ADDRESSES6, vec![0; 16], vec![0; 16]),
        _ => return None,
    };
    let [source, destination] = offsets;
    let start = if from { source } else { destination };
    for key in keys.chunks_exact(KEY) {
        let (Some(of_mask), Some(of_value)) = (key.get(..4), key.get(4..8)) else { return None };
        let offset = key.get(8..).and_then(u32_of)?.checked_sub(start)?;
        let at = usize::try_from(offset).ok()?;
        mask.get_mut(at..at.checked_add(4)?)?.copy_from_slice(of_mask);
        value.get_mut(at..at.checked_add(4)?)?.copy_from_slice(of_value);
    }
    let address = |bytes: &[u8]| match bytes.len() {
        4 => array::<4>(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes))),
        _ => array::<16>(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))),
    };
    IpNetwork::with_netmask(address(&value)?, address(&mask)?).ok()
}

fn parent(direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => COMING,
        Direction::Egress => LEAVING,
    }
}
