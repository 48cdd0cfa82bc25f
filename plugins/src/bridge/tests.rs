use netd_model::{
    addr::Mtu,
    element::Family,
    object::GROUP,
    plan::{Desired, plan},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    cni::{Command, result::Ip},
    fixture::request,
};

fn parse(config: &Value, args: &str) -> Result<(Config, Target), Error> {
    let request = request(&PLUGIN.about, "ADD", config, args)?;
    let Command::Add(target) = &request.command else { unreachable!("ADD is asked") };
    Ok((Config::of(&request)?, target.clone()))
}

fn error(config: &Value) -> String {
    parse(config, "").expect_err("the configuration is wrong").to_string()
}

fn facts(bridge: Option<Link>) -> Facts {
    Facts { bridge, uplink_mtu: Mtu::try_from(1400).ok(), ipv6: false, machine: "m".to_owned() }
}

fn ipam(addresses: &[&str]) -> CniResult {
    let ip = |text: &&str| Ip { interface: None, address: text.parse().unwrap(), gateway: None };
    CniResult { ips: addresses.iter().map(ip).collect(), ..CniResult::default() }
}

/// The script of a first ADD.
fn script(config: &Value, addresses: &[&str], facts: &Facts) -> String {
    let (config, target) = parse(config, "").unwrap();
    let ipam = ipam(addresses);
    let assigned = addresses::assigned(&config, &ipam);
    let routes = addresses::routes(&config, &ipam, &assigned);
    let routes = inside::routes(&target.id.ifname, &routes, &assigned);
    let kept = State::default();
    let attach = Attach {
        id: &target.id,
        config: &config,
        facts,
        addresses: &assigned,
        routes: &routes,
        elsewhere: &[],
        sizes_bridge: true,
        kept: &kept,
    };
    let absent = attach.unwanted().into_iter().collect();
    let Wanted { section, .. } = attach.wanted();
    let mut present = section.shared;
    present.extend(section.own);
    let observed = facts.bridge.iter().cloned().map(Object::Link).collect();
    plan(&Desired { present, absent }, &observed).to_string()
}

#[test]
fn a_first_add_makes_the_bridge_and_all_on_it() {
    let config = json!({"bridge": "br-web", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true});
    let expected = "\
host       nft add table inet netd # version 10
host       nft add element inet netd masquerade4 { 10.1.0.7 } # web/c1/eth0
host       nft add element inet netd home4 { 10.1.0.7 . \"br-web\" } # web/c1/eth0
host       sysctl net/ipv4/ip_forward=1
host       ip link add dev br-web address 02:4c:4f:20:3f:87 mtu 1400 group netd type bridge
host       ip link add dev veth97b703de28b address 02:56:63:d2:cd:69 mtu 1400 group netd master br-web type veth peer dev eth0 address 02:cd:0a:01:00:07 mtu 1400 group netd in container
container  sysctl net/ipv4/conf/eth0/arp_notify=1
host       ip address add 10.1.0.1/24 dev br-web
container  ip address add 10.1.0.7/24 dev eth0
host       ip link set dev br-web up
host       ip link set dev veth97b703de28b alias web/c1/eth0 master br-web hairpin on isolated off up
container  ip link set dev eth0 up
container  ip route add default via 10.1.0.1 dev eth0
";
    assert_eq!(script(&config, &["10.1.0.7/24"], &facts(None)), expected);
}

#[test]
fn a_bridge_that_was_there_is_used_as_it_is() {
    let found = Link {
        mtu: Mtu::try_from(9000).ok(),
        mac: "02:00:00:00:00:09".parse().ok(),
        group: Some(0),
        up: Some(true),
        ..Link::new(Side::Host, "br-web".parse().unwrap(), LinkKind::Bridge { vlan_filtering: Some(false) })
    };
    let text = script(&json!({"bridge": "br-web"}), &[], &facts(Some(found.clone())));
    assert!(!text.contains("type bridge") && !text.contains("dev br-web"), "{text}");
    assert!(text.contains("mtu 9000"), "{text}");
    let ours = Link { group: Some(GROUP), ..found };
    let text = script(&json!({"bridge": "br-web"}), &[], &facts(Some(ours)));
    assert!(!text.contains("dev br-web"), "{text}");
}

#[test]
fn a_checked_port_may_send_from_its_own_addresses_only() {
    let text = script(&json!({"macspoofchk": true}), &["10.1.0.7/24"], &facts(None));
    for element in [
        "bridge netd guarded { \"veth97b703de28b\" }",
        "bridge netd guarded-ip { \"veth97b703de28b\" }",
        "bridge netd mac { \"veth97b703de28b\" . 02:cd:0a:01:00:07 }",
        "bridge netd source4 { \"veth97b703de28b\" . 02:cd:0a:01:00:07 . 10.1.0.7 }",
    ] {
        assert!(text.contains(element), "{element} in {text}");
    }
    let text = script(&json!({"macspoofchk": true}), &[], &facts(None));
    assert!(!text.contains("guarded-ip"), "without IPAM only the MAC address is known: {text}");
}

#[test]
fn the_gateway_of_a_vlan_stands_on_a_pair_of_its_own() {
    let text = script(&json!({"bridge": "br0", "vlan": 100, "isGateway": true}), &["10.1.0.7/24"], &facts(None));
    assert!(text.contains("type bridge vlan_filtering 1"), "{text}");
    assert!(text.contains("ip address add 10.1.0.1/24 dev br0.100"), "{text}");
    // The kernel makes a port at once of the end that names the other, and of that alone.
    assert!(text.contains(" type veth peer dev br0.100 "), "{text}");
    assert!(text.contains("bridge vlan delete dev veth97b703de28b vid 1"), "{text}");
    assert!(text.contains("bridge vlan add dev veth97b703de28b vid 100 pvid untagged"), "{text}");
    let text = script(&json!({"vlan": 100, "preserveDefaultVlan": true}), &[], &facts(None));
    assert!(!text.contains("vlan delete"), "{text}");
}

#[test]
fn a_trunk_keeps_vlan_1_as_the_native_one() {
    let text = script(&json!({"vlanTrunk": [{"id": 101}, {"minID": 200, "maxID": 202}]}), &[], &facts(None));
    for vid in ["vid 1 pvid untagged", "vid 101\n", "vid 200\n", "vid 201\n", "vid 202\n"] {
        assert!(text.contains(&format!("dev veth97b703de28b {vid}")) || vid.starts_with("vid 1 "), "{vid} in {text}");
    }
    assert!(!text.contains("vlan delete"), "{text}");
}

#[test]
fn the_container_has_the_mac_that_the_strongest_voice_asks_for() {
    let mac = |config: Value, args: &str| parse(&config, args).unwrap().0.mac.map(String::from).unwrap_or_default();
    let args = "IgnoreUnknown=1;MAC=02:00:00:00:00:01";
    assert_eq!(mac(json!({}), args), "02:00:00:00:00:01");
    let both = json!({"args": {"cni": {"mac": "02:00:00:00:00:02"}}});
    assert_eq!(mac(both, args), "02:00:00:00:00:02");
    let all = json!({"args": {"cni": {"mac": "02:00:00:00:00:02"}}, "RuntimeConfig": {"mac": "02:00:00:00:00:03"}});
    assert_eq!(mac(all, args), "02:00:00:00:00:03");
}

#[test]
fn a_wrong_value_is_named() {
    for (config, words) in [
        (json!({"bridge": "a/b"}), "bridge: interface name \"a/b\""),
        (json!({"vlan": 5000}), "invalid VLAN ID 5000 (must be between 0 and 4094)"),
        (json!({"vlan": -100}), "invalid VLAN ID -100 (must be between 0 and 4094)"),
        (json!({"vlanTrunk": [{"minID": 5}]}), "minID and maxID should be configured simultaneously, maxID is missing"),
        (json!({"vlanTrunk": [{"maxID": 5}]}), "minID and maxID should be configured simultaneously, minID is missing"),
        (json!({"vlanTrunk": [{"id": 0}]}), "incorrect trunk id parameter: 0"),
        (json!({"vlanTrunk": [{"id": 4095}]}), "incorrect trunk id parameter: 4095"),
        (json!({"vlanTrunk": [{"minID": 9, "maxID": 5}]}), "minID 9 is greater than maxID 5"),
        (
            json!({"hairpinMode": true, "promiscMode": true}),
            "cannot set hairpin mode and promiscuous mode at the same time",
        ),
        (
            json!({"disableContainerInterface": true, "ipam": {"type": "host-local"}}),
            "cannot use IPAM when DisableContainerInterface flag is set",
        ),
        (json!({"ipMasqBackend": "pf"}), "unknown ipMasqBackend \"pf\""),
        (json!({"mtu": 10}), "invalid mtu 10"),
        (json!({"mtu": "big"}), "key \"mtu\""),
        (json!({"bridge": "fifteen-letters", "vlan": 5, "isGateway": true}), "interface name \"fifteen-letters.5\""),
        (json!({"runtimeConfig": {"mac": "x"}}), "mac: MAC address \"x\""),
    ] {
        assert!(error(&config).contains(words), "{config}: {}", error(&config));
    }
}

#[test]
fn dns_of_the_configuration_wins_even_when_it_is_empty() {
    let dns = |config: Value| parse(&config, "").unwrap().0.dns;
    assert_eq!(dns(json!({})), None);
    assert_eq!(dns(json!({"dns": {}})), None);
    assert!(dns(json!({"dns": {"nameservers": []}})).is_some());
}

#[test]
fn status_reads_the_keys_and_asks_for_nft_where_it_is_needed() {
    let wrong = request(&PLUGIN.about, "STATUS", &json!({"vlan": 5000}), "").unwrap();
    let error = (PLUGIN.status)(&wrong).unwrap_err();
    assert!(error.kind.code() == 7 && error.msg.contains("5000"), "{error}");
    let families = |config: Value| parse(&config, "").unwrap().0.families(true).collect::<Vec<_>>();
    assert_eq!(families(json!({"isGateway": true})), []);
    assert_eq!(families(json!({"ipMasq": true})), [Family::Inet]);
    assert_eq!(families(json!({"macspoofchk": true})), [Family::Bridge]);
    assert!(parse(&json!({"ipMasq": true}), "").unwrap().0.families(false).next().is_none());
}
