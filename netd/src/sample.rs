//! Documents as the plugins write them, for tests.

use netd_model::attachment::Attachment;

/// The boot in which the samples were made.
pub(crate) const BOOT: &str = "11111111-2222-3333-4444-555555555555";

/// A container on a bridge of ours, `br-<network>` with 10.1.0.1, masqueraded, with the name of its id.
pub(crate) fn attachment(network: &str, container: &str, address: &str) -> Attachment {
    let id = serde_json::json!({"network": network, "container": container, "ifname": "eth0"});
    let named: netd_model::attachment::AttachmentId = serde_json::from_value(id.clone()).unwrap();
    let (owner, veth, bridge) = (named.owner(), named.host_link(), format!("br-{network}"));
    let group = netd_model::object::GROUP;
    let document = serde_json::json!({
        "version": 1,
        "attachment": id,
        "progress": "ready",
        "boot": BOOT,
        "sections": {
            "bridge": {
                "shared": [
                    {"object": "program", "family": "inet", "version": 1},
                    {"object": "sysctl", "side": "host", "path": "net/ipv4/ip_forward", "value": "1"},
                    {"object": "link", "side": "host", "name": bridge, "kind": {"bridge": {}},
                     "mac": "02:00:00:00:00:01", "group": group, "up": true},
                    {"object": "address", "side": "host", "link": bridge, "address": "10.1.0.1/24"}
                ],
                "own": [
                    {"object": "element", "set": "masquerade4", "parts": [{"ipv4": address}], "owner": owner},
                    {"object": "sysctl", "side": "host", "path": format!("net/ipv6/conf/{veth}/disable_ipv6"), "value": "1"},
                    {"object": "link", "side": "host", "name": veth,
                     "kind": {"veth": {"peer": ["container", "eth0"]}}, "group": group, "alias": owner,
                     "port": {"bridge": bridge, "hairpin": true}, "up": true},
                    {"object": "sysctl", "side": "container", "path": "net/ipv6/conf/lo/disable_ipv6", "value": "0"},
                    {"object": "link", "side": "container", "name": "eth0", "kind": {"veth": {}}, "up": true},
                    {"object": "address", "side": "container", "link": "eth0", "address": format!("{address}/24")}
                ],
                "leases": [{"pool": format!("/var/lib/cni/networks/{network}"), "address": address}]
            },
            "dns": {
                "names": {
                    "domain": format!("{network}.internal"), "names": [container], "addresses": [address],
                    "listen": [{"link": bridge, "address": "10.1.0.1"}], "subnets": ["10.1.0.0/24"], "ttl": 5
                }
            }
        }
    });
    serde_json::from_value(document).unwrap()
}
