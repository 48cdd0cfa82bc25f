//! Networks of mode `l2`: one subnet is one link on all hosts, and each host is the gateway of its own containers.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Container, Daemon, Host, Lab, Node, eventually, holds_within, throughout};

use super::{
    SECOND,
    cluster::{Cluster, Shape, device, join, lab_network},
    packets::{answering, asks, send},
};

/// What is promised for all that others break.
const HEALED: Duration = Duration::from_secs(2);

fn one_link() -> Shape {
    Shape { mode: "l2", ipv6: true, ..Shape::default() }
}

/// A container on each host: c1 on h1 and so on, where everyone reaches everyone.
fn with_containers(cluster: &Cluster) -> Vec<Container> {
    let count = cluster.hosts.len();
    let containers: Vec<_> = (1..=count).map(|number| cluster.container(number, &format!("c{number}"))).collect();
    for (one, other) in containers.iter().zip(containers.iter().skip(1)) {
        let is_reached = holds_within(SECOND * 5, || reaches(one, &other.address("eth0")));
        assert!(is_reached, "{}", cluster.netd.iter().flatten().map(Daemon::log).collect::<String>());
    }
    containers
}

/// Whether an echo request to an address is answered within a second; one may be lost while something is looked for.
fn reaches(node: &Node, address: &str) -> bool {
    node.run(&format!("ping -n -c 1 -i 0.2 -w 1 {address}")).success()
}

/// The address of a container by which the others know it, of IPv4 and of IPv6.
fn of_container(number: usize) -> [String; 2] {
    [format!("10.40.{number}.2"), format!("fd40:0:0:{number}::2")]
}

/// The address of a host that only it has.
fn of_host(number: usize) -> [String; 2] {
    [format!("10.40.{number}.1"), format!("fd40:0:0:{number}::1")]
}

const GATEWAYS: [&str; 2] = ["10.40.0.1", "fd40::1"];

/// The bridge of the network.
fn bridge(host: &Host) -> String {
    host.link(&device(host))["master"].as_str().unwrap_or_default().to_owned()
}

/// Counts what comes in by an interface, before any bridge and any rule of ours.
fn count(node: &Node, link: &str, packets: &[&str]) {
    node.sh("nft delete table netdev seen 2>/dev/null || true");
    let chain = format!("type filter hook ingress device \"{link}\" priority 0;");
    node.sh(&format!("nft 'add table netdev seen; add chain netdev seen in {{ {chain} }}'"));
    for packet in packets {
        node.sh(&format!("nft 'add rule netdev seen in {packet} counter'"));
    }
}

/// How much was counted, for each of the packets.
fn counted(node: &Node) -> Vec<u64> {
    let shown = node.run("nft -j list chain netdev seen in").json();
    let rules = shown["nftables"].as_array().unwrap().iter().filter_map(|object| object["rule"]["expr"].as_array());
    let counter = |expressions: &Vec<Value>| expressions.iter().find_map(|it| it["counter"]["packets"].as_u64());
    rules.filter_map(counter).collect()
}

#[test]
fn containers_of_all_hosts_are_neighbours() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 3, one_link());
    let containers = with_containers(&cluster);
    let answering: Vec<_> =
        (1..=3).flat_map(|number| answering(&containers[number - 1], &of_container(number))).collect();
    for (number, container) in containers.iter().enumerate() {
        let [ipv4, ipv6] = of_container(number + 1);
        let held = container.addresses("eth0");
        assert!(held.contains(&format!("{ipv4}/16")) && held.contains(&format!("{ipv6}/48")), "{held:?}");
        for other in (1..=3).filter(|other| *other != number + 1) {
            for address in of_container(other) {
                // A router between them would not let it pass.
                let hop = if address.contains(':') { "-6 -t 1" } else { "-4 -t 1" };
                eventually(SECOND * 2, || container.run(&format!("ping -n {hop} -c 1 -W 2 {address}")).success());
                eventually(SECOND * 3, || asks(container, &address));
            }
        }
        let other = (number + 1) % 3;
        let is_found = || container.dig(&format!("c{}", other + 1)).addresses() == [containers[other].address("eth0")];
        eventually(SECOND * 3, is_found);
        let asked = container.dig_with(&format!("@10.40.0.1 -x {ipv4}"));
        assert!(format!("{:?}", asked.records).contains("lab.internal"), "{asked:?}");
    }
    drop(answering);
    cluster.stop();
}

#[test]
fn an_underlay_of_either_family_carries_one_family_as_well() {
    for (underlay_ipv6, ipv4) in [(true, true), (false, false)] {
        let lab = Lab::new();
        let shape = Shape { underlay_ipv6, ipv4, ipv6: !ipv4, ..one_link() };
        let cluster = Cluster::new(&lab, 2, shape);
        let containers = with_containers(&cluster);
        assert!(reaches(&containers[0], GATEWAYS[usize::from(!ipv4)]));
        let h1 = &cluster.hosts[0];
        let is_off = h1.sysctl(&format!("net/ipv6/conf/{}/disable_ipv6", bridge(h1)));
        assert_eq!(is_off.as_deref(), Some(if ipv4 { "1" } else { "0" }));
        cluster.stop();
    }
}

#[test]
fn the_gateway_is_the_own_host_and_nobody_asks_others_for_it() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, one_link());
    let containers = with_containers(&cluster);
    let discovery = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }";
    let gateway6 = format!("{discovery} @th,64,128 0xfd400000000000000000000000000001");
    let crossing = ["arp daddr ip 10.40.0.1", "arp saddr ip 10.40.0.1", &gateway6, "arp htype 1", discovery];
    for host in &cluster.hosts {
        count(host, &device(host), &crossing);
    }
    for _ in 0..5 {
        for (container, host) in containers.iter().zip(&cluster.hosts) {
            container.sh("ip neigh flush dev eth0");
            host.sh(&format!("ip neigh flush dev {}", bridge(host)));
            let mac = host.link(&bridge(host))["address"].as_str().unwrap().to_owned();
            for gateway in GATEWAYS {
                assert!(reaches(container, gateway), "{} of {}: {gateway}", container.name(), host.name());
                let known = container.sh(&format!("ip neigh show {gateway} dev eth0"));
                assert!(known.contains(&mac), "{known}, not {mac}");
            }
        }
        for (from, to) in [(0, 2), (1, 1)] {
            containers[from].sh("ip neigh flush dev eth0");
            for address in of_container(to) {
                assert!(reaches(&containers[from], &address), "{address}");
            }
        }
    }
    for host in &cluster.hosts {
        let counted = counted(host);
        assert_eq!(&counted[..3], [0, 0, 0], "{}", host.name());
        assert!(counted[3] > 0 && counted[4] > 0, "{}: others are asked for: {counted:?}", host.name());
    }
    cluster.stop();
}

#[test]
fn what_a_host_that_lets_gateways_out_sends_is_not_let_in() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab, 2, one_link());
    let containers = with_containers(&cluster);
    let [h1, h2] = [&cluster.hosts[0], &cluster.hosts[1]];
    cluster.netd[0].take().unwrap().kill();
    h1.sh("nft delete table bridge netd");
    let crossing = ["arp daddr ip 10.40.0.1", "icmpv6 type nd-router-advert"];
    count(h2, &device(h2), &crossing);
    count(&containers[1], "eth0", &[&crossing[..], &["icmpv6 type echo-request ip6 daddr ff02::1"]].concat());
    containers[0].sh("ip neigh flush dev eth0");
    assert!(reaches(&containers[0], "10.40.0.1"));
    for kind in [128, 134] {
        send(&containers[0], &format!("58 ff02::1 {kind}"));
    }
    eventually(SECOND * 2, || counted(h2).iter().all(|packets| *packets > 0));
    eventually(SECOND * 2, || counted(&containers[1])[2] > 0);
    assert_eq!(&counted(&containers[1])[..2], [0, 0]);
    cluster.stop();
}

#[test]
fn hosts_and_containers_reach_each_other_from_addresses_of_their_own() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, one_link());
    let containers = with_containers(&cluster);
    for on in [0, 1] {
        for host in &cluster.hosts {
            host.sh(&format!(
                "for it in ip ip6; do echo {on} > /proc/sys/net/bridge/bridge-nf-call-${{it}}tables; done"
            ));
        }
        assert_sources(&cluster.hosts[0], &containers[0], &containers[1]);
    }
    for number in [1, 2] {
        for address in of_host(number) {
            eventually(SECOND * 3, || containers.iter().all(|container| reaches(container, &address)));
            eventually(SECOND * 3, || cluster.hosts.iter().all(|host| reaches(host, &address)));
        }
    }
    cluster.switch.sh("ip address add 192.168.50.100/24 dev br0");
    cluster.switch.sh("nft 'add table ip seen; add chain ip seen in { type filter hook input priority 0; }; \
         add rule ip seen in ip saddr 192.168.50.2 icmp type echo-request counter'");
    assert!(reaches(&containers[1], "192.168.50.100"));
    assert!(cluster.switch.sh("nft list table ip seen").contains("packets 1"), "its own host is its way out");
    cluster.stop();
}

/// Whether c2 sees h1 and c1 as who they are: nothing is translated on the way.
#[track_caller]
fn assert_sources(h1: &Host, c1: &Container, c2: &Container) {
    c2.sh("nft delete table inet from 2>/dev/null || true");
    c2.sh("nft 'add table inet from; add chain inet from in { type filter hook input priority 0; }'");
    for source in of_host(1).into_iter().chain(of_container(1)) {
        let family = if source.contains(':') { "ip6" } else { "ip" };
        c2.sh(&format!("nft 'add rule inet from in {family} saddr {source} counter'"));
    }
    for (to, own) in of_container(2).iter().zip(of_host(1)) {
        eventually(SECOND * 2, || reaches(h1, to));
        let way = h1.sh(&format!("ip route get {to}"));
        assert!(way.contains(&format!("src {own}")), "{way}");
        eventually(SECOND * 2, || reaches(c1, to));
    }
    let seen = c2.sh("nft list table inet from");
    assert!(seen.matches("counter packets").count() == 4 && !seen.contains("packets 0"), "{seen}");
}

#[test]
fn frames_to_many_arrive_at_every_host() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 3, one_link());
    let containers = with_containers(&cluster);
    for container in &containers[1..] {
        let packets = [
            "ether daddr ff:ff:ff:ff:ff:ff ip daddr 10.40.255.255 udp dport 9",
            "ip daddr 239.1.2.3 udp dport 9",
            "ip daddr 224.0.0.5 ip protocol 89",
            "ip6 daddr ff02::5 meta l4proto 89",
        ];
        count(container, "eth0", &packets);
    }
    for packet in ["17 10.40.255.255", "17 239.1.2.3", "89 224.0.0.5", "89 ff02::5"] {
        send(&containers[0], packet);
    }
    for container in &containers[1..] {
        eventually(SECOND * 2, || counted(container).iter().all(|packets| *packets > 0));
        assert_eq!(counted(container), [1; 4], "once each: {}", container.name());
    }
    cluster.stop();
}

#[test]
fn whatever_is_broken_heals() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, one_link());
    let containers = with_containers(&cluster);
    let h1 = &cluster.hosts[0];
    let (device, bridge) = (device(h1), bridge(h1));
    for damage in [
        format!("ip link set {device} nomaster"),
        format!("ip link set {device} type bridge_slave isolated on"),
        format!("ip link set {device} down"),
        format!("ip link del {device}"),
        format!("bridge fdb del 00:00:00:00:00:00 dst 192.168.50.2 dev {device}"),
        format!("ip link del {bridge}"),
        format!("ip link set {bridge} down"),
        format!("ip address flush dev {bridge}"),
        "nft flush ruleset".to_owned(),
    ] {
        h1.sh(&damage);
        let heals = holds_within(HEALED, || {
            let [ipv4, ipv6] = of_container(2);
            is_whole(h1, &device, &bridge)
                && [&ipv4, &ipv6].into_iter().all(|address| reaches(&containers[0], address))
                && GATEWAYS.iter().all(|gateway| reaches(&containers[0], gateway))
        });
        assert!(heals, "{damage}: {}", cluster.netd[0].as_ref().unwrap().log());
    }
    cluster.stop();
}

/// Whether all that leads to the other host is there.
fn is_whole(host: &Host, device: &str, bridge: &str) -> bool {
    let has = |command: String, words: &str| host.run(&command).stdout.contains(words);
    let shown = host.link(device);
    let port = &shown["linkinfo"]["info_slave_data"];
    let held = host.addresses(bridge);
    let addresses = ["10.40.1.1/16", "10.40.0.1/32", "fd40:0:0:1::1/48", "fd40::1/128"];
    shown["master"] == bridge
        && port["isolated"] == false
        && has(format!("ip link show dev {device} up"), device)
        && has(format!("bridge fdb show dev {device}"), "00:00:00:00:00:00 dst 192.168.50.2")
        && addresses.iter().all(|address| held.iter().any(|held| held == address))
        && has("nft list set bridge netd gateway4".to_owned(), "10.40.0.1")
}

#[test]
fn one_entry_and_one_allowed_source_lead_to_a_host_and_go_with_it() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 3, one_link());
    let h1 = &cluster.hosts[0];
    let device = device(h1);
    let permanent = |number: usize| {
        let entries = h1.sh(&format!("bridge fdb show dev {device}"));
        let to_host = |line: &&str| line.contains(&format!("dst 192.168.50.{number} ")) && line.ends_with("permanent");
        let flooded = entries.lines().filter(to_host).map(str::to_owned).collect::<Vec<_>>();
        let sources = h1.sh("nft list set inet netd peer4").matches(&format!("192.168.50.{number} ")).count();
        (flooded, sources)
    };
    let led_to = |number: usize| {
        let entry = format!("00:00:00:00:00:00 dst 192.168.50.{number} self permanent");
        permanent(number) == (vec![entry], 1)
    };
    eventually(SECOND * 3, || led_to(2) && led_to(3));
    assert_eq!(h1.sh(&format!("ip route show dev {device}; ip neigh show dev {device} nud permanent")), "");
    cluster.write_peers(&[1, 2]);
    eventually(SECOND * 4, || permanent(3) == (Vec::new(), 0));
    assert!(led_to(2));
    cluster.stop();
}

#[test]
fn the_last_container_goes_and_the_host_stays_on_the_link() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, one_link());
    let containers = with_containers(&cluster);
    let h1 = &cluster.hosts[0];
    let before = h1.link(&bridge(h1))["ifindex"].clone();
    containers[0].check().unwrap();
    containers[0].detach().unwrap();
    assert!(of_container(2).iter().all(|address| reaches(h1, address)));
    assert!(of_host(1).iter().all(|address| reaches(&containers[1], address)));
    let next = cluster.container(1, "next");
    eventually(SECOND * 2, || reaches(&next, &containers[1].address("eth0")));
    assert_eq!(h1.link(&bridge(h1))["ifindex"], before, "it is the same bridge");
    cluster.stop();
}

#[test]
fn without_netd_the_plugin_makes_the_same_bridge_and_netd_takes_it_up() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab, 2, one_link());
    let h1 = cluster.hosts[0].clone();
    let (device, bridge) = (device(&h1), bridge(&h1));
    let c2 = cluster.container(2, "c2");
    let made_by_netd = describe(&h1, &bridge);
    cluster.netd[0].take().unwrap().stop();
    h1.sh(&format!("ip link del {device}; ip link del {bridge}"));
    let c1 = cluster.container(1, "c1");
    assert_eq!(describe(&h1, &bridge), made_by_netd);
    assert!(GATEWAYS.iter().all(|gateway| reaches(&c1, gateway)));
    c1.check().unwrap();
    let index = h1.link(&bridge)["ifindex"].clone();
    cluster.start(1);
    eventually(SECOND * 3, || of_container(2).iter().all(|address| reaches(&c1, address)));
    assert!(of_container(1).iter().all(|address| reaches(&c2, address)));
    assert_eq!(h1.link(&bridge)["ifindex"], index, "adopted");
    cluster.stop();
}

/// What a bridge is, whoever made it.
fn describe(host: &Host, bridge: &str) -> (Value, Value, Vec<String>, Option<String>) {
    let link = host.link(bridge);
    let mut addresses = host.addresses(bridge);
    addresses.sort();
    let accept_ra = host.sysctl(&format!("net/ipv6/conf/{bridge}/accept_ra"));
    (link["address"].clone(), link["group"].clone(), addresses, accept_ra)
}

#[test]
fn a_network_that_leaves_the_settings_goes_with_its_bridge_once_nobody_is_on_it() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, one_link());
    let containers = with_containers(&cluster);
    let names = cluster.hosts.iter().map(|host| [device(host), bridge(host)]).collect::<Vec<_>>();
    containers[0].detach().unwrap();
    for (host, netd) in cluster.hosts.iter().zip(&cluster.netd) {
        let settings = std::fs::read_to_string(host.folder().join("netd.toml")).unwrap();
        std::fs::write(host.folder().join("netd.toml"), settings.split("[[network]]").next().unwrap()).unwrap();
        host.sh(&format!("kill -HUP {}", netd.as_ref().unwrap().pid()));
    }
    let is_gone = |number: usize| {
        let host = &cluster.hosts[number];
        let is_there = names[number].iter().any(|name| !host.link(name).is_null());
        !is_there && !host.run_dir().join("overlays/lab.json").exists()
    };
    eventually(SECOND * 5, || is_gone(0));
    throughout(SECOND * 2, || !is_gone(1) && reaches(&containers[1], "10.40.0.1"));
    containers[1].detach().unwrap();
    eventually(SECOND * 5, || is_gone(1));
    for host in &cluster.hosts {
        let text = host.kernel_text();
        let is_left = |line: &&str| ["10.40.", "fd40", "ovl", "nft element"].iter().any(|it| line.contains(it));
        assert_eq!(text.lines().filter(is_left).collect::<Vec<_>>(), [""; 0]);
    }
    cluster.stop();
}

#[test]
fn what_comes_from_no_peer_is_dropped() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, one_link());
    let containers = with_containers(&cluster);
    let (h1, stranger) = (&cluster.hosts[0], lab.host("x"));
    join(&cluster.switch, &stranger, 66, Shape::default());
    let vni = h1.link(&device(h1))["linkinfo"]["info_data"]["id"].clone();
    stranger.sh(&format!(
        "ip link add evil type vxlan id {vni} local 192.168.50.66 remote 192.168.50.1 dstport 4789; \
         ip link set evil up; ip address add 10.40.9.1/16 dev evil"
    ));
    count(h1, &device(h1), &["arp saddr ip 10.40.9.1", "arp saddr ip 10.40.2.2"]);
    assert!(!reaches(&stranger, &containers[0].address("eth0")));
    containers[1].sh("ip neigh flush dev eth0");
    assert!(reaches(&containers[1], &containers[0].address("eth0")));
    let counted = counted(h1);
    assert!(counted[0] == 0 && counted[1] > 0, "{counted:?}");
    cluster.stop();
}

#[test]
fn containers_are_checked_and_kept_apart_and_other_hosts_are_neither() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, one_link());
    let guarded = json!({"cniVersion": "1.1.0", "name": "lab", "plugins": [
        {"type": "overlay", "macspoofchk": true, "portIsolation": true}]});
    let [c1, other] = ["c1", "other"].map(|name| cluster.container_of(1, name, &guarded));
    let c2 = cluster.container_of(2, "c2", &lab_network());
    for address in of_container(2).iter().map(String::as_str).chain(GATEWAYS) {
        eventually(SECOND * 3, || reaches(&c1, address) && reaches(&other, address));
    }
    assert!(!reaches(&c1, &other.address("eth0")) && !reaches(&other, &c1.address("eth0")));
    assert!(reaches(&c2, &c1.address("eth0")) && reaches(&c2, &other.address("eth0")));
    // From an address that is not its own; the container that is not checked may.
    for (container, may) in [(&c1, false), (&c2, true)] {
        let target = if may { &c1 } else { &c2 };
        container.sh("ip address add 10.40.7.7/16 dev eth0");
        assert_eq!(
            reaches(container, &format!("-I 10.40.7.7 {}", target.address("eth0"))),
            may,
            "{}",
            container.name()
        );
        container.sh("ip address del 10.40.7.7/16 dev eth0");
    }
    cluster.stop();
}

#[test]
fn all_hosts_take_packets_of_one_size() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, one_link());
    let containers = with_containers(&cluster);
    let h1 = &cluster.hosts[0];
    for link in [h1.link(&device(h1)), h1.link(&bridge(h1)), containers[0].link("eth0")] {
        assert_eq!(link["mtu"], 1450, "{link}");
    }
    let largest = format!("ping -n -c 1 -W 2 -M do -s {} {}", 1450 - 28, containers[1].address("eth0"));
    assert!(containers[0].run(&largest).success());
    cluster.stop();
}
