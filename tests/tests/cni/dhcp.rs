//! `dhcp`: addresses that a server on the link gives, put on whatever interface there is, and given back.

mod keeper;
mod link;
mod reference;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Host, Lab, eventually};

use super::config::{VERSIONS, addresses, since, with};
use link::{SOON, dnsmasq, given, lan, macvlan, of_ipam};

#[test]
fn a_container_gets_what_a_server_gives_and_gives_it_back() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = dnsmasq(&far, "--dhcp-option=6,192.168.50.53 --domain=example.org --dhcp-option=119,lab.example.org");
    let _keeper = host.keeper();
    for version in VERSIONS {
        let c1 = host.container(&format!("c-{}", version.replace('.', "-")));
        let attachment = c1.add(&with(macvlan(), &json!({"cniVersion": version})));
        let result = attachment.result();
        let address = given(&far).pop().unwrap();
        assert_eq!(addresses(&result), [format!("{address}/24")], "{version}: {result:#}");
        assert!(c1.pings("192.168.50.2") && c1.sh("ip route").starts_with("default via 192.168.50.2 dev eth0"));
        if since(version, "0.3.0") {
            assert_eq!(result["ips"][0]["gateway"], "192.168.50.2");
            assert_eq!(result["routes"], json!([{"dst": "0.0.0.0/0", "gw": "192.168.50.2"}]));
        }
        let dns = json!({"nameservers": ["192.168.50.53"], "domain": "example.org", "search": ["lab.example.org"]});
        assert_eq!(result["dns"], dns, "{version}");
        if since(version, "0.4.0") {
            assert_eq!(attachment.check(), Ok(()));
        }
        attachment.del().unwrap();
        eventually(SOON, || server.log().contains(&format!("DHCPRELEASE(to-a) {address}")));
        assert_eq!(given(&far), [""; 0], "{version}");
        attachment.del().unwrap();
    }
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn ipv6_and_both() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = dnsmasq(&far, "--dhcp-range=fd50::100,fd50::1ff,64,1h --dhcp-option=option6:dns-server,[fd50::53]");
    let _keeper = host.keeper();
    let c1 = host.container("c1");
    for (families, count) in [(json!(["ipv6"]), 1), (json!(["ipv4", "ipv6"]), 2)] {
        let attachment = c1.add(&of_ipam("families", &families));
        let result = attachment.result();
        assert_eq!(addresses(&result).len(), count, "{result:#}");
        assert_eq!(result["dns"]["nameservers"].as_array().unwrap().last().unwrap(), "fd50::53");
        let address = addresses(&result).pop().unwrap();
        assert!(address.starts_with("fd50::1") && address.ends_with("/128"), "{address}");
        assert!(c1.addresses("eth0").contains(&address), "{:?}", c1.addresses("eth0"));
        assert_eq!(attachment.check(), Ok(()));
        // Of IPv6, dnsmasq writes down what it gave after it said so.
        eventually(SOON, || given(&far).len() == count);
        attachment.del().unwrap();
        eventually(SOON, || given(&far).is_empty());
        assert!(server.log().contains("DHCPRELEASE(to-a)"));
    }
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn every_interface_on_whose_link_somebody_else_is_gets_one() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = dnsmasq(&far, "");
    let _keeper = host.keeper();
    host.sh("ip address flush dev to-b; ip link add eth7 type veth peer name eth8; ip link set eth8 up");
    host.sh("ip link add br-lan type bridge; ip link set br-lan up; ip link set to-b master br-lan; ip link set eth8 master br-lan");
    for (number, (kind, keys)) in [
        ("bridge", json!({"bridge": "br-lan"})),
        ("bridge", json!({"bridge": "br-lan", "macspoofchk": true, "ipMasq": true, "mac": "02:00:00:00:00:77"})),
        ("macvlan", json!({"master": "br-lan"})),
        ("host-device", json!({"device": "eth7"})),
    ]
    .into_iter()
    .enumerate()
    {
        let c1 = host.container(&format!("c{number}"));
        let attachment =
            c1.add(&with(json!({"cniVersion": "1.1.0", "name": "lan", "type": kind, "ipam": {"type": "dhcp"}}), &keys));
        assert!(c1.pings("192.168.50.2"), "{kind}: {}", server.log());
        assert_eq!(attachment.check(), Ok(()), "{kind}");
        // What the server knows of the container stays true.
        let result = attachment.result();
        let interfaces = result["interfaces"].as_array().unwrap();
        let mac = interfaces.iter().find(|one| one["sandbox"].is_string()).unwrap()["mac"].as_str().unwrap();
        assert!(c1.link("eth0")["address"] == mac && server.log().contains(mac), "{kind}: {mac}");
        attachment.del().unwrap();
        eventually(SOON, || given(&far).is_empty());
        attachment.del().unwrap();
    }
    host.sh("ip link del eth7; ip link del br-lan");
    assert_eq!(host.leftovers(), [""; 0]);
}

/// Those of kinds that this kernel may lack.
#[test]
fn ipvlan_and_vlan_get_one() {
    for (kind, keys) in [("ipvlan", json!({"master": "to-b"})), ("vlan", json!({"master": "to-b", "vlanId": 5}))] {
        let lab = Lab::new();
        let [host, far] = lan(&lab);
        if !host.has(kind) {
            return;
        }
        let link = if kind == "vlan" { "far5" } else { "to-a" };
        if kind == "vlan" {
            far.sh("ip link add link to-a name far5 type vlan id 5; ip link set far5 up; ip address flush dev to-a");
            far.sh("ip address add 192.168.50.2/24 dev far5");
        }
        let server = far.dhcp_server(link, "");
        let _keeper = host.keeper();
        let c1 = host.container("c1");
        let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": kind, "ipam": {"type": "dhcp"}});
        let attachment = c1.add(&with(config, &keys));
        assert!(c1.pings("192.168.50.2"), "{kind}: {}", server.log());
        assert_eq!(attachment.check(), Ok(()), "{kind}");
        attachment.del().unwrap();
        eventually(SOON, || given(&far).is_empty());
        assert_eq!(host.leftovers(), [""; 0]);
    }
}

#[test]
fn an_interface_with_nobody_else_on_its_link_is_refused() {
    let lab = Lab::new();
    let host = lab.host("a");
    for kind in ["ptp", "dummy", "tap"] {
        let config = json!({"cniVersion": "1.1.0", "name": "lan", "type": kind, "ipam": {"type": "dhcp"}});
        let attachment = host.container(kind).attachment(&config, "eth0");
        let refusal = attachment.add().unwrap_err();
        let text = "key \"ipam.type\": \"dhcp\" asks over the interface, and nobody else is on that link";
        assert_eq!((refusal.code, &*refusal.msg), (7, text), "{kind}");
        attachment.del().unwrap();
    }
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn keys_are_obeyed() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = dnsmasq(
        &far,
        "--dhcp-option=121,10.9.0.0/16,192.168.50.9,192.168.60.0/24,0.0.0.0 --dhcp-option=42,192.168.50.3",
    );
    let socket = "/run/other/leases.sock";
    let _keeper = host.keeper_with(&format!("dhcp_socket = \"{socket}\""));
    let ipam = json!({
        "type": "dhcp", "daemonSocketPath": socket, "priority": 77,
        "request": [{"option": "42"}],
        "provide": [{"option": "host-name", "fromArg": "K8S_POD_NAME"}, {"option": "60", "value": "netd"}]
    });
    let c1 = host.container("c1");
    let config = with(macvlan(), &json!({"ipam": ipam}));
    let attachment = c1.keep(c1.attachment(&config, "eth0").args("IgnoreUnknown=1;K8S_POD_NAME=db"));
    let result = attachment.add().unwrap();
    // Option 121 goes before the router, which is the gateway of the address alone.
    let routes = json!([
        {"dst": "10.9.0.0/16", "gw": "192.168.50.9", "priority": 77},
        {"dst": "192.168.60.0/24", "priority": 77, "scope": 253}
    ]);
    assert_eq!((&result["routes"], &result["ips"][0]["gateway"]), (&routes, &json!("192.168.50.2")));
    let table = c1.sh("ip route");
    assert!(table.contains("10.9.0.0/16 via 192.168.50.9 dev eth0 metric 77"), "{table}");
    assert!(table.contains("192.168.60.0/24 dev eth0 scope link metric 77"), "{table}");
    assert!(!table.contains("default"), "{table}");
    assert_eq!(attachment.check(), Ok(()));
    let log = server.log();
    for words in ["client provides name: db", "vendor class: netd", "42:ntp-server"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert_eq!(host.status(&config), Ok(()));
    attachment.del().unwrap();
    let only = with(
        macvlan(),
        &json!({"ipam": {"type": "dhcp", "daemonSocketPath": socket, "suppress": ["gateway"],
        "request": [{"skipDefault": true, "option": "subnet-mask"}]}}),
    );
    let result = c1.add(&only).result();
    assert!(result["routes"].is_null() && result["ips"][0]["gateway"].is_null(), "{result:#}");
}

#[test]
fn many_at_once() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let _server = dnsmasq(&far, "");
    let _keeper = host.keeper();
    let containers: Vec<_> = (0..20).map(|number| host.container(&format!("c{number}"))).collect();
    let attachments: Vec<_> = std::thread::scope(|scope| {
        let adds: Vec<_> = containers.iter().map(|container| scope.spawn(|| container.add(&macvlan()))).collect();
        adds.into_iter().map(|add| add.join().unwrap()).collect()
    });
    let mut found: Vec<String> = attachments.iter().map(|attachment| attachment.address().unwrap()).collect();
    found.sort();
    found.dedup();
    assert_eq!((found.len(), given(&far).len()), (20, 20));
    for attachment in &attachments {
        assert_eq!(attachment.check(), Ok(()));
    }
    std::thread::scope(|scope| {
        for attachment in &attachments {
            scope.spawn(|| attachment.del().unwrap());
        }
    });
    eventually(SOON, || given(&far).is_empty());
    assert_eq!(host.leftovers(), [""; 0]);
}

/// What an ADD must not leave.
fn assert_nothing_left(host: &Host, settled: &str) {
    assert_eq!([host.changes_since(settled), host.leftovers()].concat(), [""; 0]);
}

#[test]
fn where_no_server_answers_add_ends_in_time_and_leaves_nothing() {
    let lab = Lab::new();
    let [host, _far] = lan(&lab);
    let _keeper = host.keeper();
    let settled = host.kernel_text();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let before = c1.kernel_text();
    let start = Instant::now();
    let refusal = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| c1.attachment(&macvlan(), "eth0").add().unwrap_err());
        // Others are not kept waiting meanwhile.
        let other =
            with(macvlan(), &json!({"ipam": {"type": "static", "addresses": [{"address": "192.168.50.7/24"}]}}));
        c2.add(&other).del().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5));
        waiting.join().unwrap()
    });
    assert_eq!((refusal.code, &*refusal.msg), (11, "DHCPv4: no server answers"));
    let took = start.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&took), "{took:?}");
    assert_nothing_left(&host, &settled);
    assert_eq!(c1.changes_since(&before), [""; 0]);
}

#[test]
fn where_one_family_has_no_server_the_other_is_given_back() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = dnsmasq(&far, "");
    let _keeper = host.keeper();
    let refusal =
        host.container("c1").attachment(&of_ipam("families", &json!(["ipv4", "ipv6"])), "eth0").add().unwrap_err();
    assert_eq!((refusal.code, &*refusal.msg), (11, "DHCPv6: no server answers"));
    eventually(SOON, || given(&far).is_empty());
    assert!(server.log().contains("DHCPRELEASE"));
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn without_a_keeper_add_says_what_to_do_and_status_that_nothing_works() {
    let lab = Lab::new();
    let [host, _far] = lan(&lab);
    let settled = host.kernel_text();
    let text = "error dialing DHCP daemon: /run/cni/dhcp.sock: No such file or directory (os error 2)";
    let refusal = host.container("c1").attachment(&macvlan(), "eth0").add().unwrap_err();
    assert_eq!((refusal.code, &*refusal.msg), (11, text));
    assert_eq!(refusal.details, "`netd dhcp` keeps leases: systemctl enable --now netd-dhcp");
    assert_nothing_left(&host, &settled);
    let refusal = host.status(&macvlan()).unwrap_err();
    assert_eq!((refusal.code, &*refusal.msg), (50, text));
    let keeper = host.keeper();
    assert_eq!(host.status(&macvlan()), Ok(()));
    keeper.freeze();
    let refusal = host.status(&macvlan()).unwrap_err();
    assert_eq!((refusal.code, refusal.msg.ends_with("it does not answer")), (50, true));
    keeper.thaw();
}

/// Which server has given what, whatever the plugin says.
#[test]
fn gc_gives_back_what_is_not_valid() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let _server = dnsmasq(&far, "");
    let _keeper = host.keeper();
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let [first, second] = [&c1, &c2].map(|container| container.add(&macvlan()));
    host.gc(&macvlan(), None).unwrap();
    assert_eq!(given(&far).len(), 2);
    host.gc(&macvlan(), Some(&[("c1", "eth0")])).unwrap();
    eventually(SOON, || given(&far) == [first.address().unwrap()]);
    assert_eq!(first.check(), Ok(()));
    assert!(c2.link("eth0").is_null());
    first.del().unwrap();
    second.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn check_finds_a_lease_that_is_another_or_none() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let _server = dnsmasq(&far, "");
    let _keeper = host.keeper();
    let c1 = host.container("c1");
    let attachment = c1.add(&macvlan());
    let folder = host.run_dir().join("dhcp");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let lease = std::fs::read_to_string(&file).unwrap();
    let address = attachment.address().unwrap();
    let refused = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let refusal = attachment.check().unwrap_err();
        (refusal.code, refusal.msg)
    };
    let other = lease.replace(&format!("{address}/24"), "192.168.50.77/24");
    assert_eq!(refused(&other), (103, "dhcp: Failed to match addr 192.168.50.77 on interface eth0".to_owned()));
    let gone = format!("dhcp: the lease of {address} on interface eth0 has run out, or was taken back");
    assert_eq!(refused(&lease.replace("\"held\"", "\"lost\"")), (103, gone.clone()));
    let mut old: Value = serde_json::from_str(&lease).unwrap();
    old["times"]["expire"] = 1.into();
    assert_eq!(refused(&old.to_string()), (103, gone));
    std::fs::remove_file(&file).unwrap();
    let refusal = attachment.check().unwrap_err();
    assert_eq!(refusal.msg, "dhcp: container c1 has no DHCPv4 lease on interface eth0");
    std::fs::write(&file, "torn").unwrap();
    attachment.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

/// What bad answers a server can give is in the tables beside the code; this one gives what nobody can have.
#[test]
fn a_server_that_gives_what_cannot_be_is_not_believed() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let _server = dnsmasq(&far, "--dhcp-option-force=1,0.0.0.0");
    let _keeper = host.keeper();
    let refusal = host.container("c1").attachment(&macvlan(), "eth0").add().unwrap_err();
    assert_eq!((refusal.code, &*refusal.msg), (11, "DHCPv4: no server answers"));
    assert_eq!(host.leftovers(), [""; 0]);
}

/// An interface plugin of somebody else makes the interface, and calls this one as a program.
#[test]
fn the_reference_bridge_gets_addresses_from_it() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let _server = dnsmasq(&far, "");
    let _keeper = host.keeper();
    host.sh("ip address flush dev to-b; ip link add br-lan type bridge; ip link set br-lan up; ip link set to-b master br-lan");
    let config =
        json!({"cniVersion": "1.0.0", "name": "lan", "type": "bridge", "bridge": "br-lan", "ipam": {"type": "dhcp"}});
    let c1 = host.container("c1");
    let path = host.plugins().to_str().unwrap().to_owned();
    let call = |command: &str| {
        let bridge = format!("{}/bridge", tests::REFERENCE);
        host.call(&bridge, command)
            .env("CNI_PATH", &path)
            .env("CNI_CONTAINERID", "c1")
            .env("CNI_IFNAME", "eth0")
            .env("CNI_NETNS", c1.netns().to_str().unwrap())
            .config(&config)
            .run()
            .answer()
    };
    let result = call("ADD").unwrap();
    let address = given(&far).pop().unwrap();
    assert_eq!(addresses(&result), [format!("{address}/24")]);
    assert!(c1.pings("192.168.50.2"));
    // It takes the interface away before it asks for the address to be given back: nobody can tell the server.
    call("DEL").unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
    host.sh("ip link del br-lan");
}
