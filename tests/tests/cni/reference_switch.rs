//! A host whose plugins are replaced while containers run: what the reference plugins attached is checked, detached and
//! collected by ours.

use serde_json::{Map, Value, json};
use tests::{Attachment, Container, Host, Lab, List, REFERENCE};

use super::config::{bridge, with};

fn list(version: &str, plugins: &[Value]) -> Value {
    json!({"cniVersion": version, "name": "web", "plugins": plugins})
}

fn of_bridge(version: &str) -> Value {
    let keys = json!({"ipMasq": true, "macspoofchk": true, "hairpinMode": true});
    let mapping = json!({"hostPort": 8080, "containerPort": 80, "protocol": "tcp"});
    let limits =
        json!({"ingressRate": 8_000_000, "ingressBurst": 80_000, "egressRate": 8_000_000, "egressBurst": 80_000});
    list(
        version,
        &[
            with(bridge(version, &["10.1.2.0/24", "2001:db8::/64"]), &keys),
            json!({"type": "tuning", "mtu": 1400, "promisc": true, "sysctl": {"net.core.somaxconn": "500"}}),
            json!({"type": "portmap", "backend": "iptables", "runtimeConfig": {"portMappings": [mapping]}}),
            json!({"type": "firewall", "backend": "iptables"}),
            with(json!({"type": "bandwidth"}), &limits),
        ],
    )
}

fn of_ptp(version: &str) -> Value {
    let ranges = json!([[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8::/64"}]]);
    let ipam = json!({"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]});
    list(version, &[json!({"type": "ptp", "ipMasq": true, "ipam": ipam}), json!({"type": "sbr"})])
}

fn of_link(version: &str, keys: &Value) -> Value {
    let ipam =
        json!({"type": "host-local", "ranges": [[{"subnet": "10.1.2.0/24"}]], "routes": [{"dst": "10.9.0.0/16"}]});
    list(version, &[with(json!({"ipam": ipam}), keys)])
}

/// Each with the newest version that Debian's reference plugins know, and the oldest that has CHECK.
fn each() -> Vec<Value> {
    let [old, new] = ["0.4.0", "1.0.0"];
    vec![
        of_bridge(old),
        of_bridge(new),
        of_ptp(new),
        of_link(new, &json!({"type": "macvlan", "master": "to-1"})),
        of_link(old, &json!({"type": "host-device", "device": "to-1"})),
    ]
}

fn host(lab: &Lab) -> Host {
    let host = lab.host("a");
    host.sh("ip link add to-1 type veth peer name to-2; ip link set to-1 up; ip link set to-2 up; ip link set lo up");
    host
}

/// A command of each plugin of the reference, as a runtime calls them.
fn by_reference(container: &Container, config: &Value, command: &str, result: Option<&Value>) -> Option<Value> {
    let list = List::from(config);
    let mut previous = result.cloned();
    let mut order: Vec<usize> = (0..list.plugins.len()).collect();
    if command == "DEL" {
        order.reverse();
    }
    for index in order {
        let request = list.request(index, previous.as_ref(), &Map::new());
        let call = container.call(&format!("{REFERENCE}/{}", list.plugin(index)), command);
        let answer = call.env("CNI_PATH", REFERENCE).config(&request).run().answer().unwrap();
        if command == "ADD" {
            previous = Some(answer);
        }
    }
    previous
}

/// The same of ours.
fn by_ours(attachment: &Attachment, length: usize, command: &str, result: &Value) -> Result<(), tests::Refusal> {
    let order = (0..length).map(|index| if command == "DEL" { length - 1 - index } else { index });
    for index in order {
        attachment.call(command, index, Some(result)).run().answer()?;
    }
    Ok(())
}

#[test]
fn what_the_reference_attached_is_checked_and_leaves_nothing_after_del() {
    for config in each() {
        let lab = Lab::new();
        let host = host(&lab);
        let length = config["plugins"].as_array().unwrap().len();
        let kind = &config["plugins"][0]["type"];
        // What all containers share stays, after a DEL of the reference as well.
        let warm = host.container("warm");
        let result = by_reference(&warm, &config, "ADD", None);
        by_reference(&warm, &config, "DEL", result.as_ref());
        // Where the reference noted a device's name, it leaves the note.
        host.sh("ip link set to-1 alias ''");
        let settled = host.kernel_text();
        let c1 = host.container("c1");
        let empty = c1.kernel_text();
        let result = by_reference(&c1, &config, "ADD", None).unwrap();
        let attachment = c1.attachment(&config, "eth0");
        assert_eq!(by_ours(&attachment, length, "CHECK", &result), Ok(()), "{kind}");
        c1.sh("ip address flush dev eth0");
        let refusal = by_ours(&attachment, length, "CHECK", &result).unwrap_err();
        assert_eq!(refusal.code, 103, "{refusal:?}");
        for _ in 0..2 {
            assert_eq!(by_ours(&attachment, length, "DEL", &result), Ok(()), "{kind}");
        }
        let mut left = [host.leftovers(), host.changes_since(&settled), c1.changes_since(&empty)].concat();
        // What it was the reference's tuning notes nowhere.
        left.retain(|line| !line.contains("sysctl net/core/somaxconn"));
        assert_eq!(left, [""; 0], "{kind}");
        host.sh("ip link del to-1");
    }
}

/// What masquerades is found without the addresses as well, and that of a second interface stays.
#[test]
fn what_masquerades_goes_with_its_interface() {
    let lab = Lab::new();
    let host = host(&lab);
    let c1 = host.container("c1");
    let config = |ifname: &str| {
        let subnet = if ifname == "eth0" { "10.1.2.0/24" } else { "10.1.3.0/24" };
        with(bridge("1.0.0", &[subnet]), &json!({"bridge": format!("br-{ifname}"), "ipMasq": true}))
    };
    let add = |ifname: &str| {
        let call = c1.call(&format!("{REFERENCE}/bridge"), "ADD").env("CNI_PATH", REFERENCE).env("CNI_IFNAME", ifname);
        call.config(&config(ifname)).run().answer().unwrap()
    };
    let chains = || {
        let shown = host.sh("iptables-save -t nat");
        let count = |word: &str| shown.lines().filter(|line| line.contains(word)).count();
        (count("-s 10.1.2.2/32"), count("-s 10.1.3.2/32"), count(":CNI-"))
    };
    let del = |ifname: &str, previous: Option<&Value>| {
        let attachment = c1.attachment(&config(ifname), ifname);
        assert_eq!(attachment.call("DEL", 0, previous).run().answer(), Ok(Value::Null));
    };
    let first = add("eth0");
    add("eth1");
    assert_eq!(chains(), (1, 1, 1));
    for _ in 0..2 {
        del("eth0", Some(&first));
        assert_eq!(chains(), (0, 1, 1));
    }
    del("eth1", None);
    assert_eq!(chains(), (0, 0, 0));
    c1.vanish();
    tests::eventually(std::time::Duration::from_secs(5), || host.leftovers().is_empty());
}

/// As the newer reference makes them, which Debian does not have yet: by nftables, with the hashes of network and interface.
#[test]
fn what_masquerades_in_a_table_of_the_reference_goes_with_its_interface() {
    let lab = Lab::new();
    let host = lab.host("a");
    let rules = |container: &str| {
        let hash = |text: &str| host.sh(&format!("printf '%s' {text} | sha512sum | cut -c-16")).trim().to_owned();
        let comment =
            format!("{}-{}, net: web, if: eth0, id: {container}", hash("web"), hash(&format!("eth0:{container}")));
        ["ip saddr 10.1.2.2 ip daddr != 10.1.2.0/24", "ip6 saddr 2001:db8::2 ip6 daddr != 2001:db8::/64"]
            .map(|rule| {
                format!("add rule inet cni_plugins_masquerade masq_checks {rule} masquerade comment \"{comment}\"\n")
            })
            .concat()
    };
    host.sh(&format!(
        "nft '
        add table inet cni_plugins_masquerade; add chain inet cni_plugins_masquerade masq_checks
        add chain inet cni_plugins_masquerade postrouting {{ type nat hook postrouting priority 100; }}
        add rule inet cni_plugins_masquerade postrouting goto masq_checks
        {}{}'",
        rules("c1"),
        rules("c2")
    ));
    let count = |container: &str| host.sh("nft list ruleset").matches(&format!("id: {container}\"")).count();
    assert_eq!((count("c1"), count("c2")), (2, 2));
    let del = host.container("c1").call("bridge", "DEL").config(&bridge("1.0.0", &["10.1.2.0/24"]));
    std::thread::scope(|scope| {
        for del in (0..10).map(|_| del.clone()) {
            scope.spawn(move || assert_eq!(del.run().answer(), Ok(Value::Null)));
        }
    });
    assert_eq!((count("c1"), count("c2")), (0, 2));
}

#[test]
fn gc_frees_what_the_reference_leased_to_who_is_gone() {
    let lab = Lab::new();
    let host = host(&lab);
    let config = with(bridge("1.1.0", &["10.1.2.0/24"]), &json!({"ipMasq": true}));
    let of_reference = with(config.clone(), &json!({"cniVersion": "1.0.0"}));
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let results = [&c1, &c2].map(|container| by_reference(container, &of_reference, "ADD", None).unwrap());
    c1.vanish();
    let leased = |address: &str| host.leases("web").join(address).exists();
    assert!(leased("10.1.2.2") && leased("10.1.2.3"));
    assert_eq!(host.gc(&config, None), Ok(()), "nothing is known to be stale");
    assert!(leased("10.1.2.2"));
    assert_eq!(host.gc(&config, Some(&[("c2", "eth0")])), Ok(()));
    assert!(!leased("10.1.2.2") && leased("10.1.2.3"));
    let attachment = c2.attachment(&of_reference, "eth0");
    assert_eq!(by_ours(&attachment, 1, "CHECK", &results[1]), Ok(()));
    assert!(c2.pings("10.1.2.1"));
    assert_eq!(by_ours(&attachment, 1, "DEL", &results[1]), Ok(()));
    let first = c1.attachment(&of_reference, "eth0");
    assert_eq!(by_ours(&first, 1, "DEL", &results[0]), Ok(()));
    tests::eventually(std::time::Duration::from_secs(5), || host.leftovers().is_empty());
}

/// The reference keeps a lease of DHCP, and names, in processes of its own: what the result tells is compared.
#[test]
fn leases_and_names_that_the_reference_keeps_are_not_missed() {
    let lab = Lab::new();
    let host = host(&lab);
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let config = of_link("1.0.0", &json!({"type": "macvlan", "master": "to-1"}));
    let result = by_reference(&c1, &config, "ADD", None).unwrap();
    let of_dhcp = of_link("1.0.0", &json!({"type": "macvlan", "master": "to-1", "ipam": {"type": "dhcp"}}));
    let attachment = c1.attachment(&of_dhcp, "eth0");
    assert_eq!(by_ours(&attachment, 1, "CHECK", &result), Ok(()));
    c1.sh("ip address flush dev eth0");
    assert_eq!(by_ours(&attachment, 1, "CHECK", &result).map_err(|refusal| refusal.code), Err(103));
    by_reference(&c1, &config, "DEL", Some(&result));
    let interface = bridge("1.0.0", &["10.1.2.0/24"]);
    let config = list("1.0.0", std::slice::from_ref(&interface));
    let result = by_reference(&c2, &config, "ADD", None).unwrap();
    for (plugin, expected) in [("dnsname", Ok(())), ("dns", Err(103))] {
        let with_names = list("1.0.0", &[interface.clone(), json!({"type": plugin})]);
        let attachment = c2.attachment(&with_names, "eth0");
        assert_eq!(by_ours(&attachment, 2, "CHECK", &result).map_err(|refusal| refusal.code), expected, "{plugin}");
    }
    by_reference(&c2, &config, "DEL", Some(&result));
    host.sh("ip link del to-1");
}
