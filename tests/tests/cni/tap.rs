//! `tap`: an interface whose other end a program holds.

use serde_json::{Value, json};
use tests::Lab;

use super::config::{VERSIONS, addresses, since, with};

fn tap(version: &str) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8::/64"}]]});
    json!({"cniVersion": version, "name": "machines", "type": "tap", "ipam": ipam})
}

#[test]
fn it_stays_when_no_program_holds_it_and_goes_with_del() {
    for version in VERSIONS {
        let lab = Lab::new();
        let c1 = lab.host("a").container("c1");
        let keys = json!({"owner": 7, "group": 8, "multiQueue": true, "mtu": 1400, "mac": "02:00:00:00:00:77"});
        let attachment = c1.add(&with(tap(version), &keys));
        let result = attachment.result();
        assert_eq!(addresses(&result), ["10.1.2.2/24", "2001:db8::2/64"], "{version}");
        assert_eq!(c1.addresses("eth0"), ["10.1.2.2/24", "2001:db8::2/64"]);
        let link = c1.link("eth0");
        let data = &link["linkinfo"]["info_data"];
        assert_eq!(
            (&data["type"], &data["persist"], &data["multi_queue"]),
            (&json!("tap"), &json!(true), &json!(true))
        );
        let ids = |key: &str| data[key].as_str().map_or_else(|| data[key].to_string(), str::to_owned);
        assert!(["7", "lp"].contains(&&*ids("user")) && ["8", "mail"].contains(&&*ids("group")), "{data}");
        assert_eq!((&link["mtu"], &link["address"]), (&json!(1400), &json!("02:00:00:00:00:77")));
        assert!(link["flags"].as_array().unwrap().contains(&json!("UP")));
        if since(version, "0.3.0") {
            assert_eq!(result["interfaces"][0]["mac"], "02:00:00:00:00:77");
        }
        if since(version, "0.4.0") {
            assert_eq!(attachment.check(), Ok(()));
        }
        assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
        assert!(c1.link("eth0").is_null());
    }
}

#[test]
fn it_may_be_a_port_of_a_bridge_of_the_container() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let config = with(tap("1.1.0"), &json!({"bridge": "br0", "ipam": {}}));
    let refusal = c1.attachment(&config, "eth0").add().unwrap_err();
    assert_eq!((refusal.code, &*refusal.msg), (7, "failed to get bridge br0: Link not found"));
    c1.sh("ip link add br0 type bridge");
    let attachment = c1.add(&config);
    assert_eq!(c1.link("eth0")["master"], "br0");
    assert_eq!(attachment.check(), Ok(()));
    c1.sh("ip link set eth0 nomaster");
    assert_eq!(attachment.check().unwrap_err().code, 103);
}

#[test]
fn check_finds_another_in_its_place_and_del_leaves_that() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let attachment = c1.add(&with(tap("1.1.0"), &json!({"owner": 7, "ipam": {}})));
    assert_eq!(attachment.check(), Ok(()));
    c1.sh("ip link del eth0; ip tuntap add mode tap dev eth0 user 9");
    assert_eq!(attachment.check().unwrap_err().code, 103);
    assert_eq!(attachment.del(), Ok(()));
    assert!(!c1.link("eth0").is_null(), "it is somebody else's");
    c1.sh("ip link del eth0");
}

#[test]
fn a_step_that_fails_leaves_no_interface() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.2.7/24"}],
        "routes": [{"dst": "10.9.0.0/16", "gw": "203.0.113.9"}]});
    let before = c1.kernel_text();
    let refusal = c1.attachment(&with(tap("1.1.0"), &json!({"ipam": ipam})), "eth0").add().unwrap_err();
    assert_eq!(refusal.code, 5, "{refusal:?}");
    assert_eq!([host.leftovers(), c1.changes_since(&before)].concat(), [""; 0]);
}

#[test]
fn a_context_needs_a_kernel_with_it() {
    let lab = Lab::new();
    let host = lab.host("a");
    if host.run("test -e /sys/fs/selinux/enforce").success() {
        tests::skip("this kernel has SELinux, whose policy says what happens");
    }
    let c1 = host.container("c1");
    let keys = json!({"selinuxContext": "system_u:system_r:container_t:s0", "ipam": {}});
    let refusal = c1.attachment(&with(tap("1.1.0"), &keys), "eth0").add().unwrap_err();
    assert!(refusal.code == 102 && refusal.msg.contains("CONFIG_SECURITY_SELINUX"), "{refusal:?}");
    assert!(c1.link("eth0").is_null());
}
