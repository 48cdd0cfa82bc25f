//! `ipMasq`: what other hosts see of a container's packets.

use serde_json::{Value, json};
use tests::{Container, Host, Lab, has};

use super::config::{bridge, with};

/// A host with a container, and an outside host that knows no way back to the container.
fn container_and_outside(lab: &Lab, keys: &Value) -> (Host, Container, Host) {
    let [host, outside] = ["a", "o"].map(|name| lab.host(name));
    host.link_to(&outside, "192.0.2.1/24", "192.0.2.2/24");
    for (host, address) in [(&host, "2001:db8:ff::1"), (&outside, "2001:db8:ff::2")] {
        let link = if host.name() == "a" { "to-o" } else { "to-a" };
        host.sh(&format!("ip address add {address}/64 dev {link} nodad"));
    }
    let c1 = host.container("c1");
    c1.add(&with(bridge("1.1.0", &["10.1.2.0/24", "2001:db8::/64"]), keys));
    (host, c1, outside)
}

/// Counts echo requests that come to `node` from `source`.
fn count_from(node: &tests::Node, source: &str) {
    node.sh(&format!(
        "nft 'add table ip seen; add chain ip seen in {{ type filter hook input priority 0; }}; \
         add rule ip seen in ip saddr {source} icmp type echo-request counter'"
    ));
}

fn counted(node: &tests::Node) -> u64 {
    let ruleset = node.run("nft -j list table ip seen").json();
    let counters = ruleset["nftables"].as_array().unwrap().iter().filter_map(|object| {
        let parts = object["rule"]["expr"].as_array()?;
        parts.iter().find_map(|part| part["counter"]["packets"].as_u64())
    });
    counters.sum()
}

#[test]
fn the_outside_answers_the_host_when_packets_are_masqueraded() {
    for backend in [Value::Null, json!("iptables"), json!("nftables")] {
        let lab = Lab::new();
        let keys = json!({"ipMasq": true, "ipMasqBackend": backend});
        let (_host, c1, outside) = container_and_outside(&lab, &keys);
        count_from(&outside, "192.0.2.1");
        assert!(c1.pings("192.0.2.2"), "{backend}");
        assert_eq!(counted(&outside), 1, "{backend}");
        assert!(c1.pings("2001:db8:ff::2"), "{backend}");
    }
}

#[test]
fn the_outside_sees_the_container_when_they_are_not() {
    let lab = Lab::new();
    let (host, c1, outside) = container_and_outside(&lab, &json!({"ipMasq": false}));
    count_from(&outside, "10.1.2.2");
    assert!(!c1.pings("192.0.2.2"), "there is no way back");
    assert_eq!(counted(&outside), 1);
    outside.sh("ip route add 10.1.2.0/24 via 192.0.2.1");
    assert!(c1.pings("192.0.2.2"));
    assert!(ruleset_of(&host).iter().all(|line| !line.starts_with("nft element")), "{:?}", ruleset_of(&host));
}

#[test]
fn containers_of_one_network_see_each_others_addresses() {
    for bridge_nf in ["0", "1"] {
        let lab = Lab::new();
        let (host, c1, _outside) = container_and_outside(&lab, &json!({"ipMasq": true}));
        let key = "net/bridge/bridge-nf-call-iptables";
        let missing = host.sysctl(key).is_none().then_some("there is no such sysctl");
        if has("br_netfilter", missing) {
            host.sh(&format!("echo {bridge_nf} > /proc/sys/{key}"));
        }
        let c2 = host.container("c2");
        c2.add(&with(bridge("1.1.0", &["10.1.2.0/24", "2001:db8::/64"]), &json!({"ipMasq": true})));
        count_from(&c2, &c1.address("eth0"));
        assert!(c1.pings(&c2.address("eth0")));
        assert_eq!(counted(&c2), 1, "bridge-nf-call-iptables = {bridge_nf}");
    }
}

#[test]
fn masquerading_ends_with_del() {
    let lab = Lab::new();
    let (host, c1, _outside) = container_and_outside(&lab, &json!({"ipMasq": true}));
    let other = host.container("c2").add(&with(bridge("1.1.0", &["10.1.2.0/24"]), &json!({"ipMasq": true})));
    other.del().unwrap();
    let of_c2 = |line: &String| line.contains("c2") || line.contains("10.1.2.3");
    assert_eq!(ruleset_of(&host).into_iter().filter(of_c2).collect::<Vec<_>>(), [""; 0]);
    assert!(c1.pings("192.0.2.2"), "the other container goes on");
}

fn ruleset_of(host: &Host) -> Vec<String> {
    host.kernel_text().lines().filter(|line| line.starts_with("nft ")).map(str::to_owned).collect()
}
