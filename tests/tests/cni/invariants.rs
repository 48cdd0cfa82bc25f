//! What must hold whatever the plugin and its configuration, by the specification.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Daemon, Lab, eventually};

use super::config::{bridge, with};

/// A container's interface on a bridge, and its names.
fn attached() -> Value {
    let mut config = with(bridge("1.1.0", &["10.1.2.0/24", "2001:db8::/64"]), &json!({"ipMasq": true}));
    config["macspoofchk"] = true.into();
    json!({"cniVersion": "1.1.0", "name": "web", "plugins": [config, {"type": "dns"}]})
}

/// Everything on one host that an attachment can have.
fn everything() -> Value {
    let mut list = attached();
    let udp = json!({"hostPort": 8080, "containerPort": 80, "protocol": "udp"});
    let limits =
        json!({"ingressRate": 8_000_000, "ingressBurst": 80_000, "egressRate": 8_000_000, "egressBurst": 80_000});
    list["plugins"].as_array_mut().unwrap().extend([
        json!({"type": "tuning", "mtu": 1400, "promisc": true, "sysctl": {"net.core.somaxconn": "500"}}),
        json!({"type": "portmap", "conditionsV4": ["ip", "ttl", ">", "1"], "capabilities": {"portMappings": true}}),
        json!({"type": "portmap", "runtimeConfig": {"portMappings": [udp]}}),
        json!({"type": "firewall", "ingressPolicy": "same-bridge"}),
        with(json!({"type": "bandwidth", "unshapedSubnets": ["10.1.2.0/24", "2001:db8::/64"]}), &limits),
        json!({"type": "sbr"}),
    ]);
    list
}

#[test]
fn del_with_the_namespace_gone_leaves_nothing() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.container("warm").add(&everything()).del().unwrap();
    let settled = host.kernel_text();
    let c1 = host.container("c1");
    let attachment = c1.add(&everything());
    c1.vanish();
    assert_eq!(attachment.del(), Ok(()));
    assert_eq!(attachment.del(), Ok(()));
    assert_eq!(host.leftovers(), [""; 0]);
    assert_eq!(host.changes_since(&settled), [""; 0]);
}

#[test]
fn del_without_a_namespace_or_a_result_leaves_nothing() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.container("warm").add(&everything()).del().unwrap();
    let settled = host.kernel_text();
    let c1 = host.container("c1");
    let attachment = c1.attachment(&everything(), "eth0");
    attachment.add().unwrap();
    for index in [1, 0] {
        let call = attachment.call("DEL", index, None);
        assert_eq!(call.without("CNI_NETNS").run().answer(), Ok(Value::Null));
    }
    assert_eq!(host.leftovers(), [""; 0]);
    assert_eq!(host.changes_since(&settled), [""; 0]);
}

#[test]
fn del_under_another_network_name_leaves_nothing() {
    let lab = Lab::new();
    let host = lab.host("a");
    let attachment = host.container("c1").attachment(&everything(), "eth0");
    attachment.add().unwrap();
    let mut renamed = everything();
    renamed["name"] = "renamed".into();
    renamed["plugins"].as_array_mut().unwrap().truncate(1);
    let container = host.container("other");
    let call = container.attachment(&renamed, "eth0").call("DEL", 0, None).env("CNI_CONTAINERID", "c1");
    assert_eq!(call.run().answer(), Ok(Value::Null));
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn add_onto_an_interface_that_is_there_is_refused_and_leaves_no_residue() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.container("warm").add(&everything()).del().unwrap();
    let c1 = host.container("c1");
    c1.sh("ip link add eth0 type veth peer name other");
    let settled = (host.kernel_text(), c1.kernel_text());
    let attachment = c1.attachment(&everything(), "eth0");
    let refusal = attachment.add().unwrap_err();
    assert_eq!(refusal.code, 100, "{refusal:?}");
    assert_eq!([host.changes_since(&settled.0), c1.changes_since(&settled.1)].concat(), [""; 0]);
    assert_eq!(host.leftovers(), [""; 0]);
    assert_eq!(attachment.del(), Ok(()), "the runtime's DEL after a failed ADD");
    assert_eq!(c1.changes_since(&settled.1), [""; 0], "takes nothing of others");
}

#[test]
fn a_second_add_is_refused_and_does_not_touch_the_first() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let first = c1.add(&everything());
    c2.add(&attached());
    let before = (host.kernel_text(), c1.kernel_text(), host.leftovers());
    let again = c1.attachment(&everything(), "eth0").add().unwrap_err();
    assert_eq!(again.code, 100, "{again:?}");
    assert_eq!([host.changes_since(&before.0), c1.changes_since(&before.1)].concat(), [""; 0]);
    assert_eq!(host.leftovers(), before.2);
    assert_eq!(first.check(), Ok(()));
    assert!(c2.pings(&c1.address("eth0")));
}

#[test]
fn gc_removes_what_is_not_valid_any_more() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let [first, second] = [c1.add(&attached()), c2.add(&everything())];
    c2.vanish();
    assert_eq!(host.gc(&everything(), None), Ok(()));
    assert!(host.leases("web").join("10.1.2.3").exists(), "without the key nothing is known to be dead");
    assert_eq!(host.gc(&everything(), Some(&[("c1", "eth0")])), Ok(()));
    assert!(!host.leases("web").join("10.1.2.3").exists());
    assert!(host.leftovers().iter().all(|line| !line.contains("c2")), "{:?}", host.leftovers());
    assert_eq!(first.check(), Ok(()));
    assert_eq!(second.del(), Ok(()));
    assert_eq!(host.gc(&everything(), Some(&[])), Ok(()));
    assert_eq!(host.leftovers(), [""; 0], "an empty list: nothing is valid");
    assert!(c1.link("eth0").is_null());
}

#[test]
fn gc_of_one_network_leaves_the_others() {
    let lab = Lab::new();
    let host = lab.host("a");
    let mut other = everything();
    other["name"] = "other".into();
    other["plugins"][0]["bridge"] = "br-other".into();
    let attachment = host.container("c1").add(&everything());
    assert_eq!(host.gc(&other, Some(&[])), Ok(()));
    assert_eq!(attachment.check(), Ok(()));
}

#[test]
fn status_says_that_the_pool_is_full() {
    let lab = Lab::new();
    let host = lab.host("a");
    let config = bridge("1.1.0", &["10.1.2.0/30"]);
    assert_eq!(host.status(&config), Ok(()));
    let only = host.container("c1").add(&config);
    assert_eq!(host.status(&config).unwrap_err().code, 50);
    let refusal = host.container("c2").attachment(&config, "eth0").add().unwrap_err();
    assert_eq!(refusal.code, 11, "{refusal:?}");
    only.del().unwrap();
    assert_eq!(host.status(&config), Ok(()));
}

/// Those that change the ruleset say so before a container is started in vain; others do not need it.
#[test]
fn status_says_that_the_host_has_no_nft() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.sh("ip link add to-1 type veth peer name to-2; mount -t tmpfs tmpfs /usr/sbin");
    let ipam = json!({"type": "host-local", "subnet": "10.1.2.0/24"});
    let config = |keys: Value| with(json!({"cniVersion": "1.1.0", "name": "web", "ipam": ipam}), &keys);
    for (keys, needs) in [
        (json!({"type": "bridge", "ipMasq": true}), true),
        (json!({"type": "bridge", "macspoofchk": true}), true),
        (json!({"type": "bridge"}), false),
        (json!({"type": "portmap"}), true),
        (json!({"type": "firewall"}), true),
        (json!({"type": "ptp", "ipMasq": true}), true),
        (json!({"type": "ptp"}), false),
        (json!({"type": "macvlan", "master": "to-1"}), false),
        (json!({"type": "tap"}), false),
        (json!({"type": "host-local"}), false),
        (json!({"type": "dns"}), false),
        (json!({"type": "tuning"}), false),
    ] {
        let expected = if needs { Err(50) } else { Ok(()) };
        assert_eq!(host.status(&config(keys.clone())).map_err(|refusal| refusal.code), expected, "{keys}");
    }
    let refusal = host.container("c1").attachment(&config(json!({"type": "bridge", "ipMasq": true})), "eth0").add();
    assert_eq!(refusal.unwrap_err().code, 50);
    host.sh("umount /usr/sbin; ip link del to-1");
    assert_eq!(host.leftovers(), [""; 0]);
}

/// What it takes on a machine that does nothing else: the best of some.
fn best(work: impl Fn()) -> Duration {
    let took = |_| {
        let started = Instant::now();
        work();
        started.elapsed()
    };
    (0..20).map(took).min().unwrap()
}

/// On a machine that only pretends to be one, the start of a program takes longer than that.
///
/// As often as a runtime asks, every five seconds and of every plugin, it may not cost much, nor wait for who works.
#[test]
fn status_answers_at_once_whoever_holds_the_locks() {
    let lab = Lab::new();
    let host = lab.host("a");
    let config = everything();
    let mut plugins = config["plugins"].as_array().unwrap().clone();
    plugins.push(json!({"type": "host-local", "ipam": plugins[0]["ipam"]}));
    let attachment = host.container("c1").add(&config);
    let documents = host.sh("mkdir -p /run/netd/locks/attachments; ls /run/netd/attachments/web");
    let mut locks = vec!["/var/lib/cni/networks/web/lock".to_owned(), "/run/netd/locks/shared".to_owned()];
    let names = documents.lines().map(|name| name.trim_end_matches(".json"));
    locks.extend(names.map(|name| format!("/run/netd/locks/attachments/{name}")));
    let hold = |lock: &String| {
        let log = lab.folder().join("flock.log");
        Daemon::start(&host, "flock".as_ref(), log, |command| {
            command.args(["--no-fork", lock, "sleep", "1000"]);
        })
    };
    let holders: Vec<Daemon> = locks.iter().map(hold).collect();
    let is_held = |lock: &String| !host.run(&format!("flock --nonblock {lock} true")).success();
    eventually(Duration::from_secs(10), || locks.iter().all(is_held));
    for plugin in &plugins {
        let request = with(plugin.clone(), &json!({"cniVersion": "1.1.0", "name": "web"}));
        let kind = plugin["type"].as_str().unwrap();
        let call = host.call(kind, "STATUS").config(&request);
        let version = best(|| assert!(host.version(kind)["cniVersion"].is_string()));
        let status = best(|| assert_eq!(call.run().answer(), Ok(Value::Null), "{plugin}"));
        assert!(
            status < Duration::from_millis(5) || status < version * 2,
            "{kind}: {status:?}, and VERSION {version:?}"
        );
    }
    let waiting = attachment.call("DEL", 1, None).run_under(&["timeout", "0.5"]);
    assert!(!waiting.success(), "these are the locks: {waiting:?}");
    drop(holders);
    attachment.del().unwrap();
}

#[test]
fn check_sees_what_others_broke_and_repairs_nothing() {
    let breaks = [
        "ip link set eth0 down",
        "ip addr flush dev eth0",
        "ip route del default",
        "nft flush ruleset",
        "ip link set PORT nomaster",
        "ip link del PORT",
    ];
    for script in breaks {
        let lab = Lab::new();
        let host = lab.host("a");
        let c1 = host.container("c1");
        let attachment = c1.add(&attached());
        assert_eq!(attachment.check(), Ok(()));
        let port = attachment.result()["interfaces"][1]["name"].as_str().unwrap().to_owned();
        let inside = script.contains("eth0") || script.contains("route");
        if inside {
            c1.sh(script)
        } else {
            host.sh(&script.replace("PORT", &port))
        };
        let broken = (host.kernel_text(), c1.kernel_text());
        assert!(attachment.check().is_err(), "{script}");
        assert_eq!([host.changes_since(&broken.0), c1.changes_since(&broken.1)].concat(), [""; 0], "{script}");
    }
}

#[test]
fn names_that_could_be_paths_never_reach_one() {
    let lab = Lab::new();
    let host = lab.host("a");
    let before = host.kernel_text();
    let long = "n".repeat(300);
    for name in ["../up", "a/b", "a\nb", "..", &long] {
        let config = with(bridge("1.1.0", &["10.1.2.0/24"]), &json!({"name": name}));
        let refusal = host.container("c1").attachment(&config, "eth0").add().unwrap_err();
        assert_eq!(refusal.code, 7, "{name:?}: {refusal:?}");
        let bad = with(bridge("1.1.0", &["10.1.2.0/24"]), &json!({"bridge": name}));
        assert_eq!(host.container("c2").attachment(&bad, "eth0").add().unwrap_err().code, 7, "{name:?}");
    }
    assert_eq!(host.changes_since(&before), [""; 0]);
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn check_knows_a_way_that_two_interfaces_share() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let config = |number: u8| {
        let subnets = [format!("10.1.{number}.0/24"), format!("2001:db8:{number}::/64")];
        let config = bridge("1.1.0", &subnets.each_ref().map(String::as_str));
        with(config, &json!({"name": format!("net{number}"), "bridge": format!("br{number}")}))
    };
    let [first, second] = [(1, "eth0"), (2, "eth1")].map(|(number, ifname)| {
        let attachment = c1.keep(c1.attachment(&config(number), ifname));
        attachment.add().unwrap();
        attachment
    });
    // The kernel makes one route of IPv6 with two ways.
    assert_eq!((first.check(), second.check()), (Ok(()), Ok(())));
    c1.sh("ip -6 route del default via 2001:db8:2::1 dev eth1");
    assert_eq!(first.check(), Ok(()));
    assert_eq!(second.check().unwrap_err().code, 103);
}

/// Names and result alone tell what there is.
#[test]
fn del_without_a_document_leaves_nothing() {
    let ranges = json!([[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8::/64"}]]);
    let ptp = json!({"cniVersion": "1.1.0", "name": "web", "type": "ptp", "ipMasq": true,
        "ipam": {"type": "host-local", "ranges": ranges}});
    for config in [attached(), ptp] {
        let lab = Lab::new();
        let host = lab.host("a");
        host.container("warm").add(&config).del().unwrap();
        let settled = host.kernel_text();
        let attachment = host.container("c1").add(&config);
        host.sh("rm -r /run/netd/attachments/web/*");
        assert_eq!(attachment.del(), Ok(()));
        assert_eq!(host.changes_since(&settled), [""; 0]);
        assert_eq!(host.leftovers(), [""; 0]);
    }
}
