//! The difference between what should be and what is, as steps.
//!
//! The law: for every desired state d, after `apply(plan(d, observe()))`, `plan(d, observe())` is empty. ADD, DEL, CHECK,
//! GC and netd's repair are this one function with different desired states.

mod effect;
mod link;
mod order;
mod script;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::object::{Key, Link, LinkKind, Object, QdiscKind, State};

/// What should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// What should be there.
    pub present: State,
    /// What should not. A thing that somebody else owns stays: see [`Object::is_owned_like`].
    pub absent: State,
}

/// The steps from what is to what should be; nothing to do where there are none.
///
/// Printed, it is a script of ip(8), bridge(8), tc(8), sysctl(8) and nft(8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order in which they are taken.
    pub steps: Vec<Step>,
}

/// One change of the kernel. It leaves no choice to who takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Makes a thing that must not be there yet; writes a sysctl; loads a program.
    Add(Object),
    /// Makes both ends of a veth pair in one request: the first in the host's namespace, the second where it says.
    AddPair(Link, Link),
    /// Changes those attributes of an interface that are `Some`.
    Set(Link),
    /// Removes a thing; success if it is gone already.
    Delete(Object),
}

impl Desired {
    /// The keys whose objects [`plan`] wants to see.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.present.keys().chain(self.absent.keys())
    }
}

impl Plan {
    /// Whether all is as it should be.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Object {
    /// Whether the thing that `self` was recorded for may be taken away when the kernel shows `found` under its key.
    ///
    /// Elements and interfaces carry their owner, queues and filters their kind; the rest is known by its key alone.
    pub fn is_owned_like(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Element(ours), Self::Element(found)) => ours.owner == found.owner,
            // An interface is marked as ours as it is made and gets its alias one request later.
            (Self::Link(ours), Self::Link(found)) => {
                ours.kind.word() == found.kind.word()
                    && found.is_ours()
                    && (found.alias.is_none() || ours.alias.is_none() || found.alias == ours.alias)
            }
            (Self::Qdisc(ours), Self::Qdisc(found)) => ours.kind.word() == found.kind.word(),
            // What it leads to may be gone.
            (Self::Filter(ours), Self::Filter(found)) => ours.packets == found.packets,
            (Self::Program(_) | Self::Conditions(_) | Self::Admin(_) | Self::Sysctl(_), _) => false,
            _ => true,
        }
    }
}

/// The steps that turn `observed` into `desired`.
///
/// `observed` holds what the kernel has under [`Desired::keys`]; what it does not hold does not exist.
pub fn plan(desired: &Desired, observed: &State) -> Plan {
    // A copy only where a step changes what later ones depend on: a network has thousands of objects.
    let mut state = Cow::Borrowed(observed);
    let mut steps = removals(&desired.absent, &mut state);
    let mut additions = creations(&desired.present, &mut state);
    // A new interface may bring what should not be there: a bridge port starts in VLAN 1.
    additions.extend(removals(&desired.absent, &mut state));
    additions.extend(changes(&desired.present, &state));
    order::addition(&mut additions);
    steps.extend(additions);
    Plan { steps }
}

fn removals(absent: &State, state: &mut Cow<'_, State>) -> Vec<Step> {
    let owned = |unwanted: &Object| {
        let found = state.find(&unwanted.key()).filter(|found| unwanted.is_owned_like(found))?;
        Some(match (unwanted, found) {
            (Object::Moved(unwanted), Object::Moved(found)) => Object::Moved(unwanted.found_at(found)),
            (_, found) => found.clone(),
        })
    };
    let mut steps: Vec<Step> = absent.iter().filter_map(owned).map(Step::Delete).collect();
    order::removal(&mut steps);
    steps.retain(|step| effect::take(step, state.to_mut()));
    steps
}

fn creations(present: &State, state: &mut Cow<'_, State>) -> Vec<Step> {
    let mut links: Vec<&Link> = present.iter().filter_map(as_link).collect();
    links.sort_by_key(|link| order::of_creation(link));
    let mut steps = Vec::new();
    for object in present.iter() {
        let Object::Moved(wanted) = object else { continue };
        if !matches!(state.find(&object.key()), Some(Object::Moved(found)) if wanted.is_met_by(found)) {
            let step = Step::Add(object.clone());
            effect::take(&step, state.to_mut());
            steps.push(step);
        }
    }
    for wanted in present.iter() {
        if let Some(step) = qdisc_in_the_way(wanted, state) {
            effect::take(&step, state.to_mut());
            steps.push(step);
        }
    }
    for link in links {
        let found = state.link(link.side, &link.name).filter(|found| found.is_ours());
        if let Some(found) = found.filter(|found| link::is_of_another_birth(link, found)).cloned() {
            let step = Step::Delete(Object::Link(found));
            effect::take(&step, state.to_mut());
            steps.push(step);
        }
        if let Some(step) = creation(link, present, state) {
            effect::take(&step, state.to_mut());
            steps.push(step);
        }
    }
    steps
}

/// The step that takes away a queueing discipline of ours that is another one; its filters go with it.
fn qdisc_in_the_way(wanted: &Object, state: &State) -> Option<Step> {
    let (Object::Qdisc(wanted), Some(Object::Qdisc(found))) = (wanted, state.find(&wanted.key())) else { return None };
    let is_foreign = matches!(found.kind, QdiscKind::Other(_));
    (!is_foreign && !wanted.is_met_by(found)).then(|| Step::Delete(Object::Qdisc(found.clone())))
}

/// The steps from what is there, interfaces included, to what should be.
fn changes(present: &State, state: &State) -> Vec<Step> {
    let change = |wanted: &Object| match (wanted, state.find(&wanted.key())) {
        (Object::Link(wanted), Some(Object::Link(found))) => {
            link::change(wanted, found).map(Step::Set).into_iter().collect()
        }
        (Object::Link(_) | Object::Moved(_), _) => vec![],
        (wanted, None) => vec![Step::Add(wanted.clone())],
        (wanted, Some(found)) => replacement(wanted, found),
    };
    present.iter().flat_map(change).collect()
}

/// The step that makes an interface which is not there, or fails where something else has its name.
fn creation(link: &Link, present: &State, state: &State) -> Option<Step> {
    if state.link(link.side, &link.name).is_some_and(|found| found.kind.word() == link.kind.word()) {
        return None;
    }
    let peer = match &link.kind {
        LinkKind::Veth { peer: Some((side, name)) } => present.link(*side, name),
        _ => None,
    };
    Some(match peer {
        Some(peer) => Step::AddPair(link::bare(link), link::bare(peer)),
        None => Step::Add(Object::Link(link::bare(link))),
    })
}

/// The steps from a thing that is there to what it should be.
fn replacement(wanted: &Object, found: &Object) -> Vec<Step> {
    match (wanted, found) {
        (Object::Program(wanted), Object::Program(found)) if found.version >= wanted.version => vec![],
        (Object::Program(_) | Object::Sysctl(_) | Object::Neighbour(_), found) if wanted != found => {
            vec![Step::Add(wanted.clone())]
        }
        // One that has no subnet, found where it should have one, is another program's way to have it.
        (Object::Point(_), Object::Address(found)) => {
            vec![Step::Delete(Object::Address(found.clone())), Step::Add(wanted.clone())]
        }
        // The kernel says that something else is there.
        (Object::Qdisc(wanted), Object::Qdisc(found)) if !wanted.is_met_by(found) => {
            vec![Step::Add(Object::Qdisc(wanted.clone()))]
        }
        (Object::Element(_) | Object::Vlan(_) | Object::Filter(_), found) if wanted != found => {
            vec![Step::Delete(found.clone()), Step::Add(wanted.clone())]
        }
        (Object::Route(wanted), Object::Route(found)) if !wanted.is_met_by(found) => {
            vec![Step::Delete(Object::Route(found.clone())), Step::Add(Object::Route(wanted.clone()))]
        }
        _ => vec![],
    }
}

fn as_link(object: &Object) -> Option<&Link> {
    match object {
        Object::Link(link) => Some(link),
        _ => None,
    }
}
