use netd_model::object::State;
use netd_model::plan::{Desired, plan};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn parse(config: &Value) -> Result<(Config, Target), Error> {
    let request = request(&PLUGIN.about, "ADD", config, "")?;
    Ok((Config::of(&request)?, request.target().unwrap().clone()))
}

fn script(config: &Value) -> String {
    let (config, target) = parse(config).unwrap();
    let link = link(&config, &target);
    let section = Single { plugin: "tap", target: &target, link, parameters: &[] }.section(&[], &[], true);
    plan(&Desired { present: section.own, absent: State::default() }, &State::default()).to_string()
}

#[test]
fn it_is_made_for_whom_it_is_for() {
    let expected = "\
container  ip tuntap add mode tap dev eth0 address 02:97:b7:03:de:28 mtu 1400 group netd user 7 group 8 multi_queue
container  ip link set dev eth0 alias web/c1/eth0 up
";
    assert_eq!(script(&json!({"owner": 7, "group": 8, "multiQueue": true, "mtu": 1400})), expected);
    let text = script(&json!({"bridge": "br0", "mac": "02:00:00:00:00:01"}));
    assert!(
        text.starts_with("container  ip tuntap add mode tap dev eth0 address 02:00:00:00:00:01 group netd"),
        "{text}"
    );
    assert!(text.contains(" master br0"), "{text}");
}

#[test]
fn a_wrong_value_is_named() {
    for (config, words) in [
        (json!({"owner": -1}), "key \"owner\""),
        (json!({"group": "root"}), "key \"group\""),
        (json!({"bridge": "a/b"}), "bridge: interface name \"a/b\""),
        (json!({"selinuxContext": "a\nb"}), "selinuxContext: \"a\\nb\" is no context"),
        (json!({"mtu": 7}), "invalid mtu 7"),
    ] {
        let error = parse(&config).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{config}: {error}");
    }
}
