use netd_model::{
    object::{Route, State},
    plan::{Desired, plan},
};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn config(keys: &Value) -> Result<Config, Error> {
    Config::of(&*request(&PLUGIN.about, "ADD", keys, "")?)
}

fn facts(vrf: Option<Link>) -> Facts {
    let route = Route {
        side: Side::Container,
        link: "eth0".parse().unwrap(),
        destination: "0.0.0.0/0".parse().unwrap(),
        gateway: "10.1.0.1".parse().ok(),
        onlink: false,
        table: Some(254),
        priority: Some(0),
        scope: None,
        mtu: None,
        advmss: None,
    };
    Facts {
        vrf,
        table: 7,
        ifname: "eth0".parse().unwrap(),
        kind: LinkKind::Veth { peer: None },
        addresses: ["10.1.0.7/24", "fd00::7/64", "fe80::7/64"].map(|address| address.parse().unwrap()).to_vec(),
        routes: vec![route],
    }
}

fn inside() -> Link {
    Link { up: Some(true), ..Link::new(Side::Container, "eth0".parse().unwrap(), LinkKind::Veth { peer: None }) }
}

fn script(section: &netd_model::attachment::Section, observed: &State) -> String {
    let mut present = section.shared.clone();
    present.extend(section.changed.iter().cloned());
    present.extend(section.own.iter().cloned());
    plan(&Desired { present, absent: State::default() }, observed).to_string()
}

#[test]
fn the_interface_takes_its_routes_into_the_table_of_the_vrf() {
    let section = desired::section(&config(&json!({"vrfname": "red"})).unwrap(), &facts(None));
    let expected = "\
container  ip link add dev red group netd type vrf table 7
container  ip address add fd00::7/64 dev eth0 nodad
container  ip link set dev eth0 master red
container  ip link set dev red up
container  ip route add default via 10.1.0.1 dev eth0 table 7 metric 0
";
    let observed = State::from_iter([Object::Link(inside())]);
    assert_eq!(script(&section, &observed), expected);
    assert_eq!(section.before.iter().count(), 1, "the main table had it");
    assert_eq!(desired::recorded_vrf(&section).map(String::from), Some("red".to_owned()));
}

#[test]
fn a_vrf_that_is_there_is_used_as_it_is() {
    let red = Link::new(Side::Container, "red".parse().unwrap(), LinkKind::Vrf { table: Some(7) });
    let section = desired::section(&config(&json!({"vrfname": "red"})).unwrap(), &facts(Some(red.clone())));
    let text = script(&section, &State::from_iter([Object::Link(inside()), Object::Link(red)]));
    assert!(!text.contains("dev red") && text.contains("dev eth0 master red"), "{text}");
}

#[test]
fn a_table_is_chosen_that_no_other_vrf_has() {
    let vrf = |name: &str, table| Link::new(Side::Container, name.parse().unwrap(), LinkKind::Vrf { table });
    assert_eq!(desired::free_table(&[]), 1);
    assert_eq!(desired::free_table(&[vrf("a", Some(1)), vrf("b", Some(3)), inside()]), 2);
}

#[test]
fn a_wrong_value_is_named() {
    for (keys, words) in [
        (json!({}), "configuration is expected to have a valid vrf name"),
        (json!({"vrfname": "a/b"}), "vrfname: interface name \"a/b\""),
        (json!({"vrfname": "red", "table": -1}), "key \"table\""),
    ] {
        let error = config(&keys).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{keys}: {error}");
    }
}
