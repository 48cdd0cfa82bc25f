use netd_model::{
    object::State,
    plan::{Desired, plan},
};
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn config(keys: &Value) -> Result<Config, Error> {
    Config::of(&*request(&PLUGIN.about, "ADD", keys, "")?)
}

fn mappings(mappings: &Value) -> Value {
    json!({"runtimeConfig": {"portMappings": mappings}})
}

fn mapping(host: u16, protocol: &str) -> Value {
    json!({"hostPort": host, "containerPort": 80, "protocol": protocol})
}

/// The script for a container with an address of each family.
fn script(keys: &Value) -> String {
    let ips: Vec<Ip> = ["10.1.0.7/24", "fd00::7/64"]
        .map(|address| Ip { interface: None, address: address.parse().unwrap(), gateway: None })
        .into();
    let request = request(&PLUGIN.about, "ADD", keys, "").unwrap();
    let config = Config::of(&request).unwrap();
    let addresses: Vec<&Ip> = ips.iter().collect();
    let link = "br-web".parse().unwrap();
    let id = &request.target().unwrap().id;
    let section = Publish { id, config: &config, addresses: &addresses, link: Some(&link) }.section();
    let mut present = section.shared;
    present.extend(section.own);
    let script = plan(&Desired { present, absent: State::default() }, &State::default()).to_string();
    script.replace("host       ", "").replace(" # web/c1/eth0", "").replace("element inet netd ", "")
}

#[test]
fn a_port_is_an_element_of_each_family() {
    let expected = "\
nft add table inet netd # version 4
nft add published4 { tcp . 8080 : 10.1.0.7 . 80 }
nft add published6 { tcp . 8080 : fd00::7 . 80 }
nft add hairpin4 { 10.1.0.0/24 . 10.1.0.7/32 }
nft add hairpin4 { 127.0.0.0/8 . 10.1.0.7/32 }
nft add hairpin6 { fd00::/64 . fd00::7/128 }
sysctl net/ipv4/conf/br-web/route_localnet=1
";
    let version = netd_model::element::Family::Inet.version();
    let expected = expected.replace("version 4", &format!("version {version}"));
    assert_eq!(script(&mappings(&json!([mapping(8080, "tcp")]))), expected);
}

#[test]
fn each_key_is_obeyed() {
    let lines = |keys: Value, mapping: Value| -> Vec<String> {
        let mut whole = mappings(&json!([mapping]));
        for (key, value) in keys.as_object().unwrap() {
            whole[key] = value.clone();
        }
        script(&whole).lines().filter(|line| !line.contains("table")).map(str::to_owned).collect()
    };
    let at = |address: &str| {
        let mut mapping = mapping(53, "udp");
        mapping["hostIP"] = address.into();
        mapping
    };
    let without = json!({"snat": false});
    assert_eq!(
        lines(without.clone(), at("192.0.2.1")),
        ["nft add published-at4 { 192.0.2.1 . udp . 53 : 10.1.0.7 . 80 }"]
    );
    assert_eq!(lines(without.clone(), at("0.0.0.0")), ["nft add published4 { udp . 53 : 10.1.0.7 . 80 }"]);
    assert_eq!(lines(without.clone(), at("::")), ["nft add published6 { udp . 53 : fd00::7 . 80 }"]);
    let sctp = json!({"hostPort": 7, "containerPort": 8, "protocol": "SCTP", "range": 2, "hostIP": "0.0.0.0"});
    let two = ["nft add published4 { sctp . 7 : 10.1.0.7 . 8 }", "nft add published4 { sctp . 8 : 10.1.0.7 . 9 }"];
    assert_eq!(lines(without, sctp), two);
    let all = lines(json!({"masqAll": true}), at("0.0.0.0"));
    assert_eq!(all[1], "nft add hairpin4 { 0.0.0.0/0 . 10.1.0.7/32 }");
    let conditions = json!({"snat": false, "conditionsV4": ["!", "-s", "10.9.8.7/8", "-i", "eth+", "-p", "tcp"]});
    let asked = lines(conditions, at("0.0.0.0"));
    let rule = "meta nfproto ipv4 ip saddr != 10.0.0.0/8 iifname \"eth*\" meta l4proto tcp goto translate comment \"netd when-";
    assert!(asked[0].contains(rule), "{asked:?}");
    assert!(asked.iter().any(|line| line.starts_with("nft add conditional4 { udp . 53 : goto when-")), "{asked:?}");
}

#[test]
fn a_wrong_value_is_named() {
    let with = |change: fn(&mut Value)| {
        let mut mapping = mapping(8080, "tcp");
        change(&mut mapping);
        mappings(&json!([mapping]))
    };
    let twice = json!([mapping(80, "tcp"), {"hostPort": 80, "containerPort": 81, "protocol": "tcp"}]);
    for (keys, words) in [
        (with(|mapping| mapping["hostPort"] = 0.into()), "Invalid host port number: 0"),
        (with(|mapping| mapping["hostPort"] = 65536.into()), "Invalid host port number: 65536"),
        (with(|mapping| mapping["containerPort"] = (-1).into()), "Invalid container port number: -1"),
        (with(|mapping| mapping["hostPort"] = "x".into()), "key \"runtimeConfig.portMappings[0].hostPort\""),
        (
            with(|mapping| mapping["protocol"] = "icmp".into()),
            "portMappings[0]\": protocol \"icmp\" is not tcp, udp or sctp",
        ),
        (with(|mapping| mapping["hostIP"] = "h".into()), "portMappings[0]\": hostIP \"h\" is no address"),
        (with(|mapping| mapping["range"] = 1025.into()), "range 1025: a mapping has 1 to 1024 ports"),
        (with(|mapping| mapping["range"] = (-1).into()), "range -1: a mapping has 1 to 1024 ports"),
        (
            with(|mapping| {
                mapping["hostPort"] = 65000.into();
                mapping["range"] = 1000.into();
            }),
            "host ports 65000 to 65999 end after 65535",
        ),
        (with(|mapping| mapping["hostPort"] = i64::MAX.into()), "Invalid host port number"),
        (mappings(&twice), "portMappings[1]\": 80/tcp is mapped to port 80 of the container already"),
        (json!({"backend": "ufw"}), "unrecognized backend \"ufw\""),
        (json!({"markMasqBit": 32}), "MasqMarkBit must be between 0 and 31"),
        (json!({"markMasqBit": 5, "externalSetMarkChain": "x"}), "Cannot specify externalSetMarkChain and markMasqBit"),
        (
            json!({"backend": "nftables", "externalSetMarkChain": "x", "conditionsV6": ["-s", "::1"]}),
            "nftables backend was requested but configuration contains iptables-specific options [externalSetMarkChain conditionsV6]",
        ),
        (
            json!({"backend": "iptables", "conditionsV4": ["ip", "ttl", "7"]}),
            "iptables backend was requested but configuration contains nftables-specific options [conditionsV4]",
        ),
        (json!({"conditionsV4": ["-m", "mark"]}), "key \"conditionsV4\": \"-m\" is none of -s, -d, -i, -p and !"),
        (json!({"conditionsV4": ["-s"]}), "key \"conditionsV4\": \"-s\" has no value"),
        (json!({"conditionsV4": ["-s", "::1"]}), "key \"conditionsV4\": \"::1\" is no subnet"),
        (json!({"conditionsV6": ["-p", "tcp drop"]}), "key \"conditionsV6\": \"tcp drop\" is no protocol"),
        (json!({"conditionsV4": ["ip", "ttl", "7;", "flush"]}), "key \"conditionsV4\": ';' is in no condition"),
        (json!({"conditionsV4": ["ip", "ttl", "7", "accept"]}), "key \"conditionsV4\": \"accept\" is no condition"),
        (json!({"conditionsV4": ["}", "chain", "{"]}), "key \"conditionsV4\": a } without its {"),
        (json!({"conditionsV4": ["iifname", "\"eth0"]}), "quotation mark without its end"),
        (json!({"conditionsV4": "ip"}), "key \"conditionsV4\""),
    ] {
        let error = config(&keys).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{keys}: {error}");
    }
}

#[test]
fn a_container_has_a_bounded_number_of_ports() {
    for at in ["", "192.0.2.1", "2001:db8::1"] {
        let range =
            |host: u16| json!({"hostPort": host, "containerPort": 1, "protocol": "udp", "range": 1024, "hostIP": at});
        let most = [1, 2000, 4000, 6000].map(range);
        assert!(config(&mappings(&json!(most))).is_ok(), "{at:?}");
        let more: Vec<Value> = most.into_iter().chain([range(8000)]).collect();
        let error = config(&mappings(&json!(more))).unwrap_err();
        assert!(error.msg.contains("a container has at most 4096 ports"), "{at:?}: {error}");
    }
}

#[test]
fn what_changes_nothing_is_no_mistake() {
    let same = json!([mapping(80, "tcp"), mapping(80, "TCP"), {"hostPort": 81, "containerPort": 80, "protocol": "udp", "range": 0}]);
    assert_eq!(config(&mappings(&same)).unwrap().ports.len(), 4);
    for keys in [json!({}), json!({"backend": null, "conditionsV4": []}), json!({"conditionsV4": [""], "snat": null})] {
        assert_eq!(config(&keys).unwrap().conditions4, None, "{keys}");
    }
}
