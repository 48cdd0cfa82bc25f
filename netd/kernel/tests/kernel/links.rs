//! Interfaces: every attribute that is set is seen again, and nothing else is touched.

use netd_kernel::Error;
use netd_model::{
    addr::Mtu,
    object::{Link, LinkKind, Object, Port, Side, Vlan},
    plan::{Plan, Step},
};

use crate::lab::{Lab, absent, present, sh};

const BRIDGE: LinkKind = LinkKind::Bridge { vlan_filtering: None };
const VETH: LinkKind = LinkKind::Veth { peer: None };

fn bridge(name: &str) -> Link {
    Link { up: Some(true), ..Link::new(Side::Host, name.parse().unwrap(), BRIDGE) }
}

/// A pair with both ends in the host's namespace.
fn pair(one: &str, other: &str) -> (Link, Link) {
    let end = |name: &str, peer: &str| {
        let kind = LinkKind::Veth { peer: Some((Side::Host, peer.parse().unwrap())) };
        Link::new(Side::Host, name.parse().unwrap(), kind)
    };
    (end(one, other), end(other, one))
}

#[test]
fn every_attribute_of_an_interface_is_seen_as_it_was_set() {
    let mut lab = Lab::new();
    let link = Link {
        mac: Some("02:00:00:00:00:05".parse().unwrap()),
        mtu: Some(Mtu::try_from(9000).unwrap()),
        group: Some(7),
        alias: Some("who/what it is/eth0".to_owned()),
        promiscuous: Some(true),
        link_local: Some(false),
        ..bridge("br0")
    };
    lab.make(&present([Object::Link(link.clone())]));
    assert!(sh("ip -d link show br0").contains("addrgenmode none"));

    let other = Link {
        mac: Some("02:00:00:00:00:06".parse().unwrap()),
        mtu: Some(Mtu::try_from(1400).unwrap()),
        group: Some(8),
        alias: Some("other".to_owned()),
        promiscuous: Some(false),
        link_local: Some(true),
        up: Some(false),
        ..link
    };
    let done = lab.make(&present([Object::Link(other.clone())]));
    assert_eq!(
        done,
        "host       ip link set dev br0 address 02:00:00:00:00:06 mtu 1400 group 8 alias other promisc off \
         addrgenmode eui64 down\n"
    );
    assert_eq!(lab.kernel.link(Side::Host, &other.name).unwrap().unwrap().alias.as_deref(), Some("other"));
}

#[test]
fn flags_of_a_port_are_set_and_a_port_moves_to_another_bridge() {
    let mut lab = Lab::new();
    let (one, other) = pair("one", "other");
    let on = |bridge: &str, flag| {
        let port = Port { bridge: bridge.parse().unwrap(), hairpin: Some(flag), isolated: Some(!flag) };
        Object::Link(Link { port: Some(port), ..one.clone() })
    };
    let bridges = [bridge("br0"), bridge("br1")].map(Object::Link);
    let other = Object::Link(other);
    lab.make(&present([on("br0", true), other.clone()].into_iter().chain(bridges.clone())));
    lab.make(&present([on("br0", false), other.clone()].into_iter().chain(bridges.clone())));
    lab.make(&present([on("br1", true), other].into_iter().chain(bridges)));
    assert!(sh("bridge -d link show dev one").contains("master br1"));
}

#[test]
fn a_bridge_keeps_its_mtu_when_its_last_port_goes() {
    let mut lab = Lab::new();
    let mtu = Some(Mtu::try_from(1400).unwrap());
    let bridge = Object::Link(Link { mtu, ..bridge("br0") });
    let (one, other) = pair("one", "other");
    let port = Some(Port { bridge: "br0".parse().unwrap(), hairpin: None, isolated: None });
    let pair = [Link { port, mtu, ..one }, Link { mtu, ..other }].map(Object::Link);
    lab.make(&present(pair.iter().cloned().chain([bridge.clone()])));
    sh("ip link delete one");
    assert_eq!(lab.make(&present([bridge])), "nothing to do\n");
}

#[test]
fn a_stranger_of_the_same_name_is_left_as_it_is() {
    let mut lab = Lab::new();
    sh("ip link add one type ifb && ip link add br0 mtu 1300 type bridge");
    let before = sh("ip -d -j link show");
    let (one, other) = pair("one", "other");
    let failed = |lab: &mut Lab, steps| lab.kernel.apply(&Plan { steps }).unwrap_err();
    let steps = vec![Step::AddPair(one.clone(), other), Step::Set(Link { up: Some(true), ..one })];
    let error = failed(&mut lab, steps);
    assert!(error.is_exists(), "{error}");
    let text = "host ip link add dev one type veth peer dev other in host: File exists (os error 17)";
    assert_eq!(error.to_string(), text);
    let wanted = Link { mtu: Some(Mtu::try_from(1400).unwrap()), ..bridge("br0") };
    assert!(failed(&mut lab, vec![Step::Add(Object::Link(wanted))]).is_exists());
    assert_eq!(sh("ip -d -j link show"), before);
}

#[test]
fn an_interface_that_is_gone_is_deleted_with_success() {
    let mut lab = Lab::new();
    let one = Object::Link(pair("one", "other").0);
    lab.kernel.apply(&Plan { steps: vec![Step::Delete(one.clone()), Step::Delete(one.clone())] }).unwrap();
    assert_eq!(lab.make(&absent([one])), "nothing to do\n");
}

#[test]
fn one_end_alone_is_never_made() {
    let mut lab = Lab::new();
    let one = Link::new(Side::Host, "one".parse().unwrap(), VETH);
    let error = lab.kernel.apply(&Plan { steps: vec![Step::Add(Object::Link(one))] }).unwrap_err();
    assert!(matches!(error, Error::Impossible { .. }), "{error}");
    assert!(!sh("ip link").contains("veth"));
}

#[test]
fn an_end_of_another_pair_is_no_peer() {
    let mut lab = Lab::new();
    sh("ip link add one type veth peer name two && ip link add other type veth peer name three");
    let (one, other) = pair("one", "other");
    let kind = |link: &Link, lab: &mut Lab| {
        let keys = [&one, &other].map(|link| Object::Link(link.clone()).key());
        lab.kernel.observe(&keys).unwrap().link(Side::Host, &link.name).unwrap().kind.clone()
    };
    assert_eq!(kind(&one, &mut lab), VETH);
    assert_eq!(kind(&other, &mut lab), VETH);
}

#[test]
fn without_a_container_nothing_is_there_and_nothing_can_be_made() {
    let _lab = Lab::new();
    let mut kernel = netd_kernel::Kernel::open(None);
    let link = Object::Link(Link::new(Side::Container, "lo".parse().unwrap(), LinkKind::Loopback));
    assert!(kernel.observe([&link.key()]).unwrap().is_empty());
    let up = Link { up: Some(true), ..Link::new(Side::Container, "lo".parse().unwrap(), LinkKind::Loopback) };
    let error = kernel.apply(&Plan { steps: vec![Step::Set(up)] }).unwrap_err();
    assert!(matches!(error, Error::NoNamespace { .. }), "{error}");
}

#[test]
fn loopback_of_the_container_is_set_up() {
    let mut lab = Lab::new();
    lab.container.sh("ip link set lo down");
    let lo = Link { up: Some(true), ..Link::new(Side::Container, "lo".parse().unwrap(), LinkKind::Loopback) };
    assert_eq!(lab.make(&present([Object::Link(lo)])), "container  ip link set dev lo up\n");
    lab.container.sh("ping -c1 -W1 127.0.0.1");
}

#[test]
fn ports_are_in_their_vlans_or_the_kernels_lack_of_them_is_named() {
    let mut lab = Lab::new();
    let kind = LinkKind::Bridge { vlan_filtering: Some(true) };
    let bridge = Object::Link(Link { kind, ..bridge("br0") });
    let (one, other) = pair("one", "other");
    let port = Some(Port { bridge: "br0".parse().unwrap(), hairpin: None, isolated: None });
    let pair = [Link { port, ..one }, other].map(Object::Link);
    let vlan = |vid, pvid, untagged| Object::Vlan(Vlan { port: "one".parse().unwrap(), vid, pvid, untagged });
    let vlans = [vlan(100, true, true), vlan(200, false, false), vlan(201, false, false)];
    let mut wanted = present(pair.into_iter().chain([bridge]).chain(vlans.clone()));
    wanted.absent.insert(vlan(1, false, false));
    if let Err(error) = lab.plan(&wanted).steps.iter().try_for_each(|step| {
        // One after the other, so that without VLANs the first step is the one that fails.
        lab.kernel.apply(&Plan { steps: vec![step.clone()] })
    }) {
        let Error::MissingFeature { option, .. } = error else { panic!("{error:?}") };
        assert_eq!(option, "CONFIG_BRIDGE_VLAN_FILTERING");
        assert!(!sh("ip link").contains("br0"));
        return;
    }
    lab.make(&wanted);
    assert_eq!(
        sh("bridge vlan show dev one | awk 'NR > 1 { $1 = $1; print }'"),
        "one 100 PVID Egress Untagged\n200\n201\n"
    );
    lab.make(&present([vlan(200, false, true)]));
    lab.make(&absent(vlans.clone()));
    lab.kernel.apply(&Plan { steps: vlans.map(Step::Delete).into() }).unwrap();
    assert!(!sh("bridge vlan show dev one").contains("00"));
}
