//! VLANs of bridge ports: `struct br_vlan_msg` to ask, `struct ifinfomsg` of the bridge family to tell.

use netd_model::object::Vlan;
use rustix::io::Errno;

use super::AF_BRIDGE;
use crate::wire::{Attributes, NLM_F_DUMP, Requests, array, u16_of};

const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;
const RTM_GETVLAN: u16 = 114;

/// `struct br_vlan_msg`: family, padding, index.
const HEADER: usize = 8;

const BRIDGE_VLANDB_ENTRY: u16 = 1;
const BRIDGE_VLANDB_ENTRY_INFO: u16 = 1;
const BRIDGE_VLANDB_ENTRY_RANGE: u16 = 2;

const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_VLAN_INFO_PVID: u16 = 1 << 1;
const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 1 << 2;

/// The VLANs of one port; no answer from a kernel that has none.
pub(crate) fn get_of(requests: &mut Requests, index: u32) {
    let none = &[Errno::OPNOTSUPP, Errno::NODEV];
    requests.push_forgiving(RTM_GETVLAN, NLM_F_DUMP, none, |body| {
        let [a, b, c, d] = index.to_ne_bytes();
        body.fixed(&[AF_BRIDGE, 0, 0, 0, a, b, c, d]);
    });
}

/// Reads the body of an answer: ranges of VLANs that share their flags.
pub(crate) fn read(body: &[u8]) -> Vec<Range> {
    let entries = Attributes::after(body, HEADER).filter(|(kind, _)| *kind == BRIDGE_VLANDB_ENTRY);
    entries.filter_map(|(_, entry)| Range::read(&Attributes::of(entry))).collect()
}

/// VLANs from one id to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    first: u16,
    last: u16,
    flags: u16,
}

impl Range {
    fn read(entry: &Attributes<'_>) -> Option<Self> {
        let [f0, f1, v0, v1] = entry.find(BRIDGE_VLANDB_ENTRY_INFO).and_then(array)?;
        let first = u16::from_ne_bytes([v0, v1]);
        let last = entry.find(BRIDGE_VLANDB_ENTRY_RANGE).and_then(u16_of).unwrap_or(first);
        Some(Self { first, last, flags: u16::from_ne_bytes([f0, f1]) })
    }

    pub(crate) fn has(self, vid: u16) -> bool {
        (self.first..=self.last).contains(&vid)
    }

    pub(crate) fn pvid(self) -> bool {
        self.flags & BRIDGE_VLAN_INFO_PVID != 0
    }

    pub(crate) fn untagged(self) -> bool {
        self.flags & BRIDGE_VLAN_INFO_UNTAGGED != 0
    }
}

/// Puts a port in a VLAN.
pub(crate) fn add(requests: &mut Requests, vlan: &Vlan, index: u32) {
    request(requests, RTM_SETLINK, &[], vlan, index);
}

/// Takes a port out of a VLAN.
pub(crate) fn delete(requests: &mut Requests, vlan: &Vlan, index: u32) {
    request(requests, RTM_DELLINK, &[Errno::NOENT, Errno::NODEV], vlan, index);
}

fn request(requests: &mut Requests, kind: u16, forgiven: &'static [Errno], vlan: &Vlan, index: u32) {
    let flag = |on: bool, bit: u16| if on { bit } else { 0 };
    let flags = flag(vlan.pvid, BRIDGE_VLAN_INFO_PVID) | flag(vlan.untagged, BRIDGE_VLAN_INFO_UNTAGGED);
    requests.push_forgiving(kind, 0, forgiven, |body| {
        let [a, b, c, d] = index.to_ne_bytes();
        body.fixed(&[AF_BRIDGE, 0, 0, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]);
        body.nest(IFLA_AF_SPEC, |body| {
            let [f0, f1] = flags.to_ne_bytes();
            let [v0, v1] = vlan.vid.to_ne_bytes();
            body.bytes(IFLA_BRIDGE_VLAN_INFO, &[f0, f1, v0, v1]);
        });
    });
}
