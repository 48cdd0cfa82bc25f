//! `firewall` after `bridge` or `ptp`: who begins to talk to a container, and what is left of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Container, Host, Lab, Node, eventually, holds_within};

use super::config::{VERSIONS, bridge, since, with};
use super::firewall_others::{docker, docker_user};
use super::portmap::{SECOND, answering, at, host_and_outside, reaches, show_bridged_packets};

/// A network of its own bridge and subnets, of this number; `keys` are of the firewall plugin, and none leaves it out.
pub(super) fn network(name: &str, number: u8, keys: Option<&Value>) -> Value {
    let subnets = [format!("10.1.{number}.0/24"), format!("2001:db8:1:{number}::/64")];
    let interface = bridge("1.1.0", &subnets.each_ref().map(String::as_str));
    let interface = with(interface, &json!({"bridge": format!("br-{name}"), "ipMasq": false}));
    let firewall = keys.map(|keys| with(json!({"type": "firewall"}), keys));
    let plugins: Vec<Value> = [interface].into_iter().chain(firewall).collect();
    json!({"cniVersion": "1.1.0", "name": name, "plugins": plugins})
}

pub(super) fn policy(policy: &str) -> Value {
    json!({"ingressPolicy": policy})
}

/// Those of these addresses that answer, all asked at once.
fn answer(node: &Node, addresses: &[String]) -> BTreeSet<String> {
    let ask = |address: &String| format!("(ping -n -c 1 -W 1 {address} >/dev/null && echo {address}) &");
    let asked: Vec<String> = addresses.iter().map(ask).collect();
    node.sh(&format!("{}\nwait", asked.join("\n"))).lines().map(str::to_owned).collect()
}

/// What of our sets names a link.
fn held(host: &Host, link: &str) -> Vec<String> {
    let named = format!("\"{link}\"");
    let is_of_policy = |line: &&str| line.starts_with("nft element") && (line.contains(&named) || line.contains(link));
    host.kernel_text().lines().filter(is_of_policy).map(str::to_owned).collect()
}

/// Networks of each policy and one without, with two containers each: by its number, and whether it has another of its own.
const NETWORKS: [(&str, u8, Option<&str>); 4] =
    [("plain", 1, None), ("open", 2, Some("open")), ("same", 3, Some("same-bridge")), ("lone", 4, Some("isolated"))];

/// Whether a container of one network hears one of another, or of its own, that speaks first.
fn hears(listener: &str, speaker: &str) -> bool {
    match (listener, speaker) {
        ("lone", _) | (_, "lone") => false,
        (listener, speaker) if listener == speaker => true,
        ("same", _) | (_, "same") => false,
        _ => true,
    }
}

/// In both families, whether bridged packets are shown to nftables or not.
#[test]
fn who_hears_whom_is_what_the_policy_says() {
    for is_shown in [false, true] {
        let lab = Lab::new();
        let (host, outside) = host_and_outside(&lab);
        show_bridged_packets(&host, is_shown);
        outside.sh("ip route add 10.1.0.0/16 via 192.0.2.1; ip route add 2001:db8:1::/48 via 2001:db8:ff::1");
        let addresses =
            |number: u8, last: u8| [format!("10.1.{number}.{last}"), format!("2001:db8:1:{number}::{last}")];
        let outsides = ["192.0.2.2".to_owned(), "2001:db8:ff::2".to_owned()];
        let mut speakers = Vec::new();
        for (name, number, of_network) in NETWORKS {
            let config = network(name, number, of_network.map(policy).as_ref());
            let [one, other] = ["1", "2"].map(|last| host.container(&format!("{name}{last}")));
            one.add(&config);
            other.add(&config);
            speakers.push((name, number, one));
        }
        let listeners: Vec<String> = NETWORKS.iter().flat_map(|(_, number, _)| addresses(*number, 3)).collect();
        // Neighbours are looked for once each has looked for duplicates of its own address.
        eventually(SECOND * 10, || {
            answer(&host, &listeners).len() == listeners.len() && outside.pings("2001:db8:ff::1")
        });
        for (name, number, speaker) in &speakers {
            let asked: Vec<String> = [listeners.clone(), outsides.to_vec(), addresses(*number, 1).to_vec()].concat();
            let heard_by = NETWORKS.iter().filter(|(listener, ..)| hears(listener, name));
            let heard_by = heard_by.flat_map(|(_, number, _)| addresses(*number, 3));
            let expected: BTreeSet<String> = heard_by.chain(outsides.clone()).chain(addresses(*number, 1)).collect();
            assert_eq!(answer(speaker, &asked), expected, "from {name}, bridged packets shown: {is_shown}");
        }
        let expected: BTreeSet<String> = addresses(1, 3).into();
        assert_eq!(answer(&outside, &listeners), expected, "from outside");
        for (_, _, speaker) in &speakers {
            assert_eq!(speaker.check(), Ok(()));
        }
    }
}

/// By the gateway, as packets go that are not for the same link.
#[test]
fn containers_of_an_isolated_network_do_not_reach_each_other_by_way_of_their_host() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    for container in [&c1, &c2] {
        container.add(&network("web", 2, Some(&policy("isolated"))));
        container.sh("ip route del 10.1.2.0/24; ip route add 10.1.2.1 dev eth0; ip route replace default via 10.1.2.1");
    }
    host.sh("echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects");
    assert!(c1.pings("10.1.2.1"));
    assert!(!c1.pings(&c2.address("eth0")));
    host.sh("nft flush set inet netd isolated");
    assert!(c1.pings(&c2.address("eth0")), "but for the policy they would");
}

/// But for containers of an isolated network itself: they do not reach each other.
#[test]
fn a_published_port_is_open_to_all_whatever_the_policy() {
    for (of_network, is_shown) in [("same-bridge", true), ("isolated", true), ("isolated", false)] {
        let lab = Lab::new();
        let (host, outside) = host_and_outside(&lab);
        show_bridged_packets(&host, is_shown);
        let mut config = network("web", 2, Some(&policy(of_network)));
        let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
        config["plugins"].as_array_mut().unwrap().insert(1, portmap);
        let [c1, c2, c3, p1] = ["c1", "c2", "c3", "p1"].map(|name| host.container(name));
        c1.keep(c1.attachment(&config, "eth0").capabilities(&at(8080))).add().unwrap();
        let _answers = answering(&c1, 80);
        c2.add(&config);
        p1.add(&network("plain", 1, None));
        c3.add(&network("same", 3, Some(&policy("same-bridge"))));
        outside.sh("ip route add 10.1.0.0/16 via 192.0.2.1");
        eventually(SECOND * 10, || outside.pings("2001:db8:ff::1") && host.pings("2001:db8:1:2::2"));
        let nodes: [&Node; 5] = [&outside, &host, &c2, &p1, &c3];
        for node in nodes {
            let expected = of_network != "isolated" || node.name() != "c2";
            for whom in ["192.0.2.1:8080", "[2001:db8:ff::1]:8080"] {
                let heard = reaches(node, whom);
                assert_eq!(heard, expected, "{whom} from {} with {of_network}, {is_shown}", node.name());
            }
        }
        assert!(!reaches(&outside, "10.1.2.2:80"), "its own port is not");
        assert!(reaches(&host, "10.1.2.2:80"));
    }
}

#[test]
fn del_leaves_nothing_and_the_last_takes_what_they_held_together() {
    for of_network in ["open", "same-bridge", "isolated"] {
        let lab = Lab::new();
        let host = lab.host("a");
        let config = network("web", 2, Some(&policy(of_network)));
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        let [one, other] = [&c1, &c2].map(|container| container.add(&config));
        assert_eq!((one.check(), other.check()), (Ok(()), Ok(())));
        assert_eq!(held(&host, "br-web").len(), 1, "{:?}", held(&host, "br-web"));
        one.del().unwrap();
        assert_eq!(other.check(), Ok(()), "{of_network}");
        assert_eq!(held(&host, "br-web").len(), 1);
        assert_eq!((other.del(), other.del(), one.del()), (Ok(()), Ok(()), Ok(())));
        assert_eq!(held(&host, "br-web"), [""; 0], "{of_network}");
        assert!(!host.run_dir().join("held").read_dir().is_ok_and(|mut held| held.next().is_some()));
    }
}

/// Whoever is the last, whether its plugin, the interface's, GC or netd takes it away.
#[test]
fn whoever_takes_the_last_away_takes_what_is_held() {
    let lab = Lab::new();
    let host = lab.host("a");
    let config = network("web", 2, Some(&policy("same-bridge")));
    let interface = |container: &Container| {
        let call = container.call("bridge", "DEL").config(&with(config["plugins"][0].clone(), &json!({"name": "web"})));
        assert_eq!(call.run().answer(), Ok(Value::Null));
    };
    let c1 = host.container("c1");
    let attachment = c1.add(&config);
    interface(&c1);
    assert_eq!(held(&host, "br-web"), [""; 0], "the plugin was taken out of the list");
    attachment.forget();
    let c2 = host.container("c2");
    c2.add(&config).forget();
    host.gc(&config, Some(&[])).unwrap();
    assert_eq!(held(&host, "br-web"), [""; 0], "GC");
    let c3 = host.container("c3");
    c3.add(&config).forget();
    c3.vanish();
    host.sh("sed -i 's/\"ready\"/\"deleting\"/' /run/netd/attachments/web/*.json");
    let _netd = host.netd();
    assert!(holds_within(SECOND * 10, || held(&host, "br-web").is_empty()), "netd, after a DEL that was killed");
}

/// Of networks on one bridge the strictest policy holds, for as long as it has a container.
#[test]
fn two_networks_on_one_bridge_hold_it_together() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    outside.sh("ip route add 10.1.0.0/16 via 192.0.2.1");
    let [c1, c2, p1] = ["c1", "c2", "p1"].map(|name| host.container(name));
    let second = with(network("web", 2, Some(&policy("same-bridge"))), &json!({"name": "second"}));
    let one = c1.add(&network("web", 2, Some(&policy("same-bridge"))));
    let other = c2.keep(c2.attachment(&second, "eth0"));
    // Each network has leases of its own.
    let mut moved = second.clone();
    moved["plugins"][0]["ipam"]["ranges"][0][0]["rangeStart"] = "10.1.2.100".into();
    moved["plugins"][0]["ipam"]["ranges"][1][0]["rangeStart"] = "2001:db8:1:2::100".into();
    drop(other);
    let other = c2.add(&moved);
    p1.add(&network("plain", 1, None));
    assert!(c1.pings("10.1.2.100"));
    one.del().unwrap();
    assert_eq!(other.check(), Ok(()));
    assert!(!p1.pings("10.1.2.100"), "the other network holds it");
    other.del().unwrap();
    assert_eq!(held(&host, "br-web"), [""; 0]);
}

/// The first and the last come and go at the same time, and whoever is there has what it needs.
#[test]
fn what_is_held_is_there_however_others_come_and_go() {
    let lab = Lab::new();
    come_and_go(&lab.host("a"), 12);
    let beside_docker = lab.host("b");
    docker(&beside_docker);
    let before = docker_user(&beside_docker);
    come_and_go(&beside_docker, 6);
    assert_eq!(docker_user(&beside_docker), before);
}

fn come_and_go(host: &Host, times: usize) {
    let config = network("web", 2, Some(&policy("same-bridge")));
    host.container("first").add(&config).del().unwrap();
    let containers: Vec<Container> = (0..4).map(|number| host.container(&format!("c{number}"))).collect();
    std::thread::scope(|scope| {
        for container in &containers {
            let config = &config;
            scope.spawn(move || {
                for _ in 0..times {
                    let attachment = container.attachment(config, "eth0");
                    attachment.add().unwrap();
                    assert_eq!(attachment.check(), Ok(()));
                    attachment.del().unwrap();
                }
            });
        }
    });
    assert_eq!(held(host, "br-web"), [""; 0]);
}

#[test]
fn what_others_flush_netd_puts_back() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    outside.sh("ip route add 10.1.0.0/16 via 192.0.2.1");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let config = network("web", 2, Some(&policy("isolated")));
    for container in [&c1, &c2] {
        container.add(&config);
    }
    let _netd = host.netd();
    for script in [
        "nft flush ruleset",
        "nft flush table inet netd",
        "nft flush set inet netd isolated",
        "nft flush chain inet netd admin",
        "nft delete chain inet netd forward",
        "nft flush set bridge netd alone",
    ] {
        host.sh(script);
        eventually(SECOND * 90, || c1.check() == Ok(()));
        assert!(!c1.pings(&c2.address("eth0")), "{script}");
        assert!(!outside.pings(&c2.address("eth0")), "{script}");
    }
}

#[test]
fn check_finds_each_thing_that_is_broken_and_repairs_nothing() {
    let lab = Lab::new();
    let host = lab.host("a");
    for script in [
        "nft delete element inet netd isolated '{ br-web . br-web }'",
        "nft flush set bridge netd alone",
        "nft flush chain inet netd admin",
        "nft flush chain inet netd forward",
        "nft delete chain inet netd forward",
    ] {
        let c1 = host.container("c1");
        let attachment = c1.add(&network("web", 2, Some(&policy("isolated"))));
        assert_eq!(attachment.check(), Ok(()));
        host.sh(script);
        let broken = host.kernel_text();
        assert_eq!(attachment.check().unwrap_err().code, 103, "{script}");
        assert_eq!(host.changes_since(&broken), [""; 0], "{script}");
        attachment.del().unwrap();
    }
}

#[test]
fn the_previous_result_is_passed_on_at_every_version_and_twice() {
    for version in VERSIONS {
        let lab = Lab::new();
        let c1 = lab.host("a").container("c1");
        let list = json!({"cniVersion": version, "name": "web",
            "plugins": [bridge(version, &["10.1.2.0/24", "2001:db8::/64"]), {"type": "firewall"}]});
        let attachment = c1.keep(c1.attachment(&list, "eth0"));
        if !since(version, "0.4.0") {
            assert_eq!(attachment.add().unwrap_err().code, 1, "{version}");
            attachment.call("DEL", 0, None).run().answer().unwrap();
            attachment.forget();
            continue;
        }
        let result = attachment.add().unwrap();
        assert_eq!(attachment.call("ADD", 1, Some(&result)).run().answer().unwrap(), result);
        assert_eq!(attachment.check(), Ok(()));
        assert_eq!(attachment.call("DEL", 1, None).run().answer(), Ok(Value::Null), "without a result");
        assert_eq!(attachment.call("DEL", 1, None).without("CNI_NETNS").run().answer(), Ok(Value::Null));
        attachment.del().unwrap();
    }
}

#[test]
fn it_comes_after_ptp_as_well() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    outside.sh("ip route add 10.1.0.0/16 via 192.0.2.1");
    let list = |name: &str, number: u8, of_network: &str| {
        json!({"cniVersion": "1.1.0", "name": name, "plugins": [
            {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": format!("10.1.{number}.0/24")}]],
                "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "firewall", "ingressPolicy": of_network}
        ]})
    };
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|name| host.container(name));
    let attachments =
        [c1.add(&list("a", 1, "open")), c2.add(&list("a", 1, "open")), c3.add(&list("b", 2, "same-bridge"))];
    assert!(c1.pings(&c2.address("eth0")));
    assert!(!c1.pings(&c3.address("eth0")));
    assert!(!c3.pings(&c1.address("eth0")));
    assert!(c3.pings("192.0.2.2"));
    assert!(!outside.pings(&c1.address("eth0")));
    assert!(host.pings(&c1.address("eth0")) && host.pings(&c3.address("eth0")));
    for attachment in attachments {
        assert_eq!((attachment.check(), attachment.del()), (Ok(()), Ok(())));
    }
    assert_eq!(held(&host, "veth"), [""; 0]);
}

#[test]
fn a_policy_needs_an_interface_of_the_host() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.sh("ip link add up1 type veth peer name up2; ip link set up1 up; ip link set up2 up");
    let c1 = host.container("c1");
    let list = |of_network: &str| {
        json!({"cniVersion": "1.1.0", "name": "web", "plugins": [
            {"type": "macvlan", "master": "up1", "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}},
            {"type": "firewall", "ingressPolicy": of_network}
        ]})
    };
    let refused = c1.keep(c1.attachment(&list("isolated"), "eth0"));
    let refusal = refused.add().unwrap_err();
    let expected = "interface needs to be set for ingress policy \"isolated\", make sure to chain \"firewall\" plugin with \"bridge\"";
    assert_eq!((refusal.code, refusal.msg.as_str()), (7, expected));
    refused.del().unwrap();
    let attachment = c1.add(&list("open"));
    assert_eq!((attachment.check(), attachment.del()), (Ok(()), Ok(())));
    host.sh("ip link del up1");
}
