//! All other names: asked of the host's resolvers, or not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Container, Daemon, Host, Lab, eventually};

use super::network;

const UPSTREAM: &str = env!("CARGO_BIN_EXE_upstream");

/// A container on a host whose resolver, outside, gives 203.0.113.7 for every name.
pub(super) struct Outside {
    pub(super) host: Host,
    pub(super) container: Container,
    resolver: Daemon,
    pub(super) netd: Daemon,
}

impl Outside {
    pub(super) fn new(lab: &Lab, answer: &str, dns: &Value) -> Self {
        let [host, outside] = ["a", "o"].map(|name| lab.host(name));
        host.link_to(&outside, "192.0.2.1/24", "192.0.2.53/24");
        host.write_resolv_conf("nameserver 192.0.2.53\n");
        let resolver = resolver(&outside, answer);
        let netd = host.netd();
        let container = host.container("c1");
        container.add(&network("web", 1, dns));
        Self { host, container, resolver, netd }
    }
}

/// A resolver at 192.0.2.53 that gives `answer` for every name.
pub(super) fn resolver(outside: &Host, answer: &str) -> Daemon {
    let log = outside.folder().join("upstream.log");
    let daemon = Daemon::start(outside, UPSTREAM.as_ref(), log, |command| {
        command.args(["192.0.2.53", answer]);
    });
    eventually(Duration::from_secs(5), || outside.dig_with("@192.0.2.53 ready.example").status != "silence");
    daemon
}

#[test]
fn other_names_are_asked_of_the_hosts_resolver() {
    let lab = Lab::new();
    let outside = Outside::new(&lab, "203.0.113.7", &json!({}));
    assert_eq!(outside.container.dig_with("www.example.com A").addresses(), ["203.0.113.7"]);
    assert_eq!(outside.container.dig_with("+tcp www.example.com A").status, "NOERROR");
    for ours in ["nobody", "nobody.web.internal", "web.internal"] {
        assert_eq!(outside.container.dig_with(&format!("{ours} A")).addresses(), [""; 0], "{ours} stays here");
    }
    outside.netd.stop();
}

#[test]
fn an_internal_network_asks_nobody() {
    let lab = Lab::new();
    let outside = Outside::new(&lab, "203.0.113.7", &json!({"internal": true}));
    assert_eq!(outside.container.dig_with("www.example.com A").addresses(), [""; 0]);
    assert_eq!(outside.container.dig_with("c1.web.internal A").addresses(), ["10.1.0.2"]);
    outside.netd.stop();
}

#[test]
fn upstreams_of_the_network_win_over_the_hosts() {
    let lab = Lab::new();
    let outside = Outside::new(&lab, "203.0.113.7", &json!({"upstreams": ["192.0.2.53"]}));
    outside.host.write_resolv_conf("nameserver 192.0.2.99\n");
    assert_eq!(outside.container.dig_with("www.example.com A").addresses(), ["203.0.113.7"]);
    outside.netd.stop();
}

#[test]
fn upstreams_that_fail_are_reported_and_never_met_with_silence() {
    let lab = Lab::new();
    let outside = Outside::new(&lab, "fail", &json!({}));
    let asked = |question: &str| {
        let started = Instant::now();
        let status = outside.container.dig_with(&format!("+time=6 {question} A")).status;
        (status, started.elapsed())
    };
    assert_eq!(asked("www.example.com").0, "SERVFAIL");
    outside.resolver.kill();
    let (status, elapsed) = asked("gone.example.com");
    assert_eq!(status, "SERVFAIL");
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?}");
    assert_eq!(asked("c1.web.internal").0, "NOERROR", "our own names do not wait");
    outside.netd.stop();
}

#[test]
fn another_resolver_of_the_host_is_taken_up() {
    let lab = Lab::new();
    let outside = Outside::new(&lab, "203.0.113.7", &json!({}));
    outside.host.write_resolv_conf("nameserver 192.0.2.99\n");
    let question = "+time=5 www.example.com A";
    eventually(Duration::from_secs(20), || outside.container.dig_with(question).status == "SERVFAIL");
    outside.host.write_resolv_conf("nameserver 192.0.2.53\n");
    eventually(Duration::from_secs(20), || outside.container.dig_with(question).status == "NOERROR");
    outside.netd.stop();
}

/// systemd-resolved writes the file long after the link to it is there, into a directory that nobody could watch till then.
#[test]
fn resolvers_in_a_directory_that_comes_later_are_taken_up() {
    let lab = Lab::new();
    let [host, outside] = ["a", "o"].map(|name| lab.host(name));
    host.link_to(&outside, "192.0.2.1/24", "192.0.2.53/24");
    let _resolver = resolver(&outside, "203.0.113.7");
    host.sh("ln -sf /run/later/resolv.conf /etc/resolv.conf");
    let netd = host.netd();
    let container = host.container("c1");
    container.add(&network("web", 1, &json!({})));
    let status = || container.dig_with("+time=5 www.example.com A").status;
    assert_eq!(status(), "SERVFAIL");
    host.sh("mkdir /run/later; echo nameserver 192.0.2.53 > /run/later/resolv.conf");
    eventually(Duration::from_secs(20), || status() == "NOERROR");
    netd.stop();
}
