//! Beside the reference plugins, the whole of it: the same sequence in two labs leaves the same results and the same kernel,
//! but for what is [`WANTED`].

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Host, Lab, Node, REFERENCE};

use super::config::{bridge, with};
use super::reference::normal;

/// A difference that is meant: of lists that end with this plugin, or of all; of lines that have all these words; and why.
struct Wanted(&'static str, &'static [&'static str], &'static str);

const WANTED: &[Wanted] = &[
    Wanted(
        "",
        &["host nft "],
        "rules are elements of one program here: what they do is seen from packets, in other tests",
    ),
    Wanted("", &["group "], "what is ours is in our group"),
    Wanted("", &["ifalias ", "\"web/"], "and says whose it is"),
    Wanted(
        "",
        &["host link VETH", "accept_ra"],
        "a port of a bridge takes no packets of its own, and needs no telling",
    ),
    Wanted("", &["accept_ra"], "an interface that learns its router goes on to when the host begins to forward"),
    Wanted(
        "",
        &["keep_addr_on_down"],
        "addresses survive that an interface goes down, as with newer versions of the reference",
    ),
    Wanted("", &["br-web", "disable_ipv6"], "a bridge of a network of IPv4 alone has no IPv6"),
    Wanted(
        "bridge",
        &["after: host link br-web mtu"],
        "the key mtu is of the bridge too, not of its first container alone",
    ),
    Wanted("tuning", &["after: container sysctl net/core/somaxconn"], "what a container had before is put back"),
    Wanted("bridge", &["ours check true"], "a network without addresses can be checked"),
    Wanted("bridge", &["theirs check false"], "which the reference cannot"),
    // The list whose IPAM has a default route without a router, which the reference adds twice.
    Wanted(
        "bridge",
        &["theirs refused failed to add route", "file exists"],
        "a default route of IPAM stands beside isDefaultGateway",
    ),
    Wanted("bridge", &["ours result "], "as above"),
    Wanted(
        "bridge",
        &["ours ", "host address \"br-web\""],
        "as above: the reference had refused, and taken its address away",
    ),
    Wanted("ptp", &["accept_dad"], "nobody else is on the link whose address could be the same"),
    Wanted(
        "ptp",
        &["container route", "10.9.0.0/16", "10.1.2.77"],
        "the subnet is behind the gateway first, and a router in it said to be on the link",
    ),
    Wanted(
        "macvlan",
        &["ndisc_notify"],
        "neighbours of IPv6 are told of the address, as with newer versions of the reference",
    ),
    Wanted("host-device", &["after: host link to-1 flags"], "a device that was up comes home up"),
    Wanted("host-device", &["theirs after: host link to-1 ifalias"], "and without the note that the reference leaves"),
    Wanted("host-device", &["ours again true"], "DEL may come twice"),
    Wanted("host-device", &["theirs again false"], "which the reference refuses"),
    Wanted("tuning", &["host link VETH mtu"], "both ends of a pair have the MTU, or what the other end sends is lost"),
    Wanted("tuning", &["host link br-web mtu"], "and so the host on the bridge, which takes that of its smallest port"),
    Wanted(
        "portmap",
        &["\"hairpin\":"],
        "where br_netfilter is on, a container reaches its own published port only so",
    ),
    Wanted("portmap", &["ours check true"], "CHECK passes after ADD"),
    Wanted("portmap", &["theirs check false"], "where that of the reference fails"),
    Wanted(
        "bandwidth",
        &["host filter VETH", "\"u32\""],
        "the same filter, of which tc(8) says where it is in other words: reference_bandwidth.rs compares it",
    ),
    Wanted(
        "sbr",
        &["container route", "\"table\":\"10"],
        "routes that are moved to another table are ours by then, and not the kernel's",
    ),
    Wanted("sbr", &["ours check true"], "CHECK knows that routes were moved"),
    Wanted("sbr", &["theirs check false"], "where that of the reference fails"),
    Wanted("sbr", &["ours again true"], "DEL may come twice"),
    Wanted("sbr", &["theirs again false"], "which the reference refuses"),
];

impl Wanted {
    fn is(&self, plugin: &str, line: &str) -> bool {
        let Self(of, words, _) = self;
        (of.is_empty() || *of == plugin) && words.iter().all(|word| line.contains(word))
    }
}

/// Sysctls that plugins write: of the host, of the container.
const PARAMETERS: [&str; 7] = [
    "net/ipv4/conf/LINK/arp_notify",
    "net/ipv4/conf/LINK/route_localnet",
    "net/ipv6/conf/LINK/accept_dad",
    "net/ipv6/conf/LINK/accept_ra",
    "net/ipv6/conf/LINK/disable_ipv6",
    "net/ipv6/conf/LINK/keep_addr_on_down",
    "net/ipv6/conf/LINK/ndisc_notify",
];

/// What a node's kernel holds, one fact a line, with names that are the same everywhere.
fn facts(node: &Node, who: &str) -> BTreeSet<String> {
    let text = node.kernel_text();
    let mut facts = BTreeSet::new();
    for line in text.lines() {
        let (kind, rest) = line.split_at(line.find('{').unwrap_or(0));
        let kind = kind.trim();
        match serde_json::from_str::<Value>(rest) {
            Ok(Value::Object(link)) if kind == "link" => {
                let name = plain(link["ifname"].as_str().unwrap());
                for (key, value) in link.iter().filter(|(key, _)| *key != "ifname") {
                    facts.insert(format!("{who} link {name} {key} {}", named(value)));
                }
                for parameter in PARAMETERS {
                    let path = parameter.replace("LINK", link["ifname"].as_str().unwrap());
                    let value = node.sysctl(&path).unwrap_or_default();
                    facts.insert(format!("{who} link {name} {parameter} {value}"));
                }
            }
            // The source of a route is the address of the interface, whether it is said or not.
            Ok(Value::Object(mut route)) if kind.starts_with("route") => {
                route.shift_remove("prefsrc");
                facts.insert(format!("{who} {kind} {}", named(&route.into())));
            }
            _ => drop(facts.insert(format!("{who} {}", words(line)))),
        }
    }
    facts
}

fn is_mac(word: &str) -> bool {
    word.len() == 17 && word.split(':').count() == 6
}

/// A name that is made up, or a hardware address.
fn plain(word: &str) -> &str {
    match word {
        _ if is_mac(word) => "MAC",
        _ if word.starts_with("veth") && word.len() > 8 => "VETH",
        _ if word.starts_with("bwp") || word.starts_with("netq") => "IFB",
        _ => word,
    }
}

fn words(line: &str) -> String {
    let is_of_word = |c: char| c.is_alphanumeric() || c == ':';
    let mut said = String::new();
    let mut word = String::new();
    for c in line.chars().chain([' ']) {
        if is_of_word(c) {
            word.push(c);
            continue;
        }
        said.push_str(plain(&word));
        word.clear();
        said.push(c);
    }
    said.trim_end().to_owned()
}

fn named(value: &Value) -> String {
    words(&value.to_string())
}

/// What is seen of a sequence: results, and what the kernel holds while the container is attached and after.
fn seen(host: &Host, name: &str, config: &Value) -> BTreeSet<String> {
    let container = host.container(name);
    let ifname = if config["type"] == "loopback" { "lo" } else { "eth0" };
    let attachment = container.attachment(config, ifname);
    let mut seen = BTreeSet::new();
    match attachment.add() {
        Ok(result) => {
            let result = normal(result);
            for (key, value) in result.as_object().unwrap() {
                seen.insert(format!("result {key} {}", named(value)));
            }
        }
        Err(refusal) => drop(seen.insert(format!("refused {}", refusal.msg))),
    }
    seen.extend(facts(host, "host"));
    seen.extend(facts(&container, "container"));
    if config["cniVersion"] != "0.3.1" {
        seen.insert(format!("check {}", attachment.check().is_ok()));
    }
    for time in ["del", "again"] {
        seen.insert(format!("{time} {}", attachment.del().is_ok()));
    }
    seen.extend(facts(host, "after: host"));
    seen.extend(facts(&container, "after: container"));
    container.vanish();
    // The next case meets nothing of this one.
    host.run("ip link del br-web");
    host.sh("ip link set to-1 up alias '' mtu 1500; nft flush ruleset");
    seen
}

fn list(interface: &Value, plugin: &Value) -> Value {
    json!({"cniVersion": "1.0.0", "name": "web", "plugins": [interface, plugin]})
}

fn cases() -> Vec<Value> {
    let version = "1.0.0";
    let v4: &[&str] = &["10.1.2.0/24"];
    let both: &[&str] = &["10.1.2.0/24", "2001:db8::/64"];
    let on_bridge = |subnets: &[&str], keys: Value| with(bridge(version, subnets), &keys);
    let ranges = json!([[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8::/64"}]]);
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.2.77"}, {"dst": "::/0"}]);
    let ipam = json!({"type": "host-local", "ranges": ranges, "routes": routes});
    // To one place by two routers.
    let ways = json!([{"dst": "2001:db8:9::/48", "gw": "2001:db8::77"}, {"dst": "2001:db8:9::/48", "gw": "2001:db8::78"},
        {"dst": "10.9.0.0/16", "gw": "10.1.2.77"}, {"dst": "10.8.0.0/16", "gw": "10.1.2.78"}]);
    let alone = |keys: Value| with(json!({"cniVersion": version, "name": "web", "ipam": ipam}), &keys);
    let chained = |plugin: Value| list(&on_bridge(both, json!({"ipMasq": true})), &plugin);
    let mapping = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"hostPort": 8081, "containerPort": 81, "protocol": "udp"}]);
    vec![
        on_bridge(v4, json!({})),
        on_bridge(both, json!({})),
        on_bridge(both, json!({"isDefaultGateway": false, "isGateway": true})),
        on_bridge(both, json!({"isDefaultGateway": false})),
        on_bridge(&[], json!({"isDefaultGateway": false, "ipam": {}})),
        on_bridge(both, json!({"ipMasq": true, "mtu": 1400, "hairpinMode": true})),
        on_bridge(v4, json!({"promiscMode": true, "macspoofchk": true})),
        on_bridge(&[], json!({"ipam": ipam})),
        on_bridge(&[], json!({"isDefaultGateway": false, "ipam": with(ipam.clone(), &json!({"routes": ways}))})),
        alone(json!({"type": "ptp"})),
        alone(json!({"type": "ptp", "ipMasq": true, "mtu": 1400})),
        alone(json!({"type": "macvlan", "master": "to-1"})),
        alone(json!({"type": "macvlan", "master": "to-1", "mode": "private", "mtu": 1400})),
        alone(json!({"type": "host-device", "device": "to-1"})),
        alone(json!({"type": "host-device", "device": "to-1", "ipam": {}})),
        alone(json!({"type": "host-local"})),
        alone(json!({"type": "static", "ipam": {"type": "static", "addresses": [{"address": "10.1.2.7/24"}],
            "routes": [{"dst": "10.9.0.0/16"}], "dns": {"nameservers": ["10.1.2.53"]}}})),
        alone(json!({"type": "loopback"})),
        chained(
            json!({"type": "tuning", "mtu": 1400, "promisc": true, "txQLen": 7, "sysctl": {"net.core.somaxconn": "500"}}),
        ),
        chained(json!({"type": "portmap", "runtimeConfig": {"portMappings": mapping}})),
        chained(json!({"type": "firewall", "backend": "iptables"})),
        chained(json!({"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 80_000,
            "egressRate": 8_000_000, "egressBurst": 80_000})),
        chained(json!({"type": "sbr"})),
    ]
}

#[test]
fn the_same_sequence_leaves_the_same_kernel_but_for_what_is_wanted() {
    let [ours, theirs] = [Lab::new(), Lab::with_plugins(REFERENCE)].map(|lab| {
        let host = lab.host("a");
        host.sh(
            "ip link add to-1 type veth peer name to-2; ip link set to-1 up; ip link set to-2 up; ip link set lo up",
        );
        (lab, host)
    });
    let mut met = BTreeSet::new();
    let mut differ = Vec::new();
    for (number, case) in cases().iter().enumerate() {
        let [ours, theirs] = [&ours.1, &theirs.1].map(|host| seen(host, &format!("c{number}"), case));
        let plugins = case["plugins"].as_array();
        let plugin = plugins.map_or(case, |plugins| plugins.last().unwrap())["type"].as_str().unwrap();
        let ours_alone = ours.difference(&theirs).map(|line| format!("ours {line}"));
        let theirs_alone = theirs.difference(&ours).map(|line| format!("theirs {line}"));
        for line in ours_alone.chain(theirs_alone) {
            match WANTED.iter().position(|wanted| wanted.is(plugin, &line)) {
                Some(index) => drop(met.insert(index)),
                None => differ.push(format!("{number} {plugin}: {line}")),
            }
        }
    }
    let unmet = WANTED.iter().enumerate().filter(|(index, _)| !met.contains(index)).map(|(_, wanted)| wanted.2);
    let unmet: Vec<&str> = unmet.collect();
    for (_, host) in [&ours, &theirs] {
        host.sh("ip link del to-1; rm -rf /var/lib/cni /run/cni; nft flush ruleset");
    }
    assert!(differ.is_empty(), "{} differences:\n{}", differ.len(), differ.join("\n"));
    assert_eq!(unmet, [""; 0], "differences that are not there any more");
}
