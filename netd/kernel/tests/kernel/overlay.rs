//! What leads to another host of an overlay network: device, neighbours, forwarding entries, routes, allowed sources.

use std::{net::IpAddr, time::Duration};

use netd_kernel::{Event, Events};
use netd_model::{
    IpNetwork,
    addr::Mac,
    element::{Element, Family, Part, Set},
    object::{Address, Fdb, GROUP, Key, Link, LinkKind, Neighbour, Object, Program, Route, Side},
    overlay::Vni,
    plan::Desired,
};

use crate::lab::{Lab, absent, present, sh};

const DEVICE: &str = "ovlx0";

fn mac(last: u8) -> Mac {
    Mac::try_from([2, 0, 0, 0, 0, last]).unwrap()
}

fn device(vni: u32) -> Link {
    let kind = LinkKind::Vxlan {
        vni: Some(Vni::try_from(vni).unwrap()),
        local: Some("192.168.50.1".parse().unwrap()),
        port: Some(4789),
        learning: Some(false),
    };
    Link {
        mac: Some(mac(1)),
        mtu: Some(1450.try_into().unwrap()),
        group: Some(GROUP),
        link_local: Some(false),
        up: Some(true),
        ..Link::new(Side::Host, DEVICE.parse().unwrap(), kind)
    }
}

/// What leads to one peer whose subnet is `subnet`.
fn to_peer(vtep: &str, subnets: &[&str]) -> Vec<Object> {
    let (link, vtep): (netd_model::name::LinkName, IpAddr) = (DEVICE.parse().unwrap(), vtep.parse().unwrap());
    let mac = mac(2);
    let mut objects = vec![Object::Fdb(Fdb { link: link.clone(), mac: Some(mac), destination: vtep })];
    for subnet in subnets.iter().map(|subnet| subnet.parse::<IpNetwork>().unwrap()) {
        let address = subnet.network();
        objects.push(Object::Neighbour(Neighbour { link: link.clone(), address, mac }));
        objects.push(Object::Route(Route {
            side: Side::Host,
            link: link.clone(),
            destination: subnet,
            gateway: Some(address),
            onlink: true,
            table: None,
            priority: None,
            scope: None,
            mtu: None,
            advmss: None,
        }));
    }
    objects
}

fn address(text: &str) -> Object {
    let (link, address) = (DEVICE.parse().unwrap(), text.parse().unwrap());
    Object::Address(Address { side: Side::Host, link, address, detect_duplicates: false, deprecated: false })
}

fn element(set: Set, parts: Vec<Part>) -> Object {
    Object::Element(Element::of_set(set, parts, "overlay lab".to_owned()))
}

fn all() -> Vec<Object> {
    let mut all = vec![Object::Link(device(77)), address("10.40.1.0/32"), address("fd40:0:0:1::/128")];
    all.extend(to_peer("192.168.50.2", &["10.40.2.0/24", "fd40:0:0:2::/64"]));
    all
}

#[test]
fn checksums_are_offloaded_where_that_is_said() {
    let mut lab = Lab::new();
    let shown = || sh(&format!("ethtool -k {DEVICE}"));
    lab.make(&present([Object::Link(device(77))]));
    assert!(shown().contains("tx-checksumming: on"), "{}", shown());
    for (is_on, words) in [(false, "tx-checksumming: off"), (true, "tx-checksumming: on")] {
        let wanted = present([Object::Link(Link { checksum_offload: Some(is_on), ..device(77) })]);
        let switch = if is_on { "on" } else { "off" };
        assert_eq!(lab.make(&wanted), format!("host       ip link set dev {DEVICE} tx {switch}\n"));
        assert!(shown().contains(words), "{}", shown());
        assert_eq!(lab.make(&wanted), "nothing to do\n");
    }
}

#[test]
fn a_device_and_what_leads_over_it_is_made_seen_and_removed() {
    let mut lab = Lab::new();
    lab.make(&present(all()));
    for (command, words) in [
        ("ip -d link show ovlx0", "vxlan id 77 local 192.168.50.1"),
        ("ip -d link show ovlx0", "dstport 4789 nolearning"),
        ("bridge fdb show dev ovlx0", "02:00:00:00:00:02 dst 192.168.50.2 self permanent"),
        ("ip neigh show dev ovlx0", "10.40.2.0 lladdr 02:00:00:00:00:02 PERMANENT"),
        ("ip route show dev ovlx0", "10.40.2.0/24 via 10.40.2.0 onlink"),
        ("ip -6 route show dev ovlx0", "fd40:0:0:2::/64 via fd40:0:0:2::"),
    ] {
        assert!(sh(command).contains(words), "{words} in {}", sh(command));
    }
    let found = lab.kernel.on_link(&DEVICE.parse().unwrap()).unwrap();
    let wanted: netd_model::object::State = all().into_iter().filter(|object| object.carrier().is_some()).collect();
    let keys = |state: &netd_model::object::State| state.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&found), keys(&wanted));
    lab.make(&absent(to_peer("192.168.50.2", &["10.40.2.0/24", "fd40:0:0:2::/64"])));
    assert_eq!(sh("bridge fdb show dev ovlx0; ip neigh show dev ovlx0; ip route show dev ovlx0"), "");
    lab.make(&absent([Object::Link(device(77))]));
    assert!(lab.kernel.on_link(&DEVICE.parse().unwrap()).unwrap().is_empty());
}

#[test]
fn what_a_device_was_born_with_is_changed_by_making_it_anew() {
    let mut lab = Lab::new();
    lab.make(&present(all()));
    let mut other = all();
    other[0] = Object::Link(device(78));
    let done = lab.make(&present(other));
    assert!(done.starts_with("host       ip link delete dev ovlx0\nhost       ip link add dev ovlx0"), "{done}");
    assert!(sh("ip -d link show ovlx0").contains("vxlan id 78"));
}

#[test]
fn a_host_that_moved_is_reached_at_its_new_address_alone() {
    let mut lab = Lab::new();
    lab.make(&present(all()));
    let moved = to_peer("192.168.50.9", &["10.40.2.0/24"]);
    let gone = to_peer("192.168.50.2", &[]);
    lab.make(&Desired { present: moved.into_iter().collect(), absent: gone.into_iter().collect() });
    assert_eq!(sh("bridge fdb show dev ovlx0"), "02:00:00:00:00:02 dst 192.168.50.9 self permanent\n");
}

#[test]
fn frames_to_nobody_that_is_known_go_to_every_host_of_the_list() {
    let mut lab = Lab::new();
    let flood = |vtep: &str| {
        let (link, destination) = (DEVICE.parse().unwrap(), vtep.parse().unwrap());
        Object::Fdb(Fdb { link, mac: None, destination })
    };
    let hosts = ["192.168.50.2", "192.168.50.3"].map(flood);
    lab.make(&present([Object::Link(device(77))].into_iter().chain(hosts.clone())));
    assert_eq!(sh("bridge fdb show dev ovlx0").lines().count(), 2);
    lab.make(&absent([hosts[0].clone()]));
    assert_eq!(sh("bridge fdb show dev ovlx0"), "00:00:00:00:00:00 dst 192.168.50.3 self permanent\n");
}

/// A network and its hosts.
pub(crate) fn elements() -> [Object; 5] {
    let vni = Vni::try_from(77).unwrap();
    let here = |source: Part| vec![source, Part::Port(4789), Part::Vni(vni)];
    let inside = |subnet: &str| vec![Part::Subnet(subnet.parse().unwrap()); 2];
    [
        element(Set::Vni, vec![Part::Port(4789), Part::Vni(vni)]),
        element(Set::Peer4, here(Part::Ipv4([192, 168, 50, 2].into()))),
        element(Set::Peer6, here(Part::Ipv6("fd50::2".parse().unwrap()))),
        element(Set::Inside4, inside("10.40.0.0/15")),
        element(Set::Inside6, inside("fd40::/48")),
    ]
}

#[test]
fn networks_and_their_hosts_are_elements() {
    let mut lab = Lab::new();
    let program = Object::Program(Program { family: Family::Inet, version: Family::Inet.version() });
    let elements = elements();
    lab.make(&present([program].into_iter().chain(elements.clone())));
    assert!(sh("nft list set inet netd inside4").contains("10.40.0.0/15 . 10.40.0.0/15 comment \"overlay lab\""));
    let found = Set::OF_OVERLAYS.map(|set| lab.kernel.elements_of(set).unwrap());
    assert_eq!(found.into_iter().flatten().map(Object::Element).collect::<Vec<_>>(), elements);
    lab.make(&absent(elements));
    assert!(!sh("nft list ruleset").contains("elements"));
}

#[test]
fn five_thousand_hosts_are_programmed_seen_and_removed() {
    let mut lab = Lab::new();
    let (link, device): (netd_model::name::LinkName, _) = (DEVICE.parse().unwrap(), Object::Link(device(77)));
    let to = |number: u32| {
        let [_, _, a, b] = number.to_be_bytes();
        let mac = Mac::try_from([2, 1, 0, 0, a, b]).unwrap();
        let next: IpAddr = [10, 40, a, b].into();
        let neighbour = Object::Neighbour(Neighbour { link: link.clone(), address: next, mac });
        let destination = [192, 168, a, b].into();
        [neighbour, Object::Fdb(Fdb { link: link.clone(), mac: Some(mac), destination })]
    };
    let many = || (1..=5_000).flat_map(to);
    lab.make(&present([device].into_iter().chain(many())));
    assert_eq!(lab.kernel.on_link(&DEVICE.parse().unwrap()).unwrap().iter().count(), 10_000);
    lab.make(&absent(many()));
    assert!(lab.kernel.on_link(&DEVICE.parse().unwrap()).unwrap().is_empty());
}

/// Whether something that breaks an overlay network is heard of this command, and nothing of it is left to hear.
fn is_heard(events: &mut Events, command: &str) -> bool {
    sh(command);
    let heard = events.next(Duration::ZERO).unwrap();
    assert_eq!(events.next(Duration::ZERO).unwrap(), None, "{command}");
    heard == Some(Event::Changed)
}

#[test]
fn what_breaks_a_network_is_heard_and_what_makes_it_or_is_of_others_is_not() {
    let mut lab = Lab::new();
    let program = Object::Program(Program { family: Family::Inet, version: Family::Inet.version() });
    let peer = vec![Part::Ipv4([192, 168, 50, 2].into()), Part::Port(4789), Part::Vni(Vni::try_from(77).unwrap())];
    lab.make(&present([program, Object::Link(device(77))]));
    let mut events = Events::of_overlays().unwrap();
    lab.make(&present(all().into_iter().chain([element(Set::Peer4, peer)])));
    assert_eq!(events.next(Duration::ZERO).unwrap(), None, "what is added");
    for breaks in [
        "ip neigh del 10.40.2.0 dev ovlx0",
        "ip neigh del fd40:0:0:2:: dev ovlx0",
        "bridge fdb del 02:00:00:00:00:02 dev ovlx0 dst 192.168.50.2",
        "ip route del 10.40.2.0/24",
        "ip route del fd40:0:0:2::/64",
        "ip address del 10.40.1.0/32 dev ovlx0",
        "nft flush set inet netd peer4",
        "ip link set ovlx0 mtu 1400",
        "ip link set ovlx0 down",
        "ip link del ovlx0",
    ] {
        assert!(is_heard(&mut events, breaks), "{breaks}");
    }
    for of_others in [
        "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; ip address add 10.1.0.1/24 dev v0",
        "ip neigh add 10.1.0.7 lladdr 02:00:00:00:00:07 dev v0; ip neigh del 10.1.0.7 dev v0",
        "ip route add 10.2.0.0/24 via 10.1.0.7",
        "nft add element inet netd masquerade4 { 10.1.0.7 }; nft delete element inet netd masquerade4 { 10.1.0.7 }",
        "ip link add o type bridge; ip link set v1 master o; bridge fdb add 02:00:00:00:00:09 dev v1 master",
        "bridge fdb del 02:00:00:00:00:09 dev v1 master; ip link del v0",
    ] {
        assert!(!is_heard(&mut events, of_others), "{of_others}");
    }
    lab.make(&present(all()));
    assert_eq!(events.next(Duration::ZERO).unwrap(), Some(Event::Changed), "another device");
    assert!(is_heard(&mut events, "ip route replace 10.40.2.0/24 via 10.40.2.0 dev ovlx0 onlink mtu 1300"));
    assert!(is_heard(&mut events, "nft flush ruleset"));
}

#[test]
fn a_few_things_are_asked_for_by_their_keys() {
    let mut lab = Lab::new();
    lab.make(&present(all()));
    let keys: Vec<Key> = all().iter().map(Object::key).collect();
    let seen = |lab: &mut Lab| -> Vec<bool> {
        let state = lab.kernel.observe_few(&keys).unwrap();
        assert_eq!(state, lab.kernel.observe(&keys).unwrap());
        keys.iter().map(|key| state.find(key).is_some()).collect()
    };
    assert!(seen(&mut lab).iter().all(|is_seen| *is_seen));
    sh("ip neigh del 10.40.2.0 dev ovlx0; ip route del fd40:0:0:2::/64; ip route add default via 10.40.1.0 dev ovlx0");
    sh("bridge fdb replace 02:00:00:00:00:02 dev ovlx0 dst 192.168.50.3 self permanent");
    assert_eq!(seen(&mut lab).iter().filter(|is_seen| !**is_seen).count(), 3);
    sh("ip link del ovlx0");
    assert!(seen(&mut lab).iter().all(|is_seen| !is_seen));
}

#[test]
fn who_is_on_the_same_link_has_no_router_between() {
    let mut lab = Lab::new();
    sh("ip link add u type veth peer name w; ip link set u up; ip link set w up; ip address add 192.168.50.1/24 dev u");
    sh("ip route add 192.168.60.0/24 via 192.168.50.254");
    let [near, far, nowhere]: [IpAddr; 3] =
        ["192.168.50.2", "192.168.60.2", "192.168.70.2"].map(|it| it.parse().unwrap());
    let found = lab.kernel.on_same_link(&[near, far, nowhere]).unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(near, "u".parse().unwrap())]);
}

#[test]
fn routes_are_found_by_their_priority() {
    let mut lab = Lab::new();
    sh("ip link add u type veth peer name w; ip link set u up; ip link set w up; ip address add 192.168.50.1/24 dev u");
    sh("ip route add 10.40.2.0/24 via 192.168.50.2 metric 77; ip route add 10.40.3.0/24 via 192.168.50.3");
    sh("ip -6 route add fd40::/64 dev w metric 77");
    let found = lab.kernel.routes_of_priority(77).unwrap();
    let found: Vec<_> = found.iter().map(|route| (route.destination.to_string(), route.link.as_str())).collect();
    assert_eq!(found, [("10.40.2.0/24".to_owned(), "u"), ("fd40::/64".to_owned(), "w")]);
}
