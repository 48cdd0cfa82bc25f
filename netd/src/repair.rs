//! What netd may put back when others broke it, as a function of what is recorded and what is there.
//!
//! Never: a container's interface, a bridge that was found and not made, an interface that took a name of ours.
//! Of a host's end of a pair only its membership in a bridge is put back, when it is in none or in another, and what holds
//! packets back there: lab users take interfaces down on purpose. What is left after this is wanted as ADD wants it, and
//! goes the same way.

use netd_model::{
    attachment::Attachment,
    name::LinkName,
    object::{Filter, Key, Link, LinkKind, Object, Port, Program, Side, State, Verdict},
    plan::Desired,
};

#[cfg(test)]
mod tests;

/// What netd looks at for as long as the attachment lives: a thousand documents would be most of its memory.
pub(crate) fn of_host(mut attachment: Attachment) -> Attachment {
    for section in attachment.sections.values_mut() {
        // Collected anew, because a map that only loses entries keeps its size.
        let own = std::mem::take(&mut section.own).into_iter();
        section.own = own.filter(|object| object.side() == Side::Host).collect();
        if let Some(names) = &mut section.names {
            names.shrink();
        }
    }
    attachment
}

/// What attachments share that netd may put back: bridges we made, what is on them, the program, host parameters.
pub(crate) fn shared<'a>(attachments: impl IntoIterator<Item = &'a Attachment>) -> State {
    let mut wanted = State::default();
    // Attachments of a network record the same, as a rule.
    let mut seen: Option<&State> = None;
    for attachment in attachments {
        for section in attachment.sections.values().filter(|section| !section.shared.is_empty()) {
            if seen.replace(&section.shared) != Some(&section.shared) {
                let candidates = section.shared.iter().filter_map(|object| candidate(object, attachment));
                candidates.for_each(|object| add(&mut wanted, object));
            }
        }
    }
    wanted
}

/// What is one attachment's own that netd may put back: its elements, its place in a bridge, what holds its packets back,
/// what it holds with others.
pub(crate) fn own(attachment: &Attachment) -> State {
    let own = attachment.sections.values().flat_map(|section| section.own.iter().chain(section.held.iter()));
    own.filter_map(|object| candidate(object, attachment)).collect()
}

/// The keys of all that [`permitted`] looks at.
pub(crate) fn keys(wanted: &State) -> Vec<Key> {
    let bridges = wanted.iter().filter_map(|object| match object {
        Object::Link(Link { port: Some(port), .. }) => Some(Key::Link(Side::Host, port.bridge.clone())),
        Object::Qdisc(_) | Object::Filter(_) => object.carrier(),
        _ => None,
    });
    let mut keys: Vec<Key> = wanted.keys().cloned().chain(bridges).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// What of `wanted` is put back, given what is there under its [`keys`].
pub(crate) fn permitted(wanted: &State, observed: &State) -> Desired {
    let foreign = |name: &LinkName| {
        let found = observed.link(Side::Host, name);
        match (wanted.link(Side::Host, name), found) {
            (Some(ours), Some(found)) => !Object::Link(ours.clone()).is_owned_like(&Object::Link(found.clone())),
            // A veth that is gone took its container's interface along, or went with it.
            (Some(ours), None) => matches!(ours.kind, LinkKind::Veth { .. }),
            (None, _) => false,
        }
    };
    let present = wanted.iter().filter_map(|object| match object {
        Object::Link(link) if foreign(&link.name) => None,
        Object::Link(link) if matches!(link.kind, LinkKind::Veth { .. }) => {
            let bridge = &link.port.as_ref()?.bridge;
            let is_wanted = wanted.link(Side::Host, bridge).is_some() && !foreign(bridge);
            let can_be_joined = is_wanted || is_bridge_of_ours(observed.link(Side::Host, bridge));
            (can_be_joined && !is_in_place(link, observed)).then(|| Object::Link(Link { alias: None, ..link.clone() }))
        }
        Object::Link(link) if link.kind == LinkKind::Ifb => is_led_to(link, wanted, observed).then(|| object.clone()),
        Object::Qdisc(_) | Object::Filter(_) => stands(object, wanted, observed).then(|| object.clone()),
        object => {
            let on_foreign = matches!(object.carrier(), Some(Key::Link(_, carrier)) if foreign(&carrier));
            (!on_foreign).then(|| object.clone())
        }
    });
    Desired { present: present.collect(), absent: State::default() }
}

/// `object`, which `attachment` recorded, as netd may want it.
fn candidate(object: &Object, attachment: &Attachment) -> Option<Object> {
    if object.side() != Side::Host {
        return None;
    }
    match object {
        Object::Element(_)
        | Object::Conditions(_)
        | Object::Admin(_)
        | Object::Opening(_)
        | Object::Qdisc(_)
        | Object::Filter(_) => Some(object.clone()),
        // A newer plugin may have recorded a program that this netd does not have.
        Object::Program(Program { family, version }) => {
            Some(Object::Program(Program { family: *family, version: family.version().min(*version) }))
        }
        Object::Link(link) => match link.kind {
            LinkKind::Bridge { .. } => link.is_ours().then(|| object.clone()),
            LinkKind::Veth { .. } => port_candidate(link, attachment).map(Object::Link),
            LinkKind::Ifb => Some(object.clone()),
            _ => None,
        },
        Object::Sysctl(sysctl) if sysctl.path.link().is_none() => Some(object.clone()),
        Object::Vlan(vlan) => on_port_of_ours(&vlan.port, attachment).then(|| object.clone()),
        Object::Sysctl(_)
        | Object::Address(_)
        | Object::Point(_)
        | Object::Neighbour(_)
        | Object::Fdb(_)
        | Object::Route(_) => {
            let Some(Key::Link(_, carrier)) = object.carrier() else { return None };
            is_bridge_of_ours(recorded(attachment, &carrier)).then(|| object.clone())
        }
        // Of a container: its user may want it otherwise.
        Object::Rule(_) | Object::Moved(_) => None,
    }
}

/// The host's end of a pair, of which only the place in a bridge of ours is wanted, as the last plugin has it: a bridge
/// that was recorded, or one that nobody recorded because netd keeps it for a network of many hosts.
fn port_candidate(link: &Link, attachment: &Attachment) -> Option<Link> {
    let changed = attachment.sections.values().filter_map(|section| section.changed.link(Side::Host, &link.name));
    let port = changed.fold(link.port.clone(), |port, changed| Port::joined(port, changed.port.as_ref()))?;
    let bridge = recorded(attachment, &port.bridge);
    if bridge.is_some() && !is_bridge_of_ours(bridge) {
        return None;
    }
    let bare = Link::new(Side::Host, link.name.clone(), LinkKind::Veth { peer: None });
    Some(Link { port: Some(port), alias: link.alias.clone(), ..bare })
}

/// Whether a filter leads to this IFB from an interface of ours that is there: without one nobody needs it.
fn is_led_to(ifb: &Link, wanted: &State, observed: &State) -> bool {
    wanted.iter().any(|object| match object {
        Object::Filter(Filter { link, verdict: Verdict::Redirect(to), .. }) => {
            *to == ifb.name && observed.link(Side::Host, link).is_some_and(Link::is_ours)
        }
        _ => false,
    })
}

/// Whether what is on an interface has one: of ours, or an IFB that is made again.
fn stands(object: &Object, wanted: &State, observed: &State) -> bool {
    let Some(Key::Link(_, name)) = object.carrier() else { return false };
    match (observed.link(Side::Host, &name), wanted.link(Side::Host, &name)) {
        (Some(found), _) => found.is_ours(),
        (None, Some(ifb)) => ifb.kind == LinkKind::Ifb && is_led_to(ifb, wanted, observed),
        (None, None) => false,
    }
}

/// Whether the port is in its bridge.
fn is_in_place(link: &Link, observed: &State) -> bool {
    let bridge = |link: &Link| link.port.as_ref().map(|port| port.bridge.clone());
    observed.link(link.side, &link.name).is_some_and(|found| bridge(found) == bridge(link))
}

fn on_port_of_ours(port: &LinkName, attachment: &Attachment) -> bool {
    let link = recorded(attachment, port);
    let bridge = link.and_then(|link| link.port.as_ref()).and_then(|port| recorded(attachment, &port.bridge));
    is_bridge_of_ours(link) || is_bridge_of_ours(bridge)
}

/// The interface of the host that the attachment recorded under this name.
fn recorded<'a>(attachment: &'a Attachment, name: &LinkName) -> Option<&'a Link> {
    let of = |state: &'a State| state.link(Side::Host, name);
    attachment.sections.values().find_map(|section| of(&section.shared).or_else(|| of(&section.own)))
}

fn is_bridge_of_ours(link: Option<&Link>) -> bool {
    link.is_some_and(|link| link.is_ours() && matches!(link.kind, LinkKind::Bridge { .. }))
}

/// Adds `object`; of two programs the newer is wanted.
fn add(wanted: &mut State, object: Object) {
    match (&object, wanted.find(&object.key())) {
        (Object::Program(new), Some(Object::Program(old))) if old.version >= new.version => {}
        _ => wanted.insert(object),
    }
}
