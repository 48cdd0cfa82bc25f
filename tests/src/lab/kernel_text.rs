//! The state of one host's kernel as text, to be compared with itself at another time.
//!
//! Left out is what changes by itself: interface indexes, counters, timers, queue settings, set order.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::node::Node;

/// Sysctls that plugins write.
const SYSCTLS: [&str; 4] = [
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/bridge/bridge-nf-call-iptables",
    "net/ipv4/conf/all/route_localnet",
];

/// What `ip -d -j link` says that a plugin can set.
const LINK: [&str; 9] = ["ifname", "mtu", "master", "address", "group", "ifalias", "flags", "promiscuity", "linkinfo"];
/// What of a link's kind.
const KIND: [&str; 7] =
    ["info_kind", "info_slave_kind", "vlan_filtering", "hairpin", "isolated", "nf_call_iptables", "mcast_snooping"];

pub(crate) fn of(node: &Node) -> String {
    let mut lines = Vec::new();
    for link in array(node.ip("-d link show")) {
        lines.push(format!("link {}", link_text(&link)));
    }
    for link in array(node.ip("address show")) {
        for address in array(link["addr_info"].clone()) {
            let kept = kept(&address, &["local", "prefixlen", "peer", "scope", "label"]);
            lines.push(format!("address {} {kept}", link["ifname"]));
        }
    }
    for family in ["-4", "-6"] {
        for (kind, line) in [("route", "route show table all"), ("rule", "rule show")] {
            for object in array(node.ip(&format!("{family} {line}"))) {
                lines.push(format!("{kind} {family} {object}"));
            }
        }
    }
    lines.extend(nft_lines(node));
    lines.sort_unstable();
    for key in SYSCTLS {
        lines.push(format!("sysctl {key} {}", node.sysctl(key).as_deref().unwrap_or("absent")));
    }
    lines.into_iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}

/// Every object of the ruleset as one line; an element of a set or map is a line of its own.
pub(crate) fn nft_lines(node: &Node) -> Vec<String> {
    let ruleset = node.run("nft -j list ruleset").json();
    let mut lines = Vec::new();
    for object in array(ruleset["nftables"].clone()) {
        let Some((kind, body)) = object.as_object().and_then(|object| object.iter().next()) else { continue };
        let mut body = body.clone();
        strip(&mut body);
        for element in array(body["elem"].take()) {
            lines.push(format!("nft element {} {} {element}", body["table"], body["name"]));
        }
        if kind != "metainfo" {
            lines.push(format!("nft {kind} {body}"));
        }
    }
    lines
}

fn link_text(link: &Value) -> Value {
    let mut text = kept(link, &LINK);
    let info = &link["linkinfo"];
    let mut kind = kept(info, &KIND);
    for part in ["info_data", "info_slave_data"] {
        kind[part] = kept(&info[part], &KIND);
    }
    text["linkinfo"] = kind;
    text
}

fn kept(object: &Value, keys: &[&str]) -> Value {
    let known = keys.iter().filter(|key| !object[**key].is_null());
    known.map(|key| ((*key).to_owned(), object[*key].clone())).collect::<Map<_, _>>().into()
}

/// Removes handles and the figures of counters, at any depth.
fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in ["handle", "packets", "bytes"] {
                object.remove(key);
            }
            object.values_mut().for_each(strip);
        }
        Value::Array(values) => values.iter_mut().for_each(strip),
        _ => {}
    }
}

fn array(value: Value) -> Vec<Value> {
    if let Value::Array(values) = value { values } else { Vec::new() }
}
