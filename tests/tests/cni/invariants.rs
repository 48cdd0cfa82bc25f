//! What must hold whatever the plugin and its configuration: checks 55 to 62 of the specification's own rules.

use serde_json::{Value, json};
use tests::Lab;

use super::config::{bridge, with};

/// Everything on one host that an attachment can have.
fn everything() -> Value {
    let mut config = with(bridge("1.1.0", &["10.1.2.0/24", "2001:db8::/64"]), &json!({"ipMasq": true}));
    config["macspoofchk"] = true.into();
    json!({"cniVersion": "1.1.0", "name": "web", "plugins": [config, {"type": "dns"}]})
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
    c2.add(&everything());
    let before = (host.kernel_text(), c1.kernel_text(), host.leftovers());
    let again = c1.attachment(&everything(), "eth0").add().unwrap_err();
    assert_eq!(again.code, 100, "{again:?}");
    assert_eq!([host.changes_since(&before.0), c1.changes_since(&before.1)].concat(), [""; 0]);
    assert_eq!(host.leftovers(), before.2);
    assert_eq!(first.check(), Ok(()));
    assert!(c1.pings(&c2.address("eth0")));
}

#[test]
fn gc_removes_what_is_not_valid_any_more() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let [first, second] = [&c1, &c2].map(|container| container.add(&everything()));
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
        let attachment = c1.add(&everything());
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
