//! Every key of every plugin with a value that it cannot have: an error that names the key and the value, and nothing changed.
//!
//! The keys are those of the tables in the plugins' READMEs, which another test holds against what is read. A new key has the
//! wrong type tried by itself; a value that is out of its range stands in [`MISTAKES`], or why there is none in [`FREE`].

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Container, Lab, PLUGINS, workspace};

use super::config::{bridge, with};

/// A mistake in a key: plugin, key, the configuration's JSON, words of the refusal.
struct Mistake(&'static str, &'static str, &'static str, &'static [&'static str]);

const MISTAKES: &[Mistake] = &[
    Mistake("bandwidth", "ingressRate", r#"{"ingressRate": 0, "ingressBurst": 8}"#, &["burst is set", "rate"]),
    Mistake("bandwidth", "ingressRate", r#"{"ingressRate": -1}"#, &["ingressRate", "-1"]),
    Mistake("bandwidth", "ingressBurst", r#"{"ingressBurst": 34359738368}"#, &["burst cannot be more than 4GB"]),
    Mistake("bandwidth", "egressRate", r#"{"egressRate": -8, "egressBurst": 8}"#, &["egressRate", "-8"]),
    Mistake("bandwidth", "egressBurst", r#"{"egressRate": 8, "egressBurst": 0}"#, &["rate is set", "burst"]),
    Mistake("bandwidth", "latency", r#"{"latency": 60001}"#, &["latency", "60001"]),
    Mistake(
        "bandwidth",
        "unshapedSubnets",
        r#"{"unshapedSubnets": ["10.1.2.0/33"]}"#,
        &["unshapedSubnets", "10.1.2.0/33"],
    ),
    Mistake(
        "bandwidth",
        "shapedSubnets",
        r#"{"shapedSubnets": ["10.0.0.0/8"], "unshapedSubnets": ["10.1.0.0/16"]}"#,
        &["shapedSubnets", "unshapedSubnets"],
    ),
    Mistake("bridge", "bridge", r#"{"bridge": "a/b"}"#, &["bridge", "a/b"]),
    Mistake("bridge", "bridge", r#"{"bridge": "a-name-of-sixteen"}"#, &["bridge", "a-name-of-sixteen"]),
    Mistake("bridge", "ipMasqBackend", r#"{"ipMasqBackend": "pf"}"#, &["ipMasqBackend", "pf"]),
    Mistake("bridge", "mtu", r#"{"mtu": 67}"#, &["mtu", "67"]),
    Mistake("bridge", "mtu", r#"{"mtu": 65536}"#, &["mtu", "65536"]),
    Mistake("bridge", "vlan", r#"{"vlan": 4095}"#, &["VLAN", "4095"]),
    Mistake("bridge", "vlanTrunk", r#"{"vlanTrunk": [{"id": 4095}]}"#, &["trunk id", "4095"]),
    Mistake("bridge", "vlanTrunk", r#"{"vlanTrunk": [{"minID": 9, "maxID": 3}]}"#, &["trunk", "9", "3"]),
    Mistake("bridge", "dns", r#"{"dns": {"nameservers": "10.0.0.53"}}"#, &["dns.nameservers", "10.0.0.53"]),
    Mistake("bridge", "hairpinMode", r#"{"hairpinMode": true, "promiscMode": true}"#, &["hairpin", "promiscuous"]),
    Mistake(
        "bridge",
        "disableContainerInterface",
        r#"{"disableContainerInterface": true}"#,
        &["DisableContainerInterface", "IPAM"],
    ),
    Mistake("bridge", "ipam", r#"{"ipam": "host-local"}"#, &["ipam", "host-local"]),
    Mistake("bridge", "ipam", r#"{"ipam": {"type": 7}}"#, &["ipam.type", "7"]),
    Mistake("bridge", "ipam", r#"{"ipam": {"type": "a/b"}}"#, &["a/b"]),
    Mistake("bridge", "args", r#"{"args": {"cni": {"mac": "no"}}}"#, &["mac", "no"]),
    Mistake("bridge", "runtimeConfig", r#"{"runtimeConfig": {"mac": "02:00"}}"#, &["mac", "02:00"]),
    Mistake("dhcp", "daemonSocketPath", r#"{"daemonSocketPath": "dhcp.sock"}"#, &["daemonSocketPath", "dhcp.sock"]),
    Mistake("dhcp", "request", r#"{"request": [{"option": "nonsense"}]}"#, &["nonsense"]),
    Mistake("dhcp", "request", r#"{"request": [{"option": "256"}]}"#, &["256"]),
    Mistake("dhcp", "provide", r#"{"provide": [{"option": "nonsense", "value": "x"}]}"#, &["nonsense"]),
    Mistake("dhcp", "priority", r#"{"priority": -1}"#, &["priority", "-1"]),
    Mistake("dhcp", "suppress", r#"{"suppress": ["router"]}"#, &["suppress", "router"]),
    Mistake("dhcp", "families", r#"{"families": ["ipv5"]}"#, &["families", "ipv5"]),
    Mistake("dns", "domain", r#"{"domain": "a..b"}"#, &["domain", "a..b"]),
    Mistake("dns", "upstreams", r#"{"upstreams": ["nowhere"]}"#, &["upstreams", "nowhere"]),
    Mistake("dns", "splitDomains", r#"{"splitDomains": {"a": ["nowhere"]}}"#, &["splitDomains", "nowhere"]),
    Mistake("dns", "names", r#"{"names": ["a b"]}"#, &["names", "a b"]),
    Mistake("dns", "services", r#"{"services": [{"name": "http", "port": 0}]}"#, &["services", "0"]),
    Mistake(
        "dns",
        "services",
        r#"{"services": [{"name": "http", "port": 80, "protocol": "icmp"}]}"#,
        &["services", "icmp"],
    ),
    Mistake("dns", "records", r#"{"records": [{"name": "a", "type": "MX", "data": "b"}]}"#, &["records[0]", "MX"]),
    Mistake("dns", "records", r#"{"records": [{"name": "a", "type": "A", "data": "::1"}]}"#, &["records[0]", "::1"]),
    Mistake("dns", "ttl", r#"{"ttl": 2147483648}"#, &["ttl", "2147483648"]),
    Mistake("dns", "internal", r#"{"internal": true, "upstreams": ["10.0.0.53"]}"#, &["internal", "upstreams"]),
    Mistake("dnsname", "domainName", r#"{"domainName": "a..b"}"#, &["domainName", "a..b"]),
    Mistake("firewall", "ingressPolicy", r#"{"ingressPolicy": "closed"}"#, &["ingressPolicy", "closed"]),
    Mistake(
        "firewall",
        "iptablesAdminChainName",
        r#"{"iptablesAdminChainName": "a b"}"#,
        &["iptablesAdminChainName", "a b"],
    ),
    Mistake("firewall", "backend", r#"{"backend": "pf"}"#, &["backend", "pf"]),
    Mistake("firewall", "firewalldZone", r#"{"firewalldZone": "a zone"}"#, &["firewalldZone", "a zone"]),
    Mistake("host-device", "device", r#"{"device": "a/b"}"#, &["device", "a/b"]),
    Mistake("host-device", "hwaddr", r#"{"device": "", "hwaddr": "02:00"}"#, &["hwaddr", "02:00"]),
    Mistake("host-device", "kernelpath", r#"{"device": "", "kernelpath": "/etc"}"#, &["kernelpath", "/etc"]),
    Mistake("host-device", "pciBusID", r#"{"device": "", "pciBusID": "../4"}"#, &["pciBusID", "../4"]),
    Mistake("host-device", "dns", r#"{"dns": {"search": [7]}}"#, &["dns.search", "7"]),
    Mistake(
        "host-local",
        "ranges",
        r#"{"subnet": null, "ranges": [[{"subnet": "10.1.2.0/31"}]]}"#,
        &["10.1.2.0/31", "too small"],
    ),
    Mistake("host-local", "ranges", r#"{"ranges": [[{"subnet": "10.1.2.0/25"}]]}"#, &["overlap"]),
    Mistake("host-local", "subnet", r#"{"subnet": "10.1.2.5/24"}"#, &["ipam.subnet", "10.1.2.5/24", "host bits"]),
    Mistake("host-local", "rangeStart", r#"{"rangeStart": "10.1.3.1"}"#, &["10.1.3.1"]),
    Mistake(
        "host-local",
        "rangeEnd",
        r#"{"rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.3"}"#,
        &["ipam.subnet", "10.1.2.9"],
    ),
    Mistake("host-local", "gateway", r#"{"gateway": "no address"}"#, &["gateway", "no address"]),
    Mistake("host-local", "routes", r#"{"routes": [{"dst": "10.9.0.0"}]}"#, &["routes", "dst", "10.9.0.0"]),
    Mistake("host-local", "routes", r#"{"routes": [{"dst": "10.9.0.0/16", "gw": "x"}]}"#, &["routes", "gw", r#""x""#]),
    Mistake("host-local", "resolvConf", r#"{"resolvConf": "/none/resolv.conf"}"#, &["/none/resolv.conf"]),
    Mistake("host-local", "dataDir", r#"{"dataDir": "leases"}"#, &["dataDir", "leases"]),
    Mistake(
        "host-local",
        "runtimeConfig",
        r#"{"runtimeConfig": {"ipRanges": [[{"subnet": "x"}]]}}"#,
        &["ipRanges", r#""x""#],
    ),
    Mistake("host-local", "args", r#"{"args": {"cni": {"ips": ["x"]}}}"#, &["ips", "x"]),
    Mistake("ipvlan", "master", r#"{"master": "a/b"}"#, &["master", "a/b"]),
    Mistake("ipvlan", "mode", r#"{"mode": "l4"}"#, &["mode", "l4"]),
    Mistake("ipvlan", "mtu", r#"{"mtu": 20}"#, &["mtu", "20"]),
    Mistake("ipvlan", "dns", r#"{"dns": {"domain": 7}}"#, &["dns.domain", "7"]),
    Mistake("macvlan", "master", r#"{"master": "none0"}"#, &["none0"]),
    Mistake("macvlan", "mode", r#"{"mode": "odd"}"#, &["mode", "odd"]),
    Mistake("macvlan", "mtu", r#"{"mtu": 9000}"#, &["MTU", "9000"]),
    Mistake("macvlan", "mac", r#"{"mac": "02:00"}"#, &["mac", "02:00"]),
    Mistake("macvlan", "bcqueuelen", r#"{"bcqueuelen": -1}"#, &["bcqueuelen", "-1"]),
    Mistake("macvlan", "dns", r#"{"dns": {"options": "x"}}"#, &["dns.options", "x"]),
    Mistake("overlay", "mtu", r#"{"mtu": 12}"#, &["mtu", "12"]),
    Mistake("overlay", "dataDir", r#"{"dataDir": "leases"}"#, &["dataDir", "leases"]),
    Mistake("portmap", "backend", r#"{"backend": "ufw"}"#, &["backend", "ufw"]),
    Mistake("portmap", "conditionsV4", r#"{"conditionsV4": ["-m", "mark"]}"#, &["conditionsV4", "-m"]),
    Mistake("portmap", "conditionsV6", r#"{"conditionsV6": ["-s", "10.0.0.0/8"]}"#, &["conditionsV6", "10.0.0.0/8"]),
    Mistake("portmap", "markMasqBit", r#"{"markMasqBit": 32}"#, &["MasqMarkBit"]),
    Mistake(
        "portmap",
        "externalSetMarkChain",
        r#"{"externalSetMarkChain": "X", "markMasqBit": 3}"#,
        &["externalSetMarkChain", "markMasqBit"],
    ),
    Mistake(
        "portmap",
        "runtimeConfig",
        r#"{"runtimeConfig": {"portMappings": [{"hostPort": 65536, "containerPort": 1, "protocol": "tcp"}]}}"#,
        &["host port", "65536"],
    ),
    Mistake(
        "portmap",
        "runtimeConfig",
        r#"{"runtimeConfig": {"portMappings": [{"hostPort": 1, "containerPort": 1, "protocol": "icmp"}]}}"#,
        &["portMappings[0]", "icmp"],
    ),
    Mistake(
        "portmap",
        "runtimeConfig",
        r#"{"runtimeConfig": {"portMappings": [{"hostPort": 1, "containerPort": 1, "protocol": "tcp", "hostIP": "h"}]}}"#,
        &["hostIP", "h"],
    ),
    Mistake("ptp", "ipMasqBackend", r#"{"ipMasqBackend": "pf"}"#, &["ipMasqBackend", "pf"]),
    Mistake("ptp", "mtu", r#"{"mtu": -1}"#, &["mtu", "-1"]),
    Mistake("ptp", "dns", r#"{"dns": {"nameservers": [7]}}"#, &["dns.nameservers", "7"]),
    Mistake("ptp", "ipam", r#"{"ipam": {}}"#, &["ipam"]),
    Mistake("sbr", "table", r#"{"table": 0}"#, &["table", "0"]),
    Mistake("sbr", "table", r#"{"table": -4}"#, &["table", "-4"]),
    Mistake("sbr", "gateways", r#"{"gateways": ["x"]}"#, &["gateways", "x"]),
    Mistake("sbr", "gateways", r#"{"gateways": ["10.1.2.1", "10.1.2.2"]}"#, &["gateways"]),
    Mistake("static", "addresses", r#"{"addresses": [{"address": "10.1.2.7"}]}"#, &["10.1.2.7"]),
    Mistake(
        "static",
        "addresses",
        r#"{"addresses": [{"address": "10.1.2.7/24", "gateway": "x"}]}"#,
        &["gateway", r#""x""#],
    ),
    Mistake("static", "routes", r#"{"routes": [{"dst": "x"}]}"#, &["routes", r#""x""#]),
    Mistake("static", "routes", r#"{"routes": [{"dst": "::/0", "mtu": 65521}]}"#, &["routes[0].mtu", "65521"]),
    Mistake(
        "host-local",
        "routes",
        r#"{"routes": [{"dst": "::/0", "advmss": 65496}]}"#,
        &["routes[0].advmss", "65496"],
    ),
    Mistake("static", "dns", r#"{"dns": {"nameservers": "x"}}"#, &["dns.nameservers", "x"]),
    Mistake("tap", "mtu", r#"{"mtu": 5}"#, &["mtu", "5"]),
    Mistake("tap", "mac", r#"{"mac": "x"}"#, &["mac", "x"]),
    Mistake("tap", "owner", r#"{"owner": -1}"#, &["owner", "-1"]),
    Mistake("tap", "group", r#"{"group": 4294967296}"#, &["group", "4294967296"]),
    Mistake("tap", "bridge", r#"{"bridge": "a/b"}"#, &["bridge", "a/b"]),
    Mistake("tap", "dns", r#"{"dns": {"search": "x"}}"#, &["dns.search", "x"]),
    Mistake("tuning", "sysctl", r#"{"sysctl": {"kernel.hostname": "x"}}"#, &["kernel.hostname"]),
    Mistake("tuning", "mac", r#"{"mac": "x"}"#, &["mac", "x"]),
    Mistake("tuning", "mtu", r#"{"mtu": 65536}"#, &["mtu", "65536"]),
    Mistake("tuning", "txQLen", r#"{"txQLen": -1}"#, &["txQLen", "-1"]),
    Mistake("tuning", "args", r#"{"args": {"cni": {"mtu": 12}}}"#, &["mtu", "12"]),
    Mistake("vlan", "master", r#"{"master": ""}"#, &["master"]),
    Mistake("vlan", "vlanId", r#"{"vlanId": 4095}"#, &["4095"]),
    Mistake("vlan", "mtu", r#"{"mtu": 9000}"#, &["MTU", "9000"]),
    Mistake("vlan", "dns", r#"{"dns": {"search": "x"}}"#, &["dns.search", "x"]),
    Mistake("vrf", "vrfname", r#"{"vrfname": ""}"#, &["vrf name"]),
    Mistake("vrf", "vrfname", r#"{"vrfname": "a/b"}"#, &["vrfname", "a/b"]),
    Mistake("vrf", "table", r#"{"table": 4294967296}"#, &["table", "4294967296"]),
];

/// Keys whose every value is a good one, and why.
const FREE: &[(&str, &str, &str)] = &[
    ("dns", "txtLabels", "a key that no label has tells nothing"),
    ("tap", "selinuxContext", "only a kernel with SELinux knows what is a context"),
    ("tuning", "dataDir", "where the reference plugin kept something, which DEL alone looks for"),
];

/// Plugins whose keys are those of `ipam`.
const OF_IPAM: [&str; 3] = ["dhcp", "host-local", "static"];

/// A key, and the first word of its type.
fn keys(plugin: &str) -> Vec<(String, String)> {
    let folder = plugin.replace('-', "_").replace("dnsname", "dns");
    let text = std::fs::read_to_string(workspace().join(format!("plugins/src/{folder}/README.md"))).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with("Configuration")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let (key, rest) = row.split_once('`')?;
        let kind = rest.trim_start_matches([' ', '|']).split([' ', ',']).next()?;
        Some((key.to_owned(), kind.to_owned()))
    };
    let of_plugin = |key: &str| !key.contains('.') && key != "ipam";
    rows.filter_map(row).filter(|(key, _)| of_plugin(key)).collect()
}

/// A value of another type than this.
fn wrong(kind: &str) -> Value {
    match kind {
        "number" => json!("many"),
        "bool" => json!("perhaps"),
        "list" | "object" | "map" => json!("some"),
        _ => json!(7),
    }
}

/// What a plugin needs besides to come as far as the mistake.
fn good(plugin: &str) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}]]});
    let of_range = json!({"type": "host-local", "subnet": "10.1.2.0/24"});
    let keys = match plugin {
        "bandwidth" => json!({"ingressRate": 8, "ingressBurst": 8}),
        "dhcp" => json!({"ipam": {"type": "dhcp"}}),
        "host-device" => json!({"device": "to-1"}),
        "host-local" => json!({"ipam": of_range}),
        "ipvlan" | "macvlan" => json!({"master": "to-1", "ipam": ipam}),
        "static" => json!({"ipam": {"type": "static"}}),
        "vlan" => json!({"master": "to-1", "vlanId": 5, "ipam": ipam}),
        "vrf" => json!({"vrfname": "red"}),
        "bridge" | "dummy" | "ptp" | "tap" => json!({"ipam": ipam}),
        _ => json!({}),
    };
    with(json!({"cniVersion": "1.1.0", "name": "web", "type": plugin}), &keys)
}

/// A configuration with one key set, below `ipam` where the key is one of that.
fn with_keys(plugin: &str, keys: &Value) -> Value {
    let mut config = good(plugin);
    if OF_IPAM.contains(&plugin) && keys.as_object().unwrap().keys().all(|key| !key.contains("onfig") && key != "args")
    {
        config["ipam"] = with(config["ipam"].clone(), keys);
        return config;
    }
    with(config, keys)
}

/// What ADD of one plugin says, with the result of a bridge before it where it is one that needs such.
fn refusal(container: &Container, plugin: &str, config: &Value, previous: &Value) -> Result<(u64, String), Value> {
    let alone =
        ["bridge", "dhcp", "dummy", "host-device", "host-local", "loopback", "macvlan", "overlay", "ptp", "static"];
    let has_previous = !alone.contains(&plugin) && !["tap", "vlan", "ipvlan"].contains(&plugin);
    let config = if has_previous && config["prevResult"].is_null() {
        with(config.clone(), &json!({"prevResult": previous}))
    } else {
        config.clone()
    };
    let ifname = if has_previous { "eth0" } else { "eth9" };
    let call = container.call(plugin, "ADD").env("CNI_IFNAME", ifname).config(&config);
    match call.run().answer() {
        Ok(result) => Err(result),
        Err(refusal) => Ok((refusal.code, format!("{} {}", refusal.msg, refusal.details))),
    }
}

/// A container on a bridge, and what there is before any mistake.
struct Bench {
    container: Container,
    previous: Value,
    before: [String; 2],
    files: Vec<String>,
    faults: Vec<String>,
}

impl Bench {
    fn new(lab: &Lab) -> Self {
        let host = lab.host("a");
        host.sh("ip link add to-1 type veth peer name to-2; ip link set to-1 up; ip link set to-2 up");
        let container = host.container("c1");
        let attachment = container.add(&bridge("1.1.0", &["10.1.9.0/24"]));
        let previous = attachment.result();
        let before = [host.kernel_text(), container.kernel_text()];
        let files = host.leftovers();
        Self { container, previous, before, files, faults: Vec::new() }
    }

    /// The refusal has this code and all these words, and nothing is otherwise than before.
    fn refuses(&mut self, plugin: &str, config: &Value, words: &[&str]) {
        match refusal(&self.container, plugin, config, &self.previous) {
            Ok((7, text)) if words.iter().all(|word| text.contains(word)) => {}
            other => self.faults.push(format!("{plugin} {config}\n    {words:?}: {other:?}")),
        }
    }

    fn finish(self) {
        let host = self.container.host();
        let changes = [host.changes_since(&self.before[0]), self.container.changes_since(&self.before[1])].concat();
        let left: Vec<String> = host.leftovers().into_iter().filter(|line| !self.files.contains(line)).collect();
        host.sh("ip link del to-1");
        assert!(self.faults.is_empty(), "{} faults:\n{}", self.faults.len(), self.faults.join("\n"));
        assert_eq!([changes, left].concat(), [""; 0], "nothing is changed");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_key() {
    let lab = Lab::new();
    let mut bench = Bench::new(&lab);
    for plugin in PLUGINS.into_iter().filter(|plugin| *plugin != "dnsname") {
        for (key, kind) in keys(plugin) {
            let value = wrong(&kind);
            let shown = value.to_string();
            let of_key = format!("{key}\"");
            bench.refuses(
                plugin,
                &with_keys(plugin, &json!({key: value})),
                &["key \"", &of_key, shown.trim_matches('"')],
            );
        }
    }
    bench.finish();
}

#[test]
fn a_value_out_of_its_range_and_a_contradiction_are_named() {
    let lab = Lab::new();
    let mut bench = Bench::new(&lab);
    for Mistake(plugin, _, config, words) in MISTAKES {
        let keys: Value = serde_json::from_str(config).unwrap_or_else(|why| panic!("{config}: {why}"));
        bench.refuses(plugin, &with_keys(plugin, &keys), words);
    }
    bench.finish();
}

#[test]
fn every_key_has_a_mistake_or_a_reason_to_have_none() {
    let mut missing = BTreeSet::new();
    for plugin in PLUGINS.into_iter().filter(|plugin| *plugin != "dnsname") {
        for (key, _) in keys(plugin).into_iter().filter(|(_, kind)| kind != "bool") {
            let is_tried = MISTAKES.iter().any(|Mistake(of, name, ..)| (*of, *name) == (plugin, &*key));
            let is_free = FREE.iter().any(|(of, name, _)| (*of, *name) == (plugin, &*key));
            if is_tried == is_free {
                missing.insert(format!("{plugin}: {key}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_comes_before_a_plugin_must_be_there_and_fit() {
    let lab = Lab::new();
    let mut bench = Bench::new(&lab);
    let chained = ["bandwidth", "dns", "dnsname", "firewall", "portmap", "sbr", "tuning", "vrf"];
    for plugin in chained {
        let bare = bench.container.call(plugin, "ADD").config(&good(plugin)).run().refusal();
        assert!(bare.code == 7, "{plugin}: {bare:?}");
    }
    for plugin in PLUGINS {
        for (previous, words) in [
            (json!("none"), &["prevResult", "none"][..]),
            (json!({"cniVersion": "0.2.0"}), &["prevResult", "result type supports [1.0.0 1.1.0]", "0.2.0"]),
            (json!({"cniVersion": "9.9.9"}), &["prevResult", "9.9.9"]),
            (json!({"cniVersion": "1.1.0", "ips": [{"address": "10.1.2.300/24"}]}), &["prevResult", "10.1.2.300/24"]),
            (json!({"cniVersion": "1.1.0", "interfaces": [{"name": "a/b"}]}), &["prevResult", "a/b"]),
            (json!({"cniVersion": "1.1.0", "routes": [{"dst": "x"}]}), &["prevResult", "\"x\""]),
            (
                json!({"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}],
                       "ips": [{"interface": 7, "address": "10.1.9.2/24"}]}),
                &["prevResult", "ips[0].interface", "7"],
            ),
        ] {
            bench.refuses(plugin, &with(good(plugin), &json!({"prevResult": previous})), words);
        }
    }
    bench.finish();
}

/// Who comes second is refused, whether it makes a link, takes one of the host's, or would stand on one that is not there any
/// more; what the first has stays as it is.
#[test]
fn of_two_plugins_that_claim_one_link_the_second_is_refused() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.sh("ip link add to-1 type veth peer name to-2; ip link set to-1 up; ip link set to-2 up");
    let list = |first: Value, second: Value| json!({"cniVersion": "1.1.0", "name": "web", "plugins": [first, second]});
    let macvlan = || with(good("macvlan"), &json!({"ipam": {}}));
    let ptp = || with(good("ptp"), &json!({"ipam": {"type": "host-local", "subnet": "10.1.4.0/24"}}));
    for (number, (config, code, word)) in [
        (list(good("bridge"), ptp()), 100, "web/c0/eth0"),
        (list(ptp(), macvlan()), 100, "web/c1/eth0"),
        (list(macvlan(), with(good("tap"), &json!({"ipam": {}}))), 100, "web/c2/eth0"),
        (list(good("host-device"), with(good("bridge"), &json!({"ipam": {}}))), 100, "web/c3/eth0"),
    ]
    .into_iter()
    .enumerate()
    {
        let container = host.container(&format!("c{number}"));
        let attachment = container.attachment(&config, "eth0");
        let result = attachment.call("ADD", 0, None).run().answer().unwrap();
        let before = [host.kernel_text(), container.kernel_text()];
        let refusal = attachment.call("ADD", 1, Some(&result)).run().refusal();
        assert!(refusal.code == code && refusal.msg.contains(word), "{config}: {refusal:?}");
        let changes = [host.changes_since(&before[0]), container.changes_since(&before[1])].concat();
        assert_eq!(changes, [""; 0], "{config}");
        assert_eq!(attachment.call("CHECK", 0, Some(&result)).run().answer(), Ok(Value::Null), "{config}");
        attachment.del().unwrap();
    }
    let [c1, c2] = ["d1", "d2"].map(|name| host.container(name));
    let device = with(good("host-device"), &json!({"ipam": {}}));
    let first = c1.add(&device);
    let refusal = c2.attachment(&device, "eth0").add().unwrap_err();
    assert!(refusal.code == 7 && refusal.msg.contains("to-1"), "{refusal:?}");
    assert_eq!((first.check(), first.del()), (Ok(()), Ok(())));
    // One bridge of the name, and one link of it that is none.
    let refusal = c2.attachment(&with(good("bridge"), &json!({"bridge": "to-2"})), "eth0").add().unwrap_err();
    assert!(refusal.code == 100 && refusal.msg.contains("to-2"), "{refusal:?}");
    host.sh("ip link del to-1");
}

/// What is asked of a plugin of IPAM is asked of the plugin that calls it.
#[test]
fn a_capability_that_the_plugin_does_not_act_on_is_refused() {
    let lab = Lab::new();
    let mut bench = Bench::new(&lab);
    for plugin in PLUGINS {
        bench.refuses(plugin, &with(good(plugin), &json!({"runtimeConfig": "x"})), &["key \"runtimeConfig\": \"x\""]);
    }
    for plugin in PLUGINS.into_iter().filter(|plugin| !OF_IPAM.contains(plugin)) {
        for (name, value) in [
            ("wonders", json!({"of": 7})),
            ("cgroupPath", json!("/pods/1")),
            ("infinibandGUID", json!("c2:11:22:33:44:55:66:77")),
        ] {
            let config = with(good(plugin), &json!({"runtimeConfig": {name: value}}));
            bench.refuses(
                plugin,
                &config,
                &[&format!("key \"runtimeConfig.{name}\": {value}: {plugin} cannot do that")],
            );
        }
    }
    bench.finish();
}
