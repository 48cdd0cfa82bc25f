use proptest::{collection::vec, option, prelude::*};
use serde_json::json;

use super::*;

fn printed(result: &CniResult, version: Version) -> Value {
    serde_json::to_value(result.document(version).unwrap()).unwrap()
}

/// What the bridge makes with two addresses, and every field of 1.1.0.
fn full() -> CniResult {
    let veth = Interface::on_host("veth1".parse().unwrap(), "02:00:00:00:00:01".parse().ok());
    let mut eth0 = Interface::in_container("eth0".parse().unwrap(), "02:00:00:00:00:02".parse().ok(), "/run/netns/c1");
    eth0.mtu = Some(1450);
    eth0.socket_path = "/s".to_owned();
    eth0.pci_id = "0000:04:00.5".to_owned();
    let ip = |address: &str, gateway: Option<&str>| Ip {
        interface: Some(1),
        address: address.parse().unwrap(),
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
    };
    let default = Route::new("0.0.0.0/0".parse().unwrap(), "10.1.0.1".parse().ok());
    let default = Route { mtu: Some(1400), priority: Some(5), scope: Some(0), ..default };
    CniResult {
        interfaces: vec![veth, eth0],
        ips: vec![ip("10.1.0.7/16", Some("10.1.0.1")), ip("2001:db8::7/64", None), ip("10.2.0.7/16", None)],
        routes: vec![default, Route::new("2001:db8:1::/48".parse().unwrap(), None)],
        dns: Dns { nameservers: vec!["10.1.0.1".to_owned()], ..Dns::default() },
    }
}

#[test]
fn the_newest_form_has_every_field() {
    let expected = json!({
        "cniVersion": "1.1.0",
        "interfaces": [
            {"name": "veth1", "mac": "02:00:00:00:00:01"},
            {"name": "eth0", "mac": "02:00:00:00:00:02", "mtu": 1450, "sandbox": "/run/netns/c1", "socketPath": "/s",
             "pciID": "0000:04:00.5"}
        ],
        "ips": [
            {"interface": 1, "address": "10.1.0.7/16", "gateway": "10.1.0.1"},
            {"interface": 1, "address": "2001:db8::7/64"},
            {"interface": 1, "address": "10.2.0.7/16"}
        ],
        "routes": [
            {"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "priority": 5, "scope": 0}, {"dst": "2001:db8:1::/48"}
        ],
        "dns": {"nameservers": ["10.1.0.1"]}
    });
    assert_eq!(printed(&full(), Version::V1_1_0), expected);
    let mut as_1_0 = expected;
    as_1_0["cniVersion"] = "1.0.0".into();
    assert_eq!(printed(&full(), Version::V1_0_0), as_1_0, "the reference keeps the newer fields too");
}

#[test]
fn the_form_of_0_4_says_the_family_of_each_address() {
    for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0] {
        let document = printed(&full(), version);
        assert_eq!(document["cniVersion"], version.as_str());
        let families: Vec<&Value> = document["ips"].as_array().unwrap().iter().map(|ip| &ip["version"]).collect();
        assert_eq!(families, ["4", "6", "4"]);
        let eth0 = json!({"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/c1"});
        assert_eq!(document["interfaces"][1], eth0);
        assert_eq!(document["routes"][0]["mtu"], 1400);
    }
}

#[test]
fn the_first_form_has_one_address_of_each_family_and_its_routes() {
    for version in [Version::V0_1_0, Version::V0_2_0] {
        let expected = json!({
            "cniVersion": version.as_str(),
            "ip4": {"ip": "10.1.0.7/16", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]},
            "ip6": {"ip": "2001:db8::7/64", "routes": [{"dst": "2001:db8:1::/48"}]},
            "dns": {"nameservers": ["10.1.0.1"]}
        });
        assert_eq!(printed(&full(), version), expected);
        let refused = CniResult::default().document(version).err().unwrap();
        assert_eq!(refused.msg, "cannot convert: no valid IP addresses");
    }
}

#[test]
fn what_is_empty_is_left_out_but_dns_of_old_versions() {
    let empty = CniResult::default();
    assert_eq!(printed(&empty, Version::V1_1_0), json!({"cniVersion": "1.1.0"}));
    assert_eq!(printed(&empty, Version::V1_0_0), json!({"cniVersion": "1.0.0"}));
    assert_eq!(printed(&empty, Version::V0_4_0), json!({"cniVersion": "0.4.0", "dns": {}}));
    let ip = Ip { interface: None, address: "10.1.0.7/16".parse().unwrap(), gateway: None };
    let one = CniResult { ips: vec![ip], ..empty };
    assert_eq!(printed(&one, Version::V0_2_0), json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.7/16"}, "dns": {}}));
}

#[test]
fn results_of_old_plugins_are_understood() {
    let read = |value: Value, version| CniResult::previous(&value, version).unwrap();
    let listed = json!({
        "ips": [{"version": "4", "interface": -1, "address": "10.1.0.7/16", "gateway": ""}], "dns": {"search": null}
    });
    let ip = Ip { interface: None, address: "10.1.0.7/16".parse().unwrap(), gateway: None };
    assert_eq!(read(listed, Version::V0_3_1), CniResult { ips: vec![ip], ..CniResult::default() });
    let first = json!({"IP6": {"IP": "2001:db8::7/64", "Routes": [{"Dst": "::/0", "GW": "2001:db8::1"}]}});
    let result = read(first, Version::V0_2_0);
    assert_eq!(result.ips[0].address.to_string(), "2001:db8::7/64");
    assert_eq!(result.routes, [Route::new("::/0".parse().unwrap(), "2001:db8::1".parse().ok())]);
    let infiniband = "80:00:02:08:fe:80:00:00:00:00:00:00:f4:52:14:03:00:7b:cb:a1";
    let result = read(json!({"interfaces": [{"name": "ib0", "mac": infiniband, "sandbox": ""}]}), Version::V1_0_0);
    assert_eq!((&*result.interfaces[0].mac, result.interfaces[0].ethernet()), (infiniband, None));
    assert_eq!(result.interfaces[0].sandbox, None);
}

#[test]
fn what_does_not_fit_is_named() {
    for (value, expected) in [
        (json!({"ips": [{}]}), r#"key "ips[0]": missing field `address`"#),
        (json!({"ips": [{"address": "10.1.0.7/255.255.0.0"}]}), r#"invalid CIDR address: "10.1.0.7/255.255.0.0""#),
        (json!({"ips": [{"address": "10.1.0.7/33"}]}), r#"key "ips[0].address": invalid CIDR address: "10.1.0.7/33""#),
        (json!({"routes": [{"dst": "default"}]}), r#"key "routes[0].dst": invalid CIDR address: "default""#),
        (json!({"routes": [{"dst": "::/0", "gw": "x"}]}), r#"key "routes[0].gw": invalid IP address: "x""#),
        (json!({"routes": [{"dst": "::/0", "mtu": 65_521}]}), r#"key "routes[0].mtu": 65521 is more than 65520 bytes"#),
        (json!({"routes": [{"dst": "::/0", "advmss": 65_496}]}), r#"key "routes[0].advmss": 65496 is more than 65495"#),
        (json!({"routes": [{"dst": "::/0", "mtu": -1}]}), r#"key "routes[0].mtu": invalid value: integer `-1`"#),
        (
            json!({"interfaces": [{"name": "eth0"}], "ips": [{"address": "10.1.0.7/16", "interface": 1}]}),
            r#"key "ips[0].interface": 1 is none of 1 interfaces"#,
        ),
        (json!({"interfaces": [{"name": "../../etc"}]}), r#"key "interfaces[0].name": interface name "../../etc""#),
        (json!({"dns": {"nameservers": "10.0.0.1"}}), r#"key "dns.nameservers": invalid type: string "10.0.0.1""#),
        (json!([]), "[] is not an object"),
        (json!({"cniVersion": 1}), "result type supports [1.0.0 1.1.0] but unmarshalled CNIVersion is 1"),
    ] {
        let error = CniResult::previous(&value, Version::V1_1_0).unwrap_err();
        assert!(error.msg.starts_with("could not parse prevResult: ") && error.msg.contains(expected), "{error}");
        assert_eq!(error.kind.code(), 7);
    }
}

#[test]
fn a_metric_of_zero_is_none() {
    let said =
        json!({"routes": [{"dst": "::/0", "mtu": 0, "advmss": 0}, {"dst": "::/0", "mtu": 65_520, "advmss": 65_495}]});
    let read = CniResult::previous(&said, Version::V1_1_0).unwrap().routes;
    assert_eq!(read[0], Route::new("::/0".parse().unwrap(), None));
    assert_eq!((read[1].mtu, read[1].advmss), (Some(65_520), Some(65_495)));
}

#[test]
fn another_plugin_may_answer_in_any_version() {
    let first = json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.7/16"}});
    assert_eq!(CniResult::of_plugin(&first, Version::V1_1_0).unwrap().ips.len(), 1);
    let silent = json!({"ips": [{"address": "10.1.0.7/16"}]});
    assert_eq!(CniResult::of_plugin(&silent, Version::V1_1_0).unwrap().ips.len(), 1);
    let error = CniResult::of_plugin(&json!({"cniVersion": "7"}), Version::V1_1_0).unwrap_err();
    assert_eq!(error.msg, "unsupported CNI result version \"7\"");
}

fn network() -> impl Strategy<Value = IpNetwork> {
    let ipv4 = (any::<[u8; 4]>(), 0_u8..=32).prop_map(|(address, prefix)| (IpAddr::from(address), prefix));
    let ipv6 = (any::<[u8; 16]>(), 0_u8..=128).prop_map(|(address, prefix)| (IpAddr::from(address), prefix));
    prop_oneof![ipv4, ipv6].prop_map(|(address, prefix)| IpNetwork::new(address, prefix).unwrap())
}

fn interface() -> impl Strategy<Value = Interface> {
    ("[a-z]{1,8}", "([0-9a-f]{2}:){0,5}", option::of(any::<u32>()), option::of("/[a-z/]{1,9}"), "[a-z]{0,3}").prop_map(
        |(name, mac, mtu, sandbox, text)| {
            let name = name.parse().unwrap();
            let sandbox = sandbox.map(PathBuf::from);
            Interface { name, mac, mtu, sandbox, socket_path: text.clone(), pci_id: text }
        },
    )
}

fn ip() -> impl Strategy<Value = Ip> {
    (option::of(0_usize..9), network(), option::of(network())).prop_map(|(interface, address, gateway)| Ip {
        interface,
        address,
        gateway: gateway.map(|net| net.ip()),
    })
}

fn route() -> impl Strategy<Value = Route> {
    let number = || option::of(any::<u32>());
    let bytes = option::of(1_u32..=65_495);
    (network(), option::of(network()), bytes, number(), option::of(any::<u8>())).prop_map(
        |(dst, gw, mtu, table, scope)| Route {
            mtu,
            advmss: mtu,
            priority: table,
            table,
            scope,
            ..Route::new(dst, gw.map(|net| net.ip()))
        },
    )
}

fn result() -> impl Strategy<Value = CniResult> {
    let words = || vec("[a-z.]{1,5}", 0..3);
    let dns = (words(), "[a-z]{0,5}", words(), words()).prop_map(|(nameservers, domain, search, options)| Dns {
        nameservers,
        domain,
        search,
        options,
    });
    (vec(interface(), 0..4), vec(ip(), 0..4), vec(route(), 0..4), dns).prop_map(
        |(interfaces, mut ips, routes, dns): (Vec<Interface>, Vec<Ip>, _, _)| {
            for ip in &mut ips {
                ip.interface = ip.interface.filter(|index| *index < interfaces.len());
            }
            CniResult { interfaces, ips, routes, dns }
        },
    )
}

proptest! {
    #[test]
    fn what_was_printed_is_read_back(result in result()) {
        for version in [Version::V1_0_0, Version::V1_1_0] {
            prop_assert_eq!(&CniResult::previous(&printed(&result, version), version).unwrap(), &result);
        }
    }

    #[test]
    fn what_was_printed_in_an_older_form_prints_the_same_again(result in result()) {
        for version in Version::ALL {
            if let Ok(document) = result.document(version) {
                let document = serde_json::to_value(document).unwrap();
                let read = CniResult::previous(&document, version).unwrap();
                prop_assert_eq!(&printed(&read, version), &document);
            }
        }
    }
}
