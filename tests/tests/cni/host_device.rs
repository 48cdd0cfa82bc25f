//! `host-device`: an interface of the host in a container.

use serde_json::{Value, json};
use tests::{Host, Lab, REFERENCE};

use super::config::{VERSIONS, addresses, since, with};

fn device(version: &str) -> Value {
    let ipam = json!({"type": "host-local", "subnet": "192.168.50.0/24", "rangeStart": "192.168.50.10"});
    json!({"cniVersion": version, "name": "lan", "type": "host-device", "device": "ens1", "ipam": ipam})
}

/// A host with an interface `ens1` that is up, on a cable to another which has an address there; and one whose name
/// containers use.
fn wired(lab: &Lab) -> [Host; 2] {
    let [host, far] = ["a", "b"].map(|name| lab.host(name));
    host.link_to(&far, "192.168.50.1/24", "192.168.50.2/24");
    host.sh("ip link set to-b down; ip link set to-b name ens1; ip link set ens1 alias mine up");
    host.sh("ip link add eth0 type veth peer name eth1");
    [host, far]
}

fn clear(host: &Host) {
    host.sh("ip link del eth0; ip link del ens1 || true");
}

#[test]
fn it_moves_in_and_comes_home_as_it_was() {
    for version in VERSIONS {
        let lab = Lab::new();
        let [host, _far] = wired(&lab);
        let c1 = host.container("c1");
        let before = host.link("ens1");
        let attachment = c1.add(&device(version));
        let result = attachment.result();
        assert_eq!(addresses(&result), ["192.168.50.10/24"], "{version}");
        assert!(host.link("ens1").is_null());
        assert!(c1.pings("192.168.50.2"), "{version}");
        let inside = c1.link("eth0");
        assert_eq!((&inside["address"], &inside["ifalias"]), (&before["address"], &json!("ens1")));
        if since(version, "0.3.0") {
            let interface = &result["interfaces"][0];
            assert_eq!((&interface["name"], &interface["mac"]), (&json!("eth0"), &before["address"]));
        }
        if since(version, "0.4.0") {
            assert_eq!(attachment.check(), Ok(()), "{version}");
        }
        assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
        let home = host.link("ens1");
        for key in ["address", "mtu"] {
            assert_eq!(home[key], before[key], "{version} {key}");
        }
        assert!(home["flags"].as_array().unwrap().contains(&json!("UP")), "{home}");
        assert!(home["altnames"].is_null() && home["ifalias"].is_null(), "{home}");
        assert!(c1.link("eth0").is_null());
        clear(&host);
    }
}

#[test]
fn it_is_found_by_its_hardware_address_and_needs_no_addresses() {
    let lab = Lab::new();
    let [host, _far] = wired(&lab);
    let c1 = host.container("c1");
    let mac = host.link("ens1")["address"].clone();
    let mut config = with(device("1.1.0"), &json!({"hwaddr": mac, "device": "", "ipam": {}}));
    let attachment = c1.add(&config);
    assert_eq!(attachment.result()["interfaces"][0]["mac"], mac);
    assert_eq!(c1.link("eth0")["address"], mac);
    assert_eq!(attachment.check(), Ok(()));
    attachment.del().unwrap();
    assert_eq!(host.link("ens1")["address"], mac);
    config["hwaddr"] = "02:99:99:99:99:99".into();
    let refusal = c1.attachment(&config, "eth0").add().unwrap_err();
    assert_eq!(refusal.msg, "failed to find host device: failed to find physical interface");
    clear(&host);
}

#[test]
fn what_cannot_be_is_refused_and_leaves_the_device_at_home() {
    let lab = Lab::new();
    let [host, _far] = wired(&lab);
    let bad_route = json!({"type": "static", "addresses": [{"address": "192.168.50.7/24"}],
        "routes": [{"dst": "10.9.0.0/16", "gw": "203.0.113.9"}]});
    for (number, (keys, code, text)) in [
        (json!({"device": "none0"}), 7, "failed to find host device: none0: Link not found"),
        (json!({"device": "lo"}), 5, "netns container"),
        (json!({"kernelpath": "/sys/devices/none", "device": ""}), 7, "failed to read directory /sys/devices/none/net"),
        (json!({"pciBusID": "0000:ff:1f.7", "device": ""}), 7, "failed to find host device: "),
        (json!({"ipam": bad_route}), 5, "ip route add 10.9.0.0/16 via 203.0.113.9 dev eth0: "),
    ]
    .into_iter()
    .enumerate()
    {
        let c1 = host.container(&format!("c{number}"));
        let attachment = c1.attachment(&with(device("1.1.0"), &keys), "eth0");
        let refusal = attachment.add().unwrap_err();
        assert!(refusal.code == code && refusal.msg.contains(text), "{refusal:?}");
        let home = host.link("ens1");
        assert!(home["altnames"].is_null(), "{home}");
        assert!(home["flags"].as_array().unwrap().contains(&json!("UP")), "{home}");
        assert!(c1.link("eth0").is_null() && !host.link("lo")["altnames"].is_array());
        attachment.del().unwrap();
        assert!(!host.link("ens1").is_null());
    }
    clear(&host);
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn it_comes_home_from_where_the_kernel_put_it() {
    let lab = Lab::new();
    let [host, _far] = wired(&lab);
    let c1 = host.container("c1");
    let attachment = c1.add(&device("1.1.0"));
    // As it is when the namespace ends: a physical interface is moved out under a name that is free.
    c1.sh(&format!("ip link set eth0 netns {} name dev7", host.pid()));
    c1.vanish();
    assert_eq!(attachment.del(), Ok(()));
    let home = host.link("ens1");
    assert!(home["altnames"].is_null() && home["ifalias"].is_null(), "{home}");
    assert!(home["flags"].as_array().unwrap().contains(&json!("UP")), "{home}");
    assert_eq!(attachment.del(), Ok(()));
    clear(&host);
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn one_that_died_with_its_namespace_leaves_nothing() {
    let lab = Lab::new();
    let [host, _far] = wired(&lab);
    let c1 = host.container("c1");
    let attachment = c1.add(&device("1.1.0"));
    c1.vanish();
    tests::eventually(std::time::Duration::from_secs(5), || attachment.del().is_ok() && host.link("ens1").is_null());
    host.sh("ip link del eth0");
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn check_finds_each_thing_that_is_broken_and_repairs_nothing() {
    for script in [
        "ip link set eth0 down",
        "ip address del 192.168.50.10/24 dev eth0",
        "ip link set eth0 down; ip link set eth0 name eth9",
        "ip link set eth0 netns HOST name dev7",
    ] {
        let lab = Lab::new();
        let [host, _far] = wired(&lab);
        let c1 = host.container("c1");
        let attachment = c1.add(&device("1.1.0"));
        assert_eq!(attachment.check(), Ok(()));
        c1.sh(&script.replace("HOST", &host.pid().to_string()));
        let broken = [host.kernel_text(), c1.kernel_text()];
        let refusal = attachment.check().unwrap_err();
        assert_eq!(refusal.code, 103, "{script}: {refusal:?}");
        assert_eq!([host.changes_since(&broken[0]), c1.changes_since(&broken[1])].concat(), [""; 0], "{script}");
        attachment.del().unwrap();
        assert!(!host.link("ens1").is_null(), "{script}");
        clear(&host);
    }
}

#[test]
fn gc_brings_it_home() {
    let lab = Lab::new();
    let [host, _far] = wired(&lab);
    let c1 = host.container("c1");
    c1.add(&device("1.1.0"));
    assert_eq!(host.gc(&device("1.1.0"), Some(&[("c1", "eth0")])), Ok(()));
    assert!(!c1.link("eth0").is_null());
    assert_eq!(host.gc(&device("1.1.0"), Some(&[])), Ok(()));
    assert!(c1.link("eth0").is_null() && !host.link("ens1").is_null());
    clear(&host);
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn what_the_reference_plugin_moved_goes_home() {
    let lab = Lab::new();
    let [host, _far] = wired(&lab);
    let c1 = host.container("c1");
    let mut config = device("1.0.0");
    let reference = c1.call(&format!("{REFERENCE}/host-device"), "ADD").env("CNI_PATH", REFERENCE).config(&config);
    config["prevResult"] = reference.run().answer().unwrap();
    assert!(host.link("ens1").is_null());
    assert_eq!(c1.call("host-device", "DEL").config(&config).run().answer(), Ok(Value::Null));
    assert!(c1.link("eth0").is_null() && !host.link("ens1").is_null());
    assert!(host.link("ens1")["ifalias"].is_null());
    clear(&host);
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn an_interface_of_ours_is_no_device() {
    let lab = Lab::new();
    let host = lab.host("a");
    let bridge = super::config::bridge("1.1.0", &["10.1.2.0/24"]);
    host.container("c1").add(&bridge);
    let config = with(device("1.1.0"), &json!({"device": "br-web"}));
    let refusal = host.container("c2").attachment(&config, "eth0").add().unwrap_err();
    assert!(refusal.code == 7 && refusal.msg.contains("one that netd made"), "{refusal:?}");
}
