use netd_model::object::{Side, State};
use netd_model::plan::{Desired, plan};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn parse(config: &Value) -> Result<(Config, Target), Error> {
    let request = request(&PLUGIN.about, "ADD", config, "")?;
    Ok((Config::of(&request)?, request.target().unwrap().clone()))
}

#[test]
fn it_is_born_on_the_interface_below_with_its_hardware_address() {
    for (mode, word) in [("", "l2"), ("l3", "l3"), ("l3s", "l3s")] {
        let (config, target) = parse(&json!({"mode": mode, "linkInContainer": true})).unwrap();
        let parent = Link::new(single::side(config.in_container), "eth1".parse().unwrap(), LinkKind::Dummy);
        let link = link(&config, &target, &parent).unwrap();
        let section = Single { plugin: "ipvlan", target: &target, link, parameters: &[] }.section(&[], &[], true);
        let text = plan(&Desired { present: section.own, absent: State::default() }, &State::default()).to_string();
        let expected = format!(
            "container  ip link add link eth1 dev eth0 group netd type ipvlan mode {word}\n\
             container  ip link set dev eth0 alias web/c1/eth0 up\n"
        );
        assert_eq!(text, expected);
    }
    assert_eq!(single::side(false), Side::Host);
}

#[test]
fn the_interface_below_may_be_that_of_the_plugin_before() {
    let previous = |names: &[&str]| {
        let interfaces: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        CniResult::of_plugin(&json!({"interfaces": interfaces}), crate::cni::Version::V1_1_0).unwrap()
    };
    let (bare, _) = parse(&json!({})).unwrap();
    let (named, _) = parse(&json!({"master": "eth1"})).unwrap();
    let name = |config: &Config, previous: Option<&CniResult>| {
        master(config, previous).map(|name| name.map(String::from).unwrap_or_default())
    };
    assert_eq!(name(&named, Some(&previous(&["a", "b"]))).unwrap(), "eth1");
    assert_eq!(name(&bare, Some(&previous(&["bond0"]))).unwrap(), "bond0");
    assert_eq!(name(&bare, None).unwrap(), "");
    let error = name(&bare, Some(&previous(&["a", "b"]))).unwrap_err();
    assert_eq!(error.msg, "chained master failure. PrevResult lacks a single named interface");
}

#[test]
fn a_wrong_value_is_named() {
    for (config, words) in [
        (json!({"mode": "x"}), "unknown ipvlan mode: \"x\""),
        (json!({"master": "a b"}), "master: interface name \"a b\""),
        (json!({"mtu": 7}), "invalid mtu 7"),
        (json!({"linkInContainer": "no"}), "key \"linkInContainer\""),
    ] {
        let error = parse(&config).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{config}: {error}");
    }
}
