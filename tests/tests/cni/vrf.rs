//! `vrf` after `bridge`: whole where the kernel has VRFs, refused by name where it has not.

use serde_json::{Value, json};
use tests::{Container, Host, Lab};

use super::config::{bridge, with};

fn list(network: &str, keys: &Value) -> Value {
    let subnets = match network {
        "db" => ["10.1.3.0/24", "2001:db8:3::/64"],
        _ => ["10.1.2.0/24", "2001:db8::/64"],
    };
    let interface = with(bridge("1.1.0", &subnets), &json!({"bridge": format!("br-{network}")}));
    let vrf = with(json!({"type": "vrf", "vrfname": "red"}), keys);
    json!({"cniVersion": "1.1.0", "name": network, "plugins": [interface, vrf]})
}

fn host(lab: &Lab) -> Option<Host> {
    let host = lab.host("a");
    host.has("vrf").then_some(host)
}

fn routes(container: &Container, table: &str) -> usize {
    let show = |family: &str| format!("ip {family} route show table {table} proto boot 2>/dev/null || true");
    container.sh(&format!("{}; {}", show("-4"), show("-6"))).lines().count()
}

#[test]
fn a_kernel_that_lacks_it_is_said_so_and_nothing_is_changed() {
    let lab = Lab::new();
    let host = lab.host("a");
    if host.knows("vrf") {
        return;
    }
    let c1 = host.container("c1");
    let result = c1.add(&bridge("1.1.0", &["10.1.2.0/24"])).result();
    let before = c1.kernel_text();
    let mut config = json!({"cniVersion": "1.1.0", "name": "web", "type": "vrf", "vrfname": "red"});
    config["prevResult"] = result;
    let refusal = c1.call("vrf", "ADD").config(&config).run().answer().unwrap_err();
    assert!(refusal.code == 102 && refusal.msg.ends_with("this kernel lacks CONFIG_NET_VRF"), "{refusal:?}");
    assert_eq!(c1.changes_since(&before), [""; 0]);
    assert_eq!(c1.call("vrf", "DEL").config(&config).run().answer(), Ok(Value::Null));
}

#[test]
fn interfaces_share_a_vrf_until_the_last_leaves() {
    let lab = Lab::new();
    let Some(host) = host(&lab) else { return };
    let c1 = host.container("c1");
    let first = c1.add(&list("web", &json!({"table": 7})));
    let second = c1.keep(c1.attachment(&list("db", &json!({})), "eth1"));
    second.add().unwrap();
    for link in ["eth0", "eth1"] {
        assert_eq!(c1.link(link)["master"], "red");
        assert_eq!(c1.addresses(link).len(), 2, "{link}");
    }
    // Of two defaults of IPv6 one way is made, with a line for each router.
    assert_eq!((routes(&c1, "7"), routes(&c1, "main")), (5, 0));
    assert!(c1.run("ping -n -c 1 -W 2 -I red 10.1.2.1").success());
    assert_eq!((first.check(), second.check()), (Ok(()), Ok(())));
    c1.sh("ip link set eth1 nomaster");
    assert_eq!(second.check().unwrap_err().code, 103);
    let del = second.call("DEL", 1, Some(&second.result())).run().answer();
    assert_eq!(del, Ok(Value::Null));
    assert!(!c1.link("red").is_null(), "the other interface is in it");
    let del = first.call("DEL", 1, Some(&first.result())).run().answer();
    assert_eq!(del, Ok(Value::Null));
    assert!(c1.link("red").is_null());
    assert_eq!((routes(&c1, "main"), c1.addresses("eth0").len()), (5, 2), "routes and addresses are back");
    assert_eq!((first.del(), second.del()), (Ok(()), Ok(())));
}

#[test]
fn what_is_there_is_not_taken_over() {
    let lab = Lab::new();
    let Some(host) = host(&lab) else { return };
    let c1 = host.container("c1");
    c1.sh("ip link add red type vrf table 9");
    let attachment = c1.attachment(&list("web", &json!({"table": 7})), "eth0");
    let refusal = attachment.add().unwrap_err();
    assert_eq!(attachment.del(), Ok(()));
    assert_eq!(refusal.msg, "cmdAdd failed: VRF red already exist with different routing table 9");
    let c2 = host.container("c2");
    c2.sh("ip link add red type vrf table 9");
    c2.add(&list("web", &json!({}))).del().unwrap();
    assert!(!c2.link("red").is_null(), "somebody else made it");
}

/// The reference records nothing, and marks nothing.
#[test]
fn a_vrf_of_the_reference_goes_with_its_last_interface() {
    let lab = Lab::new();
    let Some(host) = host(&lab) else { return };
    let c1 = host.container("c1");
    c1.sh("ip link add red type vrf table 5; ip link add eth0 type veth peer name eth1
           ip link set eth0 master red; ip link set eth1 master red");
    let del = |ifname: &str| {
        let config = json!({"cniVersion": "1.0.0", "name": "web", "type": "vrf", "vrfname": "red"});
        let answer = c1.call("vrf", "DEL").env("CNI_IFNAME", ifname).config(&config).run().answer();
        assert_eq!(answer, Ok(Value::Null));
    };
    del("eth0");
    assert!(!c1.link("red").is_null(), "the other interface is in it");
    del("eth0");
    assert!(!c1.link("red").is_null());
    del("eth1");
    assert!(c1.link("red").is_null());
    c1.sh("ip link add red type vrf table 5");
    del("eth1");
    assert!(!c1.link("red").is_null(), "nothing left it: somebody else made it");
}

#[test]
fn it_needs_a_name_a_result_and_an_interface() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let call = |keys: &Value| {
        let config = with(json!({"cniVersion": "1.1.0", "name": "web", "type": "vrf"}), keys);
        let refusal = c1.call("vrf", "ADD").config(&config).run().answer().unwrap_err();
        (refusal.code, refusal.msg)
    };
    assert_eq!(call(&json!({})), (7, "configuration is expected to have a valid vrf name".to_owned()));
    assert_eq!(call(&json!({"vrfname": "red"})), (7, "missing prevResult from earlier plugin".to_owned()));
    let previous = json!({"cniVersion": "1.1.0", "interfaces": [{"name": "eth0"}]});
    let gone = "cmdAdd failed: could not get link by name eth0".to_owned();
    assert_eq!(call(&json!({"vrfname": "red", "prevResult": previous})), (7, gone));
    c1.sh("ip link add eth0 type veth peer name other");
    let taken = call(&json!({"vrfname": "other", "prevResult": previous}));
    assert_eq!(taken, (7, "cmdAdd failed: Netlink other is not a VRF".to_owned()));
    c1.sh("ip link del eth0");
}
