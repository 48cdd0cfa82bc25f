//! The result of every plugin at every version has the form that the specification gives it (CNI 1.1 section 5, Success).

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use tests::{Host, Lab, PLUGINS, RARE_KINDS, host_lease};

use super::config::{bridge, since, versions_of, with};

/// Keys that an object may have; those with a `!` it must have.
type Keys = &'static [&'static str];

const FIRST: Keys = &["cniVersion!", "ip4", "ip6", "dns!"];
const OLD: Keys = &["cniVersion!", "interfaces", "ips", "routes", "dns!"];
const NEW: Keys = &["cniVersion!", "interfaces", "ips", "routes", "dns"];
const FAMILY: Keys = &["ip!", "gateway", "routes"];
const OLD_INTERFACE: Keys = &["name!", "mac", "sandbox"];
const INTERFACE: Keys = &["name!", "mac", "sandbox", "mtu", "socketPath", "pciID"];
const OLD_IP: Keys = &["version!", "interface", "address!", "gateway"];
const IP: Keys = &["interface", "address!", "gateway"];
const OLD_ROUTE: Keys = &["dst!", "gw"];
const ROUTE: Keys = &["dst!", "gw", "mtu", "advmss", "priority", "table", "scope"];
const DNS: Keys = &["nameservers", "domain", "search", "options"];

/// An object with these keys and no others, none of them an empty list or an empty text.
#[track_caller]
fn object<'v>(value: &'v Value, keys: Keys, what: &str) -> &'v Map<String, Value> {
    let object = value.as_object().unwrap_or_else(|| panic!("{what}: {value} is no object"));
    let names = keys.iter().map(|key| key.trim_end_matches('!'));
    let unknown: Vec<&String> = object.keys().filter(|key| !names.clone().any(|name| name == *key)).collect();
    assert!(unknown.is_empty(), "{what}: {unknown:?} in {value}");
    let missing: Vec<&&str> =
        keys.iter().filter(|key| key.ends_with('!') && value[key.trim_end_matches('!')].is_null()).collect();
    assert!(missing.is_empty(), "{what}: {missing:?} missing in {value}");
    assert!(
        object.values().all(|value| *value != json!([]) && *value != json!("")),
        "{what}: an empty value in {value}"
    );
    object
}

fn each<'v>(value: &'v Value, list: &str) -> impl Iterator<Item = &'v Value> {
    value[list].as_array().into_iter().flatten()
}

/// Whether it is an address with its prefix, and of which family.
#[track_caller]
fn network(value: &Value) -> bool {
    let (address, prefix) = value.as_str().unwrap().split_once('/').unwrap();
    let address: IpAddr = address.parse().unwrap();
    assert!(prefix.parse::<u8>().unwrap() <= if address.is_ipv4() { 32 } else { 128 }, "{value}");
    address.is_ipv4()
}

#[track_caller]
fn address(value: &Value) {
    assert!(value.is_null() || value.as_str().unwrap().parse::<IpAddr>().is_ok(), "{value}");
}

#[track_caller]
fn assert_dns(dns: &Value, what: &str) {
    if !dns.is_null() {
        object(dns, DNS, what);
        assert!(
            each(dns, "nameservers").all(|server| server.as_str().unwrap().parse::<IpAddr>().is_ok()),
            "{what}: {dns}"
        );
    }
}

#[track_caller]
fn assert_first(result: &Value, what: &str) {
    object(result, FIRST, what);
    for family in ["ip4", "ip6"].into_iter().filter(|family| !result[family].is_null()) {
        object(&result[family], FAMILY, what);
        assert_eq!(network(&result[family]["ip"]), family == "ip4", "{what}: {result}");
        address(&result[family]["gateway"]);
        for route in each(&result[family], "routes") {
            object(route, OLD_ROUTE, what);
            assert_eq!(network(&route["dst"]), family == "ip4", "{what}: {result}");
        }
    }
}

#[track_caller]
fn assert_listed(version: &str, result: &Value, what: &str) {
    let is_new = since(version, "1.0.0");
    object(result, if is_new { NEW } else { OLD }, what);
    assert!(!is_new || result["dns"] != json!({}), "{what}: {result}");
    let interfaces = each(result, "interfaces").count();
    for interface in each(result, "interfaces") {
        object(interface, if is_new { INTERFACE } else { OLD_INTERFACE }, what);
    }
    for ip in each(result, "ips") {
        object(ip, if is_new { IP } else { OLD_IP }, what);
        let family = if network(&ip["address"]) { "4" } else { "6" };
        assert!(is_new || ip["version"] == family, "{what}: {ip}");
        address(&ip["gateway"]);
        let index = ip["interface"].as_u64().map(|index| usize::try_from(index).unwrap());
        assert!(ip["interface"].is_null() || index.is_some_and(|index| index < interfaces), "{what}: {result}");
    }
    for route in each(result, "routes") {
        object(route, ROUTE, what);
        network(&route["dst"]);
        address(&route["gw"]);
    }
}

fn ipam() -> Value {
    let routes = json!([{"dst": "10.9.0.0/16"}, {"dst": "2001:db8:9::/48", "gw": "2001:db8::1"}]);
    json!({"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8::/64"}]], "routes": routes})
}

/// The plugins of a list that ends with this one; none where the kernel does not make such an interface.
fn plugins(host: &Host, plugin: &str, version: &str) -> Option<Vec<Value>> {
    let alone = |keys: Value| Some(vec![with(json!({"type": plugin, "ipam": ipam()}), &keys)]);
    let after = |keys: Value| {
        let interface = with(bridge(version, &[]), &json!({"ipam": ipam()}));
        Some(vec![interface, with(json!({"type": plugin}), &keys)])
    };
    let mapping = json!({"hostPort": 8080, "containerPort": 80, "protocol": "tcp"});
    let addresses = json!([{"address": "10.1.2.7/24", "gateway": "10.1.2.1"}, {"address": "2001:db8::7/64"}]);
    match plugin {
        "bandwidth" => after(json!({"egressRate": 8_000, "egressBurst": 80})),
        "dns" | "dnsname" => after(json!({"domainName": "web.example"})),
        "firewall" | "sbr" => after(json!({})),
        "portmap" => after(json!({"runtimeConfig": {"portMappings": [mapping]}})),
        "tuning" => after(json!({"mtu": 1400, "mac": "02:00:00:00:00:77"})),
        "dhcp" => Some(vec![json!({"type": "macvlan", "master": "to-1", "ipam": {"type": "dhcp"}})]),
        "static" => {
            alone(json!({"ipam": {"type": "static", "addresses": addresses, "dns": {"domain": "web.example"}}}))
        }
        "host-device" => alone(json!({"device": "to-1"})),
        "macvlan" => alone(json!({"master": "to-1"})),
        "overlay" => Some(vec![json!({"type": "overlay"})]),
        "bridge" | "host-local" | "loopback" | "ptp" | "tap" => alone(json!({})),
        _ if !host.knows(plugin) => None,
        "vrf" => after(json!({"vrfname": "red"})),
        "vlan" => alone(json!({"master": "to-1", "vlanId": 5})),
        _ => alone(json!({"master": "to-1"})),
    }
}

#[test]
fn the_result_of_every_plugin_at_every_version_has_the_form_of_that_version() {
    results_of(|plugin| !RARE_KINDS.contains(&plugin));
}

#[test]
fn the_results_of_kinds_that_a_kernel_may_lack_have_the_form_of_their_version() {
    results_of(|plugin| RARE_KINDS.contains(&plugin));
}

#[track_caller]
fn results_of(is_meant: fn(&str) -> bool) {
    let lab = Lab::new();
    let host = lab.host("a");
    host.sh("ip link add to-1 type veth peer name to-2; ip link set to-1 up; ip link set to-2 up
             ip address add 192.168.50.2/24 dev to-2");
    host.give_lease(&host_lease("web", "10.40.1.0/24"));
    let (_server, keeper) = (host.dhcp_server("to-2", ""), host.keeper());
    for plugin in PLUGINS.into_iter().filter(|plugin| is_meant(plugin)) {
        for version in versions_of(plugin) {
            let Some(plugins) = plugins(&host, plugin, version) else { continue };
            let container = host.container(&format!("c-{plugin}-{version}"));
            let config = json!({"cniVersion": version, "name": "web", "plugins": plugins});
            let ifname = if plugin == "loopback" { "lo" } else { "eth0" };
            let attachment = container.attachment(&config, ifname);
            let what = format!("{plugin} at {version}");
            let result = match attachment.add() {
                Ok(result) => result,
                // An old result names no interfaces, on one of which names are served.
                Err(refusal) if plugin.starts_with("dns") && !since(version, "0.3.0") => {
                    assert!(refusal.msg.contains("has no gateway address on the host"), "{what}: {refusal:?}");
                    attachment.del().unwrap();
                    continue;
                }
                Err(refusal) => panic!("{what}: {refusal:?}"),
            };
            assert_eq!(result["cniVersion"], *version, "{what}");
            if since(version, "0.3.0") {
                assert_listed(version, &result, &what);
            } else {
                assert_first(&result, &what);
            }
            assert_dns(&result["dns"], &what);
            assert_eq!(attachment.del(), Ok(()), "{what}");
        }
    }
    host.sh("ip link del to-1");
    keeper.stop();
}
