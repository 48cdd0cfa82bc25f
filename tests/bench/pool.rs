//! host-local alone, with an empty pool and with a well-filled one.

use std::fs;

use anyhow::Result;
use serde_json::json;

use crate::figures::Samples;
use crate::host::{Container, Host, Network};
use crate::plugin::Verb;

/// Measured runs of ADD and of DEL.
const RUNS: usize = 100;
/// The reference reads every lease in every run, which takes it about a second: so few are enough.
const REFERENCE_RUNS: usize = 5;

/// ADD and DEL of host-local, one at a time.
pub(crate) struct Leases {
    pub(crate) none: [Samples; 2],
    pub(crate) many: [Samples; 2],
    /// The first ADD that meets leases that another program wrote.
    pub(crate) first: Samples,
}

/// Measures both hosts with no lease in the pool, then with `count`.
pub(crate) fn measure(hosts: &[Host; 2], count: u32) -> Result<[Leases; 2]> {
    let [reference, ours] = hosts;
    Ok([leases(reference, count, REFERENCE_RUNS)?, leases(ours, count, RUNS)?])
}

fn leases(host: &Host, count: u32, runs: usize) -> Result<Leases> {
    let containers = host.containers("leased", RUNS)?;
    let (empty, filled) = (Network::new("pool-empty", "10.96.0.0/15"), Network::new("pool-filled", "10.98.0.0/15"));
    run(host, &empty, &containers[..1])?;
    let none = run(host, &empty, &containers)?;

    fill(host, &filled, count)?;
    let [first, _] = run(host, &filled, &containers[..1])?;
    let many = run(host, &filled, &containers[..runs])?;
    Ok(Leases { none, many, first })
}

/// Writes leases as host-local lays them out: a file per address with its owner, and the last address given.
fn fill(host: &Host, network: &Network, count: u32) -> Result<()> {
    let folder = network.leases(host);
    fs::create_dir_all(&folder)?;
    for index in 0..count {
        let address = network.address(index + 2)?;
        fs::write(folder.join(address.to_string()), format!("container-{index}\r\neth0"))?;
    }
    fs::write(folder.join("last_reserved_ip.0"), network.address(count + 1)?.to_string())?;
    Ok(())
}

fn run(host: &Host, network: &Network, containers: &[Container]) -> Result<[Samples; 2]> {
    let mut config = network.config(host);
    config["type"] = json!("host-local");
    let calls: Vec<_> = containers.iter().map(|container| (container, &config)).collect();
    let (add, _) = host.run("host-local", Verb::Add, &calls, 1)?;
    let (del, _) = host.run("host-local", Verb::Del, &calls, 1)?;
    Ok([add, del])
}
