use netd_model::overlay::{HostLease, Mode, Overlay, PORT, VERSION, Vni};
use serde_json::{Value, json};

use super::*;

fn request(command: &str, keys: &Value, run_dir: &std::path::Path) -> Box<Request> {
    let mut config = keys.clone();
    config["name"] = json!("lab");
    config["runDir"] = json!(run_dir);
    crate::fixture::request(&PLUGIN.about, command, &config, "").unwrap()
}

fn host_lease(subnets: &[&str]) -> HostLease {
    let overlay = Overlay {
        name: "lab".parse().unwrap(),
        mode: Mode::Routed,
        subnets: ["10.40.0.0/16", "fd40::/48"].map(|subnet| subnet.parse().unwrap()).to_vec(),
        vni: Vni::of_network("default", "lab"),
        port: PORT,
        masquerade: true,
        domain: None,
        internal: false,
    };
    let subnets = subnets.iter().map(|subnet| subnet.parse().unwrap()).collect();
    HostLease { version: VERSION, overlay, subnets, mtu: 1450.try_into().unwrap(), mac: None }
}

fn of_one_link(subnets: &[&str]) -> HostLease {
    let mut lease = host_lease(subnets);
    lease.overlay.mode = Mode::L2;
    lease
}

fn of_bridge(keys: &Value, lease: &HostLease) -> Result<Value, Error> {
    let request = request("ADD", keys, "/run/netd".as_ref());
    Config::of(&request).and_then(|config| config.of_bridge(&request, lease))
}

#[test]
fn the_lease_says_what_the_bridge_plugin_is_to_do() {
    let lease = host_lease(&["10.40.1.0/24", "fd40:0:0:1::/64"]);
    let config = of_bridge(&json!({"hairpinMode": true, "args": {"cni": {}}}), &lease).unwrap();
    assert_eq!(config["bridge"], json!(lease.overlay.bridge()));
    assert_eq!(config["ipam"]["ranges"], json!([[{"subnet": "10.40.1.0/24"}], [{"subnet": "fd40:0:0:1::/64"}]]));
    let said = ["mtu", "ipMasq", "isDefaultGateway", "hairpinMode"].map(|key| config[key].clone());
    assert_eq!(said, [json!(1450), json!(true), json!(true), json!(true)]);
    assert_eq!(config["args"], json!({"cni": {}}));
}

#[test]
fn containers_of_one_link_get_addresses_of_the_hosts_part_with_the_prefix_of_the_whole() {
    let config = of_bridge(&json!({}), &of_one_link(&["10.40.1.0/24", "fd40:0:0:1::/64"])).unwrap();
    let range = |subnet: &str, gateway: &str, first: &str, last: &str| json!([{"subnet": subnet, "gateway": gateway, "rangeStart": first, "rangeEnd": last}]);
    let ranges = [
        range("10.40.0.0/16", "10.40.0.1", "10.40.1.2", "10.40.1.255"),
        range("fd40::/48", "fd40::1", "fd40:0:0:1::2", "fd40::1:ffff:ffff:ffff:ffff"),
    ];
    assert_eq!(config["ipam"]["ranges"], json!(ranges));
}

#[test]
fn the_bridge_of_one_link_is_kept_apart_from_attachments() {
    let routed = variant(&host_lease(&["10.40.1.0/24"]));
    assert_eq!((routed.elsewhere.len(), routed.kept.is_empty()), (1, true));
    let of_one_link = variant(&of_one_link(&["10.40.1.0/24"]));
    assert_eq!((of_one_link.elsewhere.len(), of_one_link.kept.is_empty()), (0, false));
}

#[test]
fn an_mtu_may_be_smaller_than_what_crosses_the_overlay_and_not_larger() {
    let lease = host_lease(&["10.40.1.0/24"]);
    assert_eq!(of_bridge(&json!({"mtu": 1400}), &lease).unwrap()["mtu"], 1400);
    let error = of_bridge(&json!({"mtu": 1500}), &lease).unwrap_err();
    assert_eq!(error.msg, "mtu 1500 is larger than the 1450 that cross the overlay");
}

#[test]
fn what_the_lease_says_is_refused_in_the_configuration() {
    for key in ["bridge", "ipam", "ipMasq", "isGateway"] {
        let error = of_bridge(&json!({key: {}}), &host_lease(&["10.40.1.0/24"])).unwrap_err();
        assert!(error.msg.starts_with(&format!("key \"{key}\" is not the overlay plugin's")), "{error:?}");
    }
}

#[test]
fn without_a_lease_add_may_be_tried_again_and_status_says_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |command| (request(command, &json!({}), folder.path()), folder.path().display().to_string());
    for kind in [Kind::TryAgain, Kind::Unavailable] {
        let (request, folder) = ask("ADD");
        let error = lease(&request).err().unwrap().error(kind);
        assert_eq!(error.msg, "this host has no lease in overlay network lab yet");
        assert!(error.details.unwrap().starts_with(&format!("netd writes it to {folder}/overlays")));
    }
    let (request, _) = ask("ADD");
    Store::open(folder.path()).write_host_lease(&host_lease(&["192.0.2.0/24"])).unwrap();
    assert!(lease(&request).is_err_and(|missing| missing.text.contains("no subnet of it")));
    Store::open(folder.path()).write_host_lease(&host_lease(&["10.40.1.0/24"])).unwrap();
    assert!(lease(&request).is_ok());
}
