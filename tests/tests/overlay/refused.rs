//! What netd cannot do as it is told: it says so where a person looks, and does it when it can.

use tests::{Daemon, Host, Lab, built, eventually};

use super::{
    SECOND,
    cluster::{Cluster, Shape, device},
};

/// What `netd check` says.
fn check(host: &Host) -> String {
    host.run(&format!("{} check --config {}/netd.toml", built("netd").display(), host.folder().display())).stdout
}

#[test]
fn a_port_of_another_program_is_named_and_taken_once_it_is_free() {
    let lab = Lab::new();
    let (mut cluster, [c1, c2]) = Cluster::pair(&lab, Shape::default());
    cluster.netd[0].take().unwrap().stop();
    let h1 = cluster.hosts[0].clone();
    h1.sh(&format!("ip link delete {}", device(&h1)));
    let packet = env!("CARGO_BIN_EXE_packet");
    let other = Daemon::start(&h1, packet.as_ref(), h1.folder().join("other.log"), |command| {
        command.args(["answer", "0.0.0.0:4789"]);
    });
    cluster.start(1);
    let log = || cluster.netd[0].as_ref().unwrap().log();
    assert!(tests::holds_within(SECOND * 3, || log().contains("UDP port 4789")), "{}", log());
    eventually(SECOND * 3, || check(&h1).contains("UDP port 4789"));
    drop(other);
    eventually(SECOND * 3, || c1.pings(&c2.address("eth0")));
    eventually(SECOND * 3, || !check(&h1).contains("UDP port 4789"));
    cluster.stop();
}

#[test]
fn an_address_that_the_host_has_no_more_is_named() {
    let lab = Lab::new();
    let (cluster, [c1, c2]) = Cluster::pair(&lab, Shape::default());
    let h1 = &cluster.hosts[0];
    h1.sh("ip address del 192.168.50.1/24 dev to-s");
    eventually(SECOND * 3, || check(h1).contains("no interface of this host has 192.168.50.1"));
    h1.sh("ip address add 192.168.50.1/24 dev to-s");
    eventually(SECOND * 3, || c1.pings(&c2.address("eth0")));
    eventually(SECOND * 3, || !check(h1).contains("192.168.50.1"));
    cluster.stop();
}

#[test]
fn an_interface_that_nobody_makes_is_named() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab, 2, Shape::default());
    let h1 = cluster.hosts[0].clone();
    cluster.netd[0].take().unwrap().stop();
    let device = device(&h1);
    h1.sh(&format!("ip link delete {device}"));
    assert!(
        check(&h1).contains(&format!("overlay network lab: its interface {device} is not there")),
        "{}",
        check(&h1)
    );
    cluster.start(1);
    eventually(SECOND * 3, || !check(&h1).contains("overlay network lab"));
    cluster.stop();
}

#[test]
fn hosts_that_do_not_say_the_same_of_a_network_name_each_other() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, Shape { mode: "l2", ..Shape::default() });
    let [h1, h2] = [&cluster.hosts[0], &cluster.hosts[1]];
    cluster.reload(1, &format!("{}vni = 78\n", cluster.settings(1)));
    let other = format!("{}vni = 77\n", cluster.settings(2).replace("\"l2\"", "\"routed\""));
    cluster.reload(2, &other);
    let (l2, routed) = ("mode l2 and vni 78", "mode routed and vni 77");
    for (host, peer, there, here) in [(h1, "h2", routed, l2), (h2, "h1", l2, routed)] {
        let expected = format!("network lab: peer {peer} has {there}, this host {here}: make them the same");
        eventually(SECOND * 5, || check(host).contains(&expected));
        assert!(host.netd_show("peers").contains(&expected));
    }
    for number in [1, 2] {
        cluster.reload(number, &format!("{}vni = 78\n", cluster.settings(number)));
    }
    eventually(SECOND * 5, || [h1, h2].into_iter().all(|host| !check(host).contains("make them the same")));
    cluster.stop();
}

#[test]
fn a_peer_that_is_silent_or_refuses_us_is_not_well() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab, 2, Shape::default());
    let h1 = cluster.hosts[0].clone();
    let cluster_is_well = || check(&h1).lines().any(|line| line.starts_with("cluster") && line.ends_with("ok"));
    eventually(SECOND * 5, cluster_is_well);
    cluster.netd[1].take().unwrap().stop();
    eventually(SECOND * 5, || check(&h1).contains("peer h2 is silent for "));
    let keyed = cluster.settings(2).replace("[[network]]", "key = 'swordfish'\n[[network]]");
    cluster.netd[1] = Some(cluster.hosts[1].netd_with(&keyed));
    eventually(SECOND * 8, || check(&h1).contains("it has another cluster.key"));
    let checked = h1.run(&format!("{} check --config {}/netd.toml", built("netd").display(), h1.folder().display()));
    assert!(!checked.success());
    cluster.reload(2, &cluster.settings(2));
    eventually(SECOND * 8, cluster_is_well);
    cluster.stop();
}
