//! `bandwidth` beside the reference: the same results, queues, filters and refusals.
//!
//! Wanted differences stand where they are made equal: hardware addresses and names of interfaces. Nothing is asked of
//! bursts of nearly 4 GB, for which the reference computes what may wait without looking at its bounds, of what is refused
//! here alone (a rate of no byte, a burst of none), and of CHECK, in which the reference crashes where nothing is limited.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Host, Lab, REFERENCE, eventually};

use super::config::{bridge, with};
use super::reference::normal;

const VERSIONS: [&str; 3] = ["0.3.1", "0.4.0", "1.0.0"];

fn cases() -> Vec<Value> {
    let ingress = |rate: u64, burst: u64| json!({"ingressRate": rate, "ingressBurst": burst});
    let egress = |rate: u64, burst: u64| json!({"egressRate": rate, "egressBurst": burst});
    let of_runtime = |keys: Value| json!({"runtimeConfig": {"bandWidth": keys}});
    vec![
        json!({}),
        ingress(0, 0),
        ingress(8, 8),
        ingress(8_000, 80),
        ingress(1_000_000, 1_000_000),
        ingress(123_456_789, 1_234_567),
        ingress(10_000_000_000, 100_000_000),
        ingress(100_000_000_000, 2_147_483_647),
        egress(8, 8),
        egress(33_333_333, 333_333),
        with(ingress(16, 8), &egress(9, 8)),
        with(ingress(5_000_000, 400_000), &egress(7_000_000, 800_000)),
        of_runtime(with(ingress(5_000_000, 400_000), &egress(7_000_000, 800_000))),
        with(ingress(8_000, 80), &of_runtime(egress(8_000, 80))),
        with(ingress(8_000, 80), &of_runtime(egress(8_000, 0))),
        with(ingress(0, 0), &of_runtime(egress(8_000, 80))),
        ingress(8, 0),
        egress(0, 8),
        of_runtime(ingress(0, 8)),
        ingress(8, 8 * (1 << 32)),
    ]
}

/// What tc(8) shows, with names that are the same everywhere.
///
/// The reference says the same action twice, of which the second is never asked, and tc(8) says of ours besides that they
/// are for what comes in.
fn queues(host: &Host, interfaces: &Value) -> Value {
    let shown = |index: usize| interfaces[index]["name"].as_str().unwrap_or("none").to_owned();
    let is_said = |line: &&str| !["action order 2", "index "].iter().any(|start| line.starts_with(start));
    let show = |name: &str| -> Vec<String> {
        let script = format!("tc -d qdisc show dev {name}; tc -d filter show dev {name} parent ffff:");
        let text = host.run_script(&script).stdout.replace(&shown(3), "IFB").replace("filter ingress", "filter");
        text.lines().map(str::trim).filter(is_said).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let link = |name: &str| {
        let link = host.link(name);
        json!([link["linkinfo"]["info_kind"], link["mtu"], link["flags"]])
    };
    json!({"veth": show(&shown(1)), "ifb": show(&shown(3)), "links": [link(&shown(1)), link(&shown(3))]})
}

fn seen(host: &Host, name: &str, version: &str, keys: &Value) -> Value {
    let bandwidth = with(json!({"type": "bandwidth"}), keys);
    let plugins = json!([with(bridge(version, &["10.1.2.0/24"]), &json!({"mtu": 1400})), bandwidth]);
    let config = json!({"cniVersion": version, "name": "web", "plugins": plugins});
    let container = host.container(name);
    let attachment = container.attachment(&config, "eth0");
    let answer = attachment.add();
    let queues = answer.as_ref().map_or(Value::Null, |result| queues(host, &result["interfaces"]));
    let answer =
        answer.map(normal).map_err(|refusal| json!({"refused": refusal.msg})).unwrap_or_else(|refusal| refusal);
    // DEL of the reference stops where the configuration is wrong.
    attachment.del().ok();
    container.vanish();
    host.run("ip link del br-web");
    let mut answer = answer;
    if answer["interfaces"][3].is_object() {
        answer["interfaces"][3]["name"] = "an IFB".into();
    }
    json!({"answer": answer, "queues": queues})
}

#[test]
fn what_is_seen_is_what_is_seen_of_the_reference_plugin() {
    let [ours, theirs] = [Lab::new(), Lab::with_plugins(REFERENCE)];
    let [ours, theirs] = [&ours, &theirs].map(|lab| lab.host("a"));
    let mut differ = Vec::new();
    for version in VERSIONS {
        // What a version changes is the form of the result.
        let some = cases().into_iter().enumerate().filter(|(number, _)| version == "1.0.0" || number % 6 == 0);
        for (number, keys) in some {
            let name = format!("c{number}-{version}");
            let seen = [&ours, &theirs].map(|host| seen(host, &name, version, &keys));
            if seen[0] != seen[1] {
                differ.push(format!("{version} {keys}\nours:   {}\ntheirs: {}", seen[0], seen[1]));
            }
        }
    }
    theirs.sh("rm -rf /var/lib/cni");
    // The kernel takes its time with namespaces that ended.
    eventually(Duration::from_secs(10), || theirs.leftovers().is_empty());
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
