//! Second names of interfaces, and moves between namespaces: `struct ifinfomsg` and its attributes.

use std::os::fd::RawFd;

use netd_model::name::LinkName;
use rustix::io::Errno;

use super::link::header;
use crate::wire::{NESTED, NLM_F_CREATE, NLM_F_EXCL, Requests};

const RTM_NEWLINK: u16 = 16;
const RTM_NEWLINKPROP: u16 = 108;
const RTM_DELLINKPROP: u16 = 109;

const IFLA_IFNAME: u16 = 3;
const IFLA_IFALIAS: u16 = 20;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_PROP_LIST: u16 = 0x34 | NESTED;
const IFLA_ALT_IFNAME: u16 = 53;

const IFF_UP: u32 = 1;

/// Gives the interface of this number a second name. That it has it is success.
pub(crate) fn add_name(requests: &mut Requests, index: u32, name: &LinkName) {
    requests.push_forgiving(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL, &[Errno::EXIST], |body| {
        header(body, index, 0, 0).nest(IFLA_PROP_LIST, |body| {
            body.text(IFLA_ALT_IFNAME, name.as_str());
        });
    });
}

/// Takes a second name from the interface of this number.
pub(crate) fn delete_name(requests: &mut Requests, index: u32, name: &LinkName) {
    requests.push_forgiving(RTM_DELLINKPROP, 0, &[Errno::NOENT], |body| {
        header(body, index, 0, 0).nest(IFLA_PROP_LIST, |body| {
            body.text(IFLA_ALT_IFNAME, name.as_str());
        });
    });
}

/// Gives the interface of this number another name and alias, down, in the namespace of a descriptor where one is given.
pub(crate) fn rename(requests: &mut Requests, index: u32, name: &LinkName, alias: Option<&str>, netns: Option<RawFd>) {
    requests.push(RTM_NEWLINK, 0, |body| {
        header(body, index, 0, if netns.is_some() { IFF_UP } else { 0 }).text(IFLA_IFNAME, name.as_str());
        if let Some(alias) = alias {
            body.bytes(IFLA_IFALIAS, alias.as_bytes());
        }
        if let Some(netns) = netns {
            body.bytes(IFLA_NET_NS_FD, &netns.to_ne_bytes());
        }
    });
}

/// Brings the interface of this number up.
pub(crate) fn up(requests: &mut Requests, index: u32) {
    requests.push(RTM_NEWLINK, 0, |body| {
        header(body, index, IFF_UP, IFF_UP);
    });
}
