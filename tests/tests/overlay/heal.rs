//! What others break in the kernel is put back within two seconds, and traffic passes again: the kernel tells of it,
//! since without that netd looks at its entries only once a minute.

use tests::{Lab, eventually, holds_within};

use super::{
    SECOND,
    cluster::{Cluster, Shape, device},
};

#[test]
fn whatever_is_broken_heals() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, Shape::default());
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    let h1 = &cluster.hosts[0];
    let target = c2.address("eth0");
    eventually(SECOND * 3, || c1.pings(&target));
    let device = device(h1);
    for damage in [
        format!("ip link del {device}"),
        format!("ip link set {device} down"),
        format!("ip neigh del 10.40.2.0 dev {device}"),
        format!("ip route del 10.40.2.0/24 dev {device}"),
        // Of the metric that ours has: any other is another route, and its maker's.
        "ip route replace 10.40.2.0/24 dev lo metric 10243".to_owned(),
        format!(
            "bridge fdb del $(bridge fdb show dev {device} | grep 'dst 192.168.50.2' | cut -d' ' -f1) dev {device}"
        ),
        format!("ip address flush dev {device}"),
        "nft flush ruleset".to_owned(),
    ] {
        h1.sh(&damage);
        let heals = holds_within(SECOND * 2, || is_whole(h1, &device) && c1.pings(&target));
        assert!(heals, "{damage}: {}", cluster.netd[0].as_ref().unwrap().log());
    }
    assert!(cluster.netd[0].as_ref().unwrap().log().contains("brought up to date"));
    cluster.stop();
}

/// Whether all that leads to the other host is there.
fn is_whole(host: &tests::Host, device: &str) -> bool {
    let has = |command: String, words: &str| host.run(&command).stdout.contains(words);
    has(format!("ip link show dev {device} up"), device)
        && has(format!("ip neigh show dev {device}"), "10.40.2.0 lladdr")
        && has(format!("ip route show dev {device}"), "10.40.2.0/24 via 10.40.2.0")
        && has(format!("bridge fdb show dev {device}"), "dst 192.168.50.2")
        && has(format!("ip address show dev {device}"), "10.40.1.0/32")
        && has("nft list set inet netd peer4".to_owned(), "192.168.50.2")
}

#[test]
fn a_device_that_a_crashed_netd_left_is_taken_over_and_one_of_another_shape_made_anew() {
    let lab = Lab::new();
    let (mut cluster, [c1, c2]) = Cluster::pair(&lab, Shape::default());
    cluster.netd[0].take().unwrap().kill();
    let h1 = cluster.hosts[0].clone();
    let name = device(&h1);
    let index = h1.link(&name)["ifindex"].clone();
    cluster.start(1);
    eventually(SECOND * 3, || c1.pings(&c2.address("eth0")));
    assert_eq!(h1.link(&name)["ifindex"], index, "adopted");
    cluster.netd[0].take().unwrap().kill();
    h1.sh(&format!(
        "ip link del {name}; ip link add {name} type vxlan id 9 dstport 4789 local 192.168.50.1; \
         ip link set {name} group 1852142692"
    ));
    cluster.start(1);
    eventually(SECOND * 3, || c1.pings(&c2.address("eth0")));
    cluster.stop();
}
