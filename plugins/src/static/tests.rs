use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn read(config: &Value, args: &str) -> Result<Config, (u32, String)> {
    let read = request(&PLUGIN.about, "ADD", config, args).and_then(|request| Config::of(&request));
    read.map_err(|error| (error.kind.code(), error.msg))
}

fn told(config: &Value, args: &str) -> Vec<String> {
    let ips = read(config, args).unwrap().ips.into_iter();
    ips.map(|ip| format!("{} {}", ip.address, ip.gateway.map(|gateway| gateway.to_string()).unwrap_or_default()))
        .collect()
}

fn two() -> Value {
    json!([{"address": "10.1.0.7/24", "gateway": "10.1.0.1"}, {"address": "fd00::7/64"}])
}

#[test]
fn addresses_stand_in_the_configuration() {
    assert_eq!(told(&json!({"ipam": {"addresses": two()}}), ""), ["10.1.0.7/24 10.1.0.1", "fd00::7/64 "]);
    assert!(told(&json!({"ipam": {}}), "").is_empty());
}

#[test]
fn those_of_cni_args_come_besides_with_gateways_of_their_subnets() {
    let args = "IgnoreUnknown=1;K8S_POD_NAME=db;IP=10.2.0.7/16, fd01::7/64;GATEWAY=10.2.0.1,fd00::1";
    let expected = ["10.1.0.7/24 10.1.0.1", "fd00::7/64 fd00::1", "10.2.0.7/16 10.2.0.1", "fd01::7/64 "];
    assert_eq!(told(&json!({"ipam": {"addresses": two()}}), args), expected);
}

#[test]
fn those_for_one_container_come_in_place_of_all_others() {
    let mut config = json!({"ipam": {"addresses": two()}, "args": {"cni": {"ips": ["10.3.0.7/24"]}}});
    assert_eq!(told(&config, "IP=10.2.0.7/16"), ["10.3.0.7/24 "]);
    config["runtimeConfig"] = json!({"ips": ["10.4.0.7/24", "::ffff:10.4.0.8/24"]});
    assert_eq!(told(&config, "IP=10.2.0.7/16"), ["10.4.0.7/24 ", "10.4.0.8/24 "]);
}

#[test]
fn a_wrong_address_is_named() {
    let many = json!([{"address": "10.1.0.7/24"}, {"address": "10.1.1.7/24"}]);
    for (config, args, code, words) in [
        (json!({}), "", 7, "IPAM config missing 'ipam' key"),
        (
            json!({"ipam": {"addresses": [{"address": "10.1.0.7"}]}}),
            "",
            7,
            "the 'address' field is expected to be in CIDR notation, got: '10.1.0.7'",
        ),
        (
            json!({"ipam": {}, "args": {"cni": {"ips": ["a"]}}}),
            "",
            7,
            "an entry in the 'ips' field is NOT in CIDR notation, got: 'a'",
        ),
        (
            json!({"ipam": {}, "runtimeConfig": {"ips": ["10.1.0.7"]}}),
            "",
            7,
            "an entry in the 'ips' field is NOT in CIDR notation, got: '10.1.0.7'",
        ),
        (json!({"ipam": {}}), "IP=10.1.0.7", 4, "the 'ip' field is expected to be in CIDR notation, got: '10.1.0.7'"),
        (json!({"ipam": {}}), "GATEWAY=x", 4, "invalid gateway address: x"),
        (json!({"ipam": {}}), "POD=x", 4, "ARGS: unknown args [\"POD=x\"]"),
        (json!({"ipam": {"addresses": [{}]}}), "", 7, "key \"ipam.addresses[0]\": missing field `address`"),
        (
            json!({"ipam": {"addresses": [{"address": "10.1.0.7/24", "gateway": "x"}]}}),
            "",
            7,
            "key \"ipam.addresses[0].gateway\": invalid IP address: \"x\"",
        ),
        (
            json!({"cniVersion": "0.2.0", "ipam": {"addresses": many}}),
            "",
            1,
            "CNI version 0.2.0 does not support more than 1 address per family",
        ),
    ] {
        assert_eq!(read(&config, args), Err((code, words.to_owned())), "{config} {args}");
    }
}

#[test]
fn check_wants_each_address_in_the_result_with_its_gateway() {
    let checked = |told: Value| {
        let config = json!({"ipam": {"addresses": two()}, "prevResult": {"cniVersion": "1.1.0", "ips": told}});
        let request = request(&PLUGIN.about, "CHECK", &config, "").unwrap();
        compare(&request, request.target().unwrap()).map_err(|error| error.msg)
    };
    let v6 = json!({"address": "fd00::7/64", "gateway": "fd00::9"});
    assert_eq!(checked(json!([{"address": "10.1.0.7/24", "gateway": "10.1.0.1"}, v6])), Ok(()));
    for told in [json!([v6]), json!([{"address": "10.1.0.7/24", "gateway": "10.1.0.2"}, v6]), json!([])] {
        let text = "static: Failed to match addr 10.1.0.7 on interface eth0";
        assert_eq!(checked(told.clone()), Err(text.to_owned()), "{told}");
    }
    let bare = request(&PLUGIN.about, "CHECK", &json!({"ipam": {}}), "").unwrap();
    assert_eq!(compare(&bare, bare.target().unwrap()).unwrap_err().msg, "Required prevResult missing");
}
