//! Real runtimes: Podman, and containerd as `ctr` and as the kubelet drive it, run containers of busybox.
#![allow(clippy::unwrap_used, reason = "tests")]

mod containerd;
mod ctr;
mod enclosure;
mod image;
mod kubelet;
mod podman;

use std::time::Duration;

use tests::{Host, Node};

/// A runtime does it at once, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(20);

/// What is left of the containers of a runtime, which the lab knows nothing of: each element names its attachment.
fn left(host: &Host) -> Vec<String> {
    let ruleset = host.run("nft list ruleset").text();
    let elements = ruleset.lines().filter(|line| line.contains(" comment \"")).map(|line| line.trim().to_owned());
    host.leftovers().into_iter().chain(elements).collect()
}

/// What a web server answers, such as that of [`image::PAGE`], which may just begin to listen; empty where nobody answers.
fn page(node: &Node, url: &str) -> String {
    node.run(&format!("curl --silent --globoff --max-time 3 --retry 2 --retry-delay 1 --retry-connrefused {url}"))
        .stdout
}

/// How fast a network's containers may get and send, in words of tc(8), sorted.
fn rates(host: &Host) -> Vec<String> {
    let shown = host.run("tc qdisc show").text();
    let of = |line: &str| line.split_whitespace().skip_while(|word| *word != "rate").nth(1).map(str::to_owned);
    let mut rates: Vec<String> = shown.lines().filter_map(of).collect();
    rates.sort_unstable();
    rates
}
