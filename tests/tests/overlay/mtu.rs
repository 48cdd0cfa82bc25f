//! Hosts whose underlays take packets of different sizes.

use tests::{Container, Host, Lab, eventually, holds_within};

use super::{
    SECOND,
    cluster::{Cluster, Shape, device},
};

/// Two hosts, of which the second takes packets of 1400 bytes.
fn with_a_narrow_one(lab: &Lab, mode: &'static str) -> Cluster {
    let cluster = Cluster::new(lab, 2, Shape { mode, ..Shape::default() });
    set_underlay(&cluster.hosts[1], 1400);
    cluster
}

fn set_underlay(host: &Host, mtu: u32) {
    host.sh(&format!("ip link set to-s mtu {mtu}"));
}

/// What the VXLAN device takes.
fn inside(host: &Host) -> u64 {
    host.link(&device(host))["mtu"].as_u64().unwrap()
}

/// Sends a packet of this size that no router may cut.
fn sends(from: &Container, to: &str, bytes: u32) -> bool {
    from.run(&format!("ping -n -c 1 -W 1 -M do -s {} {to}", bytes - 28)).success()
}

/// What `netd show peers` says of the only peer.
fn told(host: &Host) -> Option<u64> {
    let shown: serde_json::Value = serde_json::from_str(&host.netd_show("peers --json")).unwrap();
    shown[0]["mtu"].as_u64()
}

#[test]
fn the_route_to_a_host_says_how_little_it_takes_and_packets_of_that_size_cross() {
    let lab = Lab::new();
    let cluster = with_a_narrow_one(&lab, "routed");
    let [h1, h2] = [&cluster.hosts[0], &cluster.hosts[1]];
    let routes = |host: &Host| host.sh("ip route show root 10.40.0.0/16");
    eventually(SECOND * 5, || routes(h1).contains("10.40.2.0/24 via 10.40.2.0") && routes(h1).contains("mtu 1350"));
    eventually(SECOND * 3, || (told(h1), told(h2)) == (Some(1350), Some(1450)));
    assert_eq!((inside(h1), inside(h2)), (1450, 1350), "each host its own");
    eventually(SECOND * 5, || routes(h2).contains("mtu 1350"));
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    assert_eq!((&c1.link("eth0")["mtu"], &c2.link("eth0")["mtu"]), (&1450.into(), &1350.into()));
    let [a1, a2] = [&c1, &c2].map(|container| container.address("eth0"));
    eventually(SECOND * 3, || sends(&c1, &a2, 1350));
    assert!(sends(&c2, &a1, 1350));
    // Without the route's word it would get lost on the way, and nobody would be told.
    let refused = c1.run(&format!("ping -n -c 2 -W 1 -M do -s {} {a2}", 1450 - 28));
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("mtu = 1350"), "{refused:?}");

    set_underlay(h2, 1500);
    eventually(SECOND * 5, || routes(h1).contains("mtu 1450"));
    cluster.stop();
}

#[test]
fn on_one_link_all_hosts_take_what_the_narrowest_takes() {
    let lab = Lab::new();
    let cluster = with_a_narrow_one(&lab, "l2");
    let [h1, h2] = [&cluster.hosts[0], &cluster.hosts[1]];
    let all_take = |bytes| cluster.hosts.iter().all(|host| inside(host) == bytes && lease(host) == bytes);
    assert!(holds_within(SECOND * 5, || all_take(1350)), "{} {}", inside(h1), inside(h2));
    eventually(SECOND * 3, || (told(h1), told(h2)) == (Some(1350), Some(1450)));
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    assert_eq!((&c1.link("eth0")["mtu"], &c2.link("eth0")["mtu"]), (&1350.into(), &1350.into()));
    let [a1, a2] = [&c1, &c2].map(|container| container.address("eth0"));
    eventually(SECOND * 3, || sends(&c1, &a2, 1350));
    assert!(sends(&c2, &a1, 1350));

    // What all take is no host's own: they come up again with the narrowest.
    set_underlay(h2, 1500);
    eventually(SECOND * 5, || all_take(1450));
    cluster.stop();
}

/// What containers get.
fn lease(host: &Host) -> u64 {
    let text = std::fs::read_to_string(host.run_dir().join("overlays/lab.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["mtu"].as_u64().unwrap()
}
