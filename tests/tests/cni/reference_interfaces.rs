//! Plugins other than `bridge` beside the reference: the same results, addresses and routes, and the same refusals.
//!
//! Wanted differences stand where they are made equal: hardware addresses and names of pairs, which are functions of the
//! container here and chance there; sources of routes of `ptp`, which the kernel chooses here.

use serde_json::{Value, json};
use tests::{Container, Host, Lab, REFERENCE};

use super::config::{bridge, with};
use super::reference::{VERSIONS, normal};

/// Where packets to which place go, of both families, without what the kernel makes for neighbours and groups.
fn ways(container: &Container) -> Vec<String> {
    let show = |family: &str| container.ip(&format!("{family} route show table all")).as_array().unwrap().clone();
    let all = [show("-4"), show("-6")].concat();
    let of_eth0 = all.iter().filter(|route| route["dev"] == "eth0" && route["type"] == Value::Null);
    let plain = of_eth0.filter(|route| !route["dst"].as_str().unwrap().starts_with("fe80"));
    let mut ways: Vec<String> = plain
        .map(|route| format!("{} {} {} {}", route["dst"], route["gateway"], route["table"], route["metrics"]))
        .collect();
    ways.sort();
    ways
}

fn rules(container: &Container) -> Vec<String> {
    let shown = container.sh("ip -4 rule show; ip -6 rule show");
    let mut rules: Vec<String> = shown.lines().filter_map(|line| Some(line.split_once(":\t")?.1.to_owned())).collect();
    rules.sort();
    rules
}

/// What a runtime and the container see of an ADD, and what is left after DEL; of one that is refused, why.
fn seen(host: &Host, container: &Container, config: &Value) -> Value {
    let attachment = container.attachment(config, "eth0");
    let answer = attachment.add().map(normal);
    let link = container.link("eth0");
    // Carrier comes some moments after the interface, here and there.
    let carrier = ["LOWER_UP", "NO-CARRIER"];
    let flags = link["flags"].as_array().into_iter().flatten();
    let flags: Vec<&Value> = flags.filter(|flag| !carrier.iter().any(|word| *flag == word)).collect();
    let inside = json!({
        "addresses": container.addresses("eth0"), "ways": ways(container), "rules": rules(container),
        "kind": link["linkinfo"]["info_kind"], "data": link["linkinfo"]["info_data"], "master": link["master"],
        "mtu": link["mtu"], "flags": flags,
        "somaxconn": container.sysctl("net/core/somaxconn")
    });
    let deleted = attachment.del();
    let left = json!({"link": container.link("eth0"), "rules": rules(container), "home": host.link("to-1")["ifname"]});
    match answer {
        Ok(answer) => json!({"answer": answer, "inside": inside, "left": left, "deleted": deleted.is_ok()}),
        Err(refusal) => {
            // The reference leaves the interface where IPAM refused.
            container.run("ip link del eth0");
            json!({"refused": refusal.msg})
        }
    }
}

fn ptp(version: &str, subnets: &[&str]) -> Value {
    let ranges: Vec<Value> = subnets.iter().map(|subnet| json!([{"subnet": subnet}])).collect();
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "192.168.7.0/24", "gw": "10.1.2.1"}]);
    let ipam = json!({"type": "host-local", "ranges": ranges, "routes": routes});
    json!({"cniVersion": version, "name": "web", "type": "ptp", "ipam": ipam})
}

fn fixed(version: &str, kind: &str, keys: &Value) -> Value {
    let addresses = json!([{"address": "10.1.2.7/24", "gateway": "10.1.2.1"}]);
    let ipam = json!({"type": "static", "addresses": addresses, "routes": [{"dst": "10.9.0.0/16"}],
        "dns": {"nameservers": ["10.1.2.53"]}});
    with(json!({"cniVersion": version, "name": "web", "type": kind, "ipam": ipam}), keys)
}

fn chained(version: &str, plugin: &Value) -> Value {
    json!({"cniVersion": version, "name": "web", "plugins": [bridge(version, &["10.1.2.0/24"]), plugin]})
}

fn cases(version: &str) -> Vec<Value> {
    let v4: &[&str] = &["10.1.2.0/24"];
    let ipam = |keys: Value| with(fixed(version, "macvlan", &json!({"master": "to-1"})), &json!({"ipam": keys}));
    vec![
        ptp(version, v4),
        ptp(version, &["10.1.2.0/24", "2001:db8::/64"]),
        with(ptp(version, v4), &json!({"mtu": 1400, "dns": {"nameservers": ["10.9.9.9"]}})),
        with(ptp(version, v4), &json!({"ipam": {}})),
        fixed(version, "macvlan", &json!({"master": "to-1"})),
        fixed(version, "macvlan", &json!({"master": "to-1", "mode": "vepa", "mtu": 1400, "dns": {"domain": "d"}})),
        fixed(version, "macvlan", &json!({"master": "to-1", "mode": "odd"})),
        fixed(version, "macvlan", &json!({"master": "to-1", "mtu": 9000})),
        fixed(version, "host-device", &json!({"device": "to-1"})),
        fixed(version, "host-device", &json!({})),
        fixed(version, "vlan", &json!({"master": "to-1", "vlanId": 5000})),
        fixed(version, "ipvlan", &json!({"master": "to-1", "mode": "odd"})),
        ipam(json!({"type": "static", "addresses": [{"address": "10.1.2.7"}]})),
        chained(
            version,
            &json!({"type": "tuning", "txQLen": 7, "promisc": true, "sysctl": {"net.core.somaxconn": "500"}}),
        ),
        chained(version, &json!({"type": "sbr"})),
    ]
}

/// Those of kinds that a kernel may lack.
fn rare_cases(version: &str) -> Vec<Value> {
    let vlan = |keys: Value| fixed(version, "vlan", &with(json!({"master": "to-1", "vlanId": 5}), &keys));
    let ipvlan = |keys: Value| fixed(version, "ipvlan", &with(json!({"master": "to-1"}), &keys));
    vec![
        vlan(json!({})),
        vlan(json!({"mtu": 1400, "dns": {"domain": "d"}})),
        vlan(json!({"mtu": 9000})),
        ipvlan(json!({})),
        ipvlan(json!({"mode": "l3", "mtu": 1400})),
        ipvlan(json!({"mtu": 9000})),
        chained(version, &json!({"type": "vrf", "vrfname": "red", "table": 7})),
    ]
}

#[test]
fn what_is_seen_is_what_is_seen_of_the_reference_plugins() {
    let labs = labs();
    assert_alike(&labs, VERSIONS.into_iter().flat_map(cases));
}

#[test]
fn kinds_that_a_kernel_may_lack_are_seen_as_those_of_the_reference_plugins() {
    let labs = labs();
    if ["vlan", "ipvlan", "vrf"].iter().all(|kind| labs[0].1.has(kind)) {
        assert_alike(&labs, rare_cases("1.0.0"));
    }
}

/// A host with our plugins and one with those of the reference.
fn labs() -> [(Lab, Host); 2] {
    [Lab::new(), Lab::with_plugins(REFERENCE)].map(|lab| {
        let host = lab.host("a");
        host.sh("ip link add to-1 type veth peer name to-2; ip link set to-1 up; ip link set to-2 up");
        (lab, host)
    })
}

#[track_caller]
fn assert_alike(labs: &[(Lab, Host); 2], cases: impl IntoIterator<Item = Value>) {
    let mut differ = Vec::new();
    for (number, case) in cases.into_iter().enumerate() {
        let name = format!("c{number}");
        let seen = labs.each_ref().map(|(_, host)| seen(host, &host.container(&name), &case));
        if seen[0] != seen[1] {
            differ.push(format!("{case}\nours:   {}\ntheirs: {}", seen[0], seen[1]));
        }
        for (_, host) in labs {
            host.run("ip link del br-web");
            host.run("ip link set to-1 up");
        }
    }
    for (_, host) in labs {
        host.sh("ip link del to-1; rm -rf /var/lib/cni");
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
