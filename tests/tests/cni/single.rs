//! `dummy`, `vlan` and `ipvlan`: whole where the kernel has their kind, refused by name where it has not.

use serde_json::{Value, json};
use tests::{Host, Lab};

use super::config::{VERSIONS, addresses, since, with};

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
fn a_kernel_that_has_the_kind_makes_it() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    for (kind, _) in KINDS.into_iter().filter(|(kind, _)| host.knows(kind)) {
        match kind {
            "vlan" => far.sh("ip link add link to-a name far0 type vlan id 5; ip link set far0 up"),
            _ => far.sh("ip link add far0 type veth peer name far1"),
        };
        let target = if kind == "vlan" { "far0" } else { "to-a" };
        far.sh(&format!("ip address add 192.168.60.1/24 dev {target}"));
        for version in VERSIONS {
            let c1 = host.container(&format!("c-{kind}-{version}"));
            let attachment = c1.add(&config(version, kind));
            assert_eq!(addresses(&attachment.result()).len(), 1);
            assert_eq!(c1.link("eth0")["linkinfo"]["info_kind"], kind);
            assert_eq!(c1.pings("192.168.60.1"), kind != "dummy", "{kind}");
            if since(version, "0.4.0") {
                assert_eq!(attachment.check(), Ok(()), "{kind} {version}");
                c1.sh("ip link set eth0 down");
                assert_eq!(attachment.check().unwrap_err().code, 103);
            }
            assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
            assert!(c1.link("eth0").is_null());
        }
        far.sh(&format!("ip address del 192.168.60.1/24 dev {target}; ip link del far0"));
    }
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
