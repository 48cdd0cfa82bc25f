//! Overlay networks: whatever hosts come, move and go, and whatever breaks, one plan makes it as it should be.

use std::collections::BTreeMap;

use netd_model::name::LinkName;
use netd_model::object::{Fdb, GROUP, Link, LinkKind, Neighbour, Object, Route, Side, State};
use netd_model::overlay::Vni;
use netd_model::plan::{Desired, Step, plan};
use proptest::prelude::*;
use tests::memory_kernel::MemoryKernel;

use super::true_to_life::check;

fn device_name() -> LinkName {
    "ovlx0".parse().unwrap()
}

fn device(vni: u32) -> Link {
    let (local, port) = (Some([192, 168, 50, 1].into()), Some(4789));
    let kind = LinkKind::Vxlan { vni: Some(Vni::try_from(vni).unwrap()), local, port, learning: Some(false) };
    // Said by one of the two, so that one that is made anew changes it.
    let checksum_offload = Some(vni == 78);
    Link { group: Some(GROUP), checksum_offload, ..Link::new(Side::Host, device_name(), kind) }
}

/// As ip(8) makes it, which does not know our group by name.
fn made() -> Step {
    Step::Add(Object::Link(Link { group: None, checksum_offload: None, ..device(77) }))
}

fn up(is_up: bool) -> Step {
    let kind = LinkKind::Vxlan { vni: None, local: None, port: None, learning: None };
    Step::Set(Link { up: Some(is_up), ..Link::new(Side::Host, device_name(), kind) })
}

fn fdb(mac: u8, at: u8) -> Object {
    let mac = Some([2, 0, 0, 0, 0, mac].try_into().unwrap());
    Object::Fdb(Fdb { link: device_name(), mac, destination: [192, 168, 50, at].into() })
}

fn neighbour(subnet: u8, mac: u8) -> Object {
    let (address, mac) = ([10, 40, subnet, 0].into(), [2, 0, 0, 0, 0, mac].try_into().unwrap());
    Object::Neighbour(Neighbour { link: device_name(), address, mac })
}

fn route(subnet: u8) -> Object {
    Object::Route(Route {
        side: Side::Host,
        link: device_name(),
        destination: format!("10.40.{subnet}.0/24").parse().unwrap(),
        gateway: Some([10, 40, subnet, 0].into()),
        onlink: true,
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
    })
}

/// A host: its number, and where it is.
type Hosts = BTreeMap<u8, u8>;

fn wanted(vni: u32, hosts: &Hosts) -> State {
    let to_host = |(host, at): (&u8, &u8)| [fdb(*host, *at), neighbour(*host, *host), route(*host)];
    let device = Object::Link(Link { up: Some(true), ..device(vni) });
    std::iter::once(device).chain(hosts.iter().flat_map(to_host)).collect()
}

/// All that is on the device, and is not wanted.
pub(super) fn stale(kernel: &MemoryKernel, wanted: &State) -> State {
    let is_on_device = |object: &&Object| object.carrier().is_some();
    kernel.host().iter().filter(is_on_device).filter(|it| wanted.find(&it.key()).is_none()).cloned().collect()
}

#[derive(Debug, Clone)]
enum Event {
    Hosts(u32, Hosts),
    Down,
    Lose(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let hosts = proptest::collection::btree_map(2u8..8, 2u8..12, 0..6);
    prop_oneof![
        3 => (77u32..79, hosts).prop_map(|(vni, hosts)| Event::Hosts(vni, hosts)),
        1 => Just(Event::Down),
        2 => (0usize..20).prop_map(Event::Lose),
    ]
}

proptest! {
    #[test]
    fn whatever_happened_one_plan_leaves_nothing_to_do(events in proptest::collection::vec(event(), 1..12)) {
        let mut kernel = MemoryKernel::new(0);
        let (mut vni, mut hosts) = (77, Hosts::new());
        for event in events {
            match event {
                Event::Hosts(other, others) => (vni, hosts) = (other, others),
                Event::Down => drop(kernel.take(0, &up(false))),
                Event::Lose(index) => {
                    let lost = kernel.host().iter().nth(index).cloned();
                    if let Some(lost) = lost {
                        kernel.take(0, &Step::Delete(lost)).unwrap();
                    }
                }
            }
            let present = wanted(vni, &hosts);
            let desired = Desired { absent: stale(&kernel, &present), present };
            let steps = plan(&desired, &kernel.observe(0, desired.keys()));
            kernel.apply(0, &steps).unwrap();
            let again = plan(&desired, &kernel.observe(0, desired.keys()));
            prop_assert!(again.is_empty(), "{steps}then {again}");
            prop_assert!(stale(&kernel, &desired.present).is_empty());
        }
    }
}

#[test]
fn a_hardware_address_is_at_one_host_and_a_neighbour_has_one() {
    let steps = [
        made(),
        up(true),
        Step::Add(fdb(2, 2)),
        Step::Add(fdb(2, 9)),
        Step::Add(neighbour(2, 2)),
        Step::Add(neighbour(2, 3)),
        Step::Add(route(2)),
    ];
    check(&steps, &[], &[fdb(2, 9), neighbour(2, 3), route(2)], &[fdb(2, 2)]);
}

#[test]
fn a_device_that_goes_down_keeps_its_forwarding_entries_alone() {
    let steps = [made(), up(true), Step::Add(fdb(2, 2)), Step::Add(neighbour(2, 2)), up(false)];
    check(&steps, &[], &[fdb(2, 2)], &[neighbour(2, 2)]);
}

#[test]
fn a_device_takes_along_what_leads_over_it() {
    let steps = [
        made(),
        up(true),
        Step::Add(fdb(2, 2)),
        Step::Add(neighbour(2, 2)),
        Step::Add(route(2)),
        Step::Delete(Object::Link(device(77))),
    ];
    check(&steps, &[], &[], &[fdb(2, 2), neighbour(2, 2), route(2)]);
}

#[test]
fn what_leads_over_a_device_needs_it() {
    check(&[Step::Add(fdb(2, 2)), Step::Add(neighbour(2, 2))], &[0, 1], &[], &[fdb(2, 2)]);
}
