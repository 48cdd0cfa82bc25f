//! host-local alone, with an empty pool and with a well-filled one.

use std::fs;

use anyhow::Result;

use crate::Bench;
use crate::figures::Samples;
use crate::host::{Call, Container, Host};
use crate::network::Network;
use crate::plugin::Verb;
use crate::report::{Report, ms};

/// How many leases are "many in the pool".
const LEASES: u32 = 50_000;

/// Measured runs of ADD and of DEL.
const RUNS: u16 = 100;
/// The reference reads every lease in every run, which takes it about a second: so few are enough.
const REFERENCE_RUNS: usize = 5;

/// ADD and DEL of host-local, one at a time.
struct Leases {
    none: [Samples; 2],
    many: [Samples; 2],
    /// The first ADD that meets leases that another program wrote.
    first: Samples,
}

/// With no lease in the pool, and with 50,000.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    bench.progress("host-local alone, with 50,000 leases and with none");
    let [reference, ours] = &bench.hosts;
    let (reference, ours) = (leases(reference, LEASES, REFERENCE_RUNS)?, leases(ours, LEASES, RUNS.into())?);

    report.line("\nhost-local alone, one at a time".to_owned());
    for (who, leases) in [("reference", &reference), ("netd", &ours)] {
        for (title, [add, del]) in [("no lease", &leases.none), ("50,000 leases", &leases.many)] {
            let (who, add, del) = (format!("{who}, {title}"), ms(add.p50()), ms(del.p50()));
            report.line(format!("  {who:<35}ADD p50 {add:>9.2} ms    DEL p50 {del:>9.2} ms"));
        }
        let (who, first) = (format!("{who}, first of 50,000"), ms(leases.first.p50()));
        report.line(format!("  {who:<35}ADD     {first:>9.2} ms"));
    }
    for (verb, (none, many)) in ["ADD", "DEL"].into_iter().zip(ours.none.iter().zip(&ours.many)) {
        let is = many.p50().div_duration_f64(none.p50());
        report.goal(&format!("host-local {verb} with 50,000 leases, of that with none"), is, 1.3);
    }
    Ok(())
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
    let call = |container| (container, vec![network.config("host-local", host, container)]);
    let calls: Vec<Call<'_>> = containers.iter().map(call).collect();
    let (add, _) = host.run(Verb::Add, &calls, 1)?;
    let (del, _) = host.run(Verb::Del, &calls, 1)?;
    Ok([add, del])
}
