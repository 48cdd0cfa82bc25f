use netd_model::{
    name::LinkName,
    object::{Object, Route, State},
    plan::{Desired, plan},
};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn config(keys: &Value) -> Result<Config, Error> {
    Config::of(&*request(&PLUGIN.about, "ADD", keys, "")?)
}

fn route(destination: &str, gateway: &str) -> Route {
    Route {
        side: Side::Container,
        link: "eth0".parse().unwrap(),
        destination: destination.parse().unwrap(),
        gateway: gateway.parse().ok(),
        onlink: false,
        table: Some(254),
        priority: Some(0),
        scope: None,
        mtu: None,
        advmss: None,
    }
}

fn ip(address: &str, gateway: &str) -> Ip {
    Ip { interface: None, address: address.parse().unwrap(), gateway: gateway.parse().ok() }
}

/// The script for an interface with these routes, and the routes that leave the main table.
fn moved(keys: &Value, ips: &[Ip], routes: &[Route]) -> (String, Vec<String>) {
    let eth0: LinkName = "eth0".parse().unwrap();
    let ips: Vec<&Ip> = ips.iter().collect();
    let section = desired::of_routes(&config(keys).unwrap(), &eth0, &ips, routes, &[100, 102].into());
    let wanted = Desired { present: section.own, absent: State::default() };
    let gone = section.before.iter().filter_map(|object| match object {
        Object::Route(route) => Some(route.destination.to_string()),
        _ => None,
    });
    (plan(&wanted, &State::default()).to_string(), gone.collect())
}

#[test]
fn each_address_has_a_rule_and_a_table_that_is_free() {
    let routes = [
        route("10.1.0.0/24", ""),
        route("0.0.0.0/0", "10.1.0.254"),
        route("10.9.0.0/16", "10.2.0.9"),
        route("fd00::/64", ""),
        route("fe80::/64", ""),
    ];
    let ips = [ip("10.1.0.7/24", "10.1.0.1"), ip("fd00::7/64", "")];
    let (script, gone) = moved(&json!({}), &ips, &routes);
    let expected = "\
container  ip route add 10.1.0.0/24 dev eth0 table 101 metric 0
container  ip route add fd00::/64 dev eth0 table 103 metric 0
container  ip route add default via 10.1.0.1 dev eth0 table 101
container  ip rule add from 10.1.0.7/32 table 101
container  ip -6 rule add from fd00::7/128 table 103
";
    assert_eq!(script, expected);
    assert_eq!(gone, ["0.0.0.0/0", "10.1.0.0/24", "10.9.0.0/16", "fd00::/64"]);
    let (_, gone) = moved(&json!({"addSourceHints": true}), &ips, &routes);
    assert_eq!(gone, ["0.0.0.0/0", "10.9.0.0/16"]);
}

#[test]
fn a_default_route_is_kept_where_no_gateway_is_known_and_replaced_where_one_is_configured() {
    let routes = [route("10.1.0.0/24", ""), route("0.0.0.0/0", "10.1.0.254")];
    let default = |keys: Value| {
        let (script, _) = moved(&keys, &[ip("10.1.0.7/24", "")], &routes);
        script.lines().filter(|line| line.contains("default")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(default(json!({})), ["container  ip route add default via 10.1.0.254 dev eth0 table 101 metric 0"]);
    let configured = default(json!({"gateways": ["10.1.0.9", "fd00::9"]}));
    assert_eq!(configured, ["container  ip route add default via 10.1.0.9 dev eth0 table 101"]);
}

#[test]
fn a_table_that_somebody_else_fills_gets_rules_alone() {
    let ips = [ip("10.1.0.7/24", "10.1.0.1")];
    let section = desired::of_table(&ips.iter().collect::<Vec<_>>(), 7);
    let wanted = Desired { present: section.own, absent: State::default() };
    let expected = "container  ip rule add from 10.1.0.7/32 table 7\n";
    assert_eq!(plan(&wanted, &State::default()).to_string(), expected);
    assert!(section.before.is_empty());
}

#[test]
fn a_wrong_value_is_named() {
    for (keys, words) in [
        (json!({"table": -1}), "key \"table\""),
        (json!({"table": 0}), "table: 0 is no routing table"),
        (json!({"gateways": ["x"]}), "invalid static gateway IP address: x"),
        (
            json!({"gateways": ["10.0.0.1", "10.0.0.2"]}),
            "gateways list contains multiple IPv4 addresses: 10.0.0.1 and 10.0.0.2",
        ),
        (json!({"gateways": ["::1", "::2"]}), "gateways list contains multiple IPv6 addresses: ::1 and ::2"),
        (json!({"gateways": ["10.0.0.1", "::2", "::3"]}), "gateways list cannot contain more than 2 entries"),
    ] {
        let error = config(&keys).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{keys}: {error}");
    }
}
