//! Every key that a plugin reads, at whatever depth, with a value that it cannot have: an error that names the key and the value.
//!
//! That nothing was changed by then follows from where it is read: before anything is done. [`SAMPLES`] have every key that is
//! read, which the decoder tells; so a new key is missed here, and has the wrong type tried by itself. A value out of its range
//! stands in [`MISTAKES`], or why there is none in [`FREE`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    PLUGINS,
    cni::{Error, decode::asked},
    fixture,
    verb::Plugin,
};

/// Configurations that are right. `dnsname` reads what `dns` does, and `loopback` nothing.
const SAMPLES: &[(&str, &str)] = &[
    (
        "bandwidth",
        r#"{"ingressRate": 80, "ingressBurst": 80, "egressRate": 80, "egressBurst": 80, "latency": 5,
            "unshapedSubnets": ["10.1.0.0/16"]}"#,
    ),
    ("bandwidth", r#"{"shapedSubnets": ["10.1.0.0/16"], "runDir": "/run/x"}"#),
    (
        "bandwidth",
        r#"{"runtimeConfig": {"bandwidth": {"ingressRate": 80, "ingressBurst": 80, "egressRate": 80, "egressBurst": 80,
            "latency": 5, "unshapedSubnets": ["10.1.0.0/16"]}}}"#,
    ),
    ("bandwidth", r#"{"runtimeConfig": {"bandwidth": {"shapedSubnets": ["10.1.0.0/16"]}}}"#),
    (
        "bridge",
        r#"{"bridge": "br0", "isGateway": true, "isDefaultGateway": true, "forceAddress": true, "ipMasq": true,
            "ipMasqBackend": "nftables", "mtu": 1400, "hairpinMode": true, "promiscMode": false, "vlan": 5,
            "vlanTrunk": [{"id": 7}, {"minID": 10, "maxID": 12}], "preserveDefaultVlan": true, "macspoofchk": true,
            "enabledad": true, "disableContainerInterface": false, "portIsolation": true,
            "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"], "options": ["rotate"]},
            "args": {"cni": {"mac": "02:00:00:00:00:01"}}, "ipam": {"type": "host-local"}}"#,
    ),
    ("bridge", r#"{"runtimeConfig": {"mac": "02:00:00:00:00:01"}}"#),
    (
        "dhcp",
        r#"{"ipam": {"daemonSocketPath": "/run/x", "priority": 7, "suppress": ["gateway"],
            "families": ["ipv4"], "request": [{"skipDefault": true, "option": "routers"}],
            "provide": [{"option": "host-name", "value": "a", "fromArg": "HOST"}]}}"#,
    ),
    (
        "dns",
        r#"{"domain": "a.example", "upstreams": ["192.0.2.53"], "splitDomains": {"b.example": ["192.0.2.53"]},
            "internal": false, "forwardSingleLabel": true, "names": ["web"], "ttl": 7,
            "services": [{"name": "http", "port": 80, "protocol": "tcp"}], "txtLabels": ["version"],
            "records": [{"name": "printer", "type": "A", "data": "192.0.2.9"}],
            "runtimeConfig": {"aliases": ["db"], "portMappings": [{"containerPort": 80, "protocol": "tcp", "range": 1}],
                "io.kubernetes.cri.pod-annotations": {"netd.name": "store"},
                "dns": {"servers": ["192.0.2.53"], "searches": ["c.example"], "options": ["rotate"]}},
            "args": {"cni": {"labels": [{"key": "netd.name", "value": "shop"}]}}}"#,
    ),
    ("dns", r#"{"forward_single_label": true, "runtimeConfig": {"aliases": {"web": ["db"]}}}"#),
    ("dummy", r#"{"ipam": {"type": "static"}}"#),
    (
        "firewall",
        r#"{"backend": "iptables", "iptablesAdminChainName": "MINE", "firewalldZone": "trusted",
            "ingressPolicy": "open"}"#,
    ),
    (
        "firewall",
        r#"{"prevResult": {"cniVersion": "1.1.0",
            "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1400, "sandbox": "/run/netns/c1",
                "socketPath": "/run/x", "pciID": "0000:04:00.0"}],
            "ips": [{"interface": 0, "address": "10.1.2.7/24", "gateway": "10.1.2.1"}],
            "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.2.1", "mtu": 1400, "advmss": 1300, "priority": 5, "table": 7,
                "scope": 253}],
            "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"],
                "options": ["rotate"]}}}"#,
    ),
    (
        "tuning",
        r#"{"cniVersion": "0.2.0", "prevResult": {
            "ip4": {"ip": "10.1.2.7/24", "gateway": "10.1.2.1", "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.2.1"}]},
            "ip6": {"ip": "fd00::7/64", "gateway": "fd00::1", "routes": [{"dst": "fd09::/16", "gw": "fd00::1"}]},
            "dns": {"nameservers": ["192.0.2.53"]}}}"#,
    ),
    (
        "host-device",
        r#"{"device": "eth1", "hwaddr": "02:00:00:00:00:01", "kernelpath": "/sys/devices/x", "pciBusID": "0000:04:00.0",
            "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"], "options": ["rotate"]},
            "runtimeConfig": {"deviceID": ""}}"#,
    ),
    ("host-device", r#"{"hwaddr": "02:00:00:00:00:01"}"#),
    ("host-device", r#"{"kernelpath": "/sys/devices/x"}"#),
    ("host-device", r#"{"pciBusID": "0000:04:00.0"}"#),
    (
        "host-local",
        r#"{"ipam": {"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.99",
                "gateway": "10.1.2.1",
                "ranges": [[{"subnet": "10.1.3.0/24", "rangeStart": "10.1.3.9", "rangeEnd": "10.1.3.99",
                    "gateway": "10.1.3.1"}]],
                "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.2.1", "mtu": 1400, "advmss": 1300, "priority": 5,
                    "table": 7, "scope": 253}],
                "resolvConf": "/etc/resolv.conf", "dataDir": "/var/lib/x"},
            "runtimeConfig": {"ips": ["10.1.2.10"],
                "ipRanges": [[{"subnet": "10.1.4.0/24", "rangeStart": "10.1.4.9", "rangeEnd": "10.1.4.99",
                    "gateway": "10.1.4.1"}]]},
            "args": {"cni": {"ips": ["10.1.2.11"]}}}"#,
    ),
    (
        "ipvlan",
        r#"{"master": "eth1", "mode": "l3", "mtu": 1400, "linkInContainer": true,
            "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"], "options": ["rotate"]}}"#,
    ),
    (
        "macvlan",
        r#"{"master": "eth1", "mode": "vepa", "mtu": 1400, "mac": "02:00:00:00:00:01", "linkInContainer": true,
            "bcqueuelen": 7,
            "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"], "options": ["rotate"]}}"#,
    ),
    ("macvlan", r#"{"runtimeConfig": {"mac": "02:00:00:00:00:01"}}"#),
    (
        "overlay",
        r#"{"mtu": 1400, "hairpinMode": true, "macspoofchk": true, "portIsolation": true, "dataDir": "/var/lib/x"}"#,
    ),
    (
        "portmap",
        r#"{"backend": "nftables", "snat": true, "masqAll": true, "markMasqBit": 3,
            "conditionsV4": ["ip", "ttl", "7"], "conditionsV6": ["ip6", "hoplimit", "7"],
            "runtimeConfig": {"portMappings": [
                {"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1", "range": 2}]}}"#,
    ),
    ("portmap", r#"{"externalSetMarkChain": "MARK"}"#),
    (
        "ptp",
        r#"{"ipMasq": true, "ipMasqBackend": "iptables", "mtu": 1400, "ipam": {"type": "static"},
            "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"], "options": ["rotate"]}}"#,
    ),
    ("sbr", r#"{"table": 7, "gateways": ["10.1.2.1"], "addSourceHints": true}"#),
    (
        "static",
        r#"{"ipam": {"addresses": [{"address": "10.1.2.7/24", "gateway": "10.1.2.1"}],
                "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.2.1", "mtu": 1400, "advmss": 1300, "priority": 5,
                    "table": 7, "scope": 253}],
                "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"],
                    "options": ["rotate"]}},
            "runtimeConfig": {"ips": ["10.1.2.8/24"]}, "args": {"cni": {"ips": ["10.1.2.9/24"]}}}"#,
    ),
    (
        "tap",
        r#"{"multiQueue": true, "mtu": 1400, "mac": "02:00:00:00:00:01", "owner": 7, "group": 7, "bridge": "br0",
            "selinuxContext": "system_u:system_r:container_t:s0",
            "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"], "options": ["rotate"]}}"#,
    ),
    ("tap", r#"{"runtimeConfig": {"mac": "02:00:00:00:00:01"}}"#),
    (
        "tuning",
        r#"{"sysctl": {"net.core.somaxconn": "500"}, "mac": "02:00:00:00:00:01", "mtu": 1400, "promisc": true,
            "allmulti": true, "txQLen": 7, "dataDir": "/run/x"}"#,
    ),
    (
        "tuning",
        r#"{"args": {"cni": {"sysctl": {"net.core.somaxconn": "500"}, "mac": "02:00:00:00:00:01", "mtu": 1400,
            "promisc": true, "allmulti": true, "txQLen": 7}}}"#,
    ),
    ("tuning", r#"{"runtimeConfig": {"mac": "02:00:00:00:00:01"}}"#),
    (
        "vlan",
        r#"{"master": "eth1", "vlanId": 5, "mtu": 1400, "linkInContainer": true, "ipam": {"type": "static"},
            "dns": {"nameservers": ["192.0.2.53"], "domain": "a.example", "search": ["b.example"], "options": ["rotate"]}}"#,
    ),
    ("vrf", r#"{"vrfname": "red", "table": 7}"#),
];

/// Plugin, key, and a value of the right type that is out of its range.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("bandwidth", "egressBurst", "34359738368"),
    ("bandwidth", "egressRate", "4"),
    ("bandwidth", "ingressBurst", "4"),
    ("bandwidth", "ingressRate", "-8"),
    ("bandwidth", "latency", "60001"),
    ("bandwidth", "runDir", r#""x""#),
    ("bandwidth", "runtimeConfig.bandwidth.egressBurst", "34359738368"),
    ("bandwidth", "runtimeConfig.bandwidth.egressRate", "4"),
    ("bandwidth", "runtimeConfig.bandwidth.ingressBurst", "4"),
    ("bandwidth", "runtimeConfig.bandwidth.ingressRate", "-8"),
    ("bandwidth", "runtimeConfig.bandwidth.latency", "60001"),
    ("bandwidth", "runtimeConfig.bandwidth.shapedSubnets[]", r#""10.1.0.0/33""#),
    ("bandwidth", "runtimeConfig.bandwidth.unshapedSubnets[]", r#""10.1.0.0/33""#),
    ("bandwidth", "shapedSubnets[]", r#""10.1.0.0""#),
    ("bandwidth", "unshapedSubnets[]", r#""10.1.0.0/33""#),
    ("bridge", "args.cni.mac", r#""02:00""#),
    ("bridge", "bridge", r#""a/b""#),
    ("bridge", "ipMasqBackend", r#""pf""#),
    ("bridge", "mtu", "67"),
    ("bridge", "runtimeConfig.mac", r#""02:00""#),
    ("bridge", "vlan", "4095"),
    ("bridge", "vlanTrunk[].id", "4095"),
    ("bridge", "vlanTrunk[].maxID", "9"),
    ("bridge", "vlanTrunk[].minID", "0"),
    ("dhcp", "ipam.daemonSocketPath", r#""x""#),
    ("dhcp", "ipam.families[]", r#""ipv5""#),
    ("dhcp", "ipam.priority", "-1"),
    ("dhcp", "ipam.provide[].option", r#""256""#),
    ("dhcp", "ipam.request[].option", r#""nonsense""#),
    ("dhcp", "ipam.suppress[]", r#""router""#),
    ("dns", "args.cni.labels[].value", r#""a b""#),
    ("dns", "domain", r#""a..b""#),
    ("dns", "names[]", r#""a b""#),
    ("dns", "records[].data", r#""::1""#),
    ("dns", "records[].name", r#""a b""#),
    ("dns", "records[].type", r#""MX""#),
    ("dns", "runtimeConfig.aliases[]", r#""a b""#),
    ("dns", "runtimeConfig.aliases.web[]", r#""a b""#),
    ("dns", "runtimeConfig.dns.servers[]", r#""nowhere""#),
    ("dns", "runtimeConfig.io.kubernetes.cri.pod-annotations.netd.name", r#""a b""#),
    ("dns", "runtimeConfig.portMappings[].containerPort", "65536"),
    ("dns", "runtimeConfig.portMappings[].protocol", r#""icmp""#),
    ("dns", "services[].name", r#""a-name-of-sixteen""#),
    ("dns", "services[].port", "0"),
    ("dns", "services[].protocol", r#""icmp""#),
    ("dns", "splitDomains.b.example[]", r#""nowhere""#),
    ("dns", "ttl", "2147483648"),
    ("dns", "upstreams[]", r#""nowhere""#),
    ("firewall", "backend", r#""pf""#),
    ("firewall", "firewalldZone", r#""a zone""#),
    ("firewall", "ingressPolicy", r#""closed""#),
    ("firewall", "iptablesAdminChainName", r#""a b""#),
    ("firewall", "prevResult.cniVersion", r#""9.9.9""#),
    ("firewall", "prevResult.interfaces[].mtu", "-1"),
    ("firewall", "prevResult.interfaces[].name", r#""a/b""#),
    ("firewall", "prevResult.ips[].address", r#""10.1.2.300/24""#),
    ("firewall", "prevResult.ips[].gateway", r#""x""#),
    ("firewall", "prevResult.ips[].interface", "7"),
    ("firewall", "prevResult.routes[].advmss", "65496"),
    ("firewall", "prevResult.routes[].dst", r#""10.9.0.0""#),
    ("firewall", "prevResult.routes[].gw", r#""x""#),
    ("firewall", "prevResult.routes[].mtu", "65521"),
    ("firewall", "prevResult.routes[].priority", "-1"),
    ("firewall", "prevResult.routes[].scope", "256"),
    ("firewall", "prevResult.routes[].table", "4294967296"),
    ("host-device", "device", r#""a/b""#),
    ("host-device", "hwaddr", r#""02:00""#),
    ("host-device", "kernelpath", r#""/etc""#),
    ("host-device", "pciBusID", r#""../4""#),
    ("host-device", "runtimeConfig.deviceID", r#""../4""#),
    ("host-local", "args.cni.ips[]", r#""x""#),
    ("host-local", "ipam.dataDir", r#""leases""#),
    ("host-local", "ipam.gateway", r#""x""#),
    ("host-local", "ipam.rangeEnd", r#""10.1.2.3""#),
    ("host-local", "ipam.rangeStart", r#""10.1.3.1""#),
    ("host-local", "ipam.ranges[][].gateway", r#""10.1.3.300""#),
    ("host-local", "ipam.ranges[][].rangeEnd", r#""10.1.3.3""#),
    ("host-local", "ipam.ranges[][].rangeStart", r#""10.1.2.1""#),
    ("host-local", "ipam.ranges[][].subnet", r#""10.1.3.0/31""#),
    ("host-local", "ipam.routes[].advmss", "65496"),
    ("host-local", "ipam.routes[].dst", r#""10.9.0.0""#),
    ("host-local", "ipam.routes[].gw", r#""x""#),
    ("host-local", "ipam.routes[].mtu", "65521"),
    ("host-local", "ipam.routes[].priority", "-1"),
    ("host-local", "ipam.routes[].scope", "256"),
    ("host-local", "ipam.routes[].table", "4294967296"),
    ("host-local", "ipam.subnet", r#""10.1.2.5/24""#),
    ("host-local", "runtimeConfig.ipRanges[][].gateway", r#""x""#),
    ("host-local", "runtimeConfig.ipRanges[][].rangeEnd", r#""10.1.5.3""#),
    ("host-local", "runtimeConfig.ipRanges[][].rangeStart", r#""10.1.2.1""#),
    ("host-local", "runtimeConfig.ipRanges[][].subnet", r#""10.1.4.0/33""#),
    ("host-local", "runtimeConfig.ips[]", r#""x""#),
    ("ipvlan", "master", r#""a/b""#),
    ("ipvlan", "mode", r#""l4""#),
    ("ipvlan", "mtu", "20"),
    ("macvlan", "bcqueuelen", "-1"),
    ("macvlan", "mac", r#""02:00""#),
    ("macvlan", "master", r#""a/b""#),
    ("macvlan", "mode", r#""odd""#),
    ("macvlan", "mtu", "65536"),
    ("macvlan", "runtimeConfig.mac", r#""02:00""#),
    ("overlay", "dataDir", r#""leases""#),
    ("overlay", "mtu", "12"),
    ("portmap", "backend", r#""ufw""#),
    ("portmap", "conditionsV4[]", r#""drop""#),
    ("portmap", "conditionsV6[]", r#""drop""#),
    ("portmap", "markMasqBit", "32"),
    ("portmap", "runtimeConfig.portMappings[].containerPort", "0"),
    ("portmap", "runtimeConfig.portMappings[].hostIP", r#""x""#),
    ("portmap", "runtimeConfig.portMappings[].hostPort", "65536"),
    ("portmap", "runtimeConfig.portMappings[].protocol", r#""icmp""#),
    ("portmap", "runtimeConfig.portMappings[].range", "1025"),
    ("ptp", "ipMasqBackend", r#""pf""#),
    ("ptp", "mtu", "-1"),
    ("sbr", "gateways[]", r#""x""#),
    ("sbr", "table", "0"),
    ("static", "args.cni.ips[]", r#""10.1.2.9""#),
    ("static", "ipam.addresses[].address", r#""10.1.2.7""#),
    ("static", "ipam.addresses[].gateway", r#""x""#),
    ("static", "ipam.routes[].advmss", "65496"),
    ("static", "ipam.routes[].dst", r#""10.9.0.0""#),
    ("static", "ipam.routes[].gw", r#""x""#),
    ("static", "ipam.routes[].mtu", "65521"),
    ("static", "ipam.routes[].priority", "-1"),
    ("static", "ipam.routes[].scope", "256"),
    ("static", "ipam.routes[].table", "4294967296"),
    ("static", "runtimeConfig.ips[]", r#""10.1.2.8""#),
    ("tap", "bridge", r#""a/b""#),
    ("tap", "group", "4294967296"),
    ("tap", "mac", r#""x""#),
    ("tap", "mtu", "5"),
    ("tap", "owner", "-1"),
    ("tap", "runtimeConfig.mac", r#""02:00""#),
    ("tap", "selinuxContext", r#""a b""#),
    ("tuning", "args.cni.mac", r#""02:00""#),
    ("tuning", "args.cni.mtu", "12"),
    ("tuning", "args.cni.txQLen", "-1"),
    ("tuning", "mac", r#""x""#),
    ("tuning", "mtu", "65536"),
    ("tuning", "prevResult.ip4.gateway", r#""x""#),
    ("tuning", "prevResult.ip4.ip", r#""10.1.2.7""#),
    ("tuning", "prevResult.ip4.routes[].dst", r#""x""#),
    ("tuning", "prevResult.ip4.routes[].gw", r#""x""#),
    ("tuning", "prevResult.ip6.gateway", r#""x""#),
    ("tuning", "prevResult.ip6.ip", r#""fd00::7""#),
    ("tuning", "prevResult.ip6.routes[].dst", r#""x""#),
    ("tuning", "prevResult.ip6.routes[].gw", r#""x""#),
    ("tuning", "runtimeConfig.mac", r#""02:00""#),
    ("tuning", "txQLen", "-1"),
    ("vlan", "master", r#""a/b""#),
    ("vlan", "mtu", "20"),
    ("vlan", "vlanId", "4095"),
    ("vrf", "table", "4294967296"),
    ("vrf", "vrfname", r#""a/b""#),
];

/// How a key ends whose every value is a good one here, and why.
const FREE: &[(&str, &str)] = &[
    ("dns.domain", "the runtime writes it into resolv.conf, as the reference has it"),
    ("dns.nameservers[]", "the same"),
    ("dns.options[]", "the same"),
    ("dns.search[]", "the same"),
    ("dns.searches[]", "the same, and the runtime itself says it"),
    ("externalSetMarkChain", "nothing is marked; that it does not go with markMasqBit, another test holds"),
    ("fromArg", "a key that CNI_ARGS does not have is as if there were none"),
    ("ipam.provide[].value", "any bytes are a value; that there are at most 255, another test holds"),
    ("ipam.resolvConf", "whether it can be read is asked by ADD and STATUS, before anything is made"),
    ("ipam.type", "which plugins there are is asked in CNI_PATH, before anything is made"),
    ("interfaces[].mac", "there are others than those of Ethernet"),
    ("interfaces[].pciID", "what other plugins say of their devices"),
    ("interfaces[].sandbox", "where the namespace is, in whatever form the runtime has it"),
    ("interfaces[].socketPath", "what other plugins say of their sockets"),
    ("labels[].key", "labels of others are not read"),
    ("portMappings[].range", "for the portmap plugin, where another test holds it: here a range is a name for none"),
    ("somaxconn", "only the kernel knows what a parameter may be; which there are, another test holds"),
    ("txtLabels[]", "a key that no label has tells nothing"),
    ("dataDir", "where the reference plugin kept something, which DEL alone looks for"),
];

/// One step on the way to a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Key(String),
    Index(usize),
}

fn plugin(name: &str) -> &'static Plugin {
    PLUGINS.iter().find(|plugin| plugin.about.name == name).unwrap()
}

/// What the plugin says to the configuration when it reads it.
fn read(name: &str, config: &Value) -> Result<(), Error> {
    let plugin = plugin(name);
    let request = fixture::request(&plugin.about, "ADD", config, "")?;
    crate::capabilities::refuse_unmet(&plugin.about, &request)?;
    (plugin.config)(&request)
}

fn samples() -> impl Iterator<Item = (&'static str, Value)> {
    SAMPLES.iter().map(|(plugin, text)| {
        (*plugin, serde_json::from_str(text).unwrap_or_else(|why| panic!("{plugin}: {why} in {text}")))
    })
}

/// The ways to all values in one, the outermost first.
fn ways(value: &Value) -> Vec<Vec<Part>> {
    let parts: Vec<(Part, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Part::Key(key.clone()), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(index, value)| (Part::Index(index), value)).collect(),
        _ => vec![],
    };
    let mut ways = Vec::new();
    for (part, value) in parts {
        ways.push(vec![part.clone()]);
        ways.extend(self::ways(value).into_iter().map(|rest| [vec![part.clone()], rest].concat()));
    }
    ways
}

fn at<'v>(value: &'v mut Value, way: &[Part]) -> &'v mut Value {
    way.iter().fold(value, |value, part| match part {
        Part::Key(key) => &mut value[key],
        Part::Index(index) => &mut value[index],
    })
}

/// The way as the tables have it: `ipam.ranges[][].subnet`.
fn written(way: &[Part]) -> String {
    let parts = way.iter().map(|part| match part {
        Part::Key(key) => format!(".{key}"),
        Part::Index(_) => "[]".to_owned(),
    });
    parts.collect::<String>().trim_start_matches('.').to_owned()
}

/// The last key on the way, which a refusal names.
fn key(way: &[Part]) -> &str {
    let mut keys = way.iter().filter_map(|part| if let Part::Key(key) = part { Some(key.as_str()) } else { None });
    keys.next_back().unwrap()
}

/// Why this value of a sample is not refused as it should be, if it is not.
fn fault(name: &str, sample: &Value, way: &[Part], bad: &Value) -> Option<String> {
    let mut config = sample.clone();
    *at(&mut config, way) = bad.clone();
    let shown = bad.as_str().map_or_else(|| bad.to_string(), str::to_owned);
    let said = read(name, &config)
        .map_err(|error| (error.kind.code(), format!("{} {}", error.msg, error.details.unwrap_or_default())));
    // The reference writes some keys as words.
    let named = key(way).to_ascii_lowercase();
    let is_told = |text: &str| text.to_ascii_lowercase().contains(&named) && text.contains(&shown);
    let is_good = matches!(&said, Err((7, text)) if is_told(text));
    (!is_good).then(|| format!("{name}: {} = {bad}: {said:?}", written(way)))
}

#[track_caller]
fn none(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_samples_are_right_and_have_every_key_that_is_read() {
    let mut asked: BTreeMap<(&str, &str, &str), bool> = BTreeMap::new();
    for (name, sample) in samples() {
        let _earlier = asked::taken();
        read(name, &sample).unwrap_or_else(|error| panic!("{name}: {error:?} of {sample}"));
        for ((kind, key), is_there) in asked::taken() {
            *asked.entry((name, kind, key)).or_default() |= is_there;
        }
    }
    // What a result says is read for all plugins alike, and tried with one or two of them.
    let of_results = ["First", "Family", "Listed", "Listing", "Interface", "Route", "Dns"];
    let mut of_all: BTreeMap<(&str, &str, &str), bool> = BTreeMap::new();
    for ((name, kind, key), is_there) in asked {
        let name = if of_results.contains(&kind) || kind == "Common" { "" } else { name };
        *of_all.entry((name, kind, key)).or_default() |= is_there;
    }
    none(
        of_all
            .into_iter()
            .filter(|(_, is_there)| !is_there)
            .map(|((name, kind, key), _)| format!("{name} {kind}: {key}")),
    );
    let tried: BTreeSet<&str> = SAMPLES.iter().map(|(name, _)| *name).collect();
    let untried = PLUGINS.iter().map(|plugin| plugin.about.name).filter(|name| !tried.contains(name));
    assert_eq!(untried.collect::<Vec<_>>(), ["dnsname", "loopback"]);
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_key() {
    let wrong = |value: &Value| match value {
        Value::Number(_) => json!("many"),
        Value::Bool(_) => json!("perhaps"),
        Value::String(_) => json!(7777),
        _ => json!("some"),
    };
    none(samples().flat_map(|(name, mut sample)| {
        let ways = ways(&sample).into_iter().filter(|way| written(way) != "cniVersion");
        let faults = ways.filter_map(|way| {
            let bad = wrong(at(&mut sample, &way));
            fault(name, &sample, &way, &bad)
        });
        faults.collect::<Vec<_>>()
    }));
}

#[test]
fn a_value_out_of_its_range_is_named_with_its_key_or_there_is_a_reason_for_none() {
    let mut faults = Vec::new();
    let mut unused: BTreeSet<(&str, &str)> = MISTAKES.iter().map(|(name, key, _)| (*name, *key)).collect();
    for (name, mut sample) in samples() {
        for way in ways(&sample) {
            let (text, value) = (written(&way), at(&mut sample, &way).clone());
            let mistake = MISTAKES.iter().find(|(plugin, key, _)| *plugin == name && *key == text);
            let is_free = FREE.iter().any(|(key, _)| text.ends_with(key));
            match mistake {
                Some((_, key, bad)) => {
                    unused.remove(&(name, *key));
                    let bad = serde_json::from_str(bad).unwrap();
                    // A second value for the same, which is not looked at beside the first.
                    let is_read =
                        name != "host-device" || sample.as_object().unwrap().len() == 1 || key.starts_with("runtime");
                    let is_read = is_read || *key == "device";
                    faults.extend(is_read.then(|| fault(name, &sample, &way, &bad)).flatten());
                }
                None if is_free || value.is_boolean() || value.is_array() || value.is_object() => {}
                None if text == "cniVersion" => {}
                None => faults.push(format!("{name}: {text} has neither a mistake nor a reason to have none")),
            }
        }
    }
    faults.extend(unused.into_iter().map(|(name, key)| format!("{name}: {key} is in no sample")));
    none(faults);
}
