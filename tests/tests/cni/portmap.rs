//! `portmap` after `bridge` or `ptp`: who reaches a published port, and what is left of it.

use serde_json::{Value, json};
use tests::{Attachment, Container, Daemon, Host, Lab, Node, eventually, run};

use super::config::{VERSIONS, bridge, since, with};

/// Sends, asks and answers.
pub(super) const PACKET: &str = env!("CARGO_BIN_EXE_packet");

pub(super) const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

/// A network with both families; `keys` are of the portmap plugin.
pub(super) fn list(version: &str, keys: &Value) -> Value {
    let interface = bridge(version, &["10.1.2.0/24", "2001:db8::/64"]);
    let portmap = with(json!({"type": "portmap", "capabilities": {"portMappings": true}}), keys);
    json!({"cniVersion": version, "name": "web", "plugins": [interface, portmap]})
}

/// Port 80 of the container at this port of the host, by each protocol.
pub(super) fn at(port: u16) -> Value {
    let mapping = |protocol: &str| json!({"hostPort": port, "containerPort": 80, "protocol": protocol});
    json!({"portMappings": [mapping("tcp"), mapping("udp")]})
}

/// The same at one address of the host, or where none is said at all of them.
pub(super) fn at_one(port: u16, host_ip: &str) -> Value {
    let mut mappings = at(port);
    for mapping in mappings["portMappings"].as_array_mut().unwrap() {
        mapping["hostIP"] = host_ip.into();
    }
    mappings
}

pub(super) fn attachment(container: &Container, config: &Value, capabilities: &Value) -> Attachment {
    container.attachment(config, "eth0").capabilities(capabilities)
}

/// Attaches a container whose port 80 answers while the daemon lives.
pub(super) fn serving(container: &Container, config: &Value, capabilities: &Value) -> Daemon {
    container.keep(attachment(container, config, capabilities)).add().unwrap();
    answering(container, 80)
}

pub(super) fn answering(node: &Node, port: u16) -> Daemon {
    let log = node.folder().join(format!("answer{port}.log"));
    let daemon = Daemon::start(node, PACKET.as_ref(), log, |command| {
        command.args(["answer", &format!("[::]:{port}")]);
    });
    eventually(SECOND * 5, || {
        node.sh("ss --listening --numeric --tcp --udp").matches(&format!(":{port} ")).count() == 2
    });
    daemon
}

fn asks(node: &Node, protocol: &str, whom: &str) -> bool {
    run(node.command(PACKET).args(["ask", protocol, whom]), b"").success()
}

/// Whether it is heard by both protocols, or by none.
#[track_caller]
pub(super) fn reaches(node: &Node, whom: &str) -> bool {
    let heard = ["tcp", "udp"].map(|protocol| asks(node, protocol, whom));
    assert_eq!(heard[0], heard[1], "{whom} from {}: TCP, UDP", node.name());
    heard[0]
}

/// A host and one outside, which have addresses of both families.
pub(super) fn host_and_outside(lab: &Lab) -> (Host, Host) {
    let [host, outside] = ["a", "o"].map(|name| lab.host(name));
    host.link_to(&outside, "192.0.2.1/24", "192.0.2.2/24");
    for (host, address) in [(&host, "2001:db8:ff::1"), (&outside, "2001:db8:ff::2")] {
        let link = if host.name() == "a" { "to-o" } else { "to-a" };
        host.sh(&format!("ip address add {address}/64 dev {link} nodad; ip link set lo up"));
    }
    (host, outside)
}

pub(super) fn show_bridged_packets(host: &Host, on: bool) {
    for word in ["iptables", "ip6tables"] {
        let key = format!("net/bridge/bridge-nf-call-{word}");
        if host.sysctl(&key).is_some() {
            host.sh(&format!("echo {} > /proc/sys/{key}", u8::from(on)));
        }
    }
}

#[test]
fn a_published_port_is_reached_from_everywhere() {
    // A version changes the form of results alone: each has its turn.
    for (plugin, versions) in [("bridge", ["0.3.0", "1.1.0"]), ("ptp", ["0.4.0", "1.0.0"])] {
        for (is_shown, version) in [false, true].into_iter().zip(versions) {
            let lab = Lab::new();
            let (host, outside) = host_and_outside(&lab);
            show_bridged_packets(&host, is_shown);
            let mut config = list(version, &json!({}));
            config["plugins"][0]["type"] = plugin.into();
            config["plugins"][0]["ipMasq"] = true.into();
            if plugin == "ptp" {
                config["plugins"][0]["ipam"]["routes"] = json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]);
            }
            let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
            let _answers = serving(&c1, &config, &at(8080));
            c2.keep(attachment(&c2, &config, &json!({}))).add().unwrap();
            let outside: &Node = &outside;
            // Neighbours are looked for once each has looked for duplicates of its own address.
            eventually(SECOND * 10, || outside.pings("2001:db8:ff::1") && host.pings("2001:db8::2"));
            for (node, whom) in [
                (outside, "192.0.2.1:8080"),
                (outside, "[2001:db8:ff::1]:8080"),
                (&host, "10.1.2.2:80"),
                (&host, "192.0.2.1:8080"),
                (&host, "127.0.0.1:8080"),
                (&host, "127.1.2.3:8080"),
                (&host, "10.1.2.1:8080"),
                (&host, "[2001:db8:ff::1]:8080"),
                (&host, "[2001:db8::1]:8080"),
                (&c1, "192.0.2.1:8080"),
                (&c1, "10.1.2.1:8080"),
                (&c1, "[2001:db8:ff::1]:8080"),
                (&c2, "192.0.2.1:8080"),
                (&c2, "[2001:db8::1]:8080"),
            ] {
                assert!(reaches(node, whom), "{whom} from {}: {plugin}, br_netfilter {is_shown}", node.name());
            }
            assert!(!asks(&host, "tcp", "[::1]:8080"), "nothing leaves the host from ::1");
            assert_eq!(c1.check().is_ok(), since(version, "0.4.0"));
        }
    }
}

/// Where the container itself is seen, as whose packets.
fn source_seen(server: &Node, from: &Node, whom: &str) -> String {
    let (kind, source) = if whom.starts_with('[') { ("ipv6_addr", "ip6 saddr") } else { ("ipv4_addr", "ip saddr") };
    server.sh(&format!(
        "nft 'flush ruleset; table inet seen {{ set from {{ type {kind}; flags dynamic; }}; \
        chain in {{ type filter hook input priority 0; tcp dport 80 add @from {{ {source} }}; }}; }}'"
    ));
    assert!(asks(from, "tcp", whom), "{whom} from {}", from.name());
    let seen = server.run("nft -j list set inet seen from").json();
    let set = seen["nftables"].as_array().unwrap().iter().find_map(|object| object["set"]["elem"].as_array().cloned());
    set.unwrap_or_default().iter().map(|address| address.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_container_sees_who_asks_but_for_those_whom_it_would_answer_by_itself() {
    let hosts = ["10.1.2.1", "2001:db8::1"];
    let outsides = ["192.0.2.2", "2001:db8:ff::2"];
    for (keys, of_outside) in [
        (json!({}), outsides),
        (json!({"masqAll": true}), hosts),
        (json!({"markMasqBit": 5, "backend": "iptables"}), outsides),
    ] {
        let lab = Lab::new();
        let (host, outside) = host_and_outside(&lab);
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        let _answers = serving(&c1, &list("1.1.0", &keys), &at(8080));
        c2.add(&bridge("1.1.0", &["10.1.2.0/24", "2001:db8::/64"]));
        eventually(SECOND * 10, || outside.pings("2001:db8:ff::1") && host.pings("2001:db8::2"));
        for (family, whom) in ["192.0.2.1:8080", "[2001:db8:ff::1]:8080"].into_iter().enumerate() {
            assert_eq!(source_seen(&c1, &outside, whom), of_outside[family], "{keys}");
            assert_eq!(source_seen(&c1, &c2, whom), hosts[family], "{keys}");
        }
    }
}

#[test]
fn without_snat_the_port_is_published_and_nobody_stands_in() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    let c1 = host.container("c1");
    let _answers = serving(&c1, &list("1.1.0", &json!({"snat": false, "masqAll": true})), &at(8080));
    assert_eq!(source_seen(&c1, &outside, "192.0.2.1:8080"), "192.0.2.2");
    assert!(!reaches(&host, "127.0.0.1:8080"));
    assert_eq!(host.sysctl("net/ipv4/conf/br-web/route_localnet").as_deref(), Some("0"));
}

#[test]
fn a_mapping_is_for_the_addresses_that_it_names() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    host.sh("ip address add 192.0.2.9/24 dev to-o");
    let c1 = host.container("c1");
    let mapping = |port: u16, host_ip: &str| {
        ["tcp", "udp"].map(|protocol| {
            json!({"hostPort": port, "containerPort": 80, "protocol": protocol, "hostIP": host_ip, "range": 1})
        })
    };
    let mappings =
        [mapping(8001, "192.0.2.9"), mapping(8002, "0.0.0.0"), mapping(8003, "2001:db8:ff::1"), mapping(8004, "::")];
    let _answers = serving(&c1, &list("1.1.0", &json!({})), &json!({"portMappings": mappings.concat()}));
    eventually(SECOND * 10, || outside.pings("2001:db8:ff::1") && host.pings("2001:db8::2"));
    for (whom, expected) in [
        ("192.0.2.9:8001", true),
        ("192.0.2.1:8001", false),
        ("192.0.2.1:8002", true),
        ("[2001:db8:ff::1]:8002", false),
        ("[2001:db8:ff::1]:8003", true),
        ("192.0.2.1:8003", false),
        ("[2001:db8:ff::1]:8004", true),
        ("192.0.2.1:8004", false),
    ] {
        assert_eq!(reaches(&outside, whom), expected, "{whom}");
    }
}

#[test]
fn a_range_is_as_many_ports() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    let c1 = host.container("c1");
    let range = json!({"hostPort": 8000, "containerPort": 78, "protocol": "tcp", "range": 1024});
    let _answers = serving(&c1, &list("1.1.0", &json!({})), &json!({"portMappings": [range]}));
    assert!(asks(&outside, "tcp", "192.0.2.1:8002"));
    let rules = host.sh("nft list table inet netd").matches("\tdnat ").count();
    assert_eq!(rules, 10, "no rule is of a port");
    c1.check().unwrap();
}

/// More than a rule of iptables takes, and not in a row.
#[test]
fn a_container_may_have_many_ports() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    let c1 = host.container("c1");
    let mapping = |number: u16| json!({"hostPort": 8000 + 7 * number, "containerPort": 80, "protocol": "tcp"});
    let mappings: Vec<Value> = (0..40).map(mapping).collect();
    let _answers = serving(&c1, &list("1.1.0", &json!({})), &json!({"portMappings": mappings}));
    assert!((0..40).all(|number| asks(&outside, "tcp", &format!("192.0.2.1:{}", 8000 + 7 * number))));
    assert!(!asks(&outside, "tcp", "192.0.2.1:8001"));
    c1.check().unwrap();
}

/// Conditions of one family, where ports are published, and from whom to where they hold and do not.
struct Conditions {
    key: &'static str,
    words: Value,
    host_ip: &'static str,
    hold: [&'static str; 2],
    fail: [&'static str; 2],
}

fn conditions() -> [Conditions; 5] {
    let of = |words, host_ip, hold, fail| Conditions { key: "conditionsV4", words, host_ip, hold, fail };
    [
        of(
            json!(["ip", "saddr", "{", "192.0.2.2,", "127.0.0.1", "}"]),
            "",
            ["192.0.2.2", "192.0.2.1"],
            ["192.0.2.3", "192.0.2.1"],
        ),
        of(json!(["!", "-s", "192.0.2.3", "-i", "to-+"]), "", ["192.0.2.2", "192.0.2.1"], ["192.0.2.3", "192.0.2.1"]),
        of(json!(["-d", "192.0.2.1"]), "", ["192.0.2.2", "192.0.2.1"], ["192.0.2.2", "192.0.2.9"]),
        of(json!(["-s", "192.0.2.2"]), "192.0.2.9", ["192.0.2.2", "192.0.2.9"], ["192.0.2.3", "192.0.2.9"]),
        Conditions {
            key: "conditionsV6",
            words: json!(["!", "-s", "2001:db8:ff::3"]),
            host_ip: "2001:db8:ff::1",
            hold: ["2001:db8:ff::2", "2001:db8:ff::1"],
            fail: ["2001:db8:ff::3", "2001:db8:ff::1"],
        },
    ]
}

#[test]
fn conditions_hold_for_their_network_alone() {
    for Conditions { key, words, host_ip, hold, fail } in conditions() {
        let lab = Lab::new();
        let (host, outside) = host_and_outside(&lab);
        host.sh("ip address add 192.0.2.9/24 dev to-o");
        outside.sh("ip address add 192.0.2.3/24 dev to-a; ip address add 2001:db8:ff::3/64 dev to-a nodad");
        let from = |[source, to]: [&str; 2], port: u16| {
            outside.sh(&format!("ip route replace {to} dev to-a src {source}"));
            reaches(&outside, &if to.contains(':') { format!("[{to}]:{port}") } else { format!("{to}:{port}") })
        };
        let keys = json!({key: words});
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        let _first = serving(&c1, &list("1.1.0", &keys), &at_one(8001, host_ip));
        let mut other = list("1.1.0", &json!({}));
        other["name"] = "other".into();
        other["plugins"][0]["ipam"]["ranges"] = json!([[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.100"}], [{"subnet": "2001:db8::/64", "rangeStart": "2001:db8::100"}]]);
        let _second = serving(&c2, &other, &at_one(8002, host_ip));
        eventually(SECOND * 10, || outside.pings("2001:db8:ff::1") && host.pings("2001:db8::2"));
        assert!(from(hold, 8001) && !from(fail, 8001), "{words}");
        assert!(from(hold, 8002) && from(fail, 8002), "{words}");
        c1.check().unwrap();
        // The next container of the network asks the same chain.
        let _third = serving(&host.container("c3"), &list("1.1.0", &keys), &at_one(8003, host_ip));
        assert_eq!(host.sh("nft list table inet netd").matches("chain when-").count(), 1);
        eventually(SECOND * 10, || host.pings("2001:db8::3"));
        assert!(from(hold, 8003) && !from(fail, 8003), "{words}");
    }
}

#[test]
fn conditions_that_nft_does_not_understand_are_a_mistake_that_is_named() {
    let lab = Lab::new();
    let host = lab.host("a");
    let warm = host.container("warm");
    let warm = warm.keep(attachment(&warm, &list("1.1.0", &json!({})), &at(8080)));
    warm.add().and_then(|_| warm.del()).unwrap();
    let before = host.kernel_text();
    let c1 = host.container("c1");
    let attachment = attachment(&c1, &list("1.1.0", &json!({"conditionsV4": ["ip", "nonsense"]})), &at(8080));
    let refusal = attachment.add().unwrap_err();
    assert!(refusal.code == 7 && refusal.msg.contains("ip nonsense"), "{refusal:?}");
    attachment.del().unwrap();
    assert_eq!(host.changes_since(&before), [""; 0]);
}

#[test]
fn addresses_of_127_stay_unreachable_from_elsewhere() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    let c1 = host.container("c1");
    let _answers = serving(&c1, &list("1.1.0", &json!({})), &at(8080));
    assert_eq!(host.sysctl("net/ipv4/conf/br-web/route_localnet").as_deref(), Some("1"));
    let _own = answering(&host, 9000);
    assert!(reaches(&host, "127.0.0.1:9000"));
    for (node, router) in [(&*c1, "10.1.2.1"), (&*outside, "192.0.2.1")] {
        let link = if router == "10.1.2.1" { "eth0" } else { "to-a" };
        node.sh(&format!("ip link set lo down; echo 1 > /proc/sys/net/ipv4/conf/{link}/route_localnet; \
            ip route add 127.0.0.0/8 via {router} dev {link} onlink table 9; ip rule add to 127.0.0.0/8 table 9 pref 0; \
            ip rule add table local pref 1; ip rule del pref 0 table local || true"));
        assert!(!asks(node, "tcp", "127.0.0.1:9000") && !asks(node, "tcp", "127.0.0.1:8080"), "{}", node.name());
    }
}

#[test]
fn the_same_port_of_others_is_theirs() {
    let lab = Lab::new();
    let (host, outside) = host_and_outside(&lab);
    outside.sh("ip route add 10.1.2.0/24 via 192.0.2.1");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let _first = serving(&c1, &list("1.1.0", &json!({})), &at(8080));
    c2.add(&bridge("1.1.0", &["10.1.2.0/24"]));
    let _others = answering(&outside, 8080);
    let _own = answering(&c2, 8080);
    assert_eq!(host.sh("nft list ruleset").matches("8080").count(), 4);
    outside.sh("nft 'table ip seen { chain in { type filter hook input priority 0; udp dport 8080 counter; }; }'");
    assert!(reaches(&c1, "192.0.2.2:8080"), "what leaves the host");
    assert!(outside.sh("nft list table ip seen").contains("packets 1 "));
    assert!(reaches(&outside, "10.1.2.3:8080"), "what crosses it");
}

#[test]
fn results_pass_and_nothing_is_left_at_every_version() {
    for version in VERSIONS {
        let lab = Lab::new();
        let host = lab.host("a");
        let config = list(version, &json!({}));
        let warm = host.container("warm");
        let warm = warm.keep(attachment(&warm, &config, &at(1)));
        if !since(version, "0.3.0") {
            let mut alone = config.clone();
            alone["plugins"][0]["ipam"]["ranges"] = json!([[{"subnet": "10.1.2.0/24"}]]);
            let attachment = host.container("c1").attachment(&alone, "eth0").capabilities(&at(8080));
            attachment.add().unwrap();
            attachment.del().unwrap();
            continue;
        }
        warm.add().unwrap();
        warm.del().unwrap();
        let before = host.kernel_text();
        let c1 = host.container("c1");
        let attachment = attachment(&c1, &config, &at(8080));
        let given = attachment.call("ADD", 0, None).run().answer().unwrap();
        let passed = attachment.call("ADD", 1, Some(&given)).run().answer().unwrap();
        assert_eq!(passed, given, "{version}");
        let again = host.container("c2").attachment(&config, "eth0").capabilities(&at(8081));
        let given = again.call("ADD", 0, None).run().answer().unwrap();
        for call in [again.call("ADD", 1, Some(&given)), attachment.call("DEL", 1, None)] {
            assert_eq!(call.trace(None).programs, 0, "no process is started");
        }
        again.del().unwrap();
        assert_eq!(host.sh("nft list ruleset").matches("8080").count(), 0, "{version}");
        attachment.del().unwrap();
        assert_eq!((host.changes_since(&before), host.leftovers()), (vec![], vec![]), "{version}");
        if since(version, "0.4.0") {
            attachment.add().unwrap();
            assert_eq!(attachment.check(), Ok(()), "{version}");
            attachment.del().unwrap();
            assert!(attachment.check().is_err());
        }
    }
}

#[test]
fn check_finds_each_thing_that_is_broken_and_repairs_nothing() {
    let set = |set: &str| format!("nft flush map inet netd {set}");
    let with_rule = |verb: &str, rule: &str| {
        let handle = "handle=$(nft -a list chain inet netd $chain | sed -n 's/.*goto translate.*handle //p')";
        format!(
            "chain=$(nft list chains | grep -o 'when-[0-9a-f]*'); {handle}; nft \"{verb} rule inet netd $chain handle $handle {rule}\""
        )
    };
    for script in [
        set("published4"),
        set("published6"),
        "nft flush set inet netd hairpin4".to_owned(),
        "nft flush set inet netd hairpin6".to_owned(),
        set("conditional4"),
        "for chain in $(nft list chains | grep -o 'when-[0-9a-f]*'); do nft flush chain inet netd $chain; done"
            .to_owned(),
        with_rule("replace", "ip ttl > 2 goto translate"),
        with_rule("insert", "accept"),
        with_rule("add", "accept"),
        "nft delete element inet netd published4 '{ udp . 8080 }'".to_owned(),
        "nft delete element inet netd published4 '{ udp . 8080 }'; \
            nft add element inet netd published4 '{ udp . 8080 comment \"web/c1/eth0\" : 10.1.2.2 . 81 }'"
            .to_owned(),
        "echo 0 > /proc/sys/net/ipv4/conf/br-web/route_localnet".to_owned(),
        "nft flush table inet netd".to_owned(),
    ] {
        let lab = Lab::new();
        let host = lab.host("a");
        let c1 = host.container("c1");
        let keys = json!({"conditionsV4": ["ip", "ttl", ">", "1"]});
        let attachment = c1.keep(attachment(&c1, &list("1.1.0", &keys), &at(8080)));
        attachment.add().unwrap();
        assert_eq!(attachment.check(), Ok(()));
        host.sh(&script);
        let broken = host.kernel_text();
        assert_eq!(attachment.check().unwrap_err().code, 103, "{script}");
        assert_eq!(host.changes_since(&broken), [""; 0], "{script}");
    }
}

#[test]
fn del_needs_neither_configuration_nor_namespace_and_gc_takes_the_rest() {
    let lab = Lab::new();
    let host = lab.host("a");
    let config = list("1.1.0", &json!({}));
    host.container("warm").add(&config).del().unwrap();
    let containers = ["c1", "c2", "c3"].map(|name| host.container(name));
    let attachments: Vec<_> = containers
        .iter()
        .zip([8001, 8002, 8003])
        .map(|(container, port)| {
            let attachment = container.keep(attachment(container, &config, &at(port)));
            attachment.add().unwrap();
            attachment
        })
        .collect();
    let left = |port: u16| host.sh("nft list ruleset").contains(&port.to_string());
    let bare = json!({"cniVersion": "1.1.0", "name": "web", "type": "portmap"});
    let del = containers[0].call("portmap", "DEL").without("CNI_NETNS").config(&bare);
    std::thread::scope(|scope| {
        for del in (0..10).map(|_| del.clone()) {
            scope.spawn(move || assert_eq!(del.run().answer(), Ok(Value::Null)));
        }
    });
    assert!(!left(8001) && left(8002) && left(8003));
    let gc = |valid: Value| {
        let config = with(bare.clone(), &json!({"cni.dev/valid-attachments": valid}));
        host.call("portmap", "GC").config(&config).run().answer().unwrap();
    };
    host.call("portmap", "GC").config(&bare).run().answer().unwrap();
    assert!(left(8002));
    gc(json!([{"containerID": "c3", "ifname": "eth0"}]));
    assert!(!left(8002) && left(8003));
    // The interface plugin's DEL takes what a plugin that left the list had.
    containers[2].vanish();
    attachments[2].call("DEL", 0, None).run().answer().unwrap();
    assert!(!left(8003));
    // Where the record is lost, the runtime knows the ports, and elements whose they are.
    let [c4, c5] = [("c4", 8004), ("c5", 8005)].map(|(name, port)| {
        let container = host.container(name);
        let attachment = container.keep(attachment(&container, &config, &at(port)));
        (attachment.add().unwrap(), attachment)
    });
    std::fs::remove_dir_all(host.run_dir()).unwrap();
    let del = |name: &str, result: &Value| {
        let keys = json!({"prevResult": result, "runtimeConfig": at(8004)});
        containers[0]
            .call("portmap", "DEL")
            .env("CNI_CONTAINERID", name)
            .config(&with(bare.clone(), &keys))
            .run()
            .answer()
    };
    del("c5", &c4.0).unwrap();
    assert!(left(8004) && left(8005), "they are another's");
    del("c4", &c4.0).unwrap();
    assert!(!left(8004) && left(8005));
    c4.1.call("DEL", 0, Some(&c4.0)).run().answer().unwrap();
    c5.1.del().unwrap();
    assert_eq!(host.status(&config), Ok(()));
}

#[test]
fn a_mistake_is_named_and_nothing_is_changed() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let call = |keys: Value| {
        let config = with(json!({"cniVersion": "1.1.0", "name": "web", "type": "portmap"}), &keys);
        let refusal = c1.call("portmap", "ADD").config(&config).run().answer().unwrap_err();
        (refusal.code, refusal.msg)
    };
    assert_eq!(call(json!({})), (7, "must be called as chained plugin".to_owned()));
    let zero = json!({"runtimeConfig": {"portMappings": [{"hostPort": 0, "containerPort": 80, "protocol": "tcp"}]}});
    assert_eq!(call(zero), (7, "Invalid host port number: 0".to_owned()));
}
