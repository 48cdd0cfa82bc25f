use netd_model::{
    object::{State, Way},
    plan::{Desired, plan},
};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn read(keys: &Value) -> Result<Config, Error> {
    let mut config = keys.clone();
    config["cniVersion"] = "1.1.0".into();
    Config::of(&*request(&PLUGIN.about, "ADD", &config, "")?)
}

fn guard(of_network: &str) -> Guard {
    let config = read(&json!({"ingressPolicy": of_network})).unwrap();
    let name = |text: &str| Some(text.parse().unwrap());
    Guard {
        owner: "web/c1/eth0".to_owned(),
        policy: config.policy,
        admin: config.admin,
        link: name("br-web"),
        port: name("veth1"),
        elsewhere: None,
        ipv4: true,
        ipv6: true,
    }
}

/// What the containers of a network hold together, and what one has, as a script.
fn script(guard: &Guard) -> String {
    let section = guard.section();
    let mut present = section.held;
    present.extend(section.own);
    let script = plan(&Desired { present, absent: State::default() }, &State::default()).to_string();
    script.replace("host       nft add element ", "")
}

#[test]
fn a_policy_is_of_the_interface_and_isolation_of_the_port_as_well() {
    assert_eq!(script(&guard("open")), "inet netd open { \"br-web\" } # br-web\n");
    assert_eq!(script(&guard("same-bridge")), "inet netd same-bridge { \"br-web\" . \"br-web\" } # br-web\n");
    let isolated = "\
inet netd isolated { \"br-web\" . \"br-web\" } # br-web
bridge netd alone { \"veth1\" } # web/c1/eth0
";
    assert_eq!(script(&guard("isolated")), isolated);
}

#[test]
fn a_network_goes_on_by_the_interface_to_other_hosts() {
    let overlay = Guard { elsewhere: Some("ovlx1".parse().unwrap()), ..guard("same-bridge") };
    let expected = "\
inet netd same-bridge { \"br-web\" . \"br-web\" } # br-web
inet netd same-bridge { \"br-web\" . \"ovlx1\" } # br-web
inet netd same-bridge { \"ovlx1\" . \"br-web\" } # br-web
";
    assert_eq!(script(&overlay), expected);
    assert_eq!(script(&Guard { elsewhere: overlay.elsewhere, ..guard("open") }), script(&guard("open")));
}

#[test]
fn where_the_host_is_no_router_there_is_nothing_to_route() {
    let bridged = Guard { link: None, ..guard("same-bridge") };
    assert_eq!(script(&bridged), "nothing to do\n");
    let isolated = Guard { link: None, ..guard("isolated") };
    assert_eq!(script(&isolated), "bridge netd alone { \"veth1\" } # web/c1/eth0\n");
}

#[test]
fn a_backend_says_which_other_firewalls_are_told() {
    let zone = |name: &str| Gate::Firewalld(name.parse().unwrap());
    let docker = || [Way::From, Way::To].map(Gate::DockerUser4).to_vec();
    for (keys, gates) in [
        (json!({}), [docker(), vec![zone("trusted")]].concat()),
        (json!({"backend": "iptables"}), docker()),
        (json!({"backend": "firewalld", "firewalldZone": "work"}), vec![zone("work")]),
        (json!({"backend": "nftables"}), vec![]),
    ] {
        assert_eq!(read(&keys).unwrap().gates(true, false), gates, "{keys}");
    }
    let of_ipv6 = read(&json!({"backend": "iptables"})).unwrap().gates(false, true);
    assert_eq!(of_ipv6, [Way::From, Way::To].map(Gate::DockerUser6));
}

#[test]
fn a_wrong_value_is_named() {
    for (keys, words) in [
        (json!({"ingressPolicy": "closed"}), "unknown ingress policy: \"closed\""),
        (json!({"ingressPolicy": 1}), "key \"ingressPolicy\""),
        (json!({"backend": "pf"}), "unrecognized firewall backend: pf"),
        (json!({"iptablesAdminChainName": "a b"}), "iptablesAdminChainName: chain name \"a b\" has a character"),
        (json!({"iptablesAdminChainName": "-x"}), "iptablesAdminChainName: chain name \"-x\" does not start"),
        (json!({"iptablesAdminChainName": "forward"}), "iptablesAdminChainName: \"forward\" is a chain of netd's own"),
        (json!({"iptablesAdminChainName": "when-0"}), "iptablesAdminChainName: \"when-0\" is a chain of netd's own"),
        (json!({"firewalldZone": "a/b"}), "firewalldZone: zone \"a/b\" has a character"),
    ] {
        let error = read(&keys).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{keys}: {error}");
    }
}
