//! `bridge` with `host-local`: what a runtime is told, and what is then there.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Container, Host, Lab, eventually};

use super::config::{VERSIONS, addresses, bridge, since, with};

const MAC_LENGTH: usize = 17;

/// The host's end of a container's veth, as the result names it.
fn host_link(result: &Value) -> String {
    result["interfaces"][1]["name"].as_str().unwrap().to_owned()
}

/// The result names the bridge, the host's end and the container's, with their real hardware addresses.
fn assert_interfaces(host: &Host, container: &Container, result: &Value) {
    let interfaces = result["interfaces"].as_array().unwrap();
    assert_eq!(interfaces.len(), 3, "{result}");
    let veth = host_link(result);
    let links = [host.link("br-web"), host.link(&veth), container.link("eth0")];
    for (interface, link) in interfaces.iter().zip(links) {
        assert_eq!(interface["name"], link["ifname"]);
        assert_eq!(interface["mac"], link["address"]);
        assert_eq!(interface["mac"].as_str().unwrap().len(), MAC_LENGTH);
    }
    let sandboxes = interfaces.iter().map(|interface| interface["sandbox"].as_str().unwrap_or_default());
    assert_eq!(sandboxes.collect::<Vec<_>>(), ["", "", container.netns().to_str().unwrap()]);
    assert!(veth.starts_with("veth"), "{veth}");
}

/// The host has the bridge and one link to the container. Gives the bridge's hardware address, which is its own.
fn assert_links(host: &Host, container: &Container, has_ipv6: bool) -> Value {
    let links = host.ip("-d link show").as_array().unwrap().clone();
    assert_eq!(links.len(), 3, "lo, the bridge, the veth: {links:?}");
    let bridge = host.link("br-web");
    assert_eq!(bridge["linkinfo"]["info_kind"], "bridge");
    assert_eq!(bridge["linkinfo"]["info_data"]["vlan_filtering"].as_u64().unwrap_or(0), 0);
    let port = links.iter().find(|link| link["master"] == "br-web").unwrap();
    assert_ne!(port["address"], bridge["address"]);
    let eth0 = container.link("eth0");
    assert_eq!((&eth0["linkinfo"]["info_kind"], &eth0["operstate"]), (&json!("veth"), &json!("UP")));
    let link_local = container.sh("ip -6 -brief address show dev eth0 scope link").contains("fe80:");
    assert_eq!(link_local, has_ipv6);
    bridge["address"].clone()
}

/// One of each family, by its first gateway, which names no source.
fn assert_default_routes(container: &Container, gateways: &[&str]) {
    for (family, sign) in [("-4", '.'), ("-6", ':')] {
        let first = gateways.iter().find(|gateway| gateway.contains(sign));
        let routes = container.ip(&format!("{family} route show default"));
        let routes = routes.as_array().unwrap();
        assert!(routes.iter().all(|route| route["prefsrc"].is_null()), "{routes:?}");
        let by: Vec<&str> = routes.iter().filter_map(|route| route["gateway"].as_str()).collect();
        let expected: Vec<&str> = first.iter().filter_map(|gateway| gateway.split('/').next()).collect();
        assert_eq!(by, expected, "{routes:?}");
    }
}

/// Section 1.5: where each version keeps its addresses.
fn assert_shape(version: &str, result: &Value, count: usize) {
    assert_eq!(result["cniVersion"], version);
    if since(version, "0.3.0") {
        let ips = result["ips"].as_array().unwrap();
        assert_eq!(ips.len(), count, "{result}");
        for ip in ips {
            assert_eq!(ip["interface"], 2);
            let family = if ip["address"].as_str().unwrap().contains(':') { "6" } else { "4" };
            let said = ip["version"].as_str().unwrap_or_default();
            assert_eq!(said, if since(version, "1.0.0") { "" } else { family }, "{version}");
        }
    } else {
        assert!(result["interfaces"].is_null() && result["ips"].is_null(), "{result}");
    }
    let empty = if since(version, "1.0.0") { Value::Null } else { json!({}) };
    assert_eq!(result["dns"], empty, "{version}");
}

#[track_caller]
fn attaches(version: &str, subnets: &[&str], expected: &[&str], gateways: &[&str]) {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let attachment = c1.add(&bridge(version, subnets));
    let result = attachment.result();
    assert_shape(version, &result, expected.len());
    assert_eq!(addresses(&result), expected, "{version}");
    assert_eq!(BTreeSet::from_iter(c1.addresses("eth0")), expected.iter().map(|a| (*a).to_owned()).collect());
    assert_eq!(BTreeSet::from_iter(host.addresses("br-web")), gateways.iter().map(|a| (*a).to_owned()).collect());
    if since(version, "0.3.0") {
        assert_interfaces(&host, &c1, &result);
    }
    let mac = assert_links(&host, &c1, expected.iter().any(|address| address.contains(':')));
    assert_default_routes(&c1, gateways);
    for gateway in gateways.iter().map(|gateway| gateway.split('/').next().unwrap()) {
        assert!(c1.pings(gateway), "{version}: {gateway}");
    }
    if since(version, "0.4.0") {
        assert_eq!(attachment.check(), Ok(()), "{version}");
    } else {
        assert_eq!(attachment.check().unwrap_err().msg, "config version does not allow CHECK");
    }
    assert_eq!(attachment.del(), Ok(()));
    assert_eq!(attachment.del(), Ok(()), "DEL may come twice");
    assert!(c1.link("eth0").is_null());
    assert_eq!(host.ip("link show").as_array().unwrap().len(), 2, "lo and the bridge");
    assert_eq!(host.link("br-web")["address"], mac, "no container is left to lend it one");
    if since(version, "0.4.0") {
        assert!(attachment.check().is_err(), "CHECK after DEL");
    }
}

#[test]
fn ipv4_is_attached_at_every_version() {
    for version in VERSIONS {
        attaches(version, &["10.1.2.0/24"], &["10.1.2.2/24"], &["10.1.2.1/24"]);
    }
}

#[test]
fn ipv6_is_attached_at_every_version() {
    for version in VERSIONS {
        attaches(version, &["2001:db8::/64"], &["2001:db8::2/64"], &["2001:db8::1/64"]);
    }
}

#[test]
fn both_families_are_attached_at_every_version() {
    let expected = ["10.1.2.2/24", "2001:db8::2/64"];
    for version in VERSIONS {
        attaches(version, &["10.1.2.0/24", "2001:db8::/64"], &expected, &["10.1.2.1/24", "2001:db8::1/64"]);
    }
}

#[test]
fn three_ranges_are_attached_since_results_can_hold_them() {
    let subnets = ["192.168.0.0/24", "fd00::/64", "2001:db8::/64"];
    let expected = ["192.168.0.2/24", "fd00::2/64", "2001:db8::2/64"];
    let gateways = ["192.168.0.1/24", "fd00::1/64", "2001:db8::1/64"];
    for version in VERSIONS {
        if since(version, "0.3.0") {
            attaches(version, &subnets, &expected, &gateways);
            continue;
        }
        let lab = Lab::new();
        let c1 = lab.host("a").container("c1");
        let attachment = c1.attachment(&bridge(version, &subnets), "eth0");
        let msg = format!("CNI version {version} does not support more than 1 address per family");
        for refusal in [attachment.add().unwrap_err(), attachment.del().unwrap_err()] {
            assert_eq!(refusal.msg, msg);
        }
    }
}

#[test]
fn an_ipv6_address_can_be_used_at_once() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    c1.add(&bridge("1.1.0", &["2001:db8::/64"]));
    let tentative = c1.ip("-6 addr show dev eth0 tentative");
    let tentative = tentative.as_array().unwrap().iter().filter(|link| link["addr_info"] != json!([]));
    assert_eq!(tentative.filter(|link| !link["addr_info"].is_null()).count(), 0);
    assert_eq!(c1.sysctl("net/ipv6/conf/eth0/accept_dad").as_deref(), Some("0"));
}

#[test]
fn the_name_servers_come_from_the_named_file() {
    let lab = Lab::new();
    let path = lab.folder().join("resolv.conf");
    let text = "# comment\nnameserver 10.9.9.9\n; more\nnameserver 2001:db8::53\ndomain a.example\nsearch b.example c.example\noptions ndots:2 rotate\n";
    std::fs::write(&path, text).unwrap();
    let host = lab.host("a");
    for version in VERSIONS {
        let mut config = bridge(version, &["10.1.2.0/24"]);
        config["ipam"]["resolvConf"] = path.to_str().into();
        let result = host.container(&format!("c{version}")).add(&config).result();
        assert_eq!(result["dns"]["nameservers"], json!(["10.9.9.9", "2001:db8::53"]), "{version}");
        assert_eq!(result["dns"]["domain"], "a.example");
        assert_eq!(result["dns"]["search"], json!(["b.example", "c.example"]));
        assert_eq!(result["dns"]["options"], json!(["ndots:2", "rotate"]));
    }
}

#[test]
fn dns_of_the_configuration_wins_over_that_of_ipam() {
    let lab = Lab::new();
    let path = lab.folder().join("resolv.conf");
    std::fs::write(&path, "nameserver 10.9.9.9\n").unwrap();
    let host = lab.host("a");
    for (name, dns, expected) in [
        ("c1", json!({"nameservers": ["10.8.8.8"]}), json!({"nameservers": ["10.8.8.8"]})),
        ("c2", json!({"search": []}), Value::Null),
        ("c3", Value::Null, json!({"nameservers": ["10.9.9.9"]})),
    ] {
        let mut config = with(bridge("1.1.0", &["10.1.2.0/24"]), &json!({"dns": dns}));
        config["ipam"]["resolvConf"] = path.to_str().into();
        assert_eq!(host.container(name).add(&config).result()["dns"], expected, "{dns}");
    }
}

/// Those of a router go when an interface goes down; the container's own stay.
#[test]
fn addresses_of_ipv6_survive_that_the_interface_is_down() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let attachment = c1.add(&bridge("1.1.0", &["2001:db8::/64"]));
    c1.sh("ip link set eth0 down; ip link set eth0 up");
    assert_eq!(c1.addresses("eth0"), ["2001:db8::2/64"]);
    // The way to the router went, and whoever took the interface down puts it back.
    c1.sh("ip -6 route replace default via 2001:db8::1");
    eventually(std::time::Duration::from_secs(10), || c1.pings("2001:db8::1"));
    attachment.del().unwrap();
}

#[test]
fn the_bridge_keeps_its_own_hardware_address() {
    for subnet in ["10.1.2.0/24", "2001:db8::/64"] {
        let lab = Lab::new();
        let host = lab.host("a");
        let mac = || host.link("br-web")["address"].clone();
        let first = host.container("c1").add(&bridge("1.1.0", &[subnet]));
        let stable = mac();
        assert_ne!(stable, host.link(&host_link(&first.result()))["address"]);
        let second = host.container("c2").add(&bridge("1.1.0", &[subnet]));
        assert_eq!(mac(), stable, "whose is lower");
        first.del().unwrap();
        second.del().unwrap();
        assert_eq!(mac(), stable);
    }
}

#[test]
fn del_of_what_was_never_added_succeeds() {
    let lab = Lab::new();
    let host = lab.host("a");
    let before = host.kernel_text();
    for version in VERSIONS {
        let attachment = host.container(&format!("c{version}")).attachment(&bridge(version, &["10.1.2.0/24"]), "eth0");
        assert_eq!(attachment.del(), Ok(()), "{version}");
    }
    assert_eq!(host.changes_since(&before), [""; 0]);
}

#[test]
fn without_ipam_the_container_is_connected_and_has_no_address() {
    for version in VERSIONS {
        let lab = Lab::new();
        let host = lab.host("a");
        let c1 = host.container("c1");
        let config = with(bridge(version, &[]), &json!({"ipam": {}, "isDefaultGateway": false}));
        let attachment = c1.attachment(&config, "eth0");
        if since(version, "0.3.0") {
            let result = attachment.add().unwrap();
            assert_interfaces(&host, &c1, &result);
            assert!(result["ips"].is_null());
            assert_eq!(c1.link("eth0")["operstate"], "UP");
            assert_eq!(c1.addresses("eth0"), [""; 0]);
            if since(version, "0.4.0") {
                assert_eq!(attachment.check(), Ok(()), "{version}");
            }
        } else {
            let refusal = attachment.add().unwrap_err();
            assert!(refusal.msg.contains("cannot convert: no valid IP addresses"), "{refusal:?}");
            assert!(c1.link("eth0").is_null(), "known beforehand, so nothing was made");
        }
        assert_eq!(attachment.del(), Ok(()));
    }
}

/// What a route of 1.1 says besides where it leads: CHECK misses each of it.
#[test]
fn each_attribute_of_a_route_is_made_and_checked() {
    let lab = Lab::new();
    let host = lab.host("a");
    let mut config = bridge("1.1.0", &["10.1.2.0/24"]);
    config["ipam"]["routes"] = json!([
        {"dst": "10.9.0.0/16", "mtu": 1400, "advmss": 1360, "priority": 5},
        {"dst": "10.8.0.0/16", "table": 7},
        {"dst": "10.7.0.0/16", "scope": 253},
        {"dst": "10.6.0.0/16", "mtu": 0, "advmss": 0}
    ]);
    let way = "via 10.1.2.1 dev eth0";
    for (number, (what, breaks)) in [
        ("mtu", format!("ip route change 10.9.0.0/16 {way} metric 5 mtu 1300 advmss 1360")),
        ("advmss", format!("ip route change 10.9.0.0/16 {way} metric 5 mtu 1400 advmss 1300")),
        ("priority", format!("ip route del 10.9.0.0/16; ip route add 10.9.0.0/16 {way} metric 6 mtu 1400 advmss 1360")),
        ("table", format!("ip route del 10.8.0.0/16 table 7; ip route add 10.8.0.0/16 {way} table 8")),
        ("scope", "ip route del 10.7.0.0/16; ip route add 10.7.0.0/16 dev eth0 scope global".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let container = host.container(&format!("c{number}"));
        let attachment = container.add(&config);
        assert_eq!(attachment.check(), Ok(()), "{what}");
        container.sh(&breaks);
        assert_eq!(attachment.check().map_err(|refusal| refusal.code), Err(103), "{what}");
        attachment.del().unwrap();
    }
}
