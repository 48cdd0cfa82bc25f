//! Addresses, routes and parameters, on both sides.

use netd_kernel::Error;
use netd_model::{
    name::LinkName,
    object::{Address, Object, Route, Side, Sysctl, SysctlPath},
    plan::{Plan, Step},
};

use crate::lab::{Lab, absent, present, sh};

const PAIR: &str = "ip link add veth0 type veth peer name eth0 && ip link set veth0 up && ip link set eth0 up";

fn link() -> LinkName {
    "eth0".parse().unwrap()
}

fn address(text: &str) -> Object {
    let address = text.parse().unwrap();
    Object::Address(Address {
        side: Side::Container,
        link: link(),
        address,
        detect_duplicates: false,
        deprecated: false,
    })
}

fn route(destination: &str) -> Route {
    Route {
        onlink: false,
        side: Side::Container,
        link: link(),
        destination: destination.parse().unwrap(),
        gateway: None,
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
    }
}

#[test]
fn addresses_of_both_families_are_added_and_removed() {
    let mut lab = Lab::new();
    lab.container.sh(PAIR);
    let wanted = ["10.1.0.7/24", "10.1.0.8/32", "10.2.0.0/31", "fd00:1::7/64", "fd00:1::8/128"].map(address);
    lab.make(&present(wanted.clone()));
    let shown = lab.container.sh("ip address show dev eth0");
    assert!(shown.contains("inet 10.1.0.7/24 brd 10.1.0.255 scope global eth0"), "{shown}");
    assert!(!shown.contains("global tentative"), "{shown}");
    lab.make(&absent(wanted.clone()));
    let again = wanted.into_iter().map(Step::Delete).collect();
    lab.kernel.apply(&Plan { steps: again }).unwrap();
    let shown = lab.kernel.addresses(Side::Container, &link()).unwrap();
    assert!(shown.iter().all(|left| left.to_string().starts_with("fe80:")), "{shown:?}");
}

#[test]
fn a_deprecated_address_begins_nothing_whoever_came_first() {
    let deprecated = |text| match address(text) {
        Object::Address(address) => Object::Address(Address { deprecated: true, ..address }),
        other => other,
    };
    for first in [0, 1] {
        let mut lab = Lab::new();
        lab.container.sh(PAIR);
        let mut both = [deprecated("fd00::1/128"), address("fd00:0:0:1::1/48")];
        both.rotate_left(first);
        for one in both {
            lab.make(&present([one]));
        }
        let shown = lab.container.sh("ip address show dev eth0 to fd00::1");
        assert!(shown.contains("deprecated") && shown.contains("valid_lft forever preferred_lft 0sec"), "{shown}");
        let way = lab.container.sh("ip route get fd00:0:0:2::2; ip route get fd00::2");
        assert_eq!(way.matches("src fd00:0:0:1::1").count(), 2, "{way}");
    }
}

#[test]
fn an_address_that_is_there_is_not_added_again() {
    let mut lab = Lab::new();
    lab.container.sh(PAIR);
    let steps = vec![Step::Add(address("10.1.0.7/24")), Step::Add(address("10.1.0.7/24"))];
    let error = lab.kernel.apply(&Plan { steps }).unwrap_err();
    assert!(error.is_exists(), "{error}");
    assert!(error.to_string().starts_with("container ip address add 10.1.0.7/24 dev eth0: "), "{error}");
}

#[test]
fn every_attribute_of_a_route_is_seen_as_it_was_set() {
    let mut lab = Lab::new();
    lab.container.sh(PAIR);
    let (v4, v6) = (Some("10.1.0.1".parse().unwrap()), Some("fd00:1::1".parse().unwrap()));
    let routes = [
        Route { gateway: v4, ..route("0.0.0.0/0") },
        Route { gateway: v4, table: Some(1000), priority: Some(7), mtu: Some(1300), ..route("10.9.0.0/16") },
        Route { scope: Some(253), advmss: Some(1200), ..route("10.8.0.0/16") },
        route("10.7.0.1/32"),
        Route { gateway: v6, ..route("::/0") },
        Route { gateway: v6, table: Some(100), priority: Some(7), mtu: Some(1300), ..route("fd00:9::/64") },
        Route { gateway: v6, ..route("10.6.0.0/16") },
    ];
    let wanted: Vec<Object> =
        ["10.1.0.7/24", "fd00:1::7/64"].map(address).into_iter().chain(routes.into_iter().map(Object::Route)).collect();
    lab.make(&present(wanted.clone()));
    assert_eq!(lab.kernel.routes(Side::Container, &link()).unwrap().len(), 7);

    let changed = Object::Route(Route { advmss: Some(1100), scope: Some(253), ..route("10.8.0.0/16") });
    let done = lab.make(&present([changed]));
    assert!(done.starts_with("container  ip route delete 10.8.0.0/16 dev eth0"), "{done}");

    let routes = wanted.into_iter().filter(|object| matches!(object, Object::Route(_)));
    lab.make(&absent(routes.clone()));
    lab.kernel.apply(&Plan { steps: routes.map(Step::Delete).collect() }).unwrap();
    assert_eq!(lab.kernel.routes(Side::Container, &link()).unwrap(), []);
}

#[test]
fn what_the_kernel_routes_by_itself_is_not_seen() {
    let mut lab = Lab::new();
    lab.container.sh(PAIR);
    lab.make(&present([address("10.1.0.7/24"), address("fd00:1::7/64")]));
    assert!(lab.container.sh("ip route").contains("10.1.0.0/24"));
    assert_eq!(lab.kernel.routes(Side::Container, &link()).unwrap(), []);
}

#[test]
fn a_route_that_is_there_already_is_success() {
    let mut lab = Lab::new();
    lab.container.sh(PAIR);
    lab.make(&present([address("10.1.0.7/24"), address("fd00:1::7/64")]));
    let (v4, v6) = (Some("10.1.0.1".parse().unwrap()), Some("fd00:1::1".parse().unwrap()));
    let add = [Route { gateway: v4, ..route("0.0.0.0/0") }, Route { gateway: v6, ..route("::/0") }];
    for _ in 0..2 {
        let steps = add.iter().cloned().map(|route| Step::Add(Object::Route(route))).collect();
        lab.kernel.apply(&Plan { steps }).unwrap();
    }
    assert_eq!(lab.kernel.routes(Side::Container, &link()).unwrap().len(), 2);
}

#[test]
fn the_refusal_of_a_route_has_the_kernels_words() {
    let mut lab = Lab::new();
    lab.container.sh(PAIR);
    let gateway = Some("10.1.0.1".parse().unwrap());
    let steps = vec![Step::Add(Object::Route(Route { gateway, ..route("0.0.0.0/0") }))];
    let error = lab.kernel.apply(&Plan { steps }).unwrap_err();
    let text = "container ip route add default via 10.1.0.1 dev eth0: Network is unreachable (os error 101) (Nexthop \
                has invalid gateway)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn parameters_are_written_in_the_namespace_that_they_are_for() {
    let mut lab = Lab::new();
    lab.container.sh(PAIR);
    let sysctl = |side, path: &str, value: &str| {
        Object::Sysctl(Sysctl { side, path: path.parse().unwrap(), value: value.to_owned() })
    };
    lab.make(&present([
        sysctl(Side::Host, "net/ipv4/ip_forward", "1"),
        sysctl(Side::Container, "net/ipv4/conf/eth0/arp_notify", "1"),
        sysctl(Side::Container, "net/ipv4/ip_local_port_range", "20000 30000"),
    ]));
    assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    assert_eq!(lab.container.sh("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    assert_eq!(lab.container.sh("cat /proc/sys/net/ipv4/conf/eth0/arp_notify"), "1\n");
    let missing = Object::Sysctl(Sysctl {
        side: Side::Host,
        path: SysctlPath::of_namespace("ipv4/no_such_thing"),
        value: "1".to_owned(),
    });
    assert!(lab.kernel.observe([&missing.key()]).unwrap().is_empty());
    let error = lab.kernel.apply(&Plan { steps: vec![Step::Add(missing)] }).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}
