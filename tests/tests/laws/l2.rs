//! Networks of mode `l2`: the bridge, the VXLAN device as its port, and to whom that floods.

use std::collections::BTreeSet;

use netd_model::element::{Element, Family, Part, Set};
use netd_model::name::LinkName;
use netd_model::object::{Address, Fdb, GROUP, Link, LinkKind, Object, Port, Program, Side, State};
use netd_model::overlay::Vni;
use netd_model::plan::{Desired, Step, plan};
use proptest::prelude::*;
use tests::memory_kernel::MemoryKernel;

use super::overlay::stale;
use super::true_to_life::check;

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn bridge(text: &str) -> Link {
    Link::new(Side::Host, name(text), LinkKind::Bridge { vlan_filtering: None })
}

fn port(bridge: &str) -> Port {
    Port { bridge: name(bridge), hairpin: None, isolated: None }
}

fn device(vni: u32) -> Link {
    let (vni, local) = (Vni::try_from(vni).ok(), Some([192, 168, 50, 1].into()));
    let kind = LinkKind::Vxlan { vni, local, port: Some(4789), learning: Some(true) };
    Link { port: Some(port("br0")), ..Link::new(Side::Host, name("ovlx0"), kind) }
}

/// A change of the device, of which nothing is said yet.
fn change() -> Link {
    let kind = LinkKind::Vxlan { vni: None, local: None, port: None, learning: None };
    Link::new(Side::Host, name("ovlx0"), kind)
}

fn flood(at: u8) -> Object {
    Object::Fdb(Fdb { link: name("ovlx0"), mac: None, destination: [192, 168, 50, at].into() })
}

fn element(set: Set, parts: Vec<Part>) -> Object {
    Object::Element(Element::of_set(set, parts, "overlay lab".to_owned()))
}

fn elements() -> [Object; 2] {
    let device = Part::Link(name("ovlx0"));
    let gateway = Part::Ipv4([10, 40, 0, 1].into());
    [element(Set::Elsewhere, vec![device.clone()]), element(Set::Gateway4, vec![device, gateway])]
}

fn program() -> Object {
    Object::Program(Program { family: Family::Bridge, version: Family::Bridge.version() })
}

fn address(text: &str, deprecated: bool) -> Object {
    let (link, address) = (name("br0"), text.parse().unwrap());
    Object::Address(Address { side: Side::Host, link, address, detect_duplicates: false, deprecated })
}

fn addresses() -> [Object; 4] {
    [
        address("10.40.1.1/16", false),
        address("10.40.0.1/32", true),
        address("fd40:0:0:1::1/48", false),
        address("fd40::1/128", true),
    ]
}

fn wanted(vni: u32, hosts: &BTreeSet<u8>) -> State {
    let port = Some(Port { bridge: name("br0"), hairpin: Some(false), isolated: Some(false) });
    let (group, up) = (Some(GROUP), Some(true));
    let links = [
        Object::Link(Link { group, up, ..bridge("br0") }),
        Object::Link(Link { group, up, port, link_local: Some(false), ..device(vni) }),
    ];
    let floods = hosts.iter().map(|host| flood(*host));
    links.into_iter().chain([program()]).chain(elements()).chain(addresses()).chain(floods).collect()
}

#[derive(Debug, Clone)]
enum Event {
    Hosts(u32, BTreeSet<u8>),
    /// An interface is set down.
    Down(bool),
    /// The device is put into another bridge.
    Moved,
    /// The ruleset is flushed.
    Flush,
    /// One thing is removed.
    Lose(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let hosts = proptest::collection::btree_set(2u8..12, 0..6);
    prop_oneof![
        3 => (77u32..79, hosts).prop_map(|(vni, hosts)| Event::Hosts(vni, hosts)),
        1 => any::<bool>().prop_map(Event::Down),
        1 => Just(Event::Moved),
        1 => Just(Event::Flush),
        3 => (0usize..20).prop_map(Event::Lose),
    ]
}

/// There may be nothing to which it could happen.
fn happen(kernel: &mut MemoryKernel, event: &Event) {
    match event {
        Event::Hosts(..) => {}
        Event::Down(is_bridge) => {
            let link = if *is_bridge { bridge("br0") } else { change() };
            let _ = kernel.take(0, &Step::Set(Link { up: Some(false), ..link }));
        }
        Event::Moved => {
            let _ = kernel.take(0, &Step::Add(Object::Link(bridge("br9"))));
            let _ = kernel.take(0, &Step::Set(Link { port: Some(port("br9")), ..change() }));
        }
        Event::Flush => kernel.flush_ruleset(),
        Event::Lose(index) => {
            let lost = kernel.host().iter().nth(*index).cloned();
            let _ = lost.map(|lost| kernel.take(0, &Step::Delete(lost)));
        }
    }
}

proptest! {
    #[test]
    fn whatever_happened_to_one_link_one_plan_leaves_nothing_to_do(
        events in proptest::collection::vec(event(), 1..12),
    ) {
        let mut kernel = MemoryKernel::new(0);
        let (mut vni, mut hosts) = (77, BTreeSet::new());
        for event in events {
            happen(&mut kernel, &event);
            if let Event::Hosts(other, others) = event {
                (vni, hosts) = (other, others);
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

fn made(link: Link) -> Step {
    Step::Add(Object::Link(link))
}

#[test]
fn a_device_is_born_as_a_port_of_a_bridge_that_is_there() {
    check(&[made(device(77)), made(bridge("br0")), made(device(77))], &[0], &[Object::Link(device(77))], &[]);
}

#[test]
fn hosts_to_flood_to_stand_beside_each_other_and_one_twice_is_once() {
    let steps = [
        made(bridge("br0")),
        made(device(77)),
        Step::Add(flood(2)),
        Step::Add(flood(3)),
        Step::Add(flood(2)),
        Step::Delete(flood(3)),
    ];
    check(&steps, &[], &[flood(2)], &[flood(3)]);
}

#[test]
fn a_device_outlives_its_bridge_with_all_that_it_floods_to() {
    let steps = [made(bridge("br0")), made(device(77)), Step::Add(flood(2)), Step::Delete(Object::Link(bridge("br0")))];
    check(&steps, &[], &[Object::Link(device(77)), flood(2)], &[Object::Link(bridge("br0"))]);
}

#[test]
fn a_bridge_that_goes_down_keeps_both_addresses_of_ipv4_alone() {
    let [own4, gateway4, own6, gateway6] = addresses();
    let mut steps = vec![made(bridge("br0")), Step::Set(Link { up: Some(true), ..bridge("br0") })];
    steps.extend([own4.clone(), own6.clone(), gateway4.clone(), gateway6.clone()].map(Step::Add));
    steps.push(Step::Set(Link { up: Some(false), ..bridge("br0") }));
    check(&steps, &[], &[own4, gateway4], &[own6, gateway6]);
}

#[test]
fn elements_of_what_is_bridged_need_its_program_and_go_with_it() {
    let add = || elements().map(Step::Add);
    let mut steps = add().to_vec();
    steps.push(Step::Add(program()));
    steps.extend(add());
    steps.extend(add());
    check(&steps, &[0, 1, 5, 6], &elements(), &[]);
    let steps = [Step::Add(program())].into_iter().chain(add()).chain([Step::Delete(program())]).collect::<Vec<_>>();
    check(&steps, &[], &[], &elements());
}
