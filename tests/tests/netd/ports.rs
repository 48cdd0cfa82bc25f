//! Published ports: they outlive a flush of the ruleset, and a newer ruleset.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use netd_model::element::Family;
use serde_json::{Value, json};
use tests::{Container, Daemon, Host, Lab, eventually, holds_within, run};

/// Sends, asks and answers.
pub(super) const PACKET: &str = env!("CARGO_BIN_EXE_packet");

/// From the damage to the repair.
const BOUND: Duration = Duration::from_secs(2);

/// A network whose ports are published, under conditions or without.
fn network(name: &str, number: u8, conditions: &Value) -> Value {
    let mut network = super::network(name, number, &json!({}));
    let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}, "conditionsV4": conditions});
    network["plugins"].as_array_mut().unwrap().push(portmap);
    network
}

fn attach(container: &Container, config: &Value, port: u16) -> Daemon {
    let mapping = json!({"hostPort": port, "containerPort": 80, "protocol": "tcp"});
    let attachment = container.attachment(config, "eth0").capabilities(&json!({"portMappings": [mapping]}));
    container.keep(attachment).add().unwrap();
    let answers = Daemon::start(container, PACKET.as_ref(), container.folder().join("answer.log"), |command| {
        command.args(["answer", "0.0.0.0:80"]);
    });
    eventually(BOUND, || container.sh("ss --listening --numeric --tcp").contains(":80 "));
    answers
}

/// A host with a container in each of two networks, whose ports 8001 and 8002 the one outside asks for.
fn published(lab: &Lab) -> (Host, Host, [Daemon; 2]) {
    let [host, outside] = ["a", "o"].map(|name| lab.host(name));
    host.link_to(&outside, "192.0.2.1/24", "192.0.2.2/24");
    let all = attach(&host.container("c1"), &network("web", 1, &json!([])), 8001);
    let some = attach(&host.container("c2"), &network("db", 2, &json!(["ip", "saddr", "192.0.2.0/24"])), 8002);
    (host, outside, [all, some])
}

fn asks(outside: &Host, port: u16) -> bool {
    run(outside.command(PACKET).args(["ask", "tcp", &format!("192.0.2.1:{port}")]), b"").success()
}

#[test]
fn ports_are_back_within_two_seconds() {
    for damage in [
        "nft flush ruleset",
        "nft flush map inet netd published4; nft flush map inet netd conditional4",
        "ip link delete br-web",
        "chain=$(nft list chains | grep -o 'when-[0-9a-f]*'); \
            handle=$(nft -a list chain inet netd $chain | sed -n 's/.*goto translate.*handle //p'); \
            nft replace rule inet netd $chain handle $handle ip ttl 7 goto translate",
    ] {
        let lab = Lab::new();
        let (host, outside, _answers) = published(&lab);
        let netd = host.netd();
        let before = host.kernel_text();
        assert!(asks(&outside, 8001) && asks(&outside, 8002));
        host.sh(damage);
        let repaired = holds_within(BOUND, || host.changes_since(&before).is_empty());
        assert!(repaired, "{damage}: {:#?}\n{}", host.changes_since(&before), netd.log());
        assert!(asks(&outside, 8001) && asks(&outside, 8002));
        netd.stop();
    }
}

fn version(before: u32) -> String {
    format!("comment \"netd {}\"", Family::Inet.version() - before)
}

/// Puts the ruleset back to an older version, whose sets had another shape or not.
fn make_older(host: &Host, other_shape: bool) {
    let ours = host.sh("nft list table inet netd");
    let is_kept = |line: &&str| !other_shape || !["flags timeout", "gc-interval"].iter().any(|it| line.contains(it));
    let older: Vec<&str> = ours.lines().filter(is_kept).collect();
    let older = older.join("\n").replace(&version(0), &version(1));
    std::fs::write(host.folder().join("run/older.nft"), format!("delete table inet netd\n{older}\n")).unwrap();
    host.sh("nft -f /run/older.nft");
}

/// One connection after the other, until one fails or its input ends.
fn stream(outside: &Host, port: u16) -> Child {
    let mut asks = outside.command(PACKET);
    asks.args(["asks", "tcp", &format!("192.0.2.1:{port}")]).stdin(Stdio::piped()).spawn().unwrap()
}

#[test]
fn no_connection_is_refused_while_a_newer_ruleset_takes_the_place_of_an_older() {
    let lab = Lab::new();
    let (host, outside, _answers) = published(&lab);
    let before = host.kernel_text();
    for (other_shape, by_netd) in [(false, false), (true, false), (false, true), (true, true)] {
        make_older(&host, other_shape);
        assert!(asks(&outside, 8001) && asks(&outside, 8002));
        let streams = [8001, 8002].map(|port| stream(&outside, port));
        let netd = by_netd.then(|| host.netd());
        if !by_netd {
            let c3 = host.container("c3");
            let mapping = json!({"hostPort": 8003, "containerPort": 80, "protocol": "tcp"});
            let c3 = c3.attachment(&network("web", 1, &json!([])), "eth0");
            let c3 = c3.capabilities(&json!({"portMappings": [mapping]}));
            c3.add().and_then(|_| c3.del()).unwrap();
        }
        let is_new = holds_within(BOUND, || host.sh("nft list ruleset").contains(&version(0)));
        assert!(is_new, "{}", host.sh("nft list ruleset"));
        eventually(BOUND, || host.changes_since(&before).is_empty());
        for mut stream in streams {
            drop(stream.stdin.take());
            assert!(stream.wait().unwrap().success(), "another shape {other_shape}, by netd {by_netd}");
        }
        if let Some(netd) = netd {
            netd.stop();
        }
    }
}

#[test]
fn people_are_shown_the_ports() {
    let lab = Lab::new();
    let (host, _outside, _answers) = published(&lab);
    let shown: Value = serde_json::from_str(&host.netd_show("attachments --json")).unwrap();
    let ports = |name: &str| {
        let row = shown.as_array().unwrap().iter().find(|row| row["container"] == name).unwrap();
        row["ports"].clone()
    };
    assert_eq!(ports("c1"), json!(["0.0.0.0:8001/tcp -> 10.1.0.2:80", "[::]:8001/tcp -> [2001:db8:1::2]:80"]));
    assert_eq!(ports("c2")[0], "0.0.0.0:8002/tcp -> 10.2.0.2:80");
}
