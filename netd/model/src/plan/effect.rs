//! What a step changes besides the thing it names, as far as the steps after it depend on that.

use crate::object::{Key, Link, LinkKind, Object, Place, Side, State, Vlan};

use super::Step;

/// Takes `step` in `state`. False where there is nothing left to take: the thing went with another.
pub(super) fn take(step: &Step, state: &mut State) -> bool {
    match step {
        Step::Add(Object::Link(link)) => add_link(link, state),
        Step::AddPair(host, peer) => {
            add_link(host, state);
            add_link(peer, state);
        }
        Step::Add(Object::Moved(moved)) => {
            state.remove(&Key::Link(Side::Host, moved.home.clone()));
            let link = Link::new(moved.side, moved.name.clone(), moved.kind.clone());
            state.extend([Object::Link(Link { up: Some(false), ..link }), Object::Moved(moved.clone())]);
        }
        Step::Add(object) => state.insert(object.clone()),
        // No step after it depends on an attribute.
        Step::Set(_) => {}
        Step::Delete(object) => return delete(object, state),
    }
    true
}

/// A new interface is down and has no alias. A port of a bridge with VLAN filtering starts in VLAN 1.
fn add_link(link: &Link, state: &mut State) {
    if let Some(port) = &link.port
        && let Some(bridge) = state.link(Side::Host, &port.bridge)
        && matches!(bridge.kind, LinkKind::Bridge { vlan_filtering: Some(true) })
    {
        state.insert(Object::Vlan(Vlan { port: link.name.clone(), vid: 1, pvid: true, untagged: true }));
    }
    state.insert(Object::Link(Link { up: Some(false), ..link.clone() }));
}

/// With an interface go its addresses, routes, VLANs, queues and parameters, and the other end of a pair.
fn delete(object: &Object, state: &mut State) -> bool {
    let Some(found) = state.remove(&object.key()) else { return false };
    if let Object::Moved(moved) = &found {
        // It leaves everything behind that was on it there.
        delete(&Object::Link(Link::new(moved.side, moved.name.clone(), moved.kind.bare())), state);
        return true;
    }
    if let Object::Qdisc(qdisc) = &found
        && qdisc.place() == Place::Filters
    {
        let of_it = |object: &Object| matches!(object, Object::Filter(other) if (other.side, &other.link) == (qdisc.side, &qdisc.link));
        state.retain(|object| !of_it(object));
    }
    if let Object::Link(link) = found {
        let gone = Key::Link(link.side, link.name);
        state.retain(|object| object.carrier().as_ref() != Some(&gone));
        if let LinkKind::Veth { peer: Some((side, name)) } = link.kind
            && let Some(peer) = state.link(side, &name).cloned()
        {
            delete(&Object::Link(peer), state);
        }
    }
    true
}
