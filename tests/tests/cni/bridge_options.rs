//! `bridge`: each key, by what it changes in the kernel.

use serde_json::{Value, json};
use tests::{Host, Lab, eventually};

use super::config::{VERSIONS, bridge, since, with};

use std::time::Duration;

const SUBNET: &[&str] = &["10.1.2.0/24"];

fn options(keys: &Value) -> Value {
    at("1.1.0", keys)
}

fn at(version: &str, keys: &Value) -> Value {
    with(bridge(version, SUBNET), keys)
}

/// The only port of `br-web`.
fn port(host: &Host) -> Value {
    let links = host.ip("-d link show");
    let ports: Vec<&Value> = links.as_array().unwrap().iter().filter(|link| link["master"] == "br-web").collect();
    assert_eq!(ports.len(), 1, "{ports:?}");
    ports[0].clone()
}

#[track_caller]
fn refused(keys: &Value, msg: &str) {
    let lab = Lab::new();
    let host = lab.host("a");
    let before = host.kernel_text();
    let c1 = host.container("c1");
    for version in VERSIONS {
        let refusal = c1.attachment(&at(version, keys), "eth0").add().unwrap_err();
        assert!(refusal.msg.contains(msg), "{keys} at {version}: {refusal:?}");
    }
    assert_eq!(host.changes_since(&before), [""; 0], "{keys}");
    assert_eq!(host.leftovers(), [""; 0], "{keys}");
}

#[test]
fn a_mistake_in_the_configuration_is_named_and_changes_nothing() {
    refused(&json!({"hairpinMode": true, "promiscMode": true}), "cannot set hairpin mode and promiscuous mode");
    refused(&json!({"disableContainerInterface": true}), "cannot use IPAM when DisableContainerInterface flag is set");
    for id in [-100, 5000] {
        refused(&json!({"vlan": id}), &format!("invalid VLAN ID {id} (must be between 0 and 4094)"));
    }
}

#[test]
fn a_mistake_in_a_vlan_trunk_is_named() {
    for (trunk, msg) in [
        (json!([{"minID": 100}]), "minID and maxID should be configured simultaneously, maxID is missing"),
        (json!([{"maxID": 100}]), "minID and maxID should be configured simultaneously, minID is missing"),
        (json!([{"id": 0}]), "incorrect trunk id parameter"),
        (json!([{"id": 4095}]), "incorrect trunk id parameter"),
        (json!([{"minID": 0, "maxID": 100}]), "incorrect trunk minID parameter"),
        (json!([{"minID": 1, "maxID": 4095}]), "incorrect trunk maxID parameter"),
        (json!([{"minID": 200, "maxID": 100}]), "maxID 100 in trunk parameter"),
    ] {
        refused(&json!({"vlanTrunk": trunk}), msg);
    }
}

/// The kernel of a development machine may lack VLAN filtering: then the refusal names the option that is missing.
#[test]
fn a_vlan_is_filtered_or_the_missing_kernel_option_is_named() {
    let lab = Lab::new();
    let host = lab.host("a");
    let can = host.run("ip link add try type bridge vlan_filtering 1").success();
    if can {
        host.sh("ip link del try");
    }
    let config = with(options(&json!({"vlan": 100})), &json!({"isDefaultGateway": false, "ipam": {}}));
    let attachment = host.container("c1").attachment(&config, "eth0");
    if !can {
        let refusal = attachment.add().unwrap_err();
        assert_eq!(refusal.code, 102, "{refusal:?}");
        assert!(refusal.msg.contains("CONFIG_BRIDGE_VLAN_FILTERING"), "{refusal:?}");
        assert_eq!(host.leftovers(), [""; 0]);
        return;
    }
    attachment.add().unwrap();
    assert_eq!(host.link("br-web")["linkinfo"]["info_data"]["vlan_filtering"], 1);
    let name = port(&host)["ifname"].as_str().unwrap().to_owned();
    let vlans = host.run(&format!("bridge -j vlan show dev {name}")).json();
    let ids: Vec<&Value> = vlans[0]["vlans"].as_array().unwrap().iter().map(|vlan| &vlan["vlan"]).collect();
    assert_eq!(ids, [100]);
    attachment.del().unwrap();
}

#[test]
fn a_link_of_another_kind_is_not_taken_for_the_bridge() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.sh("ip link add br-web type veth peer name to-other");
    let attachment = host.container("c1").attachment(&options(&json!({})), "eth0");
    let refusal = attachment.add().unwrap_err();
    assert!(refusal.msg.contains("\"br-web\" already exists but is not a bridge"), "{refusal:?}");
    host.sh("ip link del br-web");
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn a_bridge_for_ipv4_alone_has_no_ipv6_until_a_network_with_ipv6_comes() {
    let lab = Lab::new();
    let host = lab.host("a");
    let disabled = || host.run("cat /proc/sys/net/ipv6/conf/br-web/disable_ipv6").text();
    let c1 = host.container("c1");
    let first = c1.attachment(&options(&json!({"isGateway": true})), "eth0");
    first.add().unwrap();
    assert_eq!(disabled(), "1\n");
    let other = with(bridge("1.1.0", &["fd00:2::/64"]), &json!({"name": "other", "isGateway": true}));
    let c2 = host.container("c2");
    let second = c2.attachment(&other, "eth0");
    second.add().unwrap();
    assert_eq!(disabled(), "0\n");
    second.check().unwrap();
    assert!(c2.run("ping -c1 -w5 fd00:2::1").success());
    second.del().unwrap();
    first.del().unwrap();
}

#[test]
fn a_container_has_ipv6_of_its_own_where_a_router_may_give_it_more() {
    let lab = Lab::new();
    let host = lab.host("a");
    let link_local = |name: &str, keys: &Value| {
        let container = host.container(name);
        container.add(&with(options(keys), &json!({"isDefaultGateway": false})));
        container.run("ip -6 -brief address show dev eth0").text().contains("fe80:")
    };
    assert!(!link_local("c1", &json!({"isGateway": true})));
    assert!(link_local("c2", &json!({"isGateway": false})));
    assert!(link_local("c3", &json!({"isGateway": false, "ipam": {}})));
}

#[test]
fn a_bridge_that_is_there_is_used_as_it_is() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.sh("ip link add br-web type bridge; ip link set br-web mtu 1400");
    let index = host.link("br-web")["ifindex"].clone();
    for version in VERSIONS {
        let attachment = host.container(&format!("c-{version}")).add(&at(version, &json!({"mtu": 1300})));
        assert_eq!(host.link("br-web")["ifindex"], index, "{version}");
        assert_eq!(host.link("br-web")["mtu"], 1400, "{version}");
        if since(version, "1.0.0") {
            let result = attachment.result();
            let told: Vec<&Value> = (0..3).map(|index| &result["interfaces"][index]["mtu"]).collect();
            assert_eq!(told, [1400, 1300, 1300], "each its own");
        }
        assert_eq!(port(&host)["master"], "br-web", "{version}");
        attachment.del().unwrap();
    }
}

#[test]
fn promiscuous_mode_and_hairpin_are_set() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    for version in VERSIONS {
        let first = c1.add(&at(version, &json!({"promiscMode": true})));
        assert_eq!(host.link("br-web")["promiscuity"], 1, "{version}");
        assert_eq!(port(&host)["linkinfo"]["info_slave_data"]["hairpin"], false, "{version}");
        first.del().unwrap();
        let second = c2.add(&at(version, &json!({"hairpinMode": true})));
        assert_eq!(port(&host)["linkinfo"]["info_slave_data"]["hairpin"], true, "{version}");
        second.del().unwrap();
        host.sh("ip link del br-web");
    }
}

#[test]
fn isolated_ports_do_not_reach_each_other() {
    for isolated in [false, true] {
        let lab = Lab::new();
        let host = lab.host("a");
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        c1.add(&options(&json!({"portIsolation": isolated})));
        assert_eq!(port(&host)["linkinfo"]["info_slave_data"]["isolated"], isolated);
        c2.add(&options(&json!({"portIsolation": isolated})));
        assert_eq!(c1.pings(&c2.address("eth0")), !isolated);
        assert!(c1.pings("10.1.2.1"));
    }
}

#[test]
fn the_configured_mtu_is_that_of_bridge_and_both_ends() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    c1.add(&options(&json!({"mtu": 1300})));
    let seen = [host.link("br-web"), port(&host), c1.link("eth0")].map(|link| link["mtu"].clone());
    assert_eq!(seen, [1300, 1300, 1300]);
}

#[test]
fn without_an_mtu_that_of_the_uplink_is_taken_and_kept() {
    let lab = Lab::new();
    let [host, router] = ["a", "r"].map(|name| lab.host(name));
    host.link_to(&router, "172.16.0.1/24", "172.16.0.2/24");
    host.sh("ip link set to-r mtu 1380; ip route add default via 172.16.0.2");
    let c1 = host.container("c1");
    let result = c1.add(&options(&json!({}))).result();
    assert_eq!(c1.link("eth0")["mtu"], 1380);
    assert_eq!(result["interfaces"][2]["mtu"], 1380);
    host.sh("ip link set to-r mtu 1500");
    let c2 = host.container("c2");
    c2.add(&options(&json!({})));
    assert_eq!(c2.link("eth0")["mtu"], 1380, "the first ADD decides");
}

#[test]
fn another_gateway_address_on_the_bridge_is_refused_or_replaced() {
    let cases = [
        ("10.1.2.0/24", "10.9.9.1/24", false, true),
        ("10.1.2.0/24", "10.9.9.1/24", true, false),
        ("2001:db8::/64", "2001:db8::ffff/32", false, true),
        ("2001:db8::/64", "2001:db8::ffff/32", true, false),
        ("2001:db8::/64", "fd00::1/64", false, false),
    ];
    for (subnet, there, force, refuse) in cases {
        let lab = Lab::new();
        let host = lab.host("a");
        let c1 = host.container("c1");
        for version in VERSIONS {
            host.sh(&format!("ip link add br-web type bridge; ip addr add {there} dev br-web; ip link set br-web up"));
            let config = with(bridge(version, &[subnet]), &json!({"forceAddress": force}));
            let attachment = c1.attachment(&config, "eth0");
            let outcome = attachment.add();
            let addresses = host.addresses("br-web");
            if refuse {
                let msg = outcome.unwrap_err().msg;
                assert!(msg.contains("\"br-web\" already has an IP address different from"), "{version}: {msg}");
                assert_eq!(addresses, [there], "{version}");
                assert!(!host.leases("web").join("10.1.2.2").exists(), "the address was given back");
            } else {
                assert!(outcome.is_ok(), "{version}: {outcome:?}");
                let kept = addresses.iter().any(|address| address == there);
                assert_eq!(kept, !force, "{version}: {addresses:?}");
            }
            assert_eq!(attachment.del(), Ok(()), "{version}");
            host.sh("ip link del br-web");
        }
    }
}

#[test]
fn the_hardware_address_is_taken_from_the_strongest_source() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [args, cni, runtime] = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"];
    let container = host.container("c1");
    for version in VERSIONS {
        let from_args = at(version, &json!({}));
        let from_cni = with(from_args.clone(), &json!({"args": {"cni": {"mac": cni}}}));
        let from_runtime = with(from_cni.clone(), &json!({"capabilities": {"mac": true}}));
        for (config, expected) in [(from_args, args), (from_cni, cni), (from_runtime, runtime)] {
            let attachment = container.attachment(&config, "eth0").args(&format!("IgnoreUnknown=1;MAC={args}"));
            let attachment = attachment.capabilities(&json!({"mac": runtime}));
            let result = attachment.add().unwrap();
            assert_eq!(container.link("eth0")["address"], expected, "{version}");
            if since(version, "0.3.0") {
                assert_eq!(result["interfaces"][2]["mac"], expected, "{version}");
            }
            attachment.del().unwrap();
        }
    }
}

#[test]
fn a_disabled_interface_is_there_and_down() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let keys = json!({"disableContainerInterface": true, "ipam": {}, "isDefaultGateway": false});
    // An older result needs an address.
    for version in VERSIONS.into_iter().filter(|version| since(version, "0.3.0")) {
        let attachment = c1.add(&at(version, &keys));
        assert!(!c1.link("eth0")["flags"].as_array().unwrap().contains(&json!("UP")), "{version}");
        assert_eq!(c1.ip("-6 addr show dev eth0")[0]["addr_info"].as_array().map_or(0, Vec::len), 0, "{version}");
        attachment.del().unwrap();
    }
}

#[test]
fn duplicate_addresses_are_looked_for_when_asked() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    c1.add(&with(bridge("1.1.0", &["2001:db8::/64"]), &json!({"enabledad": true})));
    assert_eq!(c1.sysctl("net/ipv6/conf/eth0/accept_dad").as_deref(), Some("1"));
    assert_eq!(c1.sysctl("net/ipv6/conf/eth0/enhanced_dad").as_deref(), Some("1"));
    assert!(c1.pings("2001:db8::1"));
}

#[test]
fn frames_with_another_hardware_address_are_stopped_when_asked() {
    for checked in [false, true] {
        let lab = Lab::new();
        let host = lab.host("a");
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        c1.add(&options(&json!({"macspoofchk": checked})));
        c2.add(&options(&json!({})));
        let target = c2.address("eth0");
        assert!(c1.pings(&target));
        let mac = c1.link("eth0")["address"].as_str().unwrap().to_owned();
        c1.sh("ip link set eth0 address 02:00:00:00:be:ef");
        assert_eq!(c1.pings(&target), !checked);
        c1.sh(&format!("ip link set eth0 address {mac}"));
        eventually(Duration::from_secs(5), || c1.pings(&target));
    }
}

#[test]
fn a_key_changes_the_same_at_every_version() {
    let lab = Lab::new();
    let host = lab.host("a");
    let mac = "02:00:00:00:00:02";
    let keys = json!({"mtu": 1300, "promiscMode": true, "portIsolation": true, "ipMasq": true, "macspoofchk": true,
        "args": {"cni": {"mac": mac}}});
    for version in VERSIONS {
        let container = host.container(&format!("c-{version}"));
        let attachment = container.attachment(&with(bridge(version, SUBNET), &keys), "eth0");
        attachment.add().unwrap();
        let port = port(&host);
        let name = port["ifname"].as_str().unwrap();
        assert_eq!(port["linkinfo"]["info_slave_data"]["isolated"], true, "{version}");
        assert_eq!((&host.link("br-web")["mtu"], &port["mtu"]), (&json!(1300), &json!(1300)), "{version}");
        assert_eq!(host.link("br-web")["promiscuity"], 1, "{version}");
        assert_eq!(container.link("eth0")["address"], mac, "{version}");
        let elements = |set: &str| host.sh(&format!("nft list set {set}"));
        assert!(elements("inet netd masquerade4").contains("10.1.2."), "{version}");
        assert!(
            elements("bridge netd guarded").contains(name) && elements("bridge netd mac").contains(mac),
            "{version}"
        );
        attachment.del().unwrap();
    }
}
