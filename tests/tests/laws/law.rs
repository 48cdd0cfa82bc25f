//! The law on the kernel in memory: any state, any order, a failure at any step.

use std::collections::BTreeSet;

use netd_model::attachment::{Attachment, Progress, Section, VERSION};
use netd_model::object::{Key, Link, LinkKind, Object, Side, State};
use netd_model::plan::{Desired, Plan, Step, plan};
use proptest::prelude::*;
use tests::memory_kernel::MemoryKernel;

use super::attachments::{NETWORKS, Shape, bridge_name, id, ifb, section, shape};

const CONTAINERS: u8 = 3;

/// Something that happens on a host.
#[derive(Clone, Debug)]
enum Event {
    Attach(u8, Shape),
    Detach(u8, Shape),
    /// The ruleset is flushed.
    Flush,
    /// A container's namespace ends.
    Vanish(u8),
    /// A bridge is deleted.
    LoseBridge(u8),
    /// A bridge is set down.
    BridgeDown(u8),
    /// A container's interface is set down.
    InterfaceDown(u8),
    /// What holds packets of a container back is deleted.
    LoseIfb(u8, Shape),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..CONTAINERS, shape()).prop_map(|(container, shape)| Event::Attach(container, shape)),
        2 => (0..CONTAINERS, shape()).prop_map(|(container, shape)| Event::Detach(container, shape)),
        1 => Just(Event::Flush),
        1 => (0..CONTAINERS).prop_map(Event::Vanish),
        1 => (0..NETWORKS).prop_map(Event::LoseBridge),
        1 => (0..NETWORKS).prop_map(Event::BridgeDown),
        1 => (0..CONTAINERS).prop_map(Event::InterfaceDown),
        1 => (0..CONTAINERS, shape()).prop_map(|(container, shape)| Event::LoseIfb(container, shape)),
    ]
}

fn attachment(container: u8, shape: &Shape) -> Attachment {
    Attachment {
        version: VERSION,
        id: id(container, shape),
        progress: Progress::Adding,
        boot: "boot".to_owned(),
        netns: None,
        sections: [("bridge".to_owned(), Box::new(section(container, shape)))].into(),
    }
}

fn wanted(container: u8, shape: &Shape) -> Desired {
    Desired { present: attachment(container, shape).wanted(), absent: State::default() }
}

fn planned(kernel: &MemoryKernel, container: u8, desired: &Desired) -> Plan {
    plan(desired, &kernel.observe(container.into(), desired.keys()))
}

/// Applies the plan for `desired`, after which there is nothing left to do.
fn settle(kernel: &mut MemoryKernel, container: u8, desired: &Desired) {
    let first = planned(kernel, container, desired);
    let applied = kernel.apply(container.into(), &first);
    assert!(applied.is_ok(), "{applied:?} in\n{first}");
    let second = planned(kernel, container, desired);
    assert!(second.is_empty(), "after\n{first}there is left\n{second}");
}

fn set(kernel: &mut MemoryKernel, container: u8, link: Link) {
    // There may be no such link: then nothing happens.
    let _ = kernel.take(container.into(), &Step::Set(link));
}

fn happen(kernel: &mut MemoryKernel, event: &Event) {
    let down = |side, name, kind| Link { up: Some(false), ..Link::new(side, name, kind) };
    let bridge = LinkKind::Bridge { vlan_filtering: None };
    match event {
        Event::Attach(container, shape) => settle(kernel, *container, &wanted(*container, shape)),
        Event::Detach(container, shape) => settle(kernel, *container, &attachment(*container, shape).unwanted()),
        Event::Flush => kernel.flush_ruleset(),
        Event::Vanish(container) => kernel.vanish((*container).into()),
        Event::LoseBridge(network) => {
            let lost = Link::new(Side::Host, bridge_name(*network), bridge);
            kernel.take(0, &Step::Delete(Object::Link(lost))).unwrap();
        }
        Event::BridgeDown(network) => set(kernel, 0, down(Side::Host, bridge_name(*network), bridge)),
        Event::LoseIfb(container, shape) => {
            let lost = ifb(&id(*container, shape), shape.held_back.map_or(Side::Host, |(side, _)| side));
            kernel.take((*container).into(), &Step::Delete(Object::Link(lost))).unwrap();
        }
        Event::InterfaceDown(container) => {
            let veth = LinkKind::Veth { peer: None };
            set(kernel, *container, down(Side::Container, "eth0".parse().unwrap(), veth));
        }
    }
}

/// A kernel in which `events` happened.
fn kernel_after(events: &[Event]) -> MemoryKernel {
    let mut kernel = MemoryKernel::new(CONTAINERS.into());
    for event in events {
        happen(&mut kernel, event);
    }
    kernel
}

/// A kernel in which container 0 has nothing: an ADD that meets an attachment is refused before it has a plan.
fn kernel_without_first(events: &[Event]) -> MemoryKernel {
    let mut kernel = kernel_after(events);
    kernel.vanish(0);
    for event in events {
        if let Event::Attach(0, shape) = event {
            settle(&mut kernel, 0, &attachment(0, shape).unwanted());
        }
    }
    kernel
}

fn keys(state: &State) -> BTreeSet<Key> {
    state.keys().cloned().collect()
}

/// After DEL nothing of the attachment is left, and of others all that was there: only shared objects may be new.
fn assert_undone(before: &MemoryKernel, after: &MemoryKernel, section: &Section, when: &str) {
    let own = keys(&section.own);
    let of_interfaces = |key: &&Key| !matches!(key, Key::Sysctl(..));
    let left: Vec<&Key> = after.host().keys().filter(of_interfaces).filter(|key| own.contains(key)).collect();
    assert!(left.is_empty(), "{when}: left {left:?}");
    assert_eq!(after.container(0), before.container(0), "{when}: the container's namespace");
    let allowed: BTreeSet<Key> = keys(before.host()).union(&keys(&section.shared)).cloned().collect();
    let new: Vec<Key> = keys(after.host()).difference(&allowed).cloned().collect();
    assert!(new.is_empty(), "{when}: new {new:?}");
    let lost: Vec<Key> = keys(before.host()).difference(&keys(after.host())).cloned().collect();
    assert!(lost.is_empty(), "{when}: lost {lost:?}");
}

proptest! {
    #[test]
    fn whatever_happened_a_plan_that_is_applied_leaves_nothing_to_do(events in proptest::collection::vec(event(), 0..12)) {
        kernel_after(&events);
    }

    #[test]
    fn every_attachment_can_be_reached_from_every_other(from in shape(), to in shape()) {
        let mut kernel = MemoryKernel::new(1);
        settle(&mut kernel, 0, &wanted(0, &from));
        settle(&mut kernel, 0, &attachment(0, &from).unwanted());
        settle(&mut kernel, 0, &wanted(0, &to));
    }

    #[test]
    fn an_add_that_fails_at_any_step_is_undone_by_del(
        events in proptest::collection::vec(event(), 0..6),
        shape in shape(),
    ) {
        let before = kernel_without_first(&events);
        let desired = wanted(0, &shape);
        let add = planned(&before, 0, &desired);
        for done in 0..=add.steps.len() {
            let mut kernel = before.clone();
            let part = Plan { steps: add.steps[..done].to_vec() };
            prop_assert_eq!(kernel.apply(0, &part), Ok(()));
            settle(&mut kernel, 0, &attachment(0, &shape).unwanted());
            assert_undone(&before, &kernel, &section(0, &shape), &format!("after step {done} of\n{add}"));
        }
    }

    #[test]
    fn a_del_that_fails_at_any_step_is_finished_by_another(
        events in proptest::collection::vec(event(), 0..6),
        shape in shape(),
    ) {
        let before = kernel_without_first(&events);
        let mut attached = before.clone();
        settle(&mut attached, 0, &wanted(0, &shape));
        let unwanted = attachment(0, &shape).unwanted();
        let del = planned(&attached, 0, &unwanted);
        for done in 0..=del.steps.len() {
            let mut kernel = attached.clone();
            let part = Plan { steps: del.steps[..done].to_vec() };
            prop_assert_eq!(kernel.apply(0, &part), Ok(()));
            settle(&mut kernel, 0, &unwanted);
            assert_undone(&before, &kernel, &section(0, &shape), &format!("after step {done} of\n{del}"));
        }
    }

    #[test]
    fn del_takes_nothing_of_another_attachment(first in shape(), second in shape()) {
        let mut kernel = MemoryKernel::new(2);
        settle(&mut kernel, 1, &wanted(1, &second));
        let before = kernel.container(1).clone();
        settle(&mut kernel, 0, &wanted(0, &first));
        settle(&mut kernel, 0, &attachment(0, &first).unwanted());
        prop_assert_eq!(kernel.container(1), &before);
        let own = section(1, &second).own;
        let lost: Vec<&Key> = own.keys().filter(|key| kernel.observe(1, [*key]).is_empty()).collect();
        prop_assert!(lost.is_empty(), "lost {lost:?}");
    }
}
