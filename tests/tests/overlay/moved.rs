//! A host whose part of the network becomes another.

use tests::{Lab, eventually};

use super::{
    SECOND,
    cluster::{Cluster, Shape},
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
fn a_host_that_comes_back_with_another_address_is_found_there_and_nowhere_else() {
    let lab = Lab::new();
    let (mut cluster, [c1, c2]) = Cluster::pair(&lab, Shape::default());
    cluster.netd[1].take().unwrap().stop();
    let [h1, h2] = [0, 1].map(|index| cluster.hosts[index].clone());
    h2.sh("ip address del 192.168.50.2/24 dev to-s; ip address add 192.168.50.20/24 dev to-s");
    let moved = |text: &str| text.replace("192.168.50.2'", "192.168.50.20'");
    cluster.publish(&moved(&std::fs::read_to_string(h1.folder().join("run/peers.toml")).unwrap()));
    cluster.netd[1] = Some(h2.netd_with(&moved(&cluster.settings(2))));
    eventually(SECOND * 3, || c1.pings(&c2.address("eth0")) && c2.pings(&c1.address("eth0")));
    let text = h1.kernel_text();
    assert!(text.contains("192.168.50.20") && !text.contains("192.168.50.2 "), "{text}");
    cluster.stop();
}
