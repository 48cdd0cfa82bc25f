//! What netd counts of questions, and what it logs of them, with containers that ask.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Lab, eventually};

use super::control::get;
use super::forwarding::Outside;
use super::{network, web};

const SOON: Duration = Duration::from_secs(10);

/// What each line of a log says of these keys.
fn said<const N: usize>(path: &Path, keys: [&str; N]) -> Vec<[String; N]> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.lines().take(text.matches('\n').count());
    let lines = whole.map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| keys.map(|key| line[key].as_str().map(str::to_owned).unwrap_or_default())).collect()
}

#[test]
fn questions_are_counted_by_network_type_and_outcome_and_figures_go_with_their_network() {
    let lab = Lab::new();
    let outside = Outside::new(&lab, "203.0.113.7", &json!({}));
    let (host, c1) = (&outside.host, &outside.container);
    let c2 = host.container("c2");
    c2.add(&network("other", 2, &json!({})));
    let short = ["c1.web.internal A", "c1 A", "none.web.internal A", "c1 AAAA", "-x 10.1.0.2"];
    for question in short {
        assert_ne!(c1.dig_with(&format!("+noedns {question}")).status, "silence", "{question}");
    }
    let others =
        ["c1.web.internal A", "+tcp c1 A", "_http._tcp.c1.web.internal SRV", "c1 TXT", "c1 MX", "version.bind CH TXT"];
    let outside_of_us = ["www.example.com A", "WWW.example.com A", "www.example.com AAAA"];
    for question in others.into_iter().chain(outside_of_us) {
        assert_ne!(c1.dig_with(question).status, "silence", "{question}");
    }
    assert_eq!(c2.dig_with("c2 A").status, "NOERROR");
    let figures = || get(host, "/metrics");
    let text = figures();
    let packets = |network: &str, kind: &str, outcome: &str| {
        format!("netd_dns_packets_total{{network=\"{network}\",type=\"{kind}\",outcome=\"{outcome}\"}}")
    };
    let expected = [
        (packets("web", "A", "answered"), 5),
        (packets("web", "AAAA", "answered"), 1),
        (packets("web", "PTR", "answered"), 1),
        (packets("web", "SRV", "answered"), 1),
        (packets("web", "TXT", "answered"), 1),
        (packets("web", "other", "answered"), 1),
        (packets("web", "other", "refused"), 1),
        (packets("web", "A", "forwarded"), 1),
        (packets("web", "A", "cached"), 1),
        (packets("web", "AAAA", "forwarded"), 1),
        (packets("other", "A", "answered"), 1),
        ("netd_dns_cache_hits_total".to_owned(), 1),
        ("netd_dns_cache_misses_total".to_owned(), 2),
        ("netd_dns_cache_evictions_total".to_owned(), 0),
        ("netd_dns_query_log_lost_total".to_owned(), 0),
        ("netd_dns_duration_seconds_count{from=\"upstreams\"}".to_owned(), 2),
    ];
    for (name, value) in &expected {
        assert!(text.lines().any(|line| line == format!("{name} {value}")), "no {name} {value} in\n{text}");
    }
    let counted = text.lines().filter(|line| line.starts_with("netd_dns_packets_total{")).count();
    assert_eq!(counted, 11, "and no others:\n{text}");
    c2.detach().unwrap();
    eventually(SOON, || !figures().contains("network=\"other\""));
    assert!(figures().contains(&packets("web", "A", "answered")));
    outside.netd.stop();
}

#[test]
fn queries_are_logged_one_line_each_in_a_file_that_may_be_moved_away() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [file, moved] = ["queries.log", "queries.log.1"].map(|name| host.folder().join(name));
    let netd = host.netd_with(&format!("[query_log]\nfile = {:?}\n", file.display().to_string()));
    let c1 = host.container("c1");
    c1.add(&web());
    assert_eq!(c1.dig_with("+noedns C1.web.internal A").status, "NOERROR");
    assert_eq!(c1.dig_with("+tcp none.web.internal AAAA").status, "NXDOMAIN");
    assert_eq!(c1.dig_with("www.example.com A").status, "SERVFAIL");
    let keys = ["network", "container", "source", "name", "type", "outcome", "rcode"];
    eventually(SOON, || said(&file, keys).len() == 3);
    let expected = [
        ["web", "c1", "10.1.0.2", "C1.web.internal", "A", "answered", "NOERROR"],
        ["web", "c1", "10.1.0.2", "none.web.internal", "AAAA", "answered", "NXDOMAIN"],
        ["web", "c1", "10.1.0.2", "www.example.com", "A", "failed", "SERVFAIL"],
    ];
    assert_eq!(said(&file, keys), expected);
    assert!(host.run(&format!("stat --format=%a {}", file.display())).text().starts_with("600"));
    std::fs::rename(&file, &moved).unwrap();
    host.sh(&format!("kill -HUP {}", netd.pid()));
    eventually(SOON, || file.exists());
    c1.dig_with("c1 A");
    eventually(SOON, || said(&file, ["name"]) == [["c1"]]);
    assert_eq!(said(&moved, keys).len(), 3);
    // A file that nobody can write to costs lines, and no answers.
    std::fs::write(host.folder().join("netd.toml"), "[query_log]\nfile = '/dev/full'\n").unwrap();
    host.sh(&format!("kill -HUP {}", netd.pid()));
    eventually(SOON, || {
        assert_eq!(c1.dig_with("c1 A").status, "NOERROR");
        !get(&host, "/metrics").contains("netd_dns_query_log_lost_total 0\n")
    });
    netd.stop();
}
