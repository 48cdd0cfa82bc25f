//! `sbr` after `bridge`: packets leave by the interface whose address they carry.

use serde_json::{Value, json};
use tests::{Container, Lab, REFERENCE};

use super::config::{VERSIONS, bridge, since, with};

fn list(version: &str, network: &str, subnets: &[&str], keys: &Value) -> Value {
    let interface = with(bridge(version, subnets), &json!({"bridge": format!("br-{network}")}));
    let sbr = with(json!({"type": "sbr"}), keys);
    json!({"cniVersion": version, "name": network, "plugins": [interface, sbr]})
}

fn rules(container: &Container) -> Vec<String> {
    let shown = container.sh("ip -4 rule show; ip -6 rule show");
    let from = shown.lines().filter_map(|line| line.split_once("from ")).map(|(_, rule)| rule.trim().to_owned());
    from.filter(|rule| !rule.starts_with("all")).collect()
}

fn routes(container: &Container, table: &str) -> Vec<String> {
    let show = |family: &str| format!("ip {family} route show table {table} 2>/dev/null || true");
    let shown = container.sh(&format!("{}; {}", show("-4"), show("-6")));
    let lines = shown.lines().map(str::trim).filter(|line| !line.contains("fe80") && !line.contains("multicast"));
    lines.map(|line| line.split(" src ").next().unwrap().split(" metric ").next().unwrap().trim().to_owned()).collect()
}

#[test]
fn each_address_has_its_table_and_all_are_gone_after_del() {
    for version in VERSIONS.into_iter().filter(|version| since(version, "0.3.0")) {
        let lab = Lab::new();
        let c1 = lab.host("a").container("c1");
        let before = (rules(&c1), routes(&c1, "main"));
        let attachment = c1.add(&list(version, "web", &["10.1.2.0/24", "2001:db8::/64"], &json!({})));
        assert_eq!(rules(&c1), ["10.1.2.2 lookup 100", "2001:db8::2 lookup 101"], "{version}");
        let first = ["default via 10.1.2.1 dev eth0", "10.1.2.0/24 dev eth0 proto kernel scope link"];
        let copied = routes(&c1, "100");
        assert_eq!(copied.len(), 2, "{copied:?}");
        assert!(copied[0] == first[0] && copied[1].starts_with("10.1.2.0/24 dev eth0"), "{copied:?}");
        assert_eq!(routes(&c1, "101").len(), 2);
        assert_eq!(routes(&c1, "main"), [""; 0]);
        assert!(c1.run("ping -n -c 1 -W 2 -I 10.1.2.2 10.1.2.1").success());
        if since(version, "0.4.0") {
            assert_eq!(attachment.check(), Ok(()), "the bridge plugin knows where its routes are: {version}");
        }
        assert_eq!(attachment.call("DEL", 1, Some(&attachment.result())).run().answer(), Ok(Value::Null));
        assert_eq!(rules(&c1), [""; 0]);
        assert_eq!(routes(&c1, "main").len(), 4, "all routes are back");
        assert!(c1.pings("10.1.2.1"));
        assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
        assert_eq!((rules(&c1), routes(&c1, "main")), before);
    }
}

#[test]
fn two_interfaces_do_not_share_a_table() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let first = c1.add(&list("1.1.0", "web", &["10.1.2.0/24"], &json!({})));
    let second = c1.keep(c1.attachment(&list("1.1.0", "db", &["10.1.3.0/24"], &json!({})), "eth1"));
    second.add().unwrap();
    assert_eq!(rules(&c1), ["10.1.3.2 lookup 101", "10.1.2.2 lookup 100"]);
    for (source, gateway) in [("10.1.2.2", "10.1.2.1"), ("10.1.3.2", "10.1.3.1")] {
        assert!(c1.run(&format!("ping -n -c 1 -W 2 -I {source} {gateway}")).success());
    }
    assert_eq!((first.check(), second.check()), (Ok(()), Ok(())));
    first.del().unwrap();
    assert_eq!(rules(&c1), ["10.1.3.2 lookup 101"]);
    assert_eq!(second.check(), Ok(()));
}

#[test]
fn each_key_is_obeyed() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let attachment =
        c1.add(&list("1.1.0", "web", &["10.1.2.0/24"], &json!({"gateways": ["10.1.2.9"], "addSourceHints": true})));
    assert!(routes(&c1, "100").contains(&"default via 10.1.2.9 dev eth0".to_owned()), "{:?}", routes(&c1, "100"));
    assert!(routes(&c1, "main")[0].starts_with("10.1.2.0/24 dev eth0"), "{:?}", routes(&c1, "main"));
    assert_eq!(attachment.check(), Ok(()));
    let c2 = host.container("c2");
    let attachment = c2.add(&list("1.1.0", "web", &["10.1.2.0/24"], &json!({"table": 7})));
    assert_eq!(rules(&c2), ["10.1.2.3 lookup 7"]);
    assert_eq!(routes(&c2, "main").len(), 2, "only the rules are made");
    assert_eq!(attachment.check(), Ok(()));
}

#[test]
fn check_finds_each_thing_that_is_broken_and_repairs_nothing() {
    for script in [
        "ip rule del from 10.1.2.2",
        "ip route del default table 100",
        "ip route flush table 100",
        "ip route add default via 10.1.2.1 dev eth0 onlink",
    ] {
        let lab = Lab::new();
        let c1 = lab.host("a").container("c1");
        let attachment = c1.add(&list("1.1.0", "web", &["10.1.2.0/24"], &json!({})));
        assert_eq!(attachment.check(), Ok(()));
        c1.sh(script);
        let broken = c1.kernel_text();
        assert_eq!(attachment.check().unwrap_err().code, 103, "{script}");
        assert_eq!(c1.changes_since(&broken), [""; 0], "{script}");
    }
}

#[test]
fn it_needs_addresses_and_an_interface() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let call = |previous: Option<Value>| {
        let mut config = json!({"cniVersion": "1.1.0", "name": "web", "type": "sbr"});
        if let Some(previous) = previous {
            config["prevResult"] = previous;
        }
        let refusal = c1.call("sbr", "ADD").config(&config).run().answer().unwrap_err();
        (refusal.code, refusal.msg)
    };
    assert_eq!(call(None), (7, "This plugin must be called as chained plugin".to_owned()));
    let none = json!({"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}]});
    assert_eq!(call(Some(none)), (7, "No IP addresses supplied on interface: eth0".to_owned()));
    let gone = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.7/24"}]});
    assert_eq!(call(Some(gone)), (7, "Cannot find network interface eth0: Link not found".to_owned()));
    let bare = c1.call("sbr", "DEL").config(&json!({"cniVersion": "1.1.0", "name": "web", "type": "sbr"}));
    assert_eq!(bare.clone().run().answer(), Ok(Value::Null));
    assert_eq!(bare.without("CNI_NETNS").run().answer(), Ok(Value::Null));
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn rules_of_the_reference_plugin_are_taken_away() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    c1.sh("ip link add eth0 type veth peer name other; ip address add 10.1.2.7/24 dev eth0; ip link set eth0 up");
    let previous = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.7/24"}]});
    let config = json!({"cniVersion": "1.0.0", "name": "web", "type": "sbr", "prevResult": previous});
    let reference = c1.call(&format!("{REFERENCE}/sbr"), "ADD").env("CNI_PATH", REFERENCE).config(&config);
    reference.run().answer().unwrap();
    assert_eq!(rules(&c1), ["10.1.2.7 lookup 100"]);
    assert_eq!(c1.call("sbr", "DEL").config(&config).run().answer(), Ok(Value::Null));
    assert_eq!(rules(&c1), [""; 0]);
}
