use netd_model::plan::{Desired, plan};
use serde_json::{Value, json};

use super::*;
use crate::{cni::result, fixture::request};

fn parse(config: &Value) -> Result<(Config, Target), Error> {
    let mut whole = json!({"ipam": {"type": "host-local"}});
    for (key, value) in config.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let request = request(&PLUGIN.about, "ADD", &whole, "")?;
    Ok((Config::of(&request)?, request.target().unwrap().clone()))
}

/// The script of an ADD; each address is one of IPAM with its gateway.
fn script(config: &Value, addresses: &[(&str, &str)], routes: &[&str]) -> String {
    let (config, target) = parse(config).unwrap();
    let assigned = |(address, gateway): &(&str, &str)| Assigned {
        address: address.parse().unwrap(),
        gateway: gateway.parse().ok(),
    };
    let addresses: Vec<Assigned> = addresses.iter().map(assigned).collect();
    let routes: Vec<_> = routes.iter().map(|dst| result::Route::new(dst.parse().unwrap(), None)).collect();
    let routes = inside::routes(&target.id.ifname, &routes, &addresses);
    let mtu = Mtu::try_from(1400).ok();
    let attach = Attach { id: &target.id, config: &config, addresses: &addresses, routes: &routes, mtu, ipv6: true };
    let Wanted { section, .. } = attach.wanted();
    let mut present = section.shared;
    present.extend(section.own);
    plan(&Desired { present, ..Desired::default() }, &netd_model::object::State::default()).to_string()
}

#[test]
fn packets_are_routed_over_a_pair() {
    let expected = "\
host       nft add table inet netd # version 10
host       nft add element inet netd masquerade4 { 10.1.0.7 } # web/c1/eth0
host       nft add element inet netd inside4 { 10.1.0.7/32 . 10.1.0.0/24 } # web/c1/eth0
host       sysctl net/ipv4/ip_forward=1
host       ip link add dev veth97b703de28b address 02:56:63:d2:cd:69 mtu 1400 group netd type veth peer dev eth0 address 02:cd:0a:01:00:07 mtu 1400 group netd in container
host       sysctl net/ipv6/conf/veth97b703de28b/accept_dad=0
host       sysctl net/ipv6/conf/veth97b703de28b/accept_ra=0
container  sysctl net/ipv6/conf/eth0/accept_dad=0
host       ip address add 10.1.0.1/32 dev veth97b703de28b
container  ip address add 10.1.0.7/24 dev eth0 noprefixroute
host       ip link set dev veth97b703de28b alias web/c1/eth0 addrgenmode none up
container  ip link set dev eth0 addrgenmode none up
host       ip route add 10.1.0.7/32 dev veth97b703de28b scope 254
container  ip route add 10.1.0.1/32 dev eth0
container  ip route add default via 10.1.0.1 dev eth0
container  ip route add 10.1.0.0/24 via 10.1.0.1 dev eth0
";
    assert_eq!(script(&json!({"ipMasq": true}), &[("10.1.0.7/24", "10.1.0.1")], &["0.0.0.0/0"]), expected);
}

#[test]
fn both_families_share_the_pair() {
    let text = script(&json!({}), &[("10.1.0.7/24", "10.1.0.1"), ("fd00::7/64", "fd00::1")], &[]);
    for line in [
        "sysctl net/ipv6/conf/all/forwarding=1",
        "sysctl net/ipv6/conf/veth97b703de28b/disable_ipv6=0",
        "ip address add fd00::1/128 dev veth97b703de28b nodad",
        "ip address add fd00::7/64 dev eth0 nodad noprefixroute",
        "ip route add fd00::7/128 dev veth97b703de28b",
        "ip route add fd00::/64 via fd00::1 dev eth0",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("addrgenmode") && !text.contains("nft"), "{text}");
}

#[test]
fn a_router_that_is_no_gateway_is_a_neighbour() {
    let (config, target) = parse(&json!({})).unwrap();
    let addresses = [Assigned { address: "10.1.0.7/24".parse().unwrap(), gateway: "10.1.0.1".parse().ok() }];
    let route = |gw: &str| result::Route::new("10.9.0.0/16".parse().unwrap(), gw.parse().ok());
    for (router, expected) in [("10.1.0.77", "10.1.0.77 dev eth0 onlink\n"), ("10.1.0.1", "10.1.0.1 dev eth0\n")] {
        let routes = inside::routes(&target.id.ifname, &[route(router)], &addresses);
        let attach =
            Attach { id: &target.id, config: &config, addresses: &addresses, routes: &routes, mtu: None, ipv6: true };
        let present = attach.wanted().section.own;
        let text = plan(&Desired { present, ..Desired::default() }, &netd_model::object::State::default()).to_string();
        assert!(text.contains(&format!("ip route add 10.9.0.0/16 via {expected}")), "{text}");
    }
}

#[test]
fn an_address_that_is_its_own_subnet_needs_no_way_to_it() {
    let text = script(&json!({}), &[("10.1.0.7/32", "10.1.0.1")], &[]);
    assert!(!text.contains(" via "), "{text}");
}

#[test]
fn a_wrong_value_is_named() {
    for (config, words) in [
        (json!({"mtu": -1}), "invalid mtu -1 (must be between 68 and 65535)"),
        (json!({"ipMasqBackend": "pf"}), "unknown ipMasqBackend \"pf\""),
        (json!({"ipMasq": "yes"}), "key \"ipMasq\""),
        (json!({"ipam": {}}), "no plugin name provided"),
    ] {
        let error = parse(&config).unwrap_err();
        assert!(error.kind.code() == 7 && error.msg.contains(words), "{config}: {error}");
    }
}
