//! Owns: the namespaces of `make bench`, which end with it.
//! Never: anything of this machine; `tests/bench/run` starts it in namespaces of its own.
//!
//! Measures ADD and DEL of netd's plugins side by side with the reference plugins: the two take turns, so what
//! disturbs one disturbs the other. Each has a host (a network namespace) and containers of its own.

mod daemon;
mod figures;
mod host;
mod plugin;
mod pool;
mod ports;
mod report;
mod rounds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::figures::Figures;
use crate::host::{Host, Network};

/// How many attachments are "many already there".
const MANY: usize = 1_000;
/// How many leases are "many in the pool".
const LEASES: u32 = 50_000;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let usage = "usage: bench FOLDER-OF-REFERENCE-PLUGINS FOLDER-OF-PLUGINS NETD";
    let reference = Host::new("reference", &arguments.next().context(usage)?)?;
    let ours = Host::new("netd", &arguments.next().context(usage)?)?;
    let figures = measure(&[reference, ours], &arguments.next().context(usage)?)?;
    let reached = report::print(&figures);
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes all figures, in an order that needs no cleaning up between them.
fn measure(hosts: &[Host; 2], netd: &Path) -> Result<Figures> {
    let started = Instant::now();
    let progress = |what| report::progress(started, what);
    let network = Network::new("bench", "10.88.0.0/16");
    let containers = rounds::containers(hosts)?;

    progress("one at a time, nothing attached");
    let one = rounds::one_at_a_time(hosts, &containers, &network)?;
    progress("16 at a time, nothing attached");
    let many = rounds::many_at_a_time(hosts, &containers, &network, 3)?;

    progress("1,000 attachments are made on each host");
    let attached = rounds::fill(hosts, MANY)?;
    progress("one at a time, 1,000 attached");
    let one_filled = rounds::one_at_a_time(hosts, &containers, &network)?;
    progress("16 at a time, 1,000 attached");
    let many_filled = rounds::many_at_a_time(hosts, &containers, &network, 3)?;

    progress("netd with 1,000 attachments");
    let [_, ours] = hosts;
    let [_, attached] = attached;
    let resident = daemon::resident(ours, netd, &attached)?;

    progress("host-local alone, with 50,000 leases and with none");
    let leases = pool::measure(hosts, LEASES)?;

    progress("published ports, with 5,000 of others and with none");
    let ports = ports::measure(ours)?;
    let size = ours.plugin("bridge").metadata()?.len();
    Ok(Figures { one, many, one_filled, many_filled, leases, ports, size, resident })
}
