//! `bandwidth` after plugins that give an interface: what passes, and in which time.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Attachment, Container, Daemon, Host, Lab, Node, REFERENCE, eventually, run};

use super::config::{addresses, bridge, since, versions_of, with};

const PACKET: &str = env!("CARGO_BIN_EXE_packet");

/// Megabits in a second, and what passes at once: 500,000 and 20,000 bytes.
const RATE: u64 = 4_000_000;
const BURST: u64 = 160_000;

/// What is sent to see how long it takes, in bytes.
const SENT: u64 = 220_000;

/// The least that it takes in milliseconds: so long does what is not passed at once.
const LEAST: u64 = 400;

/// The most, while other tests run.
const MOST: u64 = 10_000;

fn limits() -> Value {
    json!({"ingressRate": RATE, "ingressBurst": BURST, "egressRate": RATE, "egressBurst": BURST})
}

fn limited(version: &str, interface: &Value, keys: &Value) -> Value {
    let bandwidth = with(json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}), keys);
    json!({"cniVersion": version, "name": "web", "plugins": [interface, bandwidth]})
}

fn on_bridge(version: &str, keys: &Value) -> Value {
    limited(version, &bridge(version, &["10.1.2.0/24", "2001:db8::/64"]), keys)
}

fn macvlan(version: &str, keys: &Value) -> Value {
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.2.7/24"}, {"address": "2001:db8::7/64"}]});
    let interface = json!({"cniVersion": version, "name": "web", "type": "macvlan", "master": "to-b", "ipam": ipam});
    limited(version, &interface, keys)
}

/// A list of a version with these limits.
type Made = fn(&str, &Value) -> Value;

/// Where packets wait: on the host's end of a pair, and in the container.
const KINDS: [(&str, Made); 2] = [("bridge", on_bridge), ("macvlan", macvlan)];

/// A host with a cable to another, which is `10.1.2.1` and `2001:db8::1` for containers that are on the cable.
fn lan(lab: &Lab) -> [Host; 2] {
    let [host, far] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&far, "192.168.50.1/24", "192.168.50.2/24");
    far.sh("ip address add 10.1.2.1/24 dev to-a; ip address add 2001:db8::1/64 dev to-a nodad");
    [host, far]
}

/// One who gives and takes bytes on a node, at both of its addresses.
fn served(node: &Node) -> Daemon {
    let daemon = Daemon::start(node, PACKET.as_ref(), node.folder().join("serve.log"), |command| {
        command.args(["serve", "[::]:7"]);
    });
    eventually(Duration::from_secs(10), || node.run("ss -Hltn sport = 7").stdout.contains(":7"));
    daemon
}

/// How long what a container gets from an address takes, and what it puts there, in milliseconds.
fn times(container: &Container, address: &str, count: u64) -> [u64; 2] {
    let at = if address.contains(':') { format!("[{address}]:7") } else { format!("{address}:7") };
    let words = |way| [way, at.clone(), count.to_string()];
    let time = |way: &str| run(container.command(PACKET).args(words(way.to_owned())), b"").text();
    ["get", "put"].map(|way| time(way).trim().parse().unwrap())
}

/// Whether each direction takes the time that it should.
#[track_caller]
fn assert_held_back(times: [u64; 2], expected: [bool; 2], what: &str) {
    for (time, is_held_back) in times.into_iter().zip(expected) {
        assert_eq!(time >= LEAST, is_held_back, "{what}: {times:?}, {expected:?}");
        assert!(time < MOST, "{what}: {times:?}");
    }
}

/// On interfaces of kinds that this kernel may lack.
#[test]
fn what_passes_ipvlan_and_vlan_takes_its_time() {
    for kind in ["ipvlan", "vlan"] {
        let lab = Lab::new();
        let [host, far] = lan(&lab);
        if !host.has(kind) {
            return;
        }
        let mut config = macvlan("1.1.0", &limits());
        config["plugins"][0]["type"] = kind.into();
        if kind == "vlan" {
            config["plugins"][0]["vlanId"] = 5.into();
            far.sh("ip address flush dev to-a; ip link add link to-a name far5 type vlan id 5; ip link set far5 up");
            far.sh("ip address add 10.1.2.1/24 dev far5; ip address add 2001:db8::1/64 dev far5 nodad");
        }
        let _far = served(&far);
        let c1 = host.container("c1");
        let before = [host.kernel_text(), c1.kernel_text()];
        let attachment = c1.add(&config);
        for address in ["10.1.2.1", "2001:db8::1"] {
            assert_held_back(times(&c1, address, SENT), [true, true], &format!("{kind} {address}"));
        }
        assert_eq!(attachment.check(), Ok(()));
        c1.sh("tc qdisc del dev eth0 root");
        assert_eq!(attachment.check().unwrap_err().code, 103);
        assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
        assert_eq!([host.changes_since(&before[0]), c1.changes_since(&before[1])].concat(), [""; 0], "{kind}");
    }
}

/// The IFBs in a result.
fn ifbs(attachment: &Attachment) -> Vec<Value> {
    let interfaces = attachment.result()["interfaces"].as_array().unwrap().clone();
    interfaces.into_iter().filter(|shown| shown["name"].as_str().unwrap().starts_with("netq")).collect()
}

#[test]
fn what_passes_takes_its_time() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let inward = json!({"ingressRate": RATE, "ingressBurst": BURST});
    let outward = json!({"egressRate": RATE, "egressBurst": BURST});
    let _far = served(&far);
    host.container("warm").add(&on_bridge("1.1.0", &json!({})));
    let _near = served(&host);
    for (kind, made) in KINDS {
        for (keys, expected) in [
            (json!({}), [false, false]),
            (limits(), [true, true]),
            (inward.clone(), [true, false]),
            (outward.clone(), [false, true]),
        ] {
            let container = host.container(&format!("{kind}-{expected:?}").replace(['[', ']', ',', ' '], ""));
            let attachment = container.add(&made("1.1.0", &keys));
            for address in ["10.1.2.1", "2001:db8::1"] {
                assert_held_back(times(&container, address, SENT), expected, &format!("{kind} {address} {keys}"));
            }
            assert_eq!(attachment.check(), Ok(()), "{kind} {keys}");
            attachment.del().unwrap();
        }
    }
}

#[test]
fn exempt_subnets_pass_at_once_and_the_rest_does_not() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let _far = served(&far);
    host.container("warm").add(&on_bridge("1.1.0", &json!({})));
    let _near = served(&host);
    for (kind, made) in KINDS {
        for (key, subnets, held_back) in [
            ("unshapedSubnets", json!(["10.1.2.0/24", "192.0.2.0/24"]), [false, true]),
            ("unshapedSubnets", json!(["2001:db8::/64"]), [true, false]),
            ("shapedSubnets", json!(["10.1.0.0/16"]), [true, false]),
            ("shapedSubnets", json!(["192.0.2.0/24", "2001:db8::1/128"]), [false, true]),
        ] {
            let container = host.container(&format!("{kind}-{key}-{}{}", held_back[0], held_back[1]));
            let attachment = container.add(&made("1.1.0", &with(limits(), &json!({key: subnets}))));
            for (address, is_held_back) in ["10.1.2.1", "2001:db8::1"].into_iter().zip(held_back) {
                let what = format!("{kind} {address} {key} {subnets}");
                assert_held_back(times(&container, address, SENT), [is_held_back; 2], &what);
            }
            assert_eq!((ifbs(&attachment).len(), attachment.check()), (2, Ok(())), "{kind} {key} {subnets}");
            attachment.del().unwrap();
        }
    }
}

#[test]
fn the_result_has_the_ifb_and_del_leaves_nothing() {
    for version in versions_of("bandwidth") {
        let lab = Lab::new();
        let [host, _far] = lan(&lab);
        host.container("warm").add(&on_bridge(version, &json!({}))).del().unwrap();
        let settled = host.kernel_text();
        let c1 = host.container("c1");
        let bare = c1.kernel_text();
        let attachment = c1
            .add(&on_bridge(version, &json!({"egressRate": 8, "egressBurst": 8, "ingressRate": 8, "ingressBurst": 8})));
        let result = attachment.result();
        assert_eq!(addresses(&result), ["10.1.2.3/24", "2001:db8::3/64"], "{version}");
        let shown = result["interfaces"].as_array().unwrap();
        let ifb = host.link(shown[3]["name"].as_str().unwrap());
        let veth = host.link(shown[1]["name"].as_str().unwrap());
        assert_eq!((ifb["linkinfo"]["info_kind"].as_str(), shown.len()), (Some("ifb"), 4), "{version}");
        assert_eq!((&shown[3]["mac"], &shown[3]["sandbox"]), (&ifb["address"], &Value::Null));
        assert_eq!(ifb["mtu"], veth["mtu"]);
        let queue = |link: &Value| host.sh(&format!("tc qdisc show dev {}", link["ifname"].as_str().unwrap()));
        assert!(queue(&ifb).contains("tbf 1: root") && queue(&veth).contains("tbf 1: root"));
        assert!(queue(&veth).contains("ingress ffff:"));
        if since(version, "0.4.0") {
            assert_eq!(attachment.check(), Ok(()), "{version}");
        }
        // What the container has besides stays, and what held it back does not.
        assert_eq!(attachment.call("DEL", 1, Some(&result)).run().answer(), Ok(Value::Null));
        assert!(!queue(&veth).contains("tbf") && host.link(ifb["ifname"].as_str().unwrap()).is_null());
        assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
        assert_eq!([host.changes_since(&settled), c1.changes_since(&bare), host.leftovers()].concat(), [""; 0]);

        let inside = c1.add(&macvlan(version, &limits()));
        let [ifb] = ifbs(&inside).try_into().unwrap();
        assert_eq!(ifb["sandbox"], json!(c1.netns()));
        assert_eq!(c1.link(ifb["name"].as_str().unwrap())["address"], ifb["mac"]);
        assert_eq!(host.sh("ip -o link show type ifb"), "", "all of it is in the container");
        assert_eq!((inside.del(), inside.del()), (Ok(()), Ok(())));
        assert_eq!(c1.changes_since(&bare), [""; 0]);
    }
}

#[test]
fn two_interfaces_of_a_container_have_an_ifb_each() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let both = ["eth0", "eth1"].map(|ifname| c1.keep(c1.attachment(&on_bridge("1.1.0", &limits()), ifname)));
    for attachment in &both {
        attachment.add().unwrap();
    }
    let names = both.each_ref().map(|attachment| ifbs(attachment)[0]["name"].clone());
    assert_ne!(names[0], names[1]);
    both[0].del().unwrap();
    assert!(host.link(names[0].as_str().unwrap()).is_null());
    assert_eq!(both[1].check(), Ok(()));
    both[1].del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn the_runtime_says_how_much_and_the_operator_how_long() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let config = on_bridge("1.1.0", &json!({"latency": 1000}));
    let attachment = c1.attachment(&config, "eth0").capabilities(&json!({"bandwidth": limits()}));
    let attachment = c1.keep(attachment);
    let result = attachment.add().unwrap();
    let shown = host.sh(&format!("tc qdisc show dev {} root", result["interfaces"][1]["name"].as_str().unwrap()));
    assert!(shown.contains("rate 4Mbit burst 20000b lat 1s"), "{shown}");
    assert_eq!(attachment.check(), Ok(()));
    attachment.del().unwrap();
}

#[test]
fn a_list_may_have_many_subnets() {
    let subnets = |count: u8| -> Vec<String> {
        (0..=count).flat_map(|number| [format!("10.9.{number}.0/24"), format!("2001:db8:9:{number:x}::/64")]).collect()
    };
    for key in ["unshapedSubnets", "shapedSubnets"] {
        let lab = Lab::new();
        let host = lab.host("a");
        let c1 = host.container("c1");
        let attachment = c1.add(&on_bridge("1.1.0", &with(limits(), &json!({key: subnets(127)}))));
        assert_eq!(attachment.check(), Ok(()), "{key}");
        let veth = attachment.result()["interfaces"][1]["name"].clone();
        let last = format!("tc filter show dev {} egress pref 514", veth.as_str().unwrap());
        assert_eq!(host.sh(&last).contains("::800"), key == "unshapedSubnets", "the one of all others");
        assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
        assert_eq!(host.leftovers(), [""; 0]);
        let refusal = c1.attachment(&on_bridge("1.1.0", &json!({key: subnets(128)})), "eth0").call("STATUS", 1, None);
        assert_eq!(refusal.run().answer().unwrap_err().code, 7);
    }
}

/// One name for each thing that may be broken.
fn broken(attachment: &Attachment, script: &str) -> String {
    let result = attachment.result();
    let veth = result["interfaces"][1]["name"].as_str().unwrap_or("none").to_owned();
    let ifbs = ifbs(attachment);
    let name = |index: usize| ifbs.get(index).map_or("none", |ifb| ifb["name"].as_str().unwrap()).to_owned();
    script.replace("VETH", &veth).replace("EGRESS", &name(0)).replace("INGRESS", &name(1)).replace("IFB", &name(0))
}

#[test]
fn check_finds_each_thing_that_is_broken_and_repairs_nothing() {
    let plain = limits();
    let exempt = with(limits(), &json!({"unshapedSubnets": ["10.9.0.0/16", "fd00::/8"]}));
    let on_host = [
        (&plain, "tc qdisc del dev VETH root"),
        (&plain, "tc qdisc replace dev VETH root handle 1: tbf rate 4mbit burst 20000 latency 26ms"),
        (&plain, "tc qdisc del dev VETH root; tc qdisc add dev VETH root handle 1: pfifo"),
        (&plain, "tc qdisc del dev VETH ingress"),
        (&plain, "tc filter del dev VETH ingress pref 1"),
        (&plain, "tc qdisc del dev IFB root"),
        (&plain, "tc qdisc replace dev IFB root handle 1: tbf rate 5mbit burst 20000 latency 25ms"),
        (&plain, "ip link set IFB down"),
        (&plain, "ip link set IFB mtu 1300"),
        (&plain, "ip link del IFB"),
        (&exempt, "tc qdisc del dev VETH clsact"),
        (&exempt, "tc filter del dev VETH ingress pref 1"),
        (&exempt, "tc filter del dev VETH ingress pref 2"),
        (&exempt, "tc filter del dev VETH ingress pref 3"),
        (&exempt, "tc filter del dev VETH egress pref 258"),
        (&exempt, "tc filter del dev VETH egress pref 260"),
        (&exempt, "tc qdisc del dev INGRESS root"),
        (&exempt, "ip link del EGRESS"),
    ];
    for (keys, script) in on_host {
        let lab = Lab::new();
        let host = lab.host("a");
        let attachment = host.container("c1").add(&on_bridge("1.1.0", keys));
        assert_eq!(attachment.check(), Ok(()));
        host.sh(&broken(&attachment, script));
        let text = host.kernel_text();
        assert_eq!(attachment.check().unwrap_err().code, 103, "{script}");
        assert_eq!(host.changes_since(&text), [""; 0], "{script}");
    }
    let inside = [
        (&plain, "tc qdisc del dev eth0 root"),
        (&plain, "tc qdisc del dev eth0 ingress"),
        (&plain, "tc filter del dev eth0 ingress pref 1"),
        (&plain, "tc qdisc del dev IFB root"),
        (&plain, "ip link del IFB"),
        (&exempt, "tc filter del dev eth0 egress pref 259"),
    ];
    for (keys, script) in inside {
        let lab = Lab::new();
        let [host, _far] = lan(&lab);
        let c1 = host.container("c1");
        let attachment = c1.add(&macvlan("1.1.0", keys));
        assert_eq!(attachment.check(), Ok(()));
        c1.sh(&broken(&attachment, script));
        let text = c1.kernel_text();
        assert_eq!(attachment.check().unwrap_err().code, 103, "{script}");
        assert_eq!(c1.changes_since(&text), [""; 0], "{script}");
    }
}

#[test]
fn del_with_the_namespace_gone_leaves_nothing() {
    let lab = Lab::new();
    let [host, _far] = lan(&lab);
    host.container("warm").add(&on_bridge("1.1.0", &limits())).del().unwrap();
    let settled = host.kernel_text();
    let exempt = with(limits(), &json!({"unshapedSubnets": ["10.9.0.0/16"]}));
    for (number, config) in [on_bridge("1.1.0", &exempt), macvlan("1.1.0", &exempt)].iter().enumerate() {
        let container = host.container(&format!("c{number}"));
        let attachment = container.add(config);
        container.vanish();
        assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
        assert_eq!(host.leftovers(), [""; 0]);
        // What stood on the cable goes with the namespace, some time later.
        eventually(Duration::from_secs(5), || host.changes_since(&settled).is_empty());
    }
}

#[test]
fn gc_takes_what_no_valid_attachment_has() {
    let lab = Lab::new();
    let host = lab.host("a");
    let config = on_bridge("1.1.0", &limits());
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name).add(&config));
    let forgotten = host.container("c3").add(&config);
    host.sh("rm -r /run/netd/attachments/web/*");
    c1.forget();
    forgotten.forget();
    let names = [&c1, &c2, &forgotten].map(|attachment| ifbs(attachment)[0]["name"].as_str().unwrap().to_owned());
    host.gc(&config, Some(&[("c2", "eth0")])).unwrap();
    let is_there = names.each_ref().map(|name| !host.link(name).is_null());
    assert_eq!(is_there, [false, true, false]);
    c2.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn it_needs_an_interface_whose_packets_it_sees() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    c1.sh("ip link add eth0 type veth peer name other; ip link add br0 type bridge");
    let call = |ifname: &str, previous: Option<Value>| {
        let mut config = with(json!({"cniVersion": "1.1.0", "name": "web", "type": "bandwidth"}), &limits());
        if let Some(previous) = previous {
            config["prevResult"] = previous;
        }
        let refusal = c1.call("bandwidth", "ADD").env("CNI_IFNAME", ifname).config(&config).run().answer().unwrap_err();
        (refusal.code, refusal.msg)
    };
    let of = |interfaces: Value| Some(json!({"cniVersion": "1.1.0", "interfaces": interfaces}));
    let before = [host.kernel_text(), c1.kernel_text()];
    assert_eq!(call("eth0", None), (7, "must be called as chained plugin".to_owned()));
    assert_eq!(call("eth0", of(json!([]))), (7, "no interfaces provided".to_owned()));
    let inside = json!([{"name": "eth0", "sandbox": "/x"}]);
    for (ifname, words) in [
        ("eth0", "veth peer of eth0 is not in host ns"),
        ("gone", "container interface gone has no veth peer: Link not found"),
        ("br0", "container interface br0 has no veth peer: it is bridge, and no macvlan, ipvlan or vlan"),
    ] {
        assert_eq!(call(ifname, of(inside.clone())), (7, words.to_owned()));
    }
    c1.sh(&format!("ip link del eth0; ip link add eth0 type veth peer name there netns {}", host.pid()));
    let unlisted = call("eth0", of(json!([{"name": "other"}, {"name": "eth0", "sandbox": "/x"}])));
    assert_eq!(unlisted, (7, "no veth peer of container interface found in host ns".to_owned()));
    c1.sh("ip link del eth0; ip link add eth0 type veth peer name other");
    assert_eq!([host.changes_since(&before[0]), host.leftovers()].concat(), [""; 0]);
    let bare = c1.call("bandwidth", "DEL").config(&json!({"cniVersion": "1.1.0", "name": "web", "type": "bandwidth"}));
    assert_eq!(bare.clone().run().answer(), Ok(Value::Null));
    assert_eq!(bare.without("CNI_NETNS").run().answer(), Ok(Value::Null));
}

#[test]
fn of_several_interfaces_of_the_host_the_containers_own_is_held_back() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    host.sh("ip link add to-1 type veth peer name to-2");
    let attachment = c1.attachment(&on_bridge("1.1.0", &limits()), "eth0");
    let mut result = attachment.call("ADD", 0, None).run().answer().unwrap();
    let own = result["interfaces"][1]["name"].as_str().unwrap().to_owned();
    for name in ["to-1", "to-2"] {
        result["interfaces"].as_array_mut().unwrap().push(json!({"name": name}));
    }
    attachment.call("ADD", 1, Some(&result)).run().answer().unwrap();
    let held_back = |name: &str| host.sh(&format!("tc qdisc show dev {name} root")).contains("tbf");
    assert_eq!([&*own, "to-1", "to-2"].map(held_back), [true, false, false]);
    attachment.del().unwrap();
    host.sh("ip link del to-1");
}

#[test]
fn a_queue_of_another_is_refused_and_stays() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let attachment = c1.attachment(&on_bridge("1.1.0", &limits()), "eth0");
    let result = attachment.call("ADD", 0, None).run().answer().unwrap();
    let veth = result["interfaces"][1]["name"].as_str().unwrap();
    host.sh(&format!("tc qdisc add dev {veth} root handle 7: htb"));
    let text = host.kernel_text();
    let refusal = attachment.call("ADD", 1, Some(&result)).run().answer().unwrap_err();
    assert!(refusal.msg.contains("tc qdisc add dev veth"), "{refusal:?}");
    assert_eq!(host.changes_since(&text), [""; 0], "what it had made is gone");
    attachment.del().unwrap();
}

#[test]
fn what_the_reference_plugin_left_is_taken_away() {
    for gone in [false, true] {
        let lab = Lab::new();
        let host = lab.host("a");
        let c1 = host.container("c1");
        let attachment = c1.attachment(&on_bridge("1.0.0", &limits()), "eth0");
        let mut result = Value::Null;
        for (index, plugin) in ["bridge", "bandwidth"].into_iter().enumerate() {
            let config = with(
                on_bridge("1.0.0", &limits())["plugins"][index].clone(),
                &json!({"cniVersion": "1.0.0", "name": "web"}),
            );
            let config = if result.is_null() { config } else { with(config, &json!({"prevResult": result})) };
            let reference = c1.call(&format!("{REFERENCE}/{plugin}"), "ADD").env("CNI_PATH", REFERENCE);
            result = reference.config(&config).run().answer().unwrap();
        }
        let ifb = result["interfaces"][3]["name"].as_str().unwrap();
        assert_eq!(host.link(ifb)["linkinfo"]["info_kind"], "ifb");
        if gone {
            c1.vanish();
        }
        assert_eq!(attachment.call("DEL", 1, Some(&result)).run().answer(), Ok(Value::Null));
        assert!(host.link(ifb).is_null());
        assert_eq!(attachment.call("DEL", 0, Some(&result)).run().answer(), Ok(Value::Null));
        eventually(Duration::from_secs(5), || host.leftovers().is_empty());
    }
}
