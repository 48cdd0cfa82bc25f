//! The examples in the plugins' READMEs, as a runtime would run them.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tests::{Lab, host_lease, workspace};

/// Plugin -> the JSON blocks of its README.
fn examples() -> Vec<(String, Value)> {
    let folders = std::fs::read_dir(workspace().join("plugins/src")).unwrap().flatten();
    let readmes = folders.filter_map(|folder| {
        let text = std::fs::read_to_string(folder.path().join("README.md")).ok()?;
        Some((folder.file_name().into_string().unwrap(), text))
    });
    let blocks = readmes.flat_map(|(plugin, text)| {
        let blocks = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        blocks.map(move |block| (plugin.clone(), serde_json::from_str::<Value>(&block).unwrap())).collect::<Vec<_>>()
    });
    blocks.filter(|(_, block)| block["name"].is_string()).collect()
}

#[test]
fn every_example_attaches_a_container_and_lets_it_go() {
    let examples = examples();
    assert!(!examples.is_empty());
    for (plugin, config) in examples {
        let lab = Lab::new();
        let host = lab.host("a");
        if plugin == "overlay" {
            host.give_lease(&host_lease(config["name"].as_str().unwrap(), "10.40.1.0/24"));
        }
        host.sh("ip link add eth1 type veth peer name eth2; ip link set eth1 up");
        // A server of the host's own link, and who asks it.
        let _running = (plugin == "dhcp").then(|| {
            host.sh("ip address add 192.168.50.2/24 dev eth2; ip link set eth2 up");
            (host.dhcp_server("eth2", ""), host.keeper())
        });
        let container = host.container("c1");
        let ifname = if plugin == "loopback" { "lo" } else { "eth0" };
        let ports = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]);
        let attachment = container.attachment(&config, ifname).capabilities(&json!({"portMappings": ports}));
        if matches!(plugin.as_str(), "dummy" | "ipvlan" | "vlan" | "vrf") && !host.knows(&plugin) {
            let refusal = attachment.add().unwrap_err();
            assert!(refusal.code == 102 && refusal.msg.contains("this kernel lacks CONFIG_"), "{plugin}: {refusal:?}");
            attachment.del().unwrap();
            host.sh("ip link del eth1");
            continue;
        }
        let done = attachment.add().and_then(|_| attachment.check()).and_then(|()| attachment.del());
        assert_eq!(done, Ok(()), "the example of {plugin}");
        attachment.del().unwrap();
        host.sh("ip link del eth1");
    }
}
