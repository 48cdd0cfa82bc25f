use netd_model::{
    object::State,
    plan::{Desired, plan},
};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn parse(config: &Value, args: &str) -> Result<(Config, Target), Error> {
    let request = request(&PLUGIN.about, "ADD", config, args)?;
    Ok((Config::of(&request)?, request.target().unwrap().clone()))
}

fn parent() -> Link {
    Link { mtu: 1500.try_into().ok(), ..Link::new(Side::Host, "eth1".parse().unwrap(), LinkKind::Other(String::new())) }
}

/// The script of an ADD without addresses.
fn script(config: &Value) -> String {
    let (config, target) = parse(config, "").unwrap();
    let link = link(&config, &target, &parent()).unwrap();
    let section = Single { plugin: "macvlan", target: &target, link, parameters: ANNOUNCING }.section(&[], &[], true);
    plan(&Desired { present: section.own, absent: State::default() }, &State::default()).to_string()
}

#[test]
fn it_is_born_on_the_interface_below_and_comes_up() {
    let expected = "\
container  ip link add link eth1 in host dev eth0 address 02:97:b7:03:de:28 mtu 1400 group netd type macvlan mode bridge
container  sysctl net/ipv4/conf/eth0/arp_notify=1
container  sysctl net/ipv6/conf/eth0/ndisc_notify=1
container  ip link set dev eth0 alias web/c1/eth0 up
";
    assert_eq!(script(&json!({"mtu": 1400})), expected);
    let text = script(&json!({"mode": "vepa", "bcqueuelen": 7, "mac": "02:00:00:00:00:01"}));
    assert!(text.contains("address 02:00:00:00:00:01 group netd type macvlan mode vepa bcqueuelen 7\n"), "{text}");
}

#[test]
fn in_passthru_the_hardware_address_stays_that_of_the_interface_below() {
    let text = script(&json!({"mode": "passthru"}));
    assert!(!text.contains("address") && text.contains("mode passthru"), "{text}");
}

#[test]
fn the_hardware_address_is_that_of_the_strongest_voice() {
    let mac = |config: &Value, args: &str| parse(config, args).unwrap().0.mac.map(String::from).unwrap_or_default();
    let mut config = json!({"mac": "02:00:00:00:00:01"});
    assert_eq!(mac(&config, ""), "02:00:00:00:00:01");
    assert_eq!(mac(&config, "MAC=02:00:00:00:00:02"), "02:00:00:00:00:02");
    config["runtimeConfig"] = json!({"mac": "02:00:00:00:00:03"});
    assert_eq!(mac(&config, "MAC=02:00:00:00:00:02"), "02:00:00:00:00:03");
}

#[test]
fn a_wrong_value_is_named() {
    for (config, words) in [
        (json!({"mode": "x"}), "unknown macvlan mode: \"x\""),
        (json!({"master": "a/b"}), "master: interface name \"a/b\""),
        (json!({"mtu": -1}), "invalid mtu -1"),
        (json!({"bcqueuelen": -1}), "key \"bcqueuelen\""),
        (json!({"mac": "01:00:00:00:00:01"}), "mac: MAC address"),
    ] {
        let error = parse(&config, "").unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{config}: {error}");
    }
    let (config, target) = parse(&json!({"mtu": 1600}), "").unwrap();
    let error = link(&config, &target, &parent()).unwrap_err();
    assert_eq!(error.msg, "invalid MTU 1600, must be [0, master MTU(1500)]");
}
