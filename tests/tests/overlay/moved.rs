//! A host, or a network, that becomes another: its part, its address, its mode.

use tests::{Lab, eventually};

use super::{
    SECOND,
    cluster::{Cluster, Shape, device},
};

#[test]
fn another_subnet_is_for_new_containers_and_the_old_ones_go_on() {
    let lab = Lab::new();
    let (cluster, [old, far]) = Cluster::pair(&lab, Shape::default());
    let h1 = &cluster.hosts[0];
    let peers = std::fs::read_to_string(h1.folder().join("run/peers.toml")).unwrap();
    cluster.publish(&peers.replace("10.40.1.0/24", "10.40.9.0/24"));
    let lease = h1.run_dir().join("overlays/lab.json");
    eventually(SECOND * 5, || std::fs::read_to_string(&lease).unwrap().contains("10.40.9.0/24"));
    let new = cluster.container(1, "c3");
    assert_eq!(new.address("eth0"), "10.40.9.2");
    eventually(SECOND * 5, || new.pings(&far.address("eth0")) && far.pings("10.40.9.2"));
    assert!(old.pings("10.40.1.1") && old.pings("10.40.9.2") && new.pings(&old.address("eth0")));
    assert!(old.pings("192.168.50.2"), "the outside");
    eventually(SECOND * 3, || old.dig("c3").addresses() == ["10.40.9.2"]);
    assert_eq!((old.check(), new.check()), (Ok(()), Ok(())));
    let bridge = new.host().ip("link show type bridge")[0]["ifname"].as_str().unwrap().to_owned();
    assert_eq!(h1.addresses(&bridge), ["10.40.1.1/24", "10.40.9.1/24"]);
    // The subnet may be another host's once nobody uses it here.
    old.detach().unwrap();
    eventually(SECOND * 5, || h1.addresses(&bridge) == ["10.40.9.1/24"]);
    assert!(new.pings(&far.address("eth0")));
    cluster.stop();
}

#[test]
fn another_part_of_one_link_leaves_the_gateway_where_containers_know_it() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, Shape { mode: "l2", ..Shape::default() });
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    let reaches_all = || c1.pings(&c2.address("eth0")) && c1.pings("192.168.50.2");
    eventually(SECOND * 5, reaches_all);
    let h1 = &cluster.hosts[0];
    let peers = std::fs::read_to_string(h1.folder().join("run/peers.toml")).unwrap();
    cluster.publish(&peers.replace("10.40.1.0/24", "10.40.9.0/24"));
    let lease = h1.run_dir().join("overlays/lab.json");
    eventually(SECOND * 5, || std::fs::read_to_string(&lease).unwrap().contains("10.40.9.0/24"));
    eventually(SECOND * 2, reaches_all);
    let new = cluster.container(1, "c3");
    assert_eq!(new.address("eth0"), "10.40.9.2");
    eventually(SECOND * 3, || new.pings(&c2.address("eth0")) && c2.pings(&c1.address("eth0")));
    cluster.stop();
}

#[test]
fn a_host_that_comes_back_with_another_address_is_found_there_and_nowhere_else() {
    for mode in ["routed", "l2"] {
        let lab = Lab::new();
        let (mut cluster, [c1, c2]) = Cluster::pair(&lab, Shape { mode, ..Shape::default() });
        cluster.netd[1].take().unwrap().stop();
        let [h1, h2] = [0, 1].map(|index| cluster.hosts[index].clone());
        h2.sh("ip address del 192.168.50.2/24 dev to-s; ip address add 192.168.50.20/24 dev to-s");
        let moved = |text: &str| text.replace("192.168.50.2'", "192.168.50.20'");
        cluster.publish(&moved(&std::fs::read_to_string(h1.folder().join("run/peers.toml")).unwrap()));
        cluster.netd[1] = Some(h2.netd_with(&moved(&cluster.settings(2))));
        eventually(SECOND * 3, || c1.pings(&c2.address("eth0")) && c2.pings(&c1.address("eth0")));
        let text = format!("{}{}", h1.kernel_text(), h1.sh(&format!("bridge fdb show dev {}", device(&h1))));
        assert!(text.contains("192.168.50.20") && !text.contains("192.168.50.2 "), "{text}");
        cluster.stop();
    }
}

#[test]
fn a_network_that_was_one_link_is_routed_with_nothing_left_of_that() {
    for (ipv6, ipv4) in [(true, true), (false, true), (true, false)] {
        let lab = Lab::new();
        let cluster = Cluster::new(&lab, 3, Shape { mode: "l2", ipv4, ipv6, ..Shape::default() });
        let h1 = &cluster.hosts[0];
        let bridge = h1.link(&device(h1))["master"].as_str().unwrap().to_owned();
        let before = cluster.container(1, "before");
        before.detach().unwrap();
        for number in [1, 2, 3] {
            cluster.reload(number, &cluster.settings(number).replace("\"l2\"", "\"routed\""));
        }
        let is_routed = |number: usize| {
            let host = &cluster.hosts[number - 1];
            let lease = std::fs::read_to_string(host.run_dir().join("overlays/lab.json"));
            lease.is_ok_and(|lease| !lease.contains("l2")) && host.addresses(&bridge).is_empty()
        };
        eventually(SECOND * 5, || [1, 2, 3].into_iter().all(is_routed));
        let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
        let gateways = [(ipv4, "10.40.1.1/24"), (ipv6, "fd40:0:0:1::1/64")];
        let gateways: Vec<_> =
            gateways.into_iter().filter_map(|(is_there, gateway)| is_there.then_some(gateway)).collect();
        assert_eq!(h1.addresses(&bridge), gateways);
        assert_eq!((c1.check(), &h1.link(&bridge)["mtu"]), (Ok(()), &1450.into()));
        eventually(SECOND * 3, || c1.pings(&c2.address("eth0")));
        cluster.stop();
    }
}
