//! The same for plugins whose interface is no port of a bridge, for those that change one, and for those that give addresses.

use serde_json::{Value, json};
use tests::{Host, Lab, eventually, host_lease};

use super::{SETTLED, Settled, every_point_on};

fn ipam() -> Value {
    json!({"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8::/64"}]]})
}

fn list(plugins: &Value) -> Value {
    json!({"cniVersion": "1.1.0", "name": "web", "plugins": plugins})
}

/// A host with interfaces to stand on and to take.
fn host(lab: &Lab) -> Host {
    let host = lab.host("a");
    host.sh("ip link add to-1 type veth peer name to-2; ip link set to-1 up; ip link set to-2 up; ip link set lo up");
    host
}

/// Kills ADD and DEL of each plugin of a list at every point.
#[track_caller]
fn every_point_of(plugins: &Value) {
    let lab = Lab::new();
    every_point_for(host(&lab), plugins);
}

/// The interfaces of the host are no leftovers.
#[track_caller]
fn every_point_for(host: Host, plugins: &Value) {
    let settled = Settled::on(host, list(plugins));
    for index in 0..plugins.as_array().unwrap().len() {
        for command in ["ADD", "DEL"] {
            every_point_on(&settled, command, index);
        }
    }
    settled.host.sh("ip link del to-1");
}

/// The same where the kernel makes interfaces of this kind; that others say so is a test of the plugin's own.
#[track_caller]
fn every_point_where_known(kind: &str, plugins: &Value) {
    let lab = Lab::new();
    let host = host(&lab);
    if host.knows(kind) {
        every_point_for(host, plugins);
    }
}

#[test]
fn ptp_with_what_changes_it() {
    every_point_of(&json!([
        {"type": "ptp", "ipMasq": true, "ipam": ipam()},
        {"type": "tuning", "mtu": 1400, "promisc": true, "sysctl": {"net.core.somaxconn": "500"}},
        {"type": "sbr"}
    ]));
}

#[test]
fn published_ports() {
    let mapping = |protocol: &str| json!({"hostPort": 8080, "containerPort": 80, "protocol": protocol});
    let ports = json!({"portMappings": [mapping("tcp"), mapping("udp")]});
    every_point_of(&json!([
        {"type": "bridge", "bridge": "br-web", "isDefaultGateway": true, "ipam": ipam()},
        {"type": "portmap", "conditionsV4": ["ip", "ttl", ">", "1"], "runtimeConfig": ports}
    ]));
}

#[test]
fn macvlan() {
    every_point_of(&json!([{"type": "macvlan", "master": "to-1", "ipam": ipam()}]));
}

#[test]
fn macvlan_with_an_address_of_a_server() {
    let lab = Lab::new();
    let host = host(&lab);
    host.sh("ip address add 192.168.50.2/24 dev to-2");
    let (_server, _keeper) = (host.dhcp_server("to-2", ""), host.keeper());
    let settled = Settled::on(host, list(&json!([{"type": "macvlan", "master": "to-1", "ipam": {"type": "dhcp"}}])));
    for command in ["ADD", "DEL"] {
        every_point_on(&settled, command, 0);
    }
    eventually(SETTLED, || settled.host.dhcp_given().is_empty());
    settled.host.sh("ip link del to-1");
}

#[test]
fn tap() {
    every_point_of(&json!([{"type": "tap", "owner": 0, "ipam": ipam()}]));
}

#[test]
fn host_device() {
    every_point_of(&json!([{"type": "host-device", "device": "to-1", "ipam": ipam()}]));
}

fn bridge_with_firewall() -> Value {
    json!([
        {"type": "bridge", "bridge": "br-web", "isDefaultGateway": true, "ipam": ipam()},
        {"type": "firewall", "ingressPolicy": "isolated"}
    ])
}

#[test]
fn firewall() {
    every_point_of(&bridge_with_firewall());
}

/// Where Docker holds packets back, `iptables` is run by the first ADD and by the last DEL.
#[test]
fn firewall_beside_docker() {
    let lab = Lab::new();
    let host = host(&lab);
    host.sh("iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN");
    let settled = Settled::on(host, list(&bridge_with_firewall()));
    for command in ["ADD", "DEL"] {
        every_point_on(&settled, command, 1);
    }
    settled.host.sh("ip link del to-1");
}

fn limits(interface: &Value) -> Value {
    let limits = json!({"type": "bandwidth", "unshapedSubnets": ["10.9.0.0/16"], "ingressRate": 8_000_000,
        "ingressBurst": 80_000, "egressRate": 8_000_000, "egressBurst": 80_000});
    json!([interface, limits])
}

#[test]
fn limits_on_the_host() {
    every_point_of(&limits(&json!({"type": "bridge", "bridge": "br-web", "isDefaultGateway": true, "ipam": ipam()})));
}

#[test]
fn limits_in_the_container() {
    every_point_of(&limits(&json!({"type": "macvlan", "master": "to-1", "ipam": ipam()})));
}

#[test]
fn addresses_of_ranges_and_of_a_configuration() {
    let address = json!([{"address": "10.1.2.7/24"}, {"address": "2001:db8::7/64"}]);
    every_point_of(&json!([{"type": "host-local", "ipam": ipam()}]));
    every_point_of(&json!([{"type": "static", "ipam": {"type": "static", "addresses": address}}]));
}

#[test]
fn an_address_of_a_server_alone() {
    let lab = Lab::new();
    let host = host(&lab);
    host.sh("ip address add 192.168.50.2/24 dev to-2");
    let (_server, _keeper) = (host.dhcp_server("to-2", ""), host.keeper());
    let ipam = json!({"type": "dhcp"});
    let macvlan = json!({"type": "macvlan", "master": "to-1", "ipam": {}});
    let settled = Settled::on(host, list(&json!([macvlan, {"type": "dhcp", "ipam": ipam}])));
    for command in ["ADD", "DEL"] {
        every_point_on(&settled, command, 1);
    }
    eventually(SETTLED, || settled.host.dhcp_given().is_empty());
    settled.host.sh("ip link del to-1");
}

#[test]
fn loopback() {
    every_point_of(&json!([{"type": "loopback"}]));
}

#[test]
fn names_as_podman_gives_them() {
    every_point_of(&json!([
        {"type": "bridge", "bridge": "br-web", "isDefaultGateway": true, "ipam": ipam()},
        {"type": "dnsname", "domainName": "web.example", "capabilities": {"aliases": true}}
    ]));
}

#[test]
fn overlay() {
    let lab = Lab::new();
    let host = host(&lab);
    let mut lease = host_lease("web", "10.40.1.0/24");
    lease.overlay.subnets.push("2001:db8:40::/48".parse().unwrap());
    lease.subnets.push("2001:db8:40:1::/64".parse().unwrap());
    host.give_lease(&lease);
    every_point_for(host, &json!([{"type": "overlay"}]));
}

#[test]
fn vlan() {
    every_point_where_known("vlan", &json!([{"type": "vlan", "master": "to-1", "vlanId": 5, "ipam": ipam()}]));
}

#[test]
fn ipvlan() {
    every_point_where_known("ipvlan", &json!([{"type": "ipvlan", "master": "to-1", "ipam": ipam()}]));
}

#[test]
fn dummy() {
    every_point_where_known("dummy", &json!([{"type": "dummy", "ipam": ipam()}]));
}

#[test]
fn vrf() {
    let bridge = json!({"type": "bridge", "bridge": "br-web", "isDefaultGateway": true, "ipam": ipam()});
    every_point_where_known("vrf", &json!([bridge, {"type": "vrf", "vrfname": "red"}]));
}
