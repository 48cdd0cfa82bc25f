//! As frames: the VXLAN device is a port of the bridge and learns who is where. What goes to nobody that is known, and to
//! groups, goes to every host: per host one FDB entry, and nothing else.

use std::net::IpAddr;

use netd_model::{
    element::{Family, Part, Set},
    object::{Fdb, Object, Port, Program},
    overlay::{Member, Overlay, l2},
};

use super::{Here, Ways, device, element};

/// The bridge, the VXLAN device as its port, and what does not cross it.
pub(super) fn apart_from_peers(here: &Here, ways: &Ways) -> Vec<Object> {
    let Here { overlay, own, .. } = here;
    let name = overlay.device();
    let mut objects = l2::bridge(overlay, &l2::shares(overlay, &own.subnets), Some(own.mac), ways.has_ipv6);
    let port = Port { bridge: overlay.bridge(), hairpin: Some(false), isolated: Some(false) };
    objects.extend([
        device(here, ways, Some(port)),
        Object::Program(Program { family: Family::Bridge, version: Family::Bridge.version() }),
        element(overlay, Set::Elsewhere, vec![Part::Link(name.clone())]),
    ]);
    objects.extend(overlay.subnets.iter().map(|subnet| {
        let (set, gateway) = match l2::gateway(*subnet) {
            IpAddr::V4(address) => (Set::Gateway4, Part::Ipv4(address)),
            IpAddr::V6(address) => (Set::Gateway6, Part::Ipv6(address)),
        };
        element(overlay, set, vec![Part::Link(name.clone()), gateway])
    }));
    objects
}

/// What is flooded to one host.
pub(super) fn to_peer(overlay: &Overlay, peer: &Member) -> Object {
    Object::Fdb(Fdb { link: overlay.device(), mac: None, destination: peer.vtep })
}
