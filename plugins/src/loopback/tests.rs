use netd_model::plan::plan;

use super::*;
use crate::cni::CniArgs;

fn target() -> Target {
    Target {
        id: netd_model::attachment::AttachmentId {
            network: "lo".parse().unwrap(),
            container: "c1".parse().unwrap(),
            ifname: "eth0".parse().unwrap(),
        },
        netns: Some("/run/netns/c1".into()),
        may_be_own_netns: false,
        args: CniArgs::default(),
    }
}

fn printed(result: &CniResult) -> serde_json::Value {
    serde_json::to_value(result.document(Version::V1_1_0).unwrap()).unwrap()
}

#[test]
fn it_brings_lo_up_and_down_and_nothing_else() {
    let mut observed = wanted(false).present;
    assert_eq!(plan(&wanted(true), &observed).to_string().trim(), "container  ip link set dev lo up");
    assert!(plan(&wanted(false), &observed).is_empty());
    observed = wanted(true).present;
    assert_eq!(plan(&wanted(false), &observed).to_string().trim(), "container  ip link set dev lo down");
}

#[test]
fn the_result_is_lo_with_its_first_address_of_each_family() {
    let addresses = ["127.0.0.1/8", "127.0.0.2/8", "::1/128"].map(|address| address.parse().unwrap());
    let expected = serde_json::json!({
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": "/run/netns/c1"}],
        "ips": [{"interface": 0, "address": "127.0.0.1/8"}, {"interface": 0, "address": "::1/128"}]
    });
    assert_eq!(printed(&result(&target(), &addresses).unwrap()), expected);
    assert!(result(&target(), &[]).unwrap().ips.is_empty(), "IPv4 and IPv6 may both be off");
}

#[test]
fn an_address_that_is_no_loopback_address_is_told() {
    let error = result(&target(), &["10.0.0.1/8".parse().unwrap()]).unwrap_err();
    assert_eq!(error.msg, "loopback interface found with non-loopback address \"10.0.0.1/8\"");
}
