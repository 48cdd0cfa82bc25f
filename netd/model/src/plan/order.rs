//! The order of steps: what others need comes first, what lets packets pass comes last.

use crate::object::{Link, LinkKind, Object, Side};

use super::Step;

/// Sorts additions: rules before the packets they are for, interfaces before what is on them.
pub(super) fn addition(steps: &mut [Step]) {
    steps.sort_by_key(|step| match step {
        Step::Delete(Object::Element(_)) | Step::Add(Object::Element(_)) => 1,
        Step::Add(object) | Step::Delete(object) => of_object(object),
        Step::AddPair(..) => 3,
        // The host's end waits for nothing; the container's comes up when its addresses are there.
        Step::Set(link) if link.side == Side::Host => 6,
        Step::Set(_) => 7,
    });
}

/// Sorts removals: translations, interfaces, then what holds back their packets, so that none passes unchecked.
pub(super) fn removal(steps: &mut [Step]) {
    steps.sort_by_key(|step| match step {
        // While the kernel takes the interface down, they expire: see `netd_kernel`'s `apply`.
        Step::Delete(Object::Element(element)) if element.key.set.is_translation() => (0, Side::Host),
        // With it go its filters, of which none then leads to an interface that is gone.
        Step::Delete(Object::Qdisc(qdisc)) => (0, qdisc.side),
        Step::Delete(Object::Link(link)) => (1, link.side),
        Step::Delete(Object::Moved(moved)) => (1, moved.side),
        Step::Delete(object) => (12 - of_object(object), object.side()),
        _ => (12, Side::Host),
    });
}

/// Bridges before ports; of a pair the end that names the other.
pub(super) fn of_creation(link: &Link) -> u8 {
    match link.kind {
        LinkKind::Bridge { .. } => 0,
        LinkKind::Veth { peer: Some(_) } => 1,
        _ => 2,
    }
}

fn of_object(object: &Object) -> u8 {
    match object {
        // The program before the chains that go on in it.
        Object::Program(_) | Object::Conditions(_) | Object::Admin(_) => 0,
        Object::Element(_) => 1,
        Object::Sysctl(sysctl) if sysctl.path.link().is_none() && sysctl.side == Side::Host => 2,
        Object::Link(_) | Object::Moved(_) => 3,
        Object::Sysctl(_) | Object::Vlan(_) | Object::Qdisc(_) => 4,
        Object::Address(address) | Object::Point(address) if !address.deprecated => 5,
        // Of several addresses the first is the source, where no route says another.
        Object::Address(_) | Object::Point(_) => 6,
        // The kernel takes them only where the interface is up, or loses them when it comes up.
        Object::Neighbour(_) | Object::Fdb(_) => 7,
        // A router must be on the link, by an address or another route.
        Object::Route(route) if route.gateway.is_none() => 8,
        Object::Route(_) => 9,
        // Packets go another way only when that is whole.
        Object::Rule(_) | Object::Filter(_) => 10,
        // Another program is asked, and what it refuses keeps nothing else from being done.
        Object::Opening(_) => 11,
    }
}
