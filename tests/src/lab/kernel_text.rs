//! The state of one host's kernel as text, to be compared with itself at another time.
//!
//! Left out is what changes by itself (interface indexes, counters, timers, queue settings, set order) and what the
//! kernel makes by itself (link-local addresses, routes of `proto kernel`).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::node::Node;

/// Sysctls that plugins write, and one that tests let `tuning` write.
const SYSCTLS: [&str; 5] = [
    "net/core/somaxconn",
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/bridge/bridge-nf-call-iptables",
    "net/ipv4/conf/all/route_localnet",
];
/// The same of every link, but for `accept_ra`: a device that comes back from a container has the kernel's own value.
const LINK_SYSCTLS: [&str; 9] = [
    "ipv4/conf/*/arp_filter",
    "ipv4/conf/*/arp_notify",
    "ipv4/conf/*/route_localnet",
    "ipv6/conf/*/accept_dad",
    "ipv6/conf/*/disable_ipv6",
    "ipv6/conf/*/enhanced_dad",
    "ipv6/conf/*/forwarding",
    "ipv6/conf/*/keep_addr_on_down",
    "ipv6/conf/*/ndisc_notify",
];

/// What `ip -d -j link` says that a plugin can set.
const LINK: [&str; 9] = ["ifname", "mtu", "master", "address", "group", "ifalias", "flags", "promiscuity", "linkinfo"];
/// What of a link's kind.
const KIND: [&str; 7] =
    ["info_kind", "info_slave_kind", "vlan_filtering", "hairpin", "isolated", "nf_call_iptables", "mcast_snooping"];

/// One line for each command, in this order; what sysctls of links follow are as many lines as there are.
const SCRIPT: &str = r#"say() { printf '%s\n' "$("$@" 2>/dev/null)"; }
say ip -j -d link show
say ip -j address show
say ip -j -4 route show table all
say ip -j -6 route show table all
say ip -j -4 rule show
say ip -j -6 rule show
say nft -j list ruleset
say tc -j qdisc show"#;

pub(crate) fn of(node: &Node) -> String {
    let sysctls: String = SYSCTLS.map(|key| ["\nsay cat /proc/sys/", key].concat()).concat();
    let of_links = LINK_SYSCTLS.join(" ");
    let shown = node.sh(&format!("{SCRIPT}{sysctls}\ncd /proc/sys/net; grep --with-filename . {of_links} || true"));
    let mut shown = shown.lines();
    let mut next = || serde_json::from_str::<Value>(shown.next().unwrap_or_default()).unwrap_or_default();
    let mut lines: Vec<String> = array(next()).iter().map(|link| format!("link {}", link_text(link))).collect();
    for link in array(next()) {
        let addresses = array(link["addr_info"].clone()).into_iter().filter(|address| address["scope"] != "link");
        let keys = ["local", "prefixlen", "peer", "scope", "label"];
        lines.extend(addresses.map(|address| format!("address {} {}", link["ifname"], kept(&address, &keys))));
    }
    for kind in ["route -4", "route -6", "rule -4", "rule -6"] {
        let said = array(next()).into_iter().filter(|object| object["protocol"] != "kernel");
        lines.extend(said.map(|object| format!("{kind} {object}")));
    }
    lines.extend(nft_lines(&next()));
    lines.extend(queue_lines(node, next()));
    lines.extend(SYSCTLS.map(|key| format!("sysctl {key} {}", next())));
    lines.extend(shown.map(|line| format!("sysctl net/{line}")));
    lines.sort_unstable();
    lines.join("\n")
}

/// The lines that only one of two texts has: `- gone`, `+ new`.
pub(crate) fn changes(before: &str, after: &str) -> Vec<String> {
    let [before, after] = [before, after].map(|text| text.lines().collect::<BTreeSet<_>>());
    let gone = before.difference(&after).map(|line| format!("- {line}"));
    gone.chain(after.difference(&before).map(|line| format!("+ {line}"))).collect()
}

/// Every object of the ruleset as one line; an element of a set or map is a line of its own.
pub(crate) fn nft_lines(ruleset: &Value) -> Vec<String> {
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

/// Queues that somebody asked for, which have a handle, and the filters of an interface that may have some.
fn queue_lines(node: &Node, shown: Value) -> Vec<String> {
    let mut lines = Vec::new();
    for qdisc in array(shown).into_iter().filter(|qdisc| qdisc["handle"] != "0:") {
        let mut text = kept(&qdisc, &["kind", "dev", "options"]);
        strip(&mut text);
        lines.push(format!("qdisc {text}"));
        for direction in if qdisc["handle"] == "ffff:" { &["ingress", "egress"][..] } else { &[] } {
            let dev = qdisc["dev"].as_str().unwrap();
            let shown = node.run(&format!("tc -j filter show dev {dev} {direction}"));
            let filters = if shown.success() { shown.json() } else { Value::Null };
            let filters = array(filters).into_iter().map(|mut filter| {
                strip(&mut filter);
                format!("filter {dev} {direction} {filter}")
            });
            lines.extend(filters);
        }
    }
    lines
}

fn link_text(link: &Value) -> Value {
    let mut text = kept(link, &LINK);
    // Carrier comes and goes with the other end.
    let carrier = ["LOWER_UP", "NO-CARRIER", "M-DOWN"];
    let flags = array(link["flags"].clone()).into_iter().filter(|flag| !carrier.iter().any(|word| flag == word));
    text["flags"] = flags.collect();
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

/// Removes handles, numbers of actions and the figures of counters, at any depth.
fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for key in ["handle", "index", "packets", "bytes", "direct_packets_stat"] {
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
