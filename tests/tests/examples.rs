//! The examples in the plugins' READMEs, as a runtime would run them.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Daemon, Lab, Node, RARE_KINDS, eventually, host_lease, workspace};

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
    try_examples(|plugin| !RARE_KINDS.contains(&plugin));
}

#[test]
fn so_do_those_of_kinds_that_a_kernel_may_lack() {
    try_examples(|plugin| RARE_KINDS.contains(&plugin));
}

#[track_caller]
fn try_examples(is_meant: fn(&str) -> bool) {
    let examples: Vec<_> = examples().into_iter().filter(|(plugin, _)| is_meant(plugin)).collect();
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
        if RARE_KINDS.contains(&plugin.as_str()) && !host.knows(&plugin) {
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

/// A server at this address that gives `answer` for every name.
fn upstream(node: &Node, address: &str, answer: &str) -> Daemon {
    let log = node.folder().join("upstream.log");
    let daemon = Daemon::start(node, env!("CARGO_BIN_EXE_upstream").as_ref(), log, |command| {
        command.args([address, answer]);
    });
    eventually(Duration::from_secs(5), || node.dig_with(&format!("@{address} ready.example")).addresses() == [answer]);
    daemon
}

/// What stands between backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn what_readme_says_of_names_is_heard() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let page = readme.split("\n## Find services by name\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let block = |kind: &str| page.split(kind).nth(1).unwrap().split("```").next().unwrap();
    let config: Value = serde_json::from_str(block("```json\n")).unwrap();
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|name| host.container(name));
    let result = c1.add(&config).result();
    for container in [&c2, &c3] {
        container.add(&config);
    }
    // The server of a split domain, with an address of its own, and another of everybody else.
    host.sh("ip address add 192.0.2.53/32 dev lo");
    host.write_resolv_conf("nameserver 192.0.2.53\n");
    c3.sh("ip address add 10.7.0.9/24 dev eth0");
    let [corp, _others] = [(&*c3, "10.7.0.9", "203.0.113.7"), (&*host, "192.0.2.53", "203.0.113.8")]
        .map(|(node, address, answer)| upstream(node, address, answer));
    let written = [("nameserver", &result["dns"]["nameservers"]), ("search", &result["dns"]["search"])];
    let written = written.map(|(word, list)| format!("{word} {}\n", list[0].as_str().unwrap()));
    assert_eq!(written.concat(), block("```text\n"), "resolv.conf");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let mut all = Vec::new();
    for row in rows {
        let [asked, heard] = row.trim_matches(['|', ' ']).split(" | ").collect::<Vec<_>>()[..] else { panic!("{row}") };
        let kind = asked.rsplit("` ").next().filter(|word| word.bytes().all(|b| b.is_ascii_uppercase())).unwrap_or("A");
        let names = quoted(asked);
        let each = if names.len() == heard.split("; ").count() {
            heard.split("; ").collect()
        } else {
            vec![heard; names.len()]
        };
        for (name, heard) in names.iter().zip(each) {
            let expected = match heard {
                heard if heard.starts_with("the same") || heard == "all of them" => all.clone(),
                heard if heard.contains("nobody else") => vec!["203.0.113.7".to_owned()],
                heard => quoted(heard),
            };
            let answer = c2.dig_with(&format!("+search {name} {kind}"));
            assert_eq!(answer.data(&[kind]), expected, "{row}");
            assert_eq!(answer.status, if expected.is_empty() { "NXDOMAIN" } else { "NOERROR" }, "{row}");
            all = if name == "web" { expected } else { all };
        }
    }
    assert_eq!(all.len(), 3);
    corp.kill();
    assert_eq!(c2.dig_with("+time=6 other.corp.example").status, "SERVFAIL", "and nobody else");
    netd.stop();
}
