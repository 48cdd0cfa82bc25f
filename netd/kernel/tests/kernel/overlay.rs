//! What leads to another host of an overlay network: device, neighbours, forwarding entries, routes, allowed sources.

use std::net::IpAddr;

use netd_model::{
    IpNetwork,
    addr::Mac,
    element::{Element, ElementKey, Family, Part, Set},
    object::{Address, Fdb, GROUP, Link, LinkKind, Neighbour, Object, Program, Route, Side},
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
    Object::Address(Address { side: Side::Host, link, address, detect_duplicates: false })
}

fn element(set: Set, parts: Vec<Part>) -> Object {
    Object::Element(Element { key: ElementKey { set, parts }, owner: "overlay lab".to_owned() })
}

fn all() -> Vec<Object> {
    let mut all = vec![Object::Link(device(77)), address("10.40.1.0/32"), address("fd40:0:0:1::/128")];
    all.extend(to_peer("192.168.50.2", &["10.40.2.0/24", "fd40:0:0:2::/64"]));
    all
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

#[test]
fn networks_and_their_hosts_are_elements() {
    let mut lab = Lab::new();
    let vni = Vni::try_from(77).unwrap();
    let program = Object::Program(Program { family: Family::Inet, version: Family::Inet.version() });
    let here = |source: Part| vec![source, Part::Port(4789), Part::Vni(vni)];
    let elements = [
        element(Set::Vni, vec![Part::Port(4789), Part::Vni(vni)]),
        element(Set::Peer4, here(Part::Ipv4([192, 168, 50, 2].into()))),
        element(Set::Peer6, here(Part::Ipv6("fd50::2".parse().unwrap()))),
    ];
    lab.make(&present([program].into_iter().chain(elements.clone())));
    let found = [Set::Vni, Set::Peer4, Set::Peer6].map(|set| lab.kernel.elements_of(set).unwrap());
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
