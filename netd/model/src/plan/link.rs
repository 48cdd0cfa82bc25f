//! The difference between two interfaces.

use crate::object::{Link, LinkKind, Port};

/// What is said in the request that makes an interface; the kernel takes the rest only from a later one.
pub(super) fn bare(link: &Link) -> Link {
    let port = link.port.as_ref().map(|port| Port { hairpin: None, isolated: None, ..port.clone() });
    Link {
        alias: None,
        promiscuous: None,
        all_multicast: None,
        queue_length: None,
        link_local: None,
        checksum_offload: None,
        up: None,
        port,
        ..link.clone()
    }
}

/// The attributes of `wanted` that `found` has not.
pub(super) fn change(wanted: &Link, found: &Link) -> Option<Link> {
    let change = Link {
        side: wanted.side,
        name: wanted.name.clone(),
        kind: kind_change(&wanted.kind, &found.kind),
        mac: differs(wanted.mac.as_ref(), found.mac.as_ref()),
        mtu: differs(wanted.mtu.as_ref(), found.mtu.as_ref()),
        group: differs(wanted.group.as_ref(), found.group.as_ref()),
        alias: differs(wanted.alias.as_ref(), found.alias.as_ref()),
        promiscuous: differs(wanted.promiscuous.as_ref(), found.promiscuous.as_ref()),
        all_multicast: differs(wanted.all_multicast.as_ref(), found.all_multicast.as_ref()),
        queue_length: differs(wanted.queue_length.as_ref(), found.queue_length.as_ref()),
        link_local: differs(wanted.link_local.as_ref(), found.link_local.as_ref()),
        checksum_offload: differs(wanted.checksum_offload.as_ref(), found.checksum_offload.as_ref()),
        port: port_change(wanted.port.as_ref(), found.port.as_ref()),
        up: differs(wanted.up.as_ref(), found.up.as_ref()),
    };
    let unchanged = Link::new(wanted.side, wanted.name.clone(), wanted.kind.bare());
    (change != unchanged).then_some(change)
}

/// Whether `found` was born with something that `wanted` says otherwise: it goes, and another comes.
pub(super) fn is_of_another_birth(wanted: &Link, found: &Link) -> bool {
    match (&wanted.kind, &found.kind) {
        (
            LinkKind::Vxlan { vni, local, port, learning },
            LinkKind::Vxlan { vni: v, local: l, port: p, learning: learns },
        ) => differ(vni, v) || differ(local, l) || differ(port, p) || differ(learning, learns),
        (LinkKind::Macvlan { parent, mode, queue }, LinkKind::Macvlan { parent: p, mode: m, queue: q }) => {
            differ(parent, p) || differ(mode, m) || differ(queue, q)
        }
        (LinkKind::Ipvlan { parent, mode }, LinkKind::Ipvlan { parent: p, mode: m }) => {
            differ(parent, p) || differ(mode, m)
        }
        (LinkKind::Vlan { parent, id }, LinkKind::Vlan { parent: p, id: i }) => differ(parent, p) || differ(id, i),
        (LinkKind::Vrf { table }, LinkKind::Vrf { table: t }) => differ(table, t),
        (LinkKind::Tap { owner, group, multi_queue, .. }, LinkKind::Tap { owner: o, group: g, multi_queue: m, .. }) => {
            differ(owner, o) || differ(group, g) || differ(multi_queue, m)
        }
        _ => false,
    }
}

#[expect(clippy::ref_option, reason = "both are fields of an attribute that is compared")]
fn differ<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
    wanted.is_some() && wanted != found
}

fn differs<T: PartialEq + Clone>(wanted: Option<&T>, found: Option<&T>) -> Option<T> {
    wanted.filter(|wanted| found != Some(wanted)).cloned()
}

fn kind_change(wanted: &LinkKind, found: &LinkKind) -> LinkKind {
    match (wanted, found) {
        (LinkKind::Bridge { vlan_filtering: wanted }, LinkKind::Bridge { vlan_filtering: found }) => {
            LinkKind::Bridge { vlan_filtering: differs(wanted.as_ref(), found.as_ref()) }
        }
        (LinkKind::Veth { peer: Some(wanted) }, LinkKind::Veth { peer: Some(found) }) if wanted != found => {
            LinkKind::Veth { peer: Some(wanted.clone()) }
        }
        _ => wanted.bare(),
    }
}

fn port_change(wanted: Option<&Port>, found: Option<&Port>) -> Option<Port> {
    let wanted = wanted?;
    let found = found.filter(|found| found.bridge == wanted.bridge);
    let change = Port {
        bridge: wanted.bridge.clone(),
        hairpin: differs(wanted.hairpin.as_ref(), found.and_then(|port| port.hairpin.as_ref())),
        isolated: differs(wanted.isolated.as_ref(), found.and_then(|port| port.isolated.as_ref())),
    };
    (found.is_none() || change.hairpin.is_some() || change.isolated.is_some()).then_some(change)
}
