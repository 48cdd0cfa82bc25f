//! The law on what plugins without a bridge make: interfaces on others, taps, rules, interfaces of the host in a
//! container, and what another program reads of them.

use netd_kernel::Error;
use netd_model::{
    name::LinkName,
    object::{Address, GROUP, IpvlanMode, Link, LinkKind, MacvlanMode, Moved, Object, Rule, Side},
    plan::{Plan, Step},
};

use crate::lab::{Lab, absent, can, present, sh};

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

fn inside(text: &str, kind: LinkKind) -> Link {
    Link { group: Some(GROUP), up: Some(true), ..Link::new(Side::Container, name(text), kind) }
}

fn on(below: &str) -> (Side, LinkName) {
    (Side::Host, name(below))
}

/// A host with a cable of its own, whose names containers use as well.
fn lab() -> Lab {
    let lab = Lab::new();
    sh("ip link add up0 type veth peer name eth0; ip link set up0 up; ip link set eth0 up");
    lab
}

#[test]
fn an_interface_on_one_of_the_host_has_its_name_whatever_the_host_has() {
    let mut lab = lab();
    let kind = |mode| LinkKind::Macvlan { parent: Some(on("up0")), mode: Some(mode), queue: Some(77) };
    let wanted = inside("eth0", kind(MacvlanMode::Vepa));
    lab.make(&present([Object::Link(wanted.clone())]));
    let shown = lab.container.sh("ip -d link show dev eth0");
    assert!(shown.contains("macvlan mode vepa bcqueuelen 77") && shown.contains("group 1852142692"), "{shown}");
    assert!(!lab.container.can("ip link show dev netb0"));
    // What it was born with is another's: it goes, and one comes that has it.
    let done = lab.make(&present([Object::Link(inside("eth0", kind(MacvlanMode::Bridge)))]));
    assert!(done.contains("ip link delete dev eth0") && done.contains("mode bridge"), "{done}");
    lab.make(&absent([Object::Link(wanted)]));
    assert!(!lab.container.can("ip link show dev eth0"));
    assert!(can("ip link show dev eth0"), "the host's own");
}

#[test]
fn one_that_died_before_it_had_its_name_is_gone_with_the_rest() {
    let mut lab = lab();
    let kind = LinkKind::Macvlan { parent: Some(on("up0")), mode: Some(MacvlanMode::Bridge), queue: None };
    let wanted = inside("eth0", kind);
    let newborn = wanted.newborn().unwrap();
    lab.container.sh("ip link add own0 type veth peer name own1");
    lab.container.sh(&format!("ip link add {newborn} link own0 group {GROUP} type macvlan"));
    lab.make(&absent([Object::Link(Link { name: newborn.clone(), ..wanted })]));
    assert!(!lab.container.can(&format!("ip link show dev {newborn}")));
}

#[test]
fn a_tap_is_whose_it_should_be() {
    let mut lab = lab();
    let tap = |owner| LinkKind::Tap { owner: Some(owner), group: Some(8), multi_queue: Some(true), context: None };
    lab.make(&present([Object::Link(inside("tap0", tap(7)))]));
    let shown = lab.container.sh("ip -d link show dev tap0");
    assert!(shown.contains("type tap") && shown.contains("multi_queue") && shown.contains("persist on"), "{shown}");
    let done = lab.make(&present([Object::Link(inside("tap0", tap(9)))]));
    assert!(done.contains("ip link delete dev tap0"), "{done}");
    lab.make(&absent([Object::Link(inside("tap0", tap(9)))]));
    assert!(!lab.container.can("ip link show dev tap0"));
}

#[test]
fn rules_and_addresses_without_their_subnet_are_made_and_removed() {
    let mut lab = lab();
    let kind = LinkKind::Macvlan { parent: Some(on("up0")), mode: Some(MacvlanMode::Bridge), queue: None };
    let mut wanted = vec![Object::Link(inside("eth0", kind))];
    for (address, source) in [("10.1.0.7/24", "10.1.0.7/32"), ("fd00::7/64", "fd00::7/128")] {
        let (link, address) = (name("eth0"), address.parse().unwrap());
        let (side, detect_duplicates, deprecated) = (Side::Container, false, false);
        wanted.push(Object::Point(Address { side, link, address, detect_duplicates, deprecated }));
        wanted.push(Object::Rule(Rule { side, source: source.parse().unwrap(), table: 1234 }));
    }
    lab.make(&present(wanted.clone()));
    assert_eq!(lab.container.sh("ip -4 route show dev eth0"), "");
    assert!(!lab.container.sh("ip -6 route show dev eth0").contains("fd00::/64"));
    for family in ["-4", "-6"] {
        assert!(lab.container.sh(&format!("ip {family} rule show")).contains("lookup 1234"), "{family}");
    }
    lab.make(&absent(wanted));
    for family in ["-4", "-6"] {
        assert!(!lab.container.sh(&format!("ip {family} rule show")).contains("1234"), "{family}");
    }
}

#[test]
fn an_interface_of_the_host_is_found_by_its_second_name_wherever_it_is() {
    let mut lab = lab();
    let kind = LinkKind::Veth { peer: None };
    let moved = Object::Moved(Moved {
        mark: name("netm0"),
        side: Side::Container,
        name: name("eth0"),
        home: name("up0"),
        kind: kind.clone(),
        was_up: true,
    });
    let up = Link { up: Some(true), ..Link::new(Side::Container, name("eth0"), kind) };
    let wanted = [moved.clone(), Object::Link(up)];
    lab.make(&present(wanted.clone()));
    assert!(!can("ip link show dev up0") && lab.container.can("ip link show dev netm0"));
    lab.container.sh("ip link set eth0 down; ip link set eth0 name other");
    lab.make(&absent([moved.clone()]));
    let shown = sh("ip link show dev up0");
    assert!(shown.contains("UP") && !shown.contains("netm0"), "{shown}");
    lab.make(&present(wanted));
    lab.make(&absent([moved]));
    assert!(can("ip link show dev up0") && !lab.container.can("ip link show dev eth0"));
}

#[test]
fn a_kernel_without_a_kind_says_which_option_it_lacks() {
    let mut lab = lab();
    for (kind, probe, option) in [
        (LinkKind::Dummy, "type dummy", "CONFIG_DUMMY"),
        (LinkKind::Vlan { parent: Some(on("up0")), id: Some(5) }, "link up0 type vlan id 5", "CONFIG_VLAN_8021Q"),
        (
            LinkKind::Ipvlan { parent: Some(on("up0")), mode: Some(IpvlanMode::L2) },
            "link up0 type ipvlan",
            "CONFIG_IPVLAN",
        ),
        (LinkKind::Vrf { table: Some(7) }, "type vrf table 7", "CONFIG_NET_VRF"),
    ] {
        let knows = can(&format!("ip link add probe0 {probe} && ip link del probe0"));
        let wanted = inside("eth0", kind);
        if knows {
            lab.make(&present([Object::Link(wanted.clone())]));
            lab.make(&absent([Object::Link(wanted)]));
            continue;
        }
        let refused = lab.kernel.apply(&Plan { steps: vec![Step::Add(Object::Link(wanted))] });
        assert!(matches!(&refused, Err(Error::MissingFeature { option: said, .. }) if *said == option), "{refused:?}");
    }
}
