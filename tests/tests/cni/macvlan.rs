//! `macvlan`: containers on the link of the host.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Host, Lab, eventually};

use super::config::{VERSIONS, addresses, since, with};

fn macvlan(version: &str) -> Value {
    let ranges = json!([[{"subnet": "192.168.50.0/24", "rangeStart": "192.168.50.10"}], [{"subnet": "fd50::/64"}]]);
    let ipam = json!({"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0", "gw": "192.168.50.2"}]});
    json!({"cniVersion": version, "name": "lan", "type": "macvlan", "master": "to-b", "ipam": ipam})
}

/// A host with a cable to another, which has addresses on it. The names of both ends of a pair of its own are those that
/// containers use.
fn lan(lab: &Lab) -> [Host; 2] {
    let [host, far] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&far, "192.168.50.1/24", "192.168.50.2/24");
    far.sh("ip address add fd50::2/64 dev to-a nodad");
    host.sh("ip link add eth0 type veth peer name eth1");
    [host, far]
}

fn clear(host: &Host) {
    host.sh("ip link del eth0");
}

#[test]
fn containers_are_on_the_link_of_the_host() {
    for version in VERSIONS {
        let lab = Lab::new();
        let [host, _far] = lan(&lab);
        let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
        let [first, second] = [&c1, &c2].map(|container| container.add(&macvlan(version)));
        let result = first.result();
        assert_eq!(addresses(&result), ["192.168.50.10/24", "fd50::2/64"], "{version}");
        for address in ["192.168.50.2", "192.168.50.11"] {
            assert!(c1.pings(address), "{version}: {address}");
        }
        eventually(Duration::from_secs(5), || c1.pings("fd50::3"));
        if since(version, "0.3.0") {
            assert_eq!(result["interfaces"][0]["mac"], c1.link("eth0")["address"]);
            assert_eq!(result["interfaces"][0]["name"], "eth0");
            assert_eq!(result["ips"][0]["interface"], 0);
        }
        assert_eq!(c1.link("eth0")["linkinfo"]["info_data"]["mode"], "bridge");
        if since(version, "0.4.0") {
            assert_eq!((first.check(), second.check()), (Ok(()), Ok(())), "{version}");
        }
        assert_eq!((first.del(), first.del()), (Ok(()), Ok(())));
        assert!(c1.link("eth0").is_null());
        clear(&host);
    }
}

#[test]
fn each_key_is_obeyed() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let c1 = host.container("c1");
    for mode in ["private", "vepa", "passthru"] {
        let keys = json!({"mode": mode, "mtu": 1400, "bcqueuelen": 77, "ipam": {}});
        let attachment = c1.add(&with(macvlan("1.1.0"), &keys));
        let link = c1.link("eth0");
        assert_eq!((&link["mtu"], &link["linkinfo"]["info_data"]["mode"]), (&json!(1400), &json!(mode)));
        assert_eq!(link["linkinfo"]["info_data"]["bcqueuelen"], 77);
        assert_eq!(link["address"] == host.link("to-b")["address"], mode == "passthru", "{mode}");
        assert_eq!(attachment.check(), Ok(()));
        attachment.del().unwrap();
    }
    let mac = with(macvlan("1.1.0"), &json!({"mac": "02:00:00:00:00:77", "dns": {"nameservers": ["192.168.50.53"]}}));
    let attachment = c1.keep(c1.attachment(&mac, "eth0").args("IgnoreUnknown=1;MAC=02:00:00:00:00:78"));
    let result = attachment.add().unwrap();
    assert_eq!(result["interfaces"][0]["mac"], "02:00:00:00:00:78");
    assert_eq!(result["dns"], json!({"nameservers": ["192.168.50.53"]}));
    // A cable of the container's own, as another plugin gives it one.
    let c2 = host.container("c2");
    c2.sh(&format!("ip link add up0 type veth peer name c2-0 netns {}; ip link set up0 up", far.pid()));
    far.sh("ip address add 192.168.60.1/24 dev c2-0; ip link set c2-0 up");
    let ipam = json!({"type": "static", "addresses": [{"address": "192.168.60.7/24"}]});
    let inside = with(macvlan("1.1.0"), &json!({"master": "up0", "linkInContainer": true, "ipam": ipam}));
    let attachment = c2.add(&inside);
    assert!(c2.pings("192.168.60.1"));
    assert_eq!(attachment.check(), Ok(()));
    attachment.del().unwrap();
    far.sh("ip link del c2-0");
    // Without a name the interface is that of the default route.
    host.sh("ip route add default via 192.168.50.2");
    let mut unnamed = macvlan("1.1.0");
    unnamed.as_object_mut().unwrap().remove("master");
    host.container("c3").add(&unnamed);
    clear(&host);
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let lab = Lab::new();
    let [host, _far] = lan(&lab);
    let settled = (host.kernel_text(), host.leftovers());
    let bad_route = json!({"type": "static", "addresses": [{"address": "192.168.50.7/24"}],
        "routes": [{"dst": "10.9.0.0/16", "gw": "203.0.113.9"}]});
    for (number, (keys, code, text)) in [
        (json!({"master": "none0"}), 7, "failed to lookup master \"none0\": Link not found"),
        (json!({"master": ""}), 7, "no default route interface found"),
        (json!({"mtu": 9000}), 7, "invalid MTU 9000, must be [0, master MTU(1500)]"),
        (json!({"ipam": bad_route}), 5, "ip route add 10.9.0.0/16 via 203.0.113.9 dev eth0: "),
    ]
    .into_iter()
    .enumerate()
    {
        let c1 = host.container(&format!("c{number}"));
        let before = c1.kernel_text();
        let attachment = c1.attachment(&with(macvlan("1.1.0"), &keys), "eth0");
        let refusal = attachment.add().unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(refusal.msg.contains(text), "{refusal:?}");
        assert_eq!([host.changes_since(&settled.0), c1.changes_since(&before)].concat(), [""; 0]);
        assert_eq!(host.leftovers(), settled.1);
        attachment.del().unwrap();
    }
    clear(&host);
}

#[test]
fn check_finds_each_thing_that_is_broken_and_repairs_nothing() {
    for script in [
        "ip link set eth0 down",
        "ip link set eth0 mtu 1300",
        "ip link set eth0 address 02:00:00:00:00:99",
        "ip link set eth0 type macvlan mode private",
        "ip address del 192.168.50.10/24 dev eth0",
        "ip route del default",
        "ip link del eth0",
        "ip link del eth0; ip link add eth0 type veth peer name other",
    ] {
        let lab = Lab::new();
        let [host, _far] = lan(&lab);
        let c1 = host.container("c1");
        let attachment = c1.add(&macvlan("1.1.0"));
        assert_eq!(attachment.check(), Ok(()));
        c1.sh(script);
        let broken = c1.kernel_text();
        let refusal = attachment.check().unwrap_err();
        assert_eq!(refusal.code, 103, "{script}: {refusal:?}");
        assert_eq!(c1.changes_since(&broken), [""; 0], "{script}");
        clear(&host);
    }
}

#[test]
fn nothing_is_left_when_the_namespace_is_gone_and_gc_takes_the_rest() {
    let lab = Lab::new();
    let [host, _far] = lan(&lab);
    clear(&host);
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let [first, second] = [&c1, &c2].map(|container| container.add(&macvlan("1.1.0")));
    c1.vanish();
    assert_eq!((first.del(), first.del()), (Ok(()), Ok(())));
    c2.vanish();
    assert_eq!(host.gc(&macvlan("1.1.0"), None), Ok(()));
    assert!(!host.leftovers().is_empty());
    assert_eq!(host.gc(&macvlan("1.1.0"), Some(&[])), Ok(()));
    assert_eq!(host.leftovers(), [""; 0]);
    assert_eq!(second.del(), Ok(()));
}
