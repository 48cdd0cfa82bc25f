use netd_model::object::{Side, State};
use netd_model::plan::{Desired, plan};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn parse(config: &Value) -> Result<(Config, Target), Error> {
    let mut whole = json!({"master": "eth1", "ipam": {"type": "host-local"}});
    for (key, value) in config.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let request = request(&PLUGIN.about, "ADD", &whole, "")?;
    Ok((Config::of(&request)?, request.target().unwrap().clone()))
}

#[test]
fn it_is_born_on_the_interface_below_in_its_vlan() {
    let (config, target) = parse(&json!({"vlanId": 5})).unwrap();
    let parent = Link::new(Side::Host, "eth1".parse().unwrap(), LinkKind::Other(String::new()));
    let link = link(&config, &target, &parent).unwrap();
    let section = Single { plugin: "vlan", target: &target, link, parameters: &[] }.section(&[], &[], true);
    let wanted = Desired { present: section.own.clone(), absent: State::default() };
    let expected = "\
container  ip link add link eth1 in host dev eth0 group netd type vlan id 5
container  ip link set dev eth0 alias web/c1/eth0 up
";
    assert_eq!(plan(&wanted, &State::default()).to_string(), expected);
    assert!(plan(&wanted, &section.own).is_empty());
}

#[test]
fn a_wrong_value_is_named() {
    for (config, words) in [
        (json!({"master": ""}), "\"master\" field is required"),
        (json!({"vlanId": 4095}), "invalid VLAN ID 4095 (must be between 0 and 4095 inclusive)"),
        (json!({"vlanId": -1}), "invalid VLAN ID -1 (must be between 0 and 4095 inclusive)"),
        (json!({"ipam": {}}), "failed to execute IPAM delegate: no plugin name provided"),
        (json!({"mtu": 7}), "invalid mtu 7"),
    ] {
        let error = parse(&config).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{config}: {error}");
    }
}
