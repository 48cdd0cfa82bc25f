//! Hosts on one link: packets go as they are, without VXLAN.

use tests::{Host, Lab, eventually, holds_within};

use super::{
    SECOND,
    cluster::{Cluster, Shape, device},
};

const DIRECT: Shape = Shape { direct: true, ipv6: true, ..Shape::DEFAULT };

/// Drops what comes in VXLAN.
fn block(host: &Host) {
    host.sh("nft 'add table inet block; add chain inet block in { type filter hook prerouting priority -400; }; \
             add rule inet block in udp dport 4789 drop'");
}

fn count(source: &str) -> String {
    format!(
        "nft 'add table inet seen; add chain inet seen in {{ type filter hook input priority 0; }}; \
         add rule inet seen in ip saddr {source} icmp type echo-request counter'"
    )
}

#[test]
fn containers_of_two_hosts_on_a_link_reach_each_other_without_vxlan() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, DIRECT);
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    cluster.hosts.iter().for_each(block);
    eventually(SECOND * 3, || c1.pings("10.40.2.2") && c2.pings("10.40.1.2"));
    assert!(!c1.pings("fd40:0:0:2::2"), "no IPv6 by a router of IPv4: that goes in VXLAN, which is blocked");
    for (container, other) in [(&c1, "10.40.2.2"), (&c2, "10.40.1.2")] {
        container.sh(&count(other));
    }
    assert!(c1.pings("10.40.2.2") && c2.pings("10.40.1.2"));
    for container in [&c1, &c2] {
        assert!(container.sh("nft list table inet seen").contains("packets 1"), "the source is the container");
    }
    cluster.switch.sh("ip address add 192.168.50.100/24 dev br0");
    cluster.switch.sh(&count("192.168.50.1"));
    assert!(c1.pings("192.168.50.100") && c1.pings("192.168.50.2"));
    assert!(cluster.switch.sh("nft list table inet seen").contains("packets 1"), "the world sees the host");
    cluster.stop();
}

#[test]
fn a_direct_route_heals_and_behind_a_router_there_is_vxlan() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, DIRECT);
    let [c1, _c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    let h1 = &cluster.hosts[0];
    let way = || h1.sh("ip route show 10.40.2.0/24");
    eventually(SECOND * 3, || c1.pings("10.40.2.2"));
    for damage in ["ip route del 10.40.2.0/24", "ip link set to-s down; ip link set to-s up", "nft flush ruleset"] {
        h1.sh(damage);
        // Of a carrier that is back the kernel tells up to a second later.
        let heals = holds_within(SECOND * 4, || way().contains("via 192.168.50.2 dev to-s") && c1.pings("10.40.2.2"));
        assert!(heals, "{damage}: {}{}", way(), cluster.netd[0].as_ref().unwrap().log());
    }
    cluster.switch.sh("ip address add 192.168.50.254/24 dev br0; sysctl -qw net.ipv4.ip_forward=1");
    // The route of the host's own is no event; another that goes makes netd look, if it did not just now.
    h1.sh("ip route add 192.168.50.2/32 via 192.168.50.254; ip route del 10.40.2.0/24 || true");
    let inside = format!("via 10.40.2.0 dev {}", device(h1));
    assert!(holds_within(SECOND * 2, || way().contains(&inside) && c1.pings("10.40.2.2")), "{}", way());
    h1.sh("ip route del 192.168.50.2/32");
    assert!(holds_within(SECOND * 2, || way().contains("dev to-s") && c1.pings("10.40.2.2")), "{}", way());
    cluster.stop();
}

#[test]
fn direct_routes_go_with_the_network_and_no_other_route_does() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, DIRECT);
    let h1 = &cluster.hosts[0];
    eventually(SECOND * 3, || h1.sh("ip route").contains("10.40.2.0/24 via 192.168.50.2"));
    h1.sh("ip route add 10.40.9.0/24 via 192.168.50.9");
    let settings = cluster.settings(1);
    let without = settings.split("[[network]]").next().unwrap();
    std::fs::write(h1.folder().join("netd.toml"), without).unwrap();
    h1.sh(&format!("kill -HUP {}", cluster.netd[0].as_ref().unwrap().pid()));
    eventually(SECOND * 3, || !h1.sh("ip route").contains("10.40.2.0/24"));
    assert!(h1.sh("ip route").contains("10.40.9.0/24 via 192.168.50.9"));
    cluster.stop();
}
