//! `tuning` after `bridge`: what another plugin made is changed, and put back.

use serde_json::{Value, json};
use tests::{Container, Lab, REFERENCE};

use super::config::{VERSIONS, bridge, since, with};

fn tuned(version: &str, keys: &Value) -> Value {
    let tuning = with(json!({"type": "tuning"}), keys);
    json!({"cniVersion": version, "name": "web", "plugins": [bridge(version, &["10.1.2.0/24"]), tuning]})
}

/// What of an interface can be tuned.
fn shown(container: &Container) -> Value {
    let link = container.link("eth0");
    let has = |flag: &str| link["flags"].as_array().unwrap().iter().any(|known| known == flag);
    json!([link["mtu"], link["address"], link["txqlen"], has("PROMISC"), has("ALLMULTI")])
}

#[test]
fn attributes_are_changed_and_del_puts_them_back() {
    let all = json!({"mtu": 1454, "mac": "02:00:00:00:00:77", "txQLen": 20, "promisc": true, "allmulti": true});
    for (keys, of_one) in [(all.clone(), false), (json!({"args": {"cni": all}}), true)] {
        for version in VERSIONS.into_iter().filter(|version| since(version, "0.3.0")) {
            let lab = Lab::new();
            let host = lab.host("a");
            let c1 = host.container("c1");
            let attachment = c1.keep(c1.attachment(&tuned(version, &keys), "eth0"));
            let given = attachment.call("ADD", 0, None).run().answer().unwrap();
            let before = (shown(&c1), c1.kernel_text());
            let result = attachment.call("ADD", 1, Some(&given)).run().answer().unwrap();
            assert_eq!(shown(&c1), json!([1454, "02:00:00:00:00:77", 20, true, true]), "{version} {of_one}");
            assert_eq!(result["interfaces"][2]["mac"], "02:00:00:00:00:77");
            let veth = result["interfaces"][1]["name"].as_str().unwrap();
            assert_eq!(host.link(veth)["mtu"], 1454, "both ends of the pair");
            if since(version, "1.1.0") {
                let mtu = ["br-web", veth].map(|name| host.link(name)["mtu"].clone());
                let told = result["interfaces"].as_array().unwrap().iter().map(|interface| interface["mtu"].clone());
                assert_eq!(told.collect::<Vec<_>>(), [&mtu[0], &mtu[1], &json!(1454)].map(Clone::clone));
            }
            if since(version, "0.4.0") {
                assert_eq!(attachment.call("CHECK", 1, Some(&result)).run().answer(), Ok(Value::Null), "{version}");
            }
            let del = attachment.call("DEL", 1, Some(&result)).run().answer();
            assert_eq!(del, Ok(Value::Null));
            assert_eq!((shown(&c1), c1.changes_since(&before.1)), (before.0, vec![]), "{version}");
            assert_eq!(host.link(veth)["mtu"], 1500);
            assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
        }
    }
}

#[test]
fn a_dummy_is_tuned_and_put_back() {
    let lab = Lab::new();
    let host = lab.host("a");
    if !host.has("dummy") {
        return;
    }
    let c1 = host.container("c1");
    let keys = json!({"mtu": 1454, "mac": "02:00:00:00:00:77", "txQLen": 20, "promisc": true, "allmulti": true});
    let dummy = json!({"type": "dummy", "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}});
    let plugins = json!([dummy, with(json!({"type": "tuning"}), &keys)]);
    let list = json!({"cniVersion": "1.1.0", "name": "web", "plugins": plugins});
    let attachment = c1.keep(c1.attachment(&list, "eth0"));
    let given = attachment.call("ADD", 0, None).run().answer().unwrap();
    let before = shown(&c1);
    let result = attachment.call("ADD", 1, Some(&given)).run().answer().unwrap();
    assert_eq!(shown(&c1), json!([1454, "02:00:00:00:00:77", 20, true, true]));
    assert_eq!(result["interfaces"][0]["mtu"], 1454);
    let check = || attachment.call("CHECK", 1, Some(&result)).run().answer();
    assert_eq!(check(), Ok(Value::Null));
    c1.sh("ip link set eth0 mtu 1400");
    assert_eq!(check().unwrap_err().code, 103);
    assert_eq!(attachment.call("DEL", 1, Some(&result)).run().answer(), Ok(Value::Null));
    assert_eq!(shown(&c1), before);
    assert_eq!((attachment.del(), attachment.del()), (Ok(()), Ok(())));
}

const SYSCTLS: [(&str, &str); 3] = [
    ("net.core.somaxconn", "500"),
    ("net.ipv4.conf.IFNAME.arp_filter", "1"),
    ("net/ipv4/ip_local_port_range", "20000 30000"),
];

fn sysctls(container: &Container) -> [Option<String>; 3] {
    ["net/core/somaxconn", "net/ipv4/conf/eth0/arp_filter", "net/ipv4/ip_local_port_range"]
        .map(|key| container.sysctl(key).map(|value| value.replace('\t', " ")))
}

#[test]
fn parameters_are_set_and_put_back() {
    let keys = SYSCTLS.map(|(key, value)| (key.to_owned(), Value::from(value)));
    let keys = json!({"sysctl": serde_json::Map::from_iter(keys)});
    for version in VERSIONS {
        let lab = Lab::new();
        let host = lab.host("a");
        let c1 = host.container("c1");
        let before = [c1.sysctl("net/core/somaxconn"), c1.sysctl("net/ipv4/ip_local_port_range")];
        let attachment = c1.keep(c1.attachment(&tuned(version, &keys), "eth0"));
        let given = attachment.call("ADD", 0, None).run().answer().unwrap();
        assert_eq!(attachment.call("ADD", 1, Some(&given)).run().answer(), Ok(given.clone()), "{version}");
        assert_eq!(sysctls(&c1), ["500", "1", "20000 30000"].map(|value| Some(value.to_owned())));
        assert!(!host.run("ls /run/cni/tuning").success(), "what was before stands with the attachment");
        if since(version, "0.4.0") {
            assert_eq!(attachment.call("CHECK", 1, Some(&given)).run().answer(), Ok(Value::Null), "{version}");
            c1.sh("echo 600 > /proc/sys/net/core/somaxconn");
            let refusal = attachment.call("CHECK", 1, Some(&given)).run().answer().unwrap_err();
            assert_eq!(refusal.code, 103, "{version}");
        }
        assert_eq!(attachment.call("DEL", 1, Some(&given)).run().answer(), Ok(Value::Null), "{version}");
        assert_eq!([c1.sysctl("net/core/somaxconn"), c1.sysctl("net/ipv4/ip_local_port_range")], before);
        assert_eq!(attachment.del(), Ok(()));
    }
}

#[test]
fn the_hardware_address_is_that_of_the_strongest_voice() {
    let lab = Lab::new();
    let host = lab.host("a");
    let macs: [String; 4] = std::array::from_fn(|number| format!("02:00:00:00:00:0{number}"));
    let of_config = json!({"mac": macs[0]});
    let of_runtime = with(of_config.clone(), &json!({"capabilities": {"mac": true}}));
    let of_cni = with(of_runtime.clone(), &json!({"args": {"cni": {"mac": macs[3]}}}));
    let args = format!("IgnoreUnknown=1;MAC={}", macs[1]);
    for (number, (keys, args)) in
        [(&of_config, ""), (&of_config, &*args), (&of_runtime, &*args), (&of_cni, &*args)].into_iter().enumerate()
    {
        let container = host.container(&format!("c{number}"));
        let attachment = container.attachment(&tuned("1.1.0", keys), "eth0").args(args);
        let attachment = container.keep(attachment.capabilities(&json!({"mac": macs[2]})));
        let result = attachment.add().unwrap();
        assert_eq!(container.link("eth0")["address"], macs[number]);
        assert_eq!(result["interfaces"][2]["mac"], macs[number]);
        assert_eq!(attachment.check(), Ok(()));
    }
}

#[test]
fn a_plugin_that_stands_twice_in_a_list_puts_back_what_was_before_the_first() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let mut list = tuned("1.1.0", &json!({"mtu": 1400, "sysctl": {"net.core.somaxconn": "500"}}));
    let second = json!({"type": "tuning", "txQLen": 7, "sysctl": {"net.core.somaxconn": "600"}});
    list["plugins"].as_array_mut().unwrap().push(second);
    let before = c1.sysctl("net/core/somaxconn");
    let attachment = c1.add(&list);
    assert_eq!(c1.sysctl("net/core/somaxconn").as_deref(), Some("600"));
    assert_eq!((&c1.link("eth0")["mtu"], &c1.link("eth0")["txqlen"]), (&json!(1400), &json!(7)));
    assert_eq!(attachment.check(), Ok(()));
    assert_eq!(attachment.del(), Ok(()));
    assert_eq!(c1.sysctl("net/core/somaxconn"), before);
}

#[test]
fn del_of_the_interface_alone_puts_parameters_back() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let before = c1.sysctl("net/core/somaxconn");
    let attachment = c1.add(&tuned("1.1.0", &json!({"sysctl": {"net.core.somaxconn": "500"}})));
    assert_eq!(attachment.call("DEL", 0, Some(&attachment.result())).run().answer(), Ok(Value::Null));
    assert_eq!(c1.sysctl("net/core/somaxconn"), before, "as when it was taken out of the list");
}

#[test]
fn check_finds_each_attribute_that_others_changed() {
    let all = json!({"mtu": 1454, "mac": "02:00:00:00:00:77", "txQLen": 20, "promisc": true, "allmulti": true});
    let changes = ["mtu 1400", "address 02:00:00:00:00:78", "txqueuelen 30", "promisc off", "allmulticast off"];
    for change in changes {
        let lab = Lab::new();
        let c1 = lab.host("a").container("c1");
        let attachment = c1.add(&tuned("1.1.0", &all));
        assert_eq!(attachment.check(), Ok(()));
        c1.sh(&format!("ip link set dev eth0 {change}"));
        let broken = c1.kernel_text();
        assert_eq!(attachment.check().unwrap_err().code, 103, "{change}");
        assert_eq!(c1.changes_since(&broken), [""; 0], "{change}");
    }
    let lab = Lab::new();
    let host = lab.host("a");
    let attachment = host.container("c1").add(&tuned("1.1.0", &all));
    host.sh(&format!("ip link set dev {} mtu 1400", attachment.result()["interfaces"][1]["name"].as_str().unwrap()));
    assert_eq!(attachment.check().unwrap_err().code, 103, "the other end of the pair");
}

#[test]
fn a_step_that_fails_leaves_all_as_it_was() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let before = c1.sysctl("net/core/somaxconn");
    let config = bridge("1.1.0", &["10.1.2.0/24"]);
    let result = c1.add(&config).result();
    let settled = c1.kernel_text();
    let keys = json!({
        "cniVersion": "1.1.0", "name": "web", "type": "tuning", "mtu": 1400, "prevResult": result,
        "sysctl": {"net.core.somaxconn": "500", "net.ipv4.no_such_thing": "1"}
    });
    let refusal = c1.call("tuning", "ADD").config(&keys).run().answer().unwrap_err();
    assert!(refusal.code == 5 && refusal.msg.contains("net/ipv4/no_such_thing"), "{refusal:?}");
    assert_eq!((c1.sysctl("net/core/somaxconn"), c1.changes_since(&settled)), (before, vec![]));
}

#[test]
fn an_operator_may_allow_some_parameters_only() {
    let lab = Lab::new();
    let host = lab.host("a");
    host.sh("rm -f /etc/cni; mkdir -p /etc/cni/tuning; echo '^net\\.core\\.' > /etc/cni/tuning/allowlist.conf");
    let good = tuned("1.1.0", &json!({"sysctl": {"net.core.somaxconn": "500"}}));
    assert_eq!(host.status(&good), Ok(()));
    host.container("c1").add(&good);
    let bad = tuned("1.1.0", &json!({"sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}));
    assert_eq!(host.status(&bad).unwrap_err().code, 7);
    let attachment = host.container("c2").attachment(&bad, "eth0");
    let refusal = attachment.add().unwrap_err();
    assert!(refusal.msg.starts_with("Sysctl net.ipv4.conf.IFNAME.arp_filter is not allowed."), "{refusal:?}");
    assert_eq!(attachment.del(), Ok(()));
}

#[test]
fn it_needs_an_interface_and_a_result() {
    let lab = Lab::new();
    let c1 = lab.host("a").container("c1");
    let call = |previous: Option<Value>| {
        let mut config = json!({"cniVersion": "1.1.0", "name": "web", "type": "tuning", "mtu": 1400});
        if let Some(previous) = previous {
            config["prevResult"] = previous;
        }
        let refusal = c1.call("tuning", "ADD").config(&config).run().answer().unwrap_err();
        (refusal.code, refusal.msg)
    };
    assert_eq!(call(None), (7, "Required prevResult missing".to_owned()));
    let previous = json!({"cniVersion": "1.1.0", "interfaces": [{"name": "eth0"}]});
    assert_eq!(call(Some(previous)), (7, "failed to get \"eth0\": Link not found".to_owned()));
    assert_eq!(c1.host().leftovers(), [""; 0]);
}

#[test]
fn what_the_reference_plugin_changed_is_put_back() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    let result = c1.add(&bridge("1.0.0", &["10.1.2.0/24"])).result();
    let config = json!({
        "cniVersion": "1.0.0", "name": "web", "type": "tuning", "mtu": 1400, "promisc": true, "prevResult": result,
        "dataDir": "/run/tuned"
    });
    let reference = c1.call(&format!("{REFERENCE}/tuning"), "ADD").env("CNI_PATH", REFERENCE).config(&config);
    reference.run().answer().unwrap();
    assert_eq!(c1.link("eth0")["mtu"], 1400);
    assert_eq!(c1.call("tuning", "DEL").config(&config).run().answer(), Ok(Value::Null));
    assert_eq!(shown(&c1)[0], 1500);
    assert_eq!(shown(&c1)[3], false);
    assert_eq!(host.run("ls /run/tuned").stdout, "");
}
