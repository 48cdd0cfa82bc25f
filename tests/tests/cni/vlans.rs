//! VLANs of `bridge`: an access port and its gateway, trunks, and whether VLAN 1 stays; where the kernel filters them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{Attachment, Container, Host, Lab};

use super::config::with;

const FILTERING: &str = "bridge vlan_filtering 1";

fn on(keys: &Value, address: &str) -> Value {
    let ipam = json!({"type": "static", "addresses": [{"address": format!("{address}/24"), "gateway": "10.1.5.1"}]});
    let config = json!({"cniVersion": "1.1.0", "name": "web", "type": "bridge", "bridge": "br-web", "ipam": ipam});
    with(config, keys)
}

/// Which VLANs the port of an attachment is in, as `bridge vlan` says: of each, whether its frames bear no tag.
fn vlans(host: &Host, attachment: &Attachment) -> BTreeSet<(u64, u64, bool)> {
    let result = attachment.result();
    let port = result["interfaces"][1]["name"].as_str().unwrap();
    let shown = host.run(&format!("bridge -j vlan show dev {port}")).json();
    let entries = shown[0]["vlans"].as_array().unwrap().iter().map(|entry| {
        let id = entry["vlan"].as_u64().unwrap();
        let flags = entry["flags"].as_array();
        let untagged = flags.is_some_and(|flags| flags.iter().any(|flag| flag == "Egress Untagged"));
        (id, entry["vlanEnd"].as_u64().unwrap_or(id), untagged)
    });
    entries.collect()
}

/// An interface of the container for what comes with the tag of this VLAN.
fn tagged(container: &Container, id: u16, address: &str) {
    container.sh(&format!(
        "ip link add link eth0 name eth0.{id} type vlan id {id}; ip link set eth0.{id} up; \
         ip address add {address}/24 dev eth0.{id}"
    ));
}

#[test]
fn a_container_in_a_vlan_reaches_the_gateway_and_those_of_its_vlan() {
    let lab = Lab::new();
    let host = lab.host("a");
    if !host.has(FILTERING) {
        return;
    }
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|name| host.container(name));
    let before = c1.kernel_text();
    let of_five = json!({"vlan": 5, "isDefaultGateway": true});
    let first = c1.add(&on(&of_five, "10.1.5.2"));
    c2.add(&on(&of_five, "10.1.5.3"));
    c3.add(&on(&json!({"vlan": 6}), "10.1.5.4"));
    assert_eq!(vlans(&host, &first), [(5, 5, true)].into());
    assert_eq!(host.addresses("br-web.5"), ["10.1.5.1/24"]);
    assert!(c1.pings("10.1.5.1") && c1.pings("10.1.5.3"), "gateway and neighbour");
    assert!(!c1.pings("10.1.5.4"), "another VLAN");
    assert_eq!(first.result()["interfaces"][3]["name"], "br-web.5");
    assert_eq!(first.check(), Ok(()));
    let port = first.result()["interfaces"][1]["name"].as_str().unwrap().to_owned();
    host.sh(&format!("bridge vlan del dev {port} vid 5"));
    assert_eq!(first.check().unwrap_err().code, 103);
    assert_eq!((first.del(), first.del()), (Ok(()), Ok(())));
    assert_eq!(c1.changes_since(&before), [""; 0]);
    assert!(c2.pings("10.1.5.1"), "the others stay");
    for container in [c2, c3] {
        container.detach().unwrap();
    }
    // What holds the gateway stays, as the bridge does.
    host.sh("ip link del br-web.5");
}

#[test]
fn a_trunk_carries_its_vlans_with_their_tags_and_no_other() {
    let lab = Lab::new();
    let host = lab.host("a");
    if !host.has(FILTERING) {
        return;
    }
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let trunk = json!({"vlanTrunk": [{"id": 5}, {"minID": 10, "maxID": 19}]});
    let [first, second] = [(&c1, "10.1.5.2"), (&c2, "10.1.5.3")].map(|(c, address)| c.add(&on(&trunk, address)));
    for attachment in [&first, &second] {
        let known = vlans(&host, attachment);
        let ids: BTreeSet<u64> = known.iter().flat_map(|(from, to, _)| *from..=*to).collect();
        assert_eq!(ids, [1, 5].into_iter().chain(10..=19).collect());
        assert!(known.iter().all(|(id, _, untagged)| *untagged == (*id == 1)), "{known:?}");
    }
    for id in [5, 12, 20] {
        tagged(&c1, id, &format!("10.2.{id}.1"));
        tagged(&c2, id, &format!("10.2.{id}.2"));
    }
    assert!(c1.pings("10.2.5.2") && c1.pings("10.2.12.2"));
    assert!(!c1.pings("10.2.20.2"), "not in the trunk");
    assert_eq!((first.check(), second.check()), (Ok(()), Ok(())));
}

#[test]
fn the_default_vlan_stays_where_it_is_asked_for() {
    let lab = Lab::new();
    let host = lab.host("a");
    if !host.has(FILTERING) {
        return;
    }
    // Without the key the port is in VLAN 5 alone: the first test.
    let keys = json!({"vlan": 5, "preserveDefaultVlan": true});
    let attachment = host.container("c1").add(&on(&keys, "10.1.5.2"));
    let ids: Vec<u64> = vlans(&host, &attachment).into_iter().map(|(id, _, _)| id).collect();
    assert_eq!(ids, [1, 5]);
    assert_eq!(attachment.check(), Ok(()));
}
