//! `dummy`, `vlan` and `ipvlan`: whole where the kernel has their kind, refused by name where it has not.

use serde_json::{Value, json};
use tests::{Host, Lab};

use super::config::{addresses, with};

const KINDS: [(&str, &str); 3] =
    [("dummy", "CONFIG_DUMMY"), ("vlan", "CONFIG_VLAN_8021Q"), ("ipvlan", "CONFIG_IPVLAN")];

fn config(version: &str, kind: &str) -> Value {
    let ipam = json!({"type": "host-local", "subnet": "192.168.60.0/24"});
    let config = json!({"cniVersion": version, "name": "lan", "type": kind, "ipam": ipam});
    match kind {
        "vlan" => with(config, &json!({"master": "to-b", "vlanId": 5})),
        "ipvlan" => with(config, &json!({"master": "to-b"})),
        _ => config,
    }
}

/// A host with a cable to another, on which it has the gateway of the subnet in VLAN 5 where that can be.
fn lan(lab: &Lab) -> [Host; 2] {
    let [host, far] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&far, "192.168.50.1/24", "192.168.50.2/24");
    [host, far]
}

#[test]
fn a_kernel_that_lacks_the_kind_is_said_so_and_nothing_is_left() {
    let lab = Lab::new();
    let [host, _far] = lan(&lab);
    for (kind, option) in KINDS.into_iter().filter(|(kind, _)| !host.knows(kind)) {
        let c1 = host.container(&format!("c-{kind}"));
        let before = [host.kernel_text(), c1.kernel_text()];
        let attachment = c1.attachment(&config("1.1.0", kind), "eth0");
        let refusal = attachment.add().unwrap_err();
        assert_eq!(refusal.code, 102, "{refusal:?}");
        assert!(refusal.msg.ends_with(&format!("this kernel lacks {option}")), "{refusal:?}");
        let changes = [host.changes_since(&before[0]), c1.changes_since(&before[1]), host.leftovers()].concat();
        assert_eq!(changes, [""; 0], "{kind}");
        assert_eq!(attachment.del(), Ok(()));
    }
}

#[test]
fn dummy_is_made_checked_and_taken_away() {
    whole("dummy");
}

#[test]
fn vlan_is_made_checked_and_taken_away() {
    whole("vlan");
}

#[test]
fn ipvlan_is_made_checked_and_taken_away() {
    whole("ipvlan");
}

fn whole(kind: &str) {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    if !host.has(kind) {
        return;
    }
    serve(&far, kind);
    let c1 = host.container("c1");
    let before = [host.kernel_text(), c1.kernel_text()];
    let attachment = c1.add(&config("1.1.0", kind));
    assert_eq!(addresses(&attachment.result()).len(), 1);
    assert_eq!(c1.link("eth0")["linkinfo"]["info_kind"], kind);
    assert_eq!(c1.pings("192.168.60.1"), kind != "dummy");
    assert_eq!(attachment.check(), Ok(()));
    c1.sh("ip link set eth0 down");
    assert_eq!(attachment.check().unwrap_err().code, 103);
    assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
    assert_eq!([host.changes_since(&before[0]), c1.changes_since(&before[1])].concat(), [""; 0]);
}

/// Gives the other host the gateway of the subnet, where a container of `kind` finds it.
fn serve(far: &Host, kind: &str) {
    let target = if kind == "vlan" { "far0" } else { "to-a" };
    if kind == "vlan" {
        far.sh("ip link add link to-a name far0 type vlan id 5; ip link set far0 up");
    }
    far.sh(&format!("ip address add 192.168.60.1/24 dev {target}"));
}

#[test]
fn del_succeeds_with_the_interface_below_gone_or_nothing_made() {
    let lab = Lab::new();
    let [host, _far] = lan(&lab);
    for (kind, _) in KINDS {
        let c1 = host.container(&format!("c-{kind}"));
        let gone = with(config("1.1.0", kind), &json!({"master": "none0"}));
        assert_eq!(c1.attachment(&gone, "eth0").del(), Ok(()), "{kind}");
        if kind != "dummy" {
            let refusal = c1.attachment(&gone, "eth0").add().unwrap_err();
            assert_eq!(refusal.msg, "failed to lookup master \"none0\": Link not found");
        }
    }
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn status_says_that_the_interface_below_is_not_there() {
    let lab = Lab::new();
    let [host, _far] = lan(&lab);
    for kind in ["vlan", "ipvlan", "macvlan"] {
        let config = with(config("1.1.0", kind), &json!({"master": "to-b", "vlanId": 5}));
        assert_eq!(host.status(&config), Ok(()), "{kind}");
        let refusal = host.status(&with(config.clone(), &json!({"master": "to-c"}))).unwrap_err();
        assert!(refusal.code == 50 && refusal.msg.contains("\"to-c\""), "{kind}: {refusal:?}");
        let inside = json!({"master": "to-c", "linkInContainer": true});
        assert_eq!(host.status(&with(config, &inside)), Ok(()), "{kind}: it is in a container");
    }
}
