//! `firewall` after `overlay`: whom a container hears of its own network, on whatever host, and of none.

use serde_json::{Value, json};
use tests::{Lab, Node, eventually, holds_within};

use super::{
    SECOND,
    cluster::{Cluster, Shape},
};

fn network(of_network: &str) -> Value {
    let firewall = json!({"type": "firewall", "ingressPolicy": of_network});
    json!({"cniVersion": "1.1.0", "name": "lab", "plugins": [{"type": "overlay"}, firewall]})
}

/// A network of the first host alone, without a policy.
fn plain() -> Value {
    let ipam = json!({"type": "host-local", "subnet": "10.1.1.0/24"});
    json!({"cniVersion": "1.1.0", "name": "plain", "type": "bridge", "bridge": "br-plain", "isDefaultGateway": true,
        "ipam": ipam})
}

fn pings(node: &Node, address: &str) -> bool {
    node.run(&format!("ping -n -c 1 -W 1 {address}")).success()
}

#[test]
fn a_container_hears_its_own_network_on_other_hosts_as_the_policy_says() {
    let routed = Shape::default();
    for shape in [routed, Shape { direct: true, ..routed }, Shape { mode: "l2", ..routed }] {
        for (of_network, is_heard) in [("open", true), ("same-bridge", true), ("isolated", false)] {
            let lab = Lab::new();
            let cluster = Cluster::new(&lab, 2, shape);
            let config = network(of_network);
            let [c1, c2] = [1, 2].map(|number| cluster.container_of(number, &format!("c{number}"), &config));
            let c3 = cluster.container_of(1, "c3", &config);
            let p1 = cluster.container_of(1, "p1", &plain());
            let name = format!("{} {} {of_network}", shape.mode, shape.direct);
            let [a1, a2, a3] = [&c1, &c2, &c3].map(|container| container.address("eth0"));
            eventually(SECOND * 5, || cluster.hosts[0].pings(&a1) && cluster.hosts[1].pings(&a2));
            for (from, to) in [(&c1, &a2), (&c2, &a1), (&c1, &a3)] {
                if is_heard {
                    assert!(holds_within(SECOND * 5, || pings(from, to)), "{name}: {} to {to}", from.name());
                } else {
                    assert!(!pings(from, to) && !pings(from, to), "{name}: {} to {to}", from.name());
                }
            }
            assert_eq!(pings(&p1, &a1), of_network == "open", "{name}: another network of the host");
            assert_eq!(pings(&c1, &p1.address("eth0")), of_network == "open", "{name}: to another network");
            cluster.switch.sh("ip address add 192.168.50.100/24 dev br0; ip route add 10.40.0.0/16 via 192.168.50.1");
            assert!(!pings(&cluster.switch, &a1), "{name}: from outside");
            assert!(pings(&c1, "192.168.50.100"), "{name}: to outside");
            assert_eq!((c1.check(), c2.check()), (Ok(()), Ok(())), "{name}");
            cluster.stop();
        }
    }
}
