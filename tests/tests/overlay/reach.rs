//! Who reaches whom, and by which name.

use tests::{Lab, eventually, run};

use super::{
    SECOND,
    cluster::{Cluster, Shape, device, join},
    packets::{answering, asks},
};

#[test]
fn containers_on_three_hosts_reach_each_other_by_name() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 3, Shape::default());
    let containers: Vec<_> = (1..=3).map(|number| cluster.container(number, &format!("c{number}"))).collect();
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2)] {
        let (one, other) = (&containers[from], &containers[to]);
        eventually(SECOND * 3, || one.dig(other.name()).addresses() == [other.address("eth0")]);
        assert!(one.pings(other.name()), "{} to {}", one.name(), other.name());
    }
    let name = containers[1].dig_with(&format!("@10.40.2.1 -x {}", containers[0].address("eth0")));
    assert!(name.records.iter().any(|record| format!("{record:?}").contains("c1.lab.internal")), "{name:?}");
    cluster.stop();
}

#[test]
fn both_families_cross_an_underlay_of_either() {
    for underlay_ipv6 in [false, true] {
        let lab = Lab::new();
        let cluster = Cluster::new(&lab, 2, Shape { underlay_ipv6, ipv6: true, ..Shape::default() });
        let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
        eventually(SECOND * 3, || c1.pings("10.40.2.2"));
        eventually(SECOND * 3, || c1.pings("fd40:0:0:2::2") && c2.pings("fd40:0:0:1::2"));
        let addresses = |number: usize| [format!("10.40.{number}.2"), format!("fd40:0:0:{number}::2")];
        let answering = [answering(&c1, &addresses(1)), answering(&c2, &addresses(2))];
        for (from, to) in [(&c1, 2), (&c2, 1)] {
            for address in addresses(to) {
                eventually(SECOND * 3, || asks(from, &address));
            }
        }
        drop(answering);
        cluster.stop();
    }
}

#[test]
fn the_largest_packet_crosses_whole_and_the_mtu_is_the_underlays_less_the_encapsulation() {
    for (underlay_ipv6, mtu, inside) in [(false, 1500, 1450), (false, 9000, 8950), (true, 1500, 1430)] {
        let lab = Lab::new();
        let cluster = Cluster::new(&lab, 2, Shape { underlay_ipv6, mtu, ..Shape::default() });
        let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
        assert_eq!(c1.link("eth0")["mtu"], inside);
        eventually(SECOND * 3, || c1.pings(&c2.address("eth0")));
        let largest = format!("ping -n -c 1 -W 2 -M do -s {} {}", inside - 28, c2.address("eth0"));
        assert!(run(c1.command("sh").args(["-c", &largest]), b"").success(), "{mtu}");
        cluster.stop();
    }
}

#[test]
fn a_peer_sees_the_container_and_the_world_sees_the_host() {
    let lab = Lab::new();
    let (cluster, [c1, c2]) = Cluster::pair(&lab, Shape::default());
    let count = |source: &str| {
        format!(
            "nft 'add table ip seen; add chain ip seen in {{ type filter hook input priority 0; }}; \
             add rule ip seen in ip saddr {source} icmp type echo-request counter'"
        )
    };
    c2.sh(&count(&c1.address("eth0")));
    assert!(c1.pings(&c2.address("eth0")));
    assert!(c2.sh("nft list table ip seen").contains("packets 1"));
    cluster.switch.sh("ip address add 192.168.50.100/24 dev br0");
    cluster.switch.sh(&count("192.168.50.1"));
    assert!(c1.pings("192.168.50.100"));
    assert!(cluster.switch.sh("nft list table ip seen").contains("packets 1"));
    cluster.stop();
}

#[test]
fn what_comes_from_no_peer_is_dropped_and_other_networks_of_others_are_left_alone() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, Shape::default());
    let c1 = cluster.container(1, "c1");
    let (h1, stranger) = (&cluster.hosts[0], lab.host("x"));
    join(&cluster.switch, &stranger, 66, Shape::default());
    let details = h1.link(&device(h1));
    let (vni, mac) = (details["linkinfo"]["info_data"]["id"].clone(), details["address"].as_str().unwrap());
    let inject = |vni: &str, name: &str| {
        stranger.sh(&format!(
            "ip link add {name} type vxlan id {vni} local 192.168.50.66 remote 192.168.50.1 dstport 4789 nolearning; \
             ip link set {name} up"
        ));
    };
    inject(&vni.to_string(), "evil");
    stranger.sh(&format!(
        "ip address add 10.40.9.1/16 dev evil; ip neigh replace {} lladdr {mac} dev evil",
        c1.address("eth0")
    ));
    let seen = "nft 'add table inet seen; add chain inet seen in { type filter hook prerouting priority 0; }; \
                add rule inet seen in ip saddr 10.40.9.1 counter'";
    h1.sh(seen);
    assert!(!stranger.pings(&c1.address("eth0")));
    assert!(h1.sh("nft list table inet seen").contains("packets 0"), "it came in");
    // Another program's network on the same port is none of ours.
    h1.sh("ip link add other type vxlan id 5 local 192.168.50.1 dstport 4789; ip link set other up");
    h1.sh("ip address add 10.99.0.1/24 dev other");
    inject("5", "fair");
    h1.sh("bridge fdb append 00:00:00:00:00:00 dst 192.168.50.66 dev other");
    stranger.sh("ip address add 10.99.0.2/24 dev fair");
    eventually(SECOND * 3, || stranger.pings("10.99.0.1"));
    cluster.stop();
}
