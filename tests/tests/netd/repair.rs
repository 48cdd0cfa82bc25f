//! What others break is put right, as far as it is ours.

use std::time::Duration;

use serde_json::json;
use tests::{Container, Daemon, Host, Lab, eventually, holds_within, run};

use super::web;

/// From the damage to the repair.
const BOUND: Duration = Duration::from_secs(2);

/// A host with netd, two attached containers and an outside host that is reached by masquerade only.
fn running(lab: &Lab) -> (Host, Daemon, [Container; 2]) {
    let [host, outside] = ["a", "o"].map(|name| lab.host(name));
    host.link_to(&outside, "192.0.2.1/24", "192.0.2.2/24");
    let netd = host.netd();
    let containers = ["c1", "c2"].map(|name| host.container(name));
    for container in &containers {
        container.add(&web());
    }
    (host, netd, containers)
}

#[test]
fn what_is_broken_is_repaired_within_two_seconds() {
    for damage in [
        "nft flush ruleset",
        "nft delete table inet netd",
        "ip addr del 10.1.0.1/24 dev br-web",
        "ip addr del 2001:db8:1::1/64 dev br-web",
        "ip link set br-web down",
        "ip link del br-web",
        "for port in $(ls /sys/class/net/br-web/brif); do ip link set $port nomaster; done",
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
    ] {
        let lab = Lab::new();
        let (host, netd, [c1, c2]) = running(&lab);
        let before = host.kernel_text();
        assert!(c1.pings("192.0.2.2"));
        host.sh(damage);
        let repaired = holds_within(BOUND, || host.changes_since(&before).is_empty());
        assert!(repaired, "{damage}: {:#?}\n{}", host.changes_since(&before), netd.log());
        eventually(BOUND, || c1.pings(&c2.address("eth0")) && c1.pings("192.0.2.2"));
        eventually(BOUND, || c1.dig("c2").addresses() == [c2.address("eth0")]);
        netd.stop();
    }
}

#[test]
fn a_paused_network_is_left_as_it_is() {
    let lab = Lab::new();
    let (host, netd, [c1, _]) = running(&lab);
    let command = |words: &[&str]| run(host.command(tests::built("netd").to_str().unwrap()).args(words), b"").text();
    command(&["pause", "web"]);
    host.sh("ip link set br-web down");
    assert!(!holds_within(BOUND * 2, || c1.pings("10.1.0.1")));
    command(&["resume", "web"]);
    eventually(BOUND, || c1.pings("10.1.0.1"));
    netd.stop();
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let lab = Lab::new();
    let (host, netd, [c1, c2]) = running(&lab);
    host.sh("ip link add br-lab type bridge; ip addr add 10.99.0.1/24 dev br-lab; nft add table inet lab");
    c2.sh("ip link set eth0 down");
    let before = (host.kernel_text(), c2.kernel_text());
    host.sh("ip addr add 10.1.0.200/32 dev br-web; ip addr del 10.1.0.200/32 dev br-web");
    assert!(!holds_within(BOUND * 2, || host.kernel_text() != before.0 || c2.kernel_text() != before.1));
    assert!(c1.pings("10.1.0.1"));
    netd.stop();
}

#[test]
fn a_bridge_that_was_found_is_not_repaired() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.sh("ip link add br-web type bridge; ip link set br-web up");
    let netd = host.netd();
    let c1 = host.container("c1");
    c1.add(&web());
    host.sh("ip link set br-web down");
    assert!(!holds_within(BOUND * 2, || c1.pings("10.1.0.1")), "somebody else's bridge, somebody else's decision");
    host.sh("ip link set br-web up");
    netd.stop();
}

#[test]
fn an_empty_configuration_file_is_enough_and_a_bad_one_is_named() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.netd().stop();
    for (text, word) in [("run_dir = 3", "run_dir"), ("nonsense = 1", "nonsense"), ("upstreams = [\"x\"]", "upstreams")]
    {
        let path = host.folder().join("bad.toml");
        std::fs::write(&path, text).unwrap();
        let netd = tests::built("netd");
        let outcome = run(host.command(netd.to_str().unwrap()).args(["run", "--config"]).arg(&path), b"");
        assert!(!outcome.success() && outcome.stderr.contains(word), "{text}: {outcome:#?}");
    }
}

#[test]
fn the_run_directory_can_be_elsewhere() {
    let lab = Lab::new();
    let host = lab.host("a");
    let elsewhere = host.folder().join("elsewhere");
    let netd = host.netd_with(&format!("run_dir = {:?}\nstate_dir = {:?}\n", elsewhere, host.folder().join("state")));
    let mut config = web();
    for index in 0..2 {
        config["plugins"][index]["runDir"] = json!(elsewhere);
    }
    let c1 = host.container("c1");
    c1.add(&config);
    assert_eq!(c1.dig("c1").addresses(), [c1.address("eth0")]);
    assert!(!host.run_dir().join("attachments").exists());
    netd.stop();
}

#[test]
fn what_holds_packets_back_on_the_host_is_put_back() {
    let mut config = web();
    let rates = json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 800_000, "egressRate": 8_000_000,
        "egressBurst": 800_000});
    config["plugins"].as_array_mut().unwrap().push(rates);
    for damage in [
        "tc qdisc del dev VETH root",
        "tc qdisc del dev VETH ingress",
        "tc filter del dev VETH ingress pref 1",
        "tc qdisc del dev IFB root",
        "ip link set IFB down",
        "ip link del IFB",
    ] {
        let lab = Lab::new();
        let host = lab.host("a");
        let netd = host.netd();
        let c1 = host.container("c1");
        let result = c1.add(&config).result();
        let name = |index: usize| result["interfaces"][index]["name"].as_str().unwrap();
        let before = host.kernel_text();
        host.sh(&damage.replace("VETH", name(1)).replace("IFB", name(3)));
        let repaired = holds_within(BOUND, || host.changes_since(&before).is_empty());
        assert!(repaired, "{damage}: {:#?}\n{}", host.changes_since(&before), netd.log());
        assert_eq!(c1.check(), Ok(()), "{damage}");
        assert!(c1.pings("10.1.0.1"), "{damage}");
        netd.stop();
    }
}
