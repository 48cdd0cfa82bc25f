//! The state of one host's kernel as text, to be compared with itself at another time.
//!
//! Left out is what changes by itself (interface indexes, counters, timers, queue settings, set order) and what the
//! kernel makes by itself (link-local addresses, routes of `proto kernel`).

use std::collections::BTreeSet;

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

/// One line of JSON for each command, in this order.
const SCRIPT: &str = r#"say() { printf '%s\n' "$(ip -j "$@")"; }
say -d link show
say address show
say -4 route show table all
say -6 route show table all
say -4 rule show
say -6 rule show"#;

pub(crate) fn of(node: &Node) -> String {
    let shown = node.sh(SCRIPT);
    let mut shown = shown.lines().map(|line| array(serde_json::from_str(line).unwrap_or_default()));
    let mut next = || shown.next().unwrap_or_default();
    let mut lines: Vec<String> = next().iter().map(|link| format!("link {}", link_text(link))).collect();
    for link in next() {
        let addresses = array(link["addr_info"].clone()).into_iter().filter(|address| address["scope"] != "link");
        let keys = ["local", "prefixlen", "peer", "scope", "label"];
        lines.extend(addresses.map(|address| format!("address {} {}", link["ifname"], kept(&address, &keys))));
    }
    for kind in ["route -4", "route -6", "rule -4", "rule -6"] {
        let said = next().into_iter().filter(|object| object["protocol"] != "kernel");
        lines.extend(said.map(|object| format!("{kind} {object}")));
    }
    lines.extend(nft_lines(node));
    lines.sort_unstable();
    for key in SYSCTLS {
        lines.push(format!("sysctl {key} {}", node.sysctl(key).as_deref().unwrap_or("absent")));
    }
    lines.join("\n")
}

/// The lines that only one of two texts has: `- gone`, `+ new`.
pub(crate) fn changes(before: &str, after: &str) -> Vec<String> {
    let [before, after] = [before, after].map(|text| text.lines().collect::<BTreeSet<_>>());
    let gone = before.difference(&after).map(|line| format!("- {line}"));
    gone.chain(after.difference(&before).map(|line| format!("+ {line}"))).collect()
}

/// Every object of the ruleset as one line; an element of a set or map is a line of its own.
pub(crate) fn nft_lines(node: &Node) -> Vec<String> {
    let ruleset = node.run("nft -j list ruleset").json();
    let mut lines = Vec::new();
    for object in array(ruleset["nftables"].clone()) {
        let Some((kind, body)) = object.as_object().and_then(|object| object.iter().next()) else { continue };
        let mut body = body.clone();
        strip(&mut body);
        let elements = body.as_object_mut().and_then(|body| body.remove("elem"));
        for element in array(elements.unwrap_or_default()) {
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
