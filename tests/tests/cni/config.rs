//! Configurations that several files use, and the versions that each is tried at.

use serde_json::{Value, json};

/// Every version of the specification, oldest first.
pub(crate) static VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The versions that a plugin takes.
pub(crate) fn versions_of(plugin: &str) -> &'static [&'static str] {
    match plugin {
        "bandwidth" => &VERSIONS[2..],
        "vrf" => &VERSIONS[3..],
        "firewall" => &VERSIONS[4..],
        _ => &VERSIONS,
    }
}

/// Whether `version` is `least` or newer; the texts sort as the numbers do.
pub(crate) fn since(version: &str, least: &str) -> bool {
    version >= least
}

/// A bridge that is the default gateway, with one range for each subnet.
pub(crate) fn bridge(version: &str, subnets: &[&str]) -> Value {
    let ranges: Vec<Value> = subnets.iter().map(|subnet| json!([{"subnet": subnet}])).collect();
    json!({
        "cniVersion": version,
        "name": "web",
        "type": "bridge",
        "bridge": "br-web",
        "isDefaultGateway": true,
        "ipam": {"type": "host-local", "ranges": ranges}
    })
}

/// `config` with some keys set, at the top level.
pub(crate) fn with(mut config: Value, keys: &Value) -> Value {
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// The addresses of a result of any version, with their prefixes.
pub(crate) fn addresses(result: &Value) -> Vec<String> {
    let old = [&result["ip4"]["ip"], &result["ip6"]["ip"]];
    let new = result["ips"].as_array().into_iter().flatten().map(|ip| &ip["address"]);
    new.chain(old).filter_map(|address| address.as_str().map(str::to_owned)).collect()
}
