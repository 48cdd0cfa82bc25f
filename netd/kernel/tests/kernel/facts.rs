//! What plugins and netd ask before they say what they want, and what they wait for.

use std::time::{Duration, Instant};

use netd_kernel::{Error, Event, Events, Kernel};
use netd_model::{
    name::LinkName,
    object::{Address, Object, Side},
};

use crate::{
    lab::{Lab, absent, present, sh},
    wanted::{own, shared},
};

const SECOND: Duration = Duration::from_secs(1);

fn name(text: &str) -> LinkName {
    text.parse().unwrap()
}

#[test]
fn the_mtu_of_the_way_out_is_the_smaller_of_both_families() {
    let mut lab = Lab::new();
    let mut mtu = || lab.kernel.uplink_mtu().unwrap().map(u32::from);
    assert_eq!(mtu(), None);
    sh("ip link add up4 mtu 1450 type veth peer name p4 && ip link set up4 up && ip link set p4 up
        ip address add 192.168.1.2/24 dev up4 && ip route add default via 192.168.1.1");
    assert_eq!(mtu(), Some(1450));
    sh("ip link add up6 mtu 1400 type veth peer name p6 && ip link set up6 up && ip link set p6 up
        ip address add fd00:9::2/64 dev up6 nodad && ip route add default via fd00:9::1");
    assert_eq!(mtu(), Some(1400));
    sh("ip route change default via 192.168.1.1 mtu 1300");
    assert_eq!(mtu(), Some(1300));
    sh("ip route replace unreachable default; ip -6 route del default");
    assert_eq!(mtu(), None);
}

#[test]
fn the_mtu_at_an_address_is_that_of_its_interface() {
    let mut lab = Lab::new();
    sh("ip link add up4 mtu 1450 type veth peer name p4 && ip link set up4 up && ip link set p4 up
        ip address add 192.168.1.2/24 dev up4 && ip address add fd00:9::2/64 dev up4 nodad");
    let mut mtu = |address: &str| lab.kernel.mtu_at(address.parse().unwrap()).unwrap().map(u32::from);
    assert_eq!([mtu("192.168.1.2"), mtu("fd00:9::2"), mtu("192.168.1.3")], [Some(1450), Some(1450), None]);
}

#[test]
fn routers_are_listened_to_until_packets_are_forwarded() {
    let mut lab = Lab::new();
    sh("ip link add eth9 type veth peer name peer && echo 2 > /proc/sys/net/ipv6/conf/peer/accept_ra");
    lab.kernel.apply(&netd_model::plan::Plan { steps: vec![] }).unwrap();
    lab.make(&present(shared()));
    let listening = lab.kernel.interfaces_accepting_ra().unwrap();
    assert!(listening.contains(&name("eth9")), "{listening:?}");
    assert!(!listening.contains(&name("peer")) && !listening.contains(&name("br-web")), "{listening:?}");
    sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    assert_eq!(lab.kernel.interfaces_accepting_ra().unwrap(), []);
}

#[test]
fn our_interfaces_are_those_of_our_group() {
    let mut lab = Lab::new();
    sh("ip link add docker0 type bridge");
    lab.make(&present(shared().into_iter().chain(own())));
    let ours = lab.kernel.our_links().unwrap();
    let seen: Vec<_> =
        ours.iter().map(|link| (link.name.as_str(), link.port.as_ref().map(|port| port.bridge.as_str()))).collect();
    assert_eq!(seen, [("br-web", None), ("veth7", Some("br-web"))]);
}

#[test]
fn a_port_is_up_when_both_ends_are() {
    let mut lab = Lab::new();
    lab.make(&present(shared().into_iter().chain(own())));
    lab.kernel.wait_up(Side::Host, &name("veth7"), SECOND * 5).unwrap();
    lab.kernel.wait_up(Side::Container, &name("eth0"), SECOND * 5).unwrap();
    lab.container.sh("ip link set eth0 down");
    let start = Instant::now();
    let error = lab.kernel.wait_up(Side::Host, &name("veth7"), SECOND / 10).unwrap_err();
    assert!(matches!(error, Error::Late { .. }), "{error}");
    assert!(start.elapsed() >= SECOND / 10);
    let waiter = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let netns = netd_kernel::Netns::open(&lab.container.path()).unwrap();
            Kernel::open(netns).wait_up(Side::Container, &name("eth0"), SECOND * 5)
        });
        lab.container.sh("ip link set eth0 up");
        waiter.join().unwrap()
    });
    waiter.unwrap();
}

#[test]
fn an_address_that_another_host_has_is_found() {
    let mut lab = Lab::new();
    lab.make(&present(shared().into_iter().chain(own())));
    let address = |text: &str| {
        let (link, address) = (name("eth0"), text.parse().unwrap());
        Object::Address(Address { side: Side::Container, link, address, detect_duplicates: true, deprecated: false })
    };
    // The program of the bridge lets a container look for its own addresses only.
    sh("nft delete table bridge netd");
    lab.make(&present([address("fd00:1::8/64")]));
    lab.kernel.wait_unique(Side::Container, &name("eth0"), SECOND * 5).unwrap();
    lab.make(&present([address("fd00:1::1/64")]));
    let error = lab.kernel.wait_unique(Side::Container, &name("eth0"), SECOND * 5).unwrap_err();
    assert_eq!(error.to_string(), "fd00:1::1 on eth0: another host has this address");
}

#[test]
fn changes_are_heard_and_what_needs_nobody_is_not() {
    let mut lab = Lab::new();
    let mut events = Events::open().unwrap();
    let mut heard = |limit| {
        let first = events.next(limit).unwrap();
        while events.next(SECOND / 20).unwrap().is_some() {}
        first
    };
    assert_eq!(heard(SECOND / 20), None);
    lab.make(&present(shared().into_iter().chain(own())));
    assert_eq!(heard(SECOND), Some(Event::Changed));
    assert_eq!(heard(SECOND / 20), None);
    for change in [
        "ip address delete 10.1.0.1/24 dev br-web",
        "ip link set br-web down",
        "ip link delete br-web",
        "nft flush set inet netd masquerade4",
        "nft delete table bridge netd",
        "nft flush ruleset",
    ] {
        sh(change);
        assert_eq!(heard(SECOND), Some(Event::Changed), "{change}");
    }
    sh("nft add table inet other && nft delete table inet other && ip address add 10.9.9.9/32 dev lo");
    assert_eq!(heard(SECOND / 10), None);
    sh("nft 'add table inet other; add chain inet other plain'");
    assert_eq!(heard(SECOND / 10), None);
    sh("nft 'add chain inet other in { type filter hook input priority 0; policy drop; }'");
    assert_eq!(heard(SECOND), Some(Event::Changed), "a firewall of somebody else's");
}

#[test]
fn more_changes_than_can_be_heard_are_an_overrun() {
    let _lab = Lab::new();
    let mut events = Events::open().unwrap();
    sh("for i in $(seq 6000); do echo link set lo mtu $((1500 + i)); done | ip -batch -");
    let mut all = std::iter::from_fn(|| events.next(SECOND / 20).unwrap());
    assert!(all.any(|event| event == Event::Overrun));
}

#[test]
fn a_container_that_is_gone_leaves_nothing() {
    let mut lab = Lab::new();
    lab.make(&present(shared().into_iter().chain(own())));
    let mut kernel = Kernel::open(None);
    let unwanted = absent(own().into_iter().filter(|object| object.side() == Side::Host));
    let seen = kernel.observe(unwanted.keys()).unwrap();
    kernel.apply(&netd_model::plan::plan(&unwanted, &seen)).unwrap();
    assert_eq!(kernel.our_links().unwrap().len(), 1);
}
