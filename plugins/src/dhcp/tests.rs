//! The keys, and what becomes of a lease in the result.

use netd_model::dhcp::Terms;
use serde_json::{Value, json};

use super::*;
use crate::fixture::request;

fn read(ipam: &Value, args: &str) -> Result<Config, (u32, String)> {
    let config = json!({"ipam": ipam});
    let read = request(&PLUGIN.about, "ADD", &config, args).and_then(|request| Config::of(&request));
    read.map_err(|error| (error.kind.code(), error.msg))
}

#[test]
fn without_keys_it_is_as_the_reference_with_names_and_routes_besides() {
    let config = read(&json!({}), "").unwrap();
    assert_eq!(config.socket, Path::new("/run/cni/dhcp.sock"));
    assert_eq!(config.families, [Family::Ipv4].into());
    assert_eq!(config.request, [1, 121, 33, 3, 6, 15, 119]);
    assert!(config.provide.is_empty() && config.priority.is_none() && !config.without_gateway);
}

#[test]
fn each_key_is_obeyed() {
    let ipam = json!({
        "daemonSocketPath": "/run/other.sock",
        "request": [{"skipDefault": true, "option": "routers"}, {"option": "42"}, {"option": "3"}],
        "provide": [
            {"option": "host-name", "value": "here", "fromArg": "K8S_POD_NAME"},
            {"option": "60", "value": "netd", "fromArg": "NONE"},
            {"option": "user-class"}
        ],
        "priority": 77,
        "suppress": ["gateway"],
        "families": ["ipv6", "ipv4"]
    });
    let config = read(&ipam, "IgnoreUnknown=1;K8S_POD_NAME=db").unwrap();
    assert_eq!(config.socket, Path::new("/run/other.sock"));
    assert_eq!(config.request, [3, 42]);
    let provided = config.provide.iter().map(|(code, value)| (*code, value.as_slice()));
    assert_eq!(provided.collect::<Vec<_>>(), [(12, &b"db"[..]), (60, b"netd")]);
    assert_eq!(config.families, Family::ALL.into());
    assert_eq!((config.priority, config.without_gateway), (Some(77), true));
    assert_eq!(read(&json!({"request": [{"skipDefault": true}]}), "").unwrap().request, [0_u8; 0]);
}

#[test]
fn a_wrong_value_is_named() {
    let long = "x".repeat(256);
    let option = json!({"option": "1"});
    for (ipam, text) in [
        (
            json!({"daemonSocketPath": "dhcp.sock"}),
            "key \"ipam.daemonSocketPath\": \"dhcp.sock\" is not an absolute path of a socket",
        ),
        (json!({"daemonSocketPath": 7}), "key \"ipam.daemonSocketPath\": invalid type: integer `7`, expected a string"),
        (json!({"request": [{"option": "nonsense"}]}), "key \"ipam.request\": Can not parse option \"nonsense\""),
        (json!({"request": [{"option": "256"}]}), "key \"ipam.request\": Can not parse option \"256\""),
        (json!({"request": [{}]}), "key \"ipam.request\": Can not parse option \"\""),
        (json!({"request": vec![option.clone(); 65]}), "key \"ipam.request\": more than 64 options"),
        (json!({"provide": vec![option; 65]}), "key \"ipam.provide\": more than 64 options"),
        (
            json!({"provide": [{"option": "53", "value": "x"}]}),
            "key \"ipam.provide\": option \"53\" is not for others to say",
        ),
        (
            json!({"provide": [{"option": "12", "value": long}]}),
            "key \"ipam.provide\": value too long for option \"12\"",
        ),
        (json!({"priority": -1}), "key \"ipam.priority\": invalid value: integer `-1`, expected u32"),
        (json!({"suppress": ["dns"]}), "key \"ipam.suppress\": \"dns\" is not \"gateway\""),
        (json!({"families": ["ipx"]}), "key \"ipam.families\": [\"ipx\"] is not of \"ipv4\" and \"ipv6\""),
        (json!({"families": []}), "key \"ipam.families\": [] is not of \"ipv4\" and \"ipv6\""),
    ] {
        assert_eq!(read(&ipam, ""), Err((7, text.to_owned())), "{ipam}");
    }
    let bare = request(&PLUGIN.about, "ADD", &json!({}), "").unwrap();
    assert_eq!(Config::of(&bare).unwrap_err().msg, "IPAM config missing 'ipam' key");
}

fn given(ipam: &Value) -> (Vec<String>, Vec<String>) {
    let terms = Terms {
        address: "10.1.0.7/24".parse().unwrap(),
        router: "10.1.0.1".parse().ok(),
        routes: [("0.0.0.0/0", Some("10.1.0.1")), ("10.2.0.0/16", Some("10.1.0.9")), ("10.3.0.0/16", None)]
            .map(|(network, router)| (network.parse().unwrap(), router.map(|router| router.parse().unwrap())))
            .to_vec(),
        nameservers: vec!["10.1.0.53".parse().unwrap()],
        domain: "example.org".to_owned(),
        search: vec!["lab.example.org".to_owned()],
    };
    let mut result = CniResult::default();
    let config = read(ipam, "").unwrap();
    config.add_to(&mut result, terms.clone());
    config
        .add_to(&mut result, Terms { address: "fd50::7/128".parse().unwrap(), router: None, routes: vec![], ..terms });
    assert_eq!((result.dns.domain.as_str(), result.dns.search.len()), ("example.org", 1));
    let ips = result.ips.iter().map(|ip| format!("{} {:?}", ip.address, ip.gateway));
    let routes = result
        .routes
        .iter()
        .map(|route| format!("{} {:?} {:?} {:?}", route.dst, route.gw, route.priority, route.scope));
    (ips.collect(), routes.collect())
}

#[test]
fn a_lease_becomes_a_result() {
    let (ips, routes) = given(&json!({"priority": 7}));
    assert_eq!(ips, ["10.1.0.7/24 Some(10.1.0.1)", "fd50::7/128 None"]);
    assert_eq!(
        routes,
        [
            "0.0.0.0/0 Some(10.1.0.1) Some(7) None",
            "10.2.0.0/16 Some(10.1.0.9) Some(7) None",
            "10.3.0.0/16 None Some(7) Some(253)"
        ]
    );
    let (ips, routes) = given(&json!({"suppress": ["gateway"]}));
    assert_eq!(ips, ["10.1.0.7/24 None", "fd50::7/128 None"]);
    assert_eq!(routes, ["10.2.0.0/16 Some(10.1.0.9) None None", "10.3.0.0/16 None None Some(253)"]);
}

#[test]
fn who_does_not_listen_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("dhcp.sock");
    let error = keeper::answers(&socket).unwrap_err();
    let text = format!("error dialing DHCP daemon: {}: No such file or directory (os error 2)", socket.display());
    assert_eq!((error.kind, error.msg), (Kind::Unavailable, text));
    assert_eq!(error.details.unwrap(), "`netd dhcp` keeps leases: systemctl enable --now netd-dhcp");
}
