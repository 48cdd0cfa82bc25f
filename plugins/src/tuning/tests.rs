use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn read(config: &Value, args: &str) -> Result<Config, (u32, String)> {
    let read = request(&PLUGIN.about, "ADD", config, args).and_then(|request| Config::of(&request));
    read.map_err(|error| (error.kind.code(), error.msg))
}

#[test]
fn what_is_said_for_one_container_comes_before_what_is_said_for_all() {
    let config = json!({
        "mac": "02:00:00:00:00:01", "mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 5,
        "sysctl": {"net.core.somaxconn": "500", "net.ipv4.conf.IFNAME.arp_filter": "1"}
    });
    let all = read(&config, "").unwrap();
    let sysctls =
        |config: &Config| config.sysctls.iter().map(|(path, value)| format!("{path}={value}")).collect::<Vec<_>>();
    assert_eq!(sysctls(&all), ["net/core/somaxconn=500", "net/ipv4/conf/eth0/arp_filter=1"]);
    assert_eq!((all.mtu.map(u32::from), all.promiscuous), (Some(1400), true));
    assert_eq!((all.all_multicast, all.queue_length), (Some(true), Some(5)));
    let mut one = config.clone();
    one["args"] = json!({"cni": {
        "mtu": 1300, "promisc": false, "allmulti": false, "txQLen": 6, "sysctl": {"net.core.somaxconn": " 600\t7 "}
    }});
    let one = read(&one, "").unwrap();
    assert_eq!(sysctls(&one), ["net/core/somaxconn=600 7", "net/ipv4/conf/eth0/arp_filter=1"]);
    assert_eq!((one.mtu.map(u32::from), one.promiscuous), (Some(1300), false));
    assert_eq!((one.all_multicast, one.queue_length), (Some(false), Some(6)));
    assert!(read(&json!({"args": {"cni": {"sysctl": {"net.core.somaxconn": "5"}}}}), "").is_ok());
    assert!(!read(&json!({"promisc": false}), "").unwrap().changes_link());
}

#[test]
fn the_hardware_address_is_that_of_the_strongest_voice() {
    let mut config = json!({"mac": "02:00:00:00:00:01"});
    let mac = |config: &Value, args: &str| read(config, args).unwrap().mac.map(String::from).unwrap_or_default();
    let args = "IgnoreUnknown=1;MAC=02:00:00:00:00:02";
    assert_eq!(mac(&config, ""), "02:00:00:00:00:01");
    assert_eq!(mac(&config, args), "02:00:00:00:00:02");
    config["runtimeConfig"] = json!({"mac": "02:00:00:00:00:03"});
    assert_eq!(mac(&config, args), "02:00:00:00:00:03");
    config["args"] = json!({"cni": {"mac": "02:00:00:00:00:04"}});
    assert_eq!(mac(&config, args), "02:00:00:00:00:04");
    config["args"] = json!({"cni": {"mac": ""}});
    assert_eq!(mac(&config, args), "", "as if it were asked to leave it");
}

#[test]
fn a_wrong_value_is_named() {
    for (config, words) in [
        (json!({"sysctl": {"kernel.panic": "1"}}), "invalid net sysctl key: \"kernel/panic\""),
        (json!({"sysctl": {"net": "1"}}), "invalid net sysctl key: \"net\""),
        (json!({"sysctl": {"net.core.somaxconn": 5}}), "key \"sysctl.net.core.somaxconn\""),
        (json!({"mtu": 10}), "invalid mtu 10"),
        (json!({"txQLen": -1}), "key \"txQLen\""),
        (json!({"mac": "x"}), "mac: MAC address \"x\""),
        (json!({"promisc": "yes"}), "key \"promisc\""),
    ] {
        let (code, msg) = read(&config, "").unwrap_err();
        assert!(code == 7 && msg.contains(words), "{config}: {msg}");
    }
}

#[test]
fn a_parameter_that_is_said_twice_is_refused() {
    let twice = |text: &str| {
        let mut request = request(&PLUGIN.about, "ADD", &json!({}), "").unwrap();
        request.stdin = text.as_bytes().to_vec();
        Config::of(&request).map(drop).map_err(|error| error.msg)
    };
    assert_eq!(twice(r#"{"sysctl": {"a": "1", "b": "1"}, "other": {"a": 1, "a": 2}}"#), Ok(()));
    assert_eq!(twice(r#"{"sysctl": null}"#), Ok(()));
    let text = twice(r#"{"SysCtl": {"net.a": "1", "net.b": "2", "net.a": "1"}}"#).unwrap_err();
    assert!(text.contains("duplicated sysctl keys are not allowed: \"net.a\""), "{text}");
}

#[test]
fn an_operator_allows_parameters_by_expressions() {
    let list = "\n ^net\\.ipv4\\.conf\\.[a-zA-Z]+\\.arp_filter$ \n\nsomaxconn\n";
    let admitted = |key: &str| allowlist::admitted(list, [key]).map_err(|error| error.msg);
    assert_eq!(admitted("net.ipv4.conf.IFNAME.arp_filter"), Ok(()));
    assert_eq!(admitted("net.core.somaxconn"), Ok(()));
    let text = "Sysctl net.ipv4.ip_forward is not allowed. Only the following sysctls are allowed: \
                [^net\\.ipv4\\.conf\\.[a-zA-Z]+\\.arp_filter$ somaxconn]";
    assert_eq!(admitted("net.ipv4.ip_forward"), Err(text.to_owned()));
    assert!(allowlist::admitted("(", ["a"]).unwrap_err().msg.contains("the expression \"(\""));
    assert!(allowlist::admitted("", ["a"]).is_err(), "an empty list allows nothing");
    assert_eq!(allowlist::admitted("", []), Ok(()));
}
