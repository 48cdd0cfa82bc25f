//! What the programs do to packets: with bridged packets shown to the routed program (`br_netfilter`) and without.

use std::{
    net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket},
    time::Duration,
};

use netd_kernel::{Error, Kernel, Netns};
use netd_model::{
    element::Set,
    object::{Key, Side},
};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketType, ipproto, recv, sendto, socket,
    sockopt::{Timeout, set_socket_timeout},
};

use crate::{
    lab::{Lab, Namespace, can, present, sh},
    wanted::{container, shared},
};

/// Attaches a container whose addresses end with `number`; `leave_out` says what it does without.
fn attach(number: u8, leave_out: impl Fn(&Key) -> bool) -> Namespace {
    let namespace = Namespace::new();
    let mut kernel = Kernel::open(Netns::open(&namespace.path()).unwrap());
    let objects = shared().into_iter().chain(container(number));
    let desired = present(objects.filter(|object| !leave_out(&object.key())));
    let seen = kernel.observe(desired.keys()).unwrap();
    kernel.apply(&netd_model::plan::plan(&desired, &seen)).unwrap();
    namespace
}

/// Leaves out elements of these sets.
fn without(sets: &[Set]) -> impl Fn(&Key) -> bool {
    move |key| matches!(key, Key::Element(element) if sets.contains(&element.set))
}

/// Another host beyond the one of the lab, 192.168.1.1 and `fd00:9::1`; it knows of no container.
fn outside() -> Namespace {
    let namespace = Namespace::new();
    sh(&format!("ip link add uplink type veth peer name eth0 netns {}", namespace.pid()));
    sh("ip link set uplink up; ip address add 192.168.1.2/24 dev uplink; ip address add fd00:9::2/64 dev uplink nodad
        ip route add default via 192.168.1.1; ip route add default via fd00:9::1
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
    namespace
        .sh("ip link set eth0 up; ip address add 192.168.1.1/24 dev eth0; ip address add fd00:9::1/64 dev eth0 nodad");
    namespace
}

/// The source that `to` sees of a packet of `from` to `address`; none if it sees no packet.
fn source(from: &Namespace, to: impl FnOnce(&str) -> UdpSocket, address: &str) -> Option<String> {
    let address: IpAddr = address.parse().unwrap();
    let any = if address.is_ipv4() { "0.0.0.0" } else { "[::]" };
    let receiver = to(&format!("{any}:0"));
    let port = receiver.local_addr().unwrap().port();
    receiver.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let sender = from.run(|| UdpSocket::bind(format!("{any}:0")).unwrap());
    // The first packets may go while neighbours are still looked for.
    let tries = (0..5).find_map(|_| {
        sender.send_to(b"hello", SocketAddr::new(address, port)).unwrap();
        receiver.recv_from(&mut [0; 16]).ok()
    });
    tries.map(|(_, source)| source.ip().to_string())
}

fn inside(namespace: &Namespace) -> impl FnOnce(&str) -> UdpSocket + '_ {
    |address| namespace.run(|| UdpSocket::bind(address).unwrap())
}

fn here(address: &str) -> UdpSocket {
    UdpSocket::bind(address).unwrap()
}

/// One answer is enough, and one may be long in coming. Where none is expected, none within a second is.
fn ping(whom: &str, expected: bool) -> String {
    format!("ping -c1 -i0.2 -w{} {whom}", if expected { 10 } else { 1 })
}

fn show_bridged_packets(on: bool) {
    for word in ["iptables", "ip6tables"] {
        std::fs::write(format!("/proc/sys/net/bridge/bridge-nf-call-{word}"), if on { "1" } else { "0" }).unwrap();
    }
}

#[test]
fn packets_are_masqueraded_where_they_leave_the_host_and_only_there() {
    let _lab = Lab::new();
    let outside = outside();
    let (c7, c8) = (attach(7, without(&[])), attach(8, without(&[])));
    for on in [false, true] {
        show_bridged_packets(on);
        let seen = |to: &Namespace, address| source(&c7, inside(to), address);
        assert_eq!(seen(&outside, "192.168.1.1").as_deref(), Some("192.168.1.2"), "{on}");
        assert_eq!(seen(&outside, "fd00:9::1").as_deref(), Some("fd00:9::2"), "{on}");
        assert_eq!(seen(&c8, "10.1.0.8").as_deref(), Some("10.1.0.7"), "{on}");
        assert_eq!(seen(&c8, "fd00:1::8").as_deref(), Some("fd00:1::7"), "{on}");
        assert_eq!(source(&c7, here, "10.1.0.1").as_deref(), Some("10.1.0.7"), "{on}");
        assert_eq!(source(&c7, here, "fd00:1::1").as_deref(), Some("fd00:1::7"), "{on}");
    }
}

#[test]
fn packets_within_a_subnet_stay_as_they_are_because_of_home() {
    let _lab = Lab::new();
    let (c7, c8) = (attach(7, without(&[Set::Home4, Set::Home6])), attach(8, without(&[])));
    show_bridged_packets(true);
    assert_eq!(source(&c7, inside(&c8), "10.1.0.8").as_deref(), Some("10.1.0.1"));
    assert_eq!(source(&c7, inside(&c8), "fd00:1::8").as_deref(), Some("fd00:1::1"));
    show_bridged_packets(false);
    assert_eq!(source(&c7, inside(&c8), "10.1.0.8").as_deref(), Some("10.1.0.7"));
}

#[test]
fn without_an_element_nothing_is_masqueraded() {
    let _lab = Lab::new();
    let outside = outside();
    outside.sh("ip route add 10.1.0.0/24 via 192.168.1.2; ip route add fd00:1::/64 via fd00:9::2");
    let c7 = attach(7, without(&[Set::Masquerade4, Set::Masquerade6]));
    assert_eq!(source(&c7, inside(&outside), "192.168.1.1").as_deref(), Some("10.1.0.7"));
    assert_eq!(source(&c7, inside(&outside), "fd00:9::1").as_deref(), Some("fd00:1::7"));
}

#[test]
fn a_guarded_container_sends_from_its_own_hardware_address_only() {
    let _lab = Lab::new();
    let ip = [Set::GuardedIp, Set::Source4, Set::Source6];
    let (c7, free) = (attach(7, without(&ip)), attach(8, without(&[Set::Guarded, Set::GuardedIp])));
    for (number, container, may) in [(7, &c7, false), (8, &free, true)] {
        assert!(container.can(&ping("10.1.0.1", true)) && container.can(&ping("fd00:1::1", true)), "{number}");
        container.sh("ip link set eth0 address 02:00:00:00:00:99");
        sh("ip neigh flush dev br-web");
        assert_eq!(container.can(&ping("10.1.0.1", may)), may, "{number}");
        assert_eq!(container.can(&ping("fd00:1::1", may)), may, "{number}");
    }
}

#[test]
fn a_guarded_container_sends_from_its_own_addresses_only() {
    let _lab = Lab::new();
    let (c7, free) = (attach(7, without(&[])), attach(8, without(&[Set::Guarded, Set::GuardedIp])));
    for on in [false, true] {
        show_bridged_packets(on);
        for (number, container, may) in [(7, &c7, false), (8, &free, true)] {
            assert!(container.can(&ping("10.1.0.1", true)) && container.can(&ping("fd00:1::1", true)), "{number}");
            let foreign = [format!("10.1.0.9{number}"), format!("fd00:1::9{number}")];
            for address in &foreign {
                let length = if address.contains(':') { "64 nodad" } else { "24" };
                container.sh(&format!("ip address replace {address}/{length} dev eth0"));
                let gateway = if address.contains(':') { "fd00:1::1" } else { "10.1.0.1" };
                assert_eq!(container.can(&ping(&format!("-I {address} {gateway}"), may)), may, "{address}");
                // Nor is it believed when it answers who has the address.
                sh("ip neigh flush dev br-web");
                assert_eq!(can(&ping(address, may)), may, "{address}");
                container.sh(&format!("ip address flush to {address} dev eth0"));
            }
        }
    }
}

#[test]
fn a_guarded_container_may_ask_for_an_address_and_whether_it_is_free() {
    let _lab = Lab::new();
    let c7 = attach(7, without(&[]));
    // DHCP: from nowhere to everybody.
    c7.sh("ip address flush dev eth0; ip route add default dev eth0");
    let server = UdpSocket::bind("0.0.0.0:67").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let ask = |port: u16| {
        let client = c7.run(|| UdpSocket::bind(("0.0.0.0", port)).unwrap());
        client.set_broadcast(true).unwrap();
        client.send_to(b"discover", "255.255.255.255:67").unwrap();
        server.recv_from(&mut [0; 16]).ok().map(|(_, source)| source.to_string())
    };
    assert_eq!(ask(68).as_deref(), Some("0.0.0.0:68"));
    assert_eq!(ask(69), None);
    // ND: from nowhere to who has it. Somebody has it, and says so.
    let thief = attach(8, without(&[Set::Guarded, Set::GuardedIp]));
    thief.sh("ip address add fd00:1::7/64 dev eth0 nodad");
    c7.sh("ip address add fd00:1::7/64 dev eth0");
    let mut kernel = Kernel::open(Netns::open(&c7.path()).unwrap());
    let found = kernel.wait_unique(Side::Container, &"eth0".parse().unwrap(), Duration::from_secs(5));
    assert!(matches!(found, Err(Error::DuplicateAddress { .. })), "{found:?}");
}

#[test]
fn a_guarded_container_is_no_router() {
    let _lab = Lab::new();
    let (c7, free) = (attach(7, without(&[])), attach(8, without(&[Set::Guarded, Set::GuardedIp])));
    let socket = || socket(AddressFamily::INET6, SocketType::RAW, Some(ipproto::ICMPV6)).unwrap();
    let receiver = socket();
    set_socket_timeout(&receiver, Timeout::Recv, Some(Duration::from_secs(1))).unwrap();
    // A message from either: an echo request, or a router's advertisement to all.
    let heard = |container: &Namespace, kind: u8| {
        let message = [kind, 0, 0, 0, 64, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0];
        let index: u32 = container.sh("ip -o link show eth0").split(':').next().unwrap().parse().unwrap();
        let everybody = SocketAddrV6::new("ff02::1".parse().unwrap(), 0, 0, index);
        sendto(container.run(socket), &message, SendFlags::empty(), &everybody).unwrap();
        let mut buffer = [0; 64];
        std::iter::from_fn(|| recv(&receiver, &mut buffer, RecvFlags::empty()).ok().map(|_| buffer[0]))
            .any(|k| k == kind)
    };
    assert!(heard(&c7, 128) && heard(&free, 134));
    assert!(!heard(&c7, 134));
}
