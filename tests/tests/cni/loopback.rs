//! The plugin `loopback`: brings `lo` up.

use serde_json::{Value, json};
use tests::Lab;

use super::config::{VERSIONS, since};

#[test]
fn loopback_comes_up_and_the_result_names_it() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    for version in VERSIONS.into_iter().filter(|version| since(version, "0.3.0")) {
        c1.sh("ip link set lo down");
        let attachment = c1.attachment(&json!({"cniVersion": version, "name": "lo", "type": "loopback"}), "lo");
        let result = attachment.add().unwrap();
        assert_eq!(c1.link("lo")["operstate"], "UNKNOWN", "a loopback that is up");
        assert!(c1.pings("127.0.0.1"));
        let interface = &result["interfaces"][0];
        assert_eq!(interface["name"], "lo");
        assert_eq!(interface["sandbox"], c1.netns().to_str().unwrap());
        assert_eq!(result["ips"][0]["address"], "127.0.0.1/8");
        if since(version, "0.4.0") {
            assert_eq!(attachment.check(), Ok(()));
        }
        assert_eq!(attachment.del(), Ok(()));
        assert_eq!(attachment.del(), Ok(()));
        if since(version, "0.4.0") {
            assert!(attachment.check().is_err(), "it is down again");
        }
    }
}

#[test]
fn loopback_passes_a_result_on() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let previous = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.3/24"}]});
    let config = json!({"cniVersion": "1.0.0", "name": "lo", "type": "loopback", "prevResult": previous});
    let result = c1.call("loopback", "ADD").env("CNI_IFNAME", "lo").config(&config).run().answer();
    assert_eq!(result, Ok(previous));
}

#[test]
fn del_of_loopback_with_the_namespace_gone_succeeds() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let attachment = c1.attachment(&json!({"cniVersion": "1.0.0", "name": "lo", "type": "loopback"}), "lo");
    attachment.add().unwrap();
    c1.vanish();
    assert_eq!(attachment.del(), Ok(()));
    let empty = c1.call("loopback", "DEL").without("CNI_NETNS");
    let config = json!({"cniVersion": "1.0.0", "name": "lo", "type": "loopback"});
    assert_eq!(empty.config(&config).run().answer(), Ok(Value::Null));
}
