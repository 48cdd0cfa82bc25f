use ipnetwork::IpNetwork;
use netd_model::{
    attachment::{AttachmentId, NamedPort},
    health::Ask,
    name::NetworkName,
};
use serde_json::{Value, json};

use super::{
    config::Keys,
    record::{record, tell},
    *,
};
use crate::cni::{CniArgs, decode::decode};

fn network() -> NetworkName {
    "web".parse().unwrap()
}

fn config(value: &Value) -> Result<Config, String> {
    let keys: Keys = decode(value).map_err(|error| error.to_string())?;
    Config::new(&keys, &network()).map_err(|error| {
        assert_eq!(error.kind.code(), 7);
        error.msg
    })
}

fn target(container: &str, args: &str) -> Target {
    let id =
        AttachmentId { network: network(), container: container.parse().unwrap(), ifname: "eth0".parse().unwrap() };
    Target { id, netns: Some("/run/netns/c1".into()), may_be_own_netns: false, args: CniArgs::new(args) }
}

fn inside(previous: &CniResult) -> Vec<&Ip> {
    previous.ips_inside(&"eth0".parse().unwrap()).collect()
}

/// What the bridge made, with a server that somebody configured.
fn previous() -> CniResult {
    let value = json!({
        "interfaces": [
            {"name": "br-web"}, {"name": "veth1"}, {"name": "eth0", "sandbox": "/run/netns/c1"},
            {"name": "eth1", "sandbox": "/run/netns/c1"}
        ],
        "ips": [
            {"interface": 2, "address": "10.1.0.7/24", "gateway": "10.1.0.1"},
            {"interface": 2, "address": "fd00::7/64", "gateway": "fd00::1"},
            {"interface": 3, "address": "10.9.0.7/24", "gateway": "10.9.0.1"}
        ],
        "dns": {"nameservers": ["10.0.0.53", "10.1.0.1"], "search": ["example.org"], "options": ["timeout:1"]}
    });
    CniResult::previous(&value, Version::V1_1_0).unwrap()
}

fn listen(addresses: &[&str]) -> Vec<Listen> {
    let bridge = |address: &&str| Listen { link: "br-web".parse().unwrap(), address: address.parse().unwrap() };
    addresses.iter().map(bridge).collect()
}

fn recorded(value: &Value, target: &Target) -> Names {
    let previous = previous();
    record(&config(value).unwrap(), target, &inside(&previous), listen(&["10.1.0.1"])).unwrap()
}

fn words<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_those_of_the_readme() {
    let config = config(&json!({})).unwrap();
    assert_eq!(config.domain.as_str(), "web.internal");
    assert_eq!((config.ttl, config.internal, config.forward_single_label), (5, false, false));
    assert!(config.upstreams.is_empty() && config.names.is_empty());
}

#[test]
fn every_key_is_read() {
    let config = config(&json!({
        "domain": "Example.Org.", "upstreams": ["10.0.0.53", "10.0.0.53:5353", "fd00::53", "[fd00::53]:54"], "ttl": 0,
        "forward_single_label": true, "names": ["All"],
        "splitDomains": {"Corp.example": ["10.0.0.54", "10.0.0.55"], "void.example": []},
        "runtimeConfig": {"aliases": ["db", "Primary.db"], "dns": {"servers": ["tls://10.0.0.56#dns.example"]}},
        "args": {"cni": {"labels": [{"key": "netd.name", "value": "x"}, {"key": "other", "value": "-"}]}}
    }));
    let config = config.unwrap();
    assert_eq!(config.domain.as_str(), "example.org");
    assert_eq!(words(&config.upstreams), ["10.0.0.53:53", "10.0.0.53:5353", "[fd00::53]:53", "[fd00::53]:54"]);
    assert_eq!((config.ttl, config.forward_single_label), (0, true));
    assert_eq!(words(&config.own_upstreams), ["tls://10.0.0.56:853#dns.example"]);
    let split =
        config.split_domains.iter().map(|(domain, upstreams)| format!("{domain} {}", words(upstreams).join(" ")));
    assert_eq!(split.collect::<Vec<_>>(), ["corp.example 10.0.0.54:53 10.0.0.55:53", "void.example "]);
    assert_eq!((words(&config.names), words(&config.labels)), (vec!["all".to_owned()], vec!["x".to_owned()]));
    assert_eq!(words(&config.aliases), ["db", "primary.db"]);
}

#[test]
fn ports_have_the_names_of_services_or_their_numbers() {
    let config = config(&json!({
        "services": [{"name": "HTTP", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}],
        "runtimeConfig": {"portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
            {"hostPort": 8081, "containerPort": 80},
            {"hostPort": 9000, "containerPort": 9000, "protocol": "sctp", "range": 10}
        ]}
    }));
    let port = |port: &NamedPort| format!("_{}._{} {}", port.name, port.protocol, port.number);
    let ports: Vec<_> = config.unwrap().ports.iter().map(port).collect();
    assert_eq!(ports, ["_http._tcp 80", "_dns._udp 53", "_80._tcp 80"]);
}

#[test]
fn records_are_read_by_their_type() {
    let records = json!([
        {"name": "Printer", "type": "a", "data": "192.0.2.9"}, {"name": "p6", "type": "AAAA", "data": "fd00::9"},
        {"name": "www", "type": "CNAME", "data": "Web"}, {"name": "far", "type": "CNAME", "data": "db.corp.example."},
        {"name": "*.say", "type": "TXT", "data": "Third Floor"}
    ]);
    let config = config(&json!({"records": records})).unwrap();
    let expected = json!([
        {"name": "printer", "data": {"A": "192.0.2.9"}}, {"name": "p6", "data": {"AAAA": "fd00::9"}},
        {"name": "www", "data": {"CNAME": "web.web.internal"}}, {"name": "far", "data": {"CNAME": "db.corp.example"}},
        {"name": "*.say", "data": {"TXT": "Third Floor"}}
    ]);
    assert_eq!(serde_json::to_value(config.records).unwrap(), expected);
}

#[test]
fn labels_that_are_selected_are_said() {
    let labels =
        json!([{"key": "version", "value": "7"}, {"key": "secret", "value": "x"}, {"key": "tier", "value": ""}]);
    let config = config(&json!({"txtLabels": ["version", "tier", "none"], "args": {"cni": {"labels": labels}}}));
    assert_eq!(config.unwrap().texts, ["version=7", "tier="]);
}

#[test]
fn podmans_aliases_are_those_of_this_network() {
    let config =
        config(&json!({"runtimeConfig": {"aliases": {"web": ["db"], "Web": ["x"], "other": ["-bad-"]}}})).unwrap();
    assert_eq!(words(&config.aliases), ["db"]);
}

#[test]
fn what_cannot_be_is_named() {
    let long = "l".repeat(64);
    for (value, expected) in [
        (json!({"domain": "a..b"}), "key \"domain\": host name \"a..b\" has an empty label".to_owned()),
        (json!({"domain": ""}), "key \"domain\": host name \"\" has an empty label".to_owned()),
        (json!({"domain": 7}), "key \"domain\": invalid type: integer `7`, expected a string".to_owned()),
        (json!({"names": ["a b"]}), "key \"names\": host name \"a b\" has a character other than letters".to_owned()),
        (json!({"names": [long]}), format!("key \"names\": host name \"{long}\" has a label longer than 63")),
        (
            json!({"runtimeConfig": {"aliases": ["../x"]}}),
            "key \"runtimeConfig.aliases\": host name \"../x\"".to_owned(),
        ),
        (json!({"runtimeConfig": {"aliases": "db"}}), "key \"runtimeConfig.aliases\": \"db\" is no list".to_owned()),
        (json!({"runtimeConfig": {"aliases": [1]}}), "key \"runtimeConfig.aliases\": 1 is no list".to_owned()),
        (
            json!({"runtimeConfig": {"aliases": {"web": 1}}}),
            "key \"runtimeConfig.aliases.web\": 1 is no list".to_owned(),
        ),
        (
            json!({"args": {"cni": {"labels": [{"key": "netd.name", "value": "a\nb"}]}}}),
            "key \"args.cni.labels[0].value\": host name \"a\\nb\"".to_owned(),
        ),
        (
            json!({"runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"netd.name": "a b"}}}),
            "key \"runtimeConfig.io.kubernetes.cri.pod-annotations.netd.name\": host name \"a b\"".to_owned(),
        ),
        (json!({"upstreams": ["dns.example"]}), "key \"upstreams\": \"dns.example\" is no address".to_owned()),
        (json!({"upstreams": ["0.0.0.0"]}), "key \"upstreams\": \"0.0.0.0\" is no address".to_owned()),
        (json!({"upstreams": ["10.0.0.53:0"]}), "key \"upstreams\": \"10.0.0.53:0\" is no address".to_owned()),
        (
            json!({"upstreams": ["tls://10.0.0.53", "10.0.0.54"]}),
            "key \"upstreams\": some are asked over TLS".to_owned(),
        ),
        (json!({"splitDomains": {"a..b": []}}), "key \"splitDomains\": host name \"a..b\" has an empty".to_owned()),
        (json!({"splitDomains": {"a": ["x"]}}), "key \"splitDomains.a\": \"x\" is no address".to_owned()),
        (json!({"splitDomains": {"a": [], "A.": []}}), "key \"splitDomains\": \"a\" is there twice".to_owned()),
        (
            json!({"runtimeConfig": {"dns": {"servers": ["x"]}}}),
            "key \"runtimeConfig.dns.servers\": \"x\" is no address".to_owned(),
        ),
        (json!({"splitDomains": {"a": []}, "internal": true}), "keys \"internal\" and \"splitDomains\"".to_owned()),
        (json!({"upstreams": ["10.0.0.53"], "internal": true}), "keys \"internal\" and \"upstreams\"".to_owned()),
        (json!({"ttl": 2_147_483_648_u64}), "key \"ttl\": 2147483648 is longer than 2147483647 seconds".to_owned()),
        (json!({"ttl": -1}), "key \"ttl\": invalid value: integer `-1`".to_owned()),
        (json!({"names": vec!["a"; 257]}), "key \"names\": a list of 257 has more than 256".to_owned()),
        (json!({"names": ["a.*"]}), "key \"names\": host name \"a.*\" has a character other than".to_owned()),
        (json!({"names": ["*"]}), "key \"names\": host name \"*\" has a character other than".to_owned()),
        (json!({"domain": "d.".repeat(124), "names": ["a.b.c.d.e.f.g"]}), "key \"names\": host name".to_owned()),
    ] {
        let msg = config(&value).unwrap_err();
        assert!(msg.starts_with(&expected), "{value}: {msg}");
    }
}

#[test]
fn a_record_that_cannot_be_is_named() {
    for (value, expected) in [
        (json!({"services": [{"port": 80}]}), "key \"services[0]\": \"\" is no name of a service".to_owned()),
        (json!({"services": [{"name": "a_b", "port": 80}]}), "key \"services[0]\": \"a_b\" is no name".to_owned()),
        (json!({"services": [{"name": "a", "port": 0}]}), "key \"services[0]\": port 0 is not 1 to 65535".to_owned()),
        (
            json!({"services": [{"name": "a", "port": 1, "protocol": "ip"}]}),
            "key \"services[0]\": protocol \"ip\" is not tcp, udp or sctp".to_owned(),
        ),
        (
            json!({"runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 65_536}]}}),
            "key \"runtimeConfig.portMappings[0]\": containerPort 65536 is not 1 to 65535".to_owned(),
        ),
        (json!({"records": [{"type": "A"}]}), "key \"records[0]\": name: host name \"\" has an empty".to_owned()),
        (
            json!({"records": [{"name": "a", "type": "A", "data": "::1"}]}),
            "key \"records[0]\": data \"::1\" is no IPv4 address".to_owned(),
        ),
        (
            json!({"records": [{"name": "a", "type": "MX", "data": "b"}]}),
            "key \"records[0]\": type \"MX\" is not A, AAAA, CNAME or TXT".to_owned(),
        ),
        (
            json!({"records": [{"name": "a", "type": "CNAME", "data": "b c"}]}),
            "key \"records[0]\": data: host name \"b c\" has a".to_owned(),
        ),
        (
            json!({"records": [{"name": "a", "type": "TXT", "data": "v".repeat(256)}]}),
            format!("key \"records[0]\": data \"{}\" is longer than 255 bytes", "v".repeat(64)),
        ),
        (
            json!({"txtLabels": ["a"], "args": {"cni": {"labels": [{"key": "a", "value": "v".repeat(254)}]}}}),
            "key \"args.cni.labels\": label \"a\" and its value are longer than 255 bytes".to_owned(),
        ),
    ] {
        let msg = config(&value).unwrap_err();
        assert!(msg.starts_with(&expected), "{value}: {msg}");
    }
}

#[test]
fn what_the_runtime_wants_in_resolv_conf_comes_after_all_else_and_its_servers_are_netds_to_ask() {
    let wanted = json!({"runtimeConfig": {"dns": {
        "servers": ["10.0.0.56"], "searches": ["corp.example", "example.org"], "options": ["ndots:2", "timeout:1"]
    }}});
    let names = recorded(&wanted, &target("c1", ""));
    assert_eq!(words(&names.own_upstreams), ["10.0.0.56:53"]);
    let dns = tell(previous(), &names, &config(&wanted).unwrap()).dns;
    assert_eq!(dns.nameservers, ["10.1.0.1", "10.0.0.53"]);
    assert_eq!(dns.search, ["web.internal", "example.org", "corp.example"]);
    assert_eq!(dns.options, ["timeout:1", "ndots:2"]);
}

#[test]
fn a_network_whose_name_makes_no_domain_needs_one() {
    let network: NetworkName = "a-".parse().unwrap();
    let error = Config::new(&Keys::default(), &network).unwrap_err();
    assert!(error.msg.starts_with("the name of network a- makes no domain, set \"domain\": "), "{error}");
    let keys: Keys = decode(&json!({"domain": "a"})).unwrap();
    assert!(Config::new(&keys, &network).is_ok());
}

#[test]
fn names_that_people_chose_come_first() {
    let config = json!({
        "names": ["all", "db"], "runtimeConfig": {"aliases": ["db"]},
        "args": {"cni": {"labels": [{"key": "netd.name", "value": "label"}]}}
    });
    let target = target("C1", "IgnoreUnknown=1;K8S_POD_NAME=pod;K8S_POD_NAMESPACE=ns");
    assert_eq!(words(&recorded(&config, &target).names), ["db", "label", "pod.ns", "c1", "all"]);
}

#[test]
fn annotations_of_a_pod_are_as_good_as_labels() {
    let annotations = json!({"netd.name": "db", "netd.health": "tcp:80", "Version": "7", "other/Thing": "x\ny"});
    let config = json!({"runtimeConfig": {"io.kubernetes.cri.pod-annotations": annotations}, "txtLabels": ["Version"]});
    let names = recorded(&config, &target("c1", ""));
    assert_eq!(words(&names.names), ["db", "c1"]);
    assert_eq!(names.probe.map(|probe| (probe.ask, probe.port)), Some((Ask::Tcp, 80)));
    assert_eq!(names.texts, ["Version=7"]);
}

#[test]
fn names_that_nobody_chose_are_passed_over_when_they_cannot_be_looked_up() {
    let names = |container: &str, args: &str| words(&recorded(&json!({}), &target(container, args)).names);
    assert_eq!(names("my_app-1", ""), ["my_app-1"]);
    assert_eq!(names("0123456789ab", ""), ["0123456789ab"]);
    assert_eq!(names(&"0123456789abcdef".repeat(4), ""), ["0123456789ab"], "as runtimes show it");
    assert_eq!(names(&"z".repeat(64), ""), [""; 0]);
    assert_eq!(names("a-", ""), [""; 0]);
    assert_eq!(names("a..b", ""), [""; 0]);
    assert_eq!(names("c1", "K8S_POD_NAME=pod"), ["c1"], "never the bare pod");
    assert_eq!(names("c1", "K8S_POD_NAME=pod;K8S_POD_NAMESPACE="), ["c1"]);
    assert_eq!(names("c1", "K8S_POD_NAME=a/b;K8S_POD_NAMESPACE=ns"), ["c1"]);
}

#[test]
fn the_record_has_the_addresses_of_this_interface_alone() {
    let names = recorded(&json!({}), &target("c1", ""));
    assert_eq!(words(&names.addresses), ["10.1.0.7", "fd00::7"]);
    assert_eq!(words(&names.subnets), ["10.1.0.0/24", "fd00::/64"]);
    let ip = Ip { interface: None, address: "10.1.0.7/24".parse::<IpNetwork>().unwrap(), gateway: None };
    let old = CniResult { ips: vec![ip], ..CniResult::default() };
    assert_eq!(inside(&old).len(), 1, "old plugins do not say which interface");
}

#[test]
fn a_network_without_a_gateway_on_the_host_is_refused_by_name() {
    let (config, previous, target) = (config(&json!({})).unwrap(), previous(), target("c1", ""));
    let error = record(&config, &target, &inside(&previous), vec![]).unwrap_err();
    let msg = "network web has no gateway address on the host, where its names could be served";
    assert_eq!((error.kind.code(), &*error.msg), (7, msg));
    let error = record(&config, &target, &[], listen(&["10.1.0.1"])).unwrap_err();
    assert_eq!(error.msg, "network web gives eth0 no address, so no name can stand for it");
}

#[test]
fn the_container_is_told_to_ask_netd_first() {
    let mut names = recorded(&json!({}), &target("c1", ""));
    names.listen = listen(&["10.1.0.1", "fd00::1", "fe80::1"]);
    let dns = tell(previous(), &names, &config(&json!({})).unwrap()).dns;
    assert_eq!(dns.nameservers, ["10.1.0.1", "fd00::1", "10.0.0.53"], "once each, and none that needs a link");
    assert_eq!(dns.search, ["web.internal", "example.org"]);
    assert_eq!((&*dns.domain, dns.options), ("web.internal", vec!["timeout:1".to_owned()]));
    let mut chosen = previous();
    chosen.dns.domain = "example.org".to_owned();
    assert_eq!(tell(chosen, &names, &config(&json!({})).unwrap()).dns.domain, "example.org");
}

#[test]
fn a_configuration_of_dnsname_means_the_same() {
    let read = |config: &Value, args: &str| {
        let request = crate::fixture::request(&DNSNAME.about, "ADD", config, args).unwrap();
        Config::of(&dnsname::of_dns(&request), None).map_err(|error| error.msg)
    };
    let podman = json!({"domainName": "dns.podman", "remoteServers": ["10.0.0.53"], "capabilities": {"aliases": true}});
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=db;K8S_POD_NAME=Db";
    let config = read(&podman, args).unwrap();
    assert_eq!((config.domain.to_string(), config.upstreams.len()), ("dns.podman".to_owned(), 1));
    assert_eq!(words(&config.aliases), ["db"]);
    for aliases in [json!(["a"]), json!({"web": ["a"], "other": ["b"]})] {
        let mut config = podman.clone();
        config["runtimeConfig"] = json!({"aliases": aliases});
        assert_eq!(words(&read(&config, args).unwrap().aliases), ["db", "a"]);
        assert_eq!(words(&read(&config, "").unwrap().aliases), ["a"]);
    }
    assert!(read(&json!({"domainName": "-"}), "").unwrap_err().contains("domain"));
}
