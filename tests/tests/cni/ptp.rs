//! `ptp` with `host-local`: routed pairs.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Lab, eventually};

use super::config::{VERSIONS, addresses, since, with};

fn ptp(version: &str, subnets: &[&str]) -> Value {
    let ranges: Vec<Value> = subnets.iter().map(|subnet| json!([{"subnet": subnet}])).collect();
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "192.168.7.0/24", "mtu": 1300}]);
    let ipam = json!({"type": "host-local", "ranges": ranges, "routes": routes});
    json!({"cniVersion": version, "name": "web", "type": "ptp", "ipam": ipam})
}

const BOTH: [&str; 2] = ["10.1.2.0/24", "2001:db8::/64"];

#[test]
fn the_gateway_and_other_containers_answer() {
    for version in VERSIONS {
        let lab = Lab::new();
        let host = lab.host("a");
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        let [first, second] = [&c1, &c2].map(|container| container.add(&ptp(version, &BOTH)));
        let result = first.result();
        assert_eq!(addresses(&result), ["10.1.2.2/24", "2001:db8::2/64"], "{version}");
        assert_eq!(c1.addresses("eth0"), ["10.1.2.2/24", "2001:db8::2/64"]);
        for address in ["10.1.2.1", "2001:db8::1", "10.1.2.3", "2001:db8::3"] {
            assert!(c1.pings(address), "{version}: {address}");
        }
        assert!(host.pings("10.1.2.2") && host.pings("2001:db8::2"), "{version}");
        if since(version, "0.3.0") {
            let interfaces = result["interfaces"].as_array().unwrap();
            let veth = interfaces[0]["name"].as_str().unwrap();
            assert_eq!(interfaces.len(), 2, "{result}");
            assert_eq!(interfaces[0]["mac"], host.link(veth)["address"]);
            assert_eq!((&interfaces[1]["name"], &interfaces[1]["mac"]), (&json!("eth0"), &c1.link("eth0")["address"]));
            assert!(result["ips"].as_array().unwrap().iter().all(|ip| ip["interface"] == 1), "{result}");
            assert_eq!(host.addresses(veth), ["10.1.2.1/32", "2001:db8::1/128"]);
        }
        if since(version, "0.4.0") {
            assert_eq!((first.check(), second.check()), (Ok(()), Ok(())), "{version}");
        }
        assert_eq!((first.del(), first.del()), (Ok(()), Ok(())));
        assert!(c1.link("eth0").is_null());
        assert_eq!(host.run("ip route show 10.1.2.2").stdout, "", "the way to it went with the pair");
    }
}

#[test]
fn the_container_sends_all_to_the_gateway() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    c1.add(&ptp("1.1.0", &["10.1.2.0/24"]));
    let shown = c1.sh("ip -4 route show");
    let lines: Vec<&str> = shown.lines().map(str::trim).collect();
    let expected = [
        "default via 10.1.2.1 dev eth0",
        "10.1.2.0/24 via 10.1.2.1 dev eth0",
        "10.1.2.1 dev eth0 scope link",
        "192.168.7.0/24 via 10.1.2.1 dev eth0 mtu 1300",
    ];
    assert_eq!(lines, expected);
    assert!(!c1.sh("ip -6 address show dev eth0").contains("inet6"), "a network of IPv4 alone has nothing of IPv6");
}

#[test]
fn packets_that_leave_the_subnet_are_masqueraded_and_no_others() {
    let lab = Lab::new();
    let [host, far] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&far, "192.168.50.1/24", "192.168.50.2/24");
    host.sh("ip -6 address add fd50::1/64 dev to-b nodad");
    far.sh("ip -6 address add fd50::2/64 dev to-a nodad");
    let config = with(ptp("1.1.0", &BOTH), &json!({"ipMasq": true}));
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let [first, _] = [&c1, &c2].map(|container| container.add(&config));
    // It has no way back to containers: their packets come from the host.
    assert!(c1.pings("192.168.50.2"));
    c1.sh("ip -6 route add default via 2001:db8::1");
    eventually(Duration::from_secs(5), || c1.pings("fd50::2"));
    c2.sh("nft add table inet seen; nft add set inet seen from '{ type ipv4_addr; flags dynamic; size 64; }'
           nft add chain inet seen in '{ type filter hook input priority 0; }'
           nft add rule inet seen in icmp type echo-request add @from '{ ip saddr }'");
    assert!(c1.pings("10.1.2.3"));
    let seen = c2.sh("nft list set inet seen from");
    assert!(seen.contains("10.1.2.2") && !seen.contains("10.1.2.1"), "{seen}");
    assert_eq!(first.check(), Ok(()));
    host.sh("nft flush set inet netd masquerade4");
    assert_eq!(first.check().unwrap_err().code, 103);
}

#[test]
fn check_finds_each_thing_that_is_broken_and_repairs_nothing() {
    let inside = [
        "ip link set eth0 down",
        "ip link set eth0 mtu 1300",
        "ip address del 10.1.2.2/24 dev eth0",
        "ip route del default",
        "ip route del 10.1.2.1 dev eth0",
        "ip route del 10.1.2.0/24",
    ];
    let outside = [
        "ip link set VETH down",
        "ip address del 10.1.2.1/32 dev VETH",
        "ip route del 10.1.2.2 dev VETH",
        "ip link del VETH",
        "nft flush ruleset",
    ];
    let lab = Lab::new();
    let host = lab.host("a");
    let config = with(ptp("1.1.0", &BOTH), &json!({"ipMasq": true, "mtu": 1450}));
    for (number, script) in inside.into_iter().chain(outside).enumerate() {
        let c1 = host.container(&format!("c{number}"));
        let mut config = config.clone();
        config["ipam"]["ranges"] = json!([[{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.2"}]]);
        config["ipam"]["dataDir"] = format!("/var/lib/leases{number}").into();
        let attachment = c1.add(&config);
        assert_eq!(attachment.check(), Ok(()));
        let veth = attachment.result()["interfaces"][0]["name"].as_str().unwrap().to_owned();
        if inside.contains(&script) {
            c1.sh(script);
        } else {
            host.sh(&script.replace("VETH", &veth));
        }
        let broken = (host.kernel_text(), c1.kernel_text());
        assert_eq!(attachment.check().unwrap_err().code, 103, "{script}");
        assert_eq!([host.changes_since(&broken.0), c1.changes_since(&broken.1)].concat(), [""; 0], "{script}");
        attachment.del().unwrap();
    }
}

#[test]
fn nothing_is_left_when_the_namespace_is_gone_or_add_fails() {
    let lab = Lab::new();
    let host = lab.host("a");
    let config = with(ptp("1.1.0", &BOTH), &json!({"ipMasq": true}));
    host.container("warm").add(&config).del().unwrap();
    let settled = host.kernel_text();
    let c1 = host.container("c1");
    let attachment = c1.add(&config);
    c1.vanish();
    assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
    assert_eq!([host.leftovers(), host.changes_since(&settled)].concat(), [""; 0]);
    let mut bad = config.clone();
    bad["ipam"]["routes"] = json!([{"dst": "10.9.0.0/16", "gw": "203.0.113.9"}]);
    let refusal = host.container("c2").attachment(&bad, "eth0").add().unwrap_err();
    assert_eq!(refusal.code, 5, "{refusal:?}");
    assert_eq!([host.leftovers(), host.changes_since(&settled)].concat(), [""; 0]);
    let no_gateway = json!({"type": "static", "addresses": [{"address": "10.1.2.7/24"}]});
    let refusal =
        host.container("c3").attachment(&with(config, &json!({"ipam": no_gateway})), "eth0").add().unwrap_err();
    assert!(refusal.code == 7 && refusal.msg.contains("no gateway"), "{refusal:?}");
    assert_eq!([host.leftovers(), host.changes_since(&settled)].concat(), [""; 0]);
}

#[test]
fn dns_of_the_configuration_wins_over_that_of_ipam() {
    let lab = Lab::new();
    let path = lab.folder().join("resolv.conf");
    std::fs::write(&path, "nameserver 10.9.9.9\n").unwrap();
    let host = lab.host("a");
    let of_ipam = json!({"nameservers": ["10.9.9.9"]});
    for version in VERSIONS {
        let none = if since(version, "1.0.0") { Value::Null } else { json!({}) };
        for (dns, expected) in [
            (json!({"nameservers": ["10.8.8.8"]}), json!({"nameservers": ["10.8.8.8"]})),
            (json!({"nameservers": [], "search": [], "options": []}), none),
            (json!({}), of_ipam.clone()),
            (Value::Null, of_ipam.clone()),
        ] {
            let mut config = with(ptp(version, &["10.1.2.0/24"]), &json!({"dns": dns}));
            config["ipam"]["resolvConf"] = path.to_str().into();
            let attachment = host.container("c1").add(&config);
            assert_eq!(attachment.result()["dns"], expected, "{version} {dns}");
            attachment.del().unwrap();
        }
    }
}

#[test]
fn gc_and_status_are_those_of_its_addresses_and_pairs() {
    let lab = Lab::new();
    let host = lab.host("a");
    let config = with(ptp("1.1.0", &["10.1.2.0/30"]), &json!({"ipMasq": true}));
    assert_eq!(host.status(&config), Ok(()));
    let c1 = host.container("c1");
    c1.add(&config);
    assert_eq!(host.status(&config).unwrap_err().code, 50, "its pool is full");
    assert_eq!(host.gc(&config, None), Ok(()));
    assert!(!c1.link("eth0").is_null());
    assert_eq!(host.gc(&config, Some(&[])), Ok(()));
    assert_eq!(host.leftovers(), [""; 0]);
    assert_eq!(host.status(&config), Ok(()));
}

#[test]
fn names_are_served_on_the_gateway_and_elements_put_back() {
    let lab = Lab::new();
    let host = lab.host("a");
    let _netd = host.netd();
    let masqueraded = with(ptp("1.1.0", &BOTH), &json!({"ipMasq": true}));
    let list = json!({"cniVersion": "1.1.0", "name": "web", "plugins": [masqueraded, {"type": "dns"}]});
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    c1.add(&list);
    c2.add(&list);
    assert_eq!(c1.dig("c2").addresses(), ["10.1.2.3"]);
    host.sh("nft flush ruleset");
    let element = "nft get element inet netd inside4 '{ 10.1.2.2/32 . 10.1.2.0/24 }' 2>/dev/null";
    eventually(Duration::from_secs(5), || host.run_script(element).success());
    assert_eq!(c1.check(), Ok(()), "netd put it back");
}
