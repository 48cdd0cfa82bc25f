//! Owns: the namespaces of `make bench`, which end with it.
//! Never: anything of this machine; `tests/bench/run` starts it in namespaces of its own.
//!
//! Measures ADD and DEL of netd's plugins side by side with the reference plugins: the two take turns, so what
//! disturbs one disturbs the other. Each has a host (a network namespace) and containers of its own.

mod bridge;
mod chain;
mod daemon;
mod figures;
mod host;
mod network;
mod plugin;
mod pool;
mod ports;
mod report;
mod rounds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::host::{Container, Host};
use crate::report::{Report, megabytes};

/// Measures something and tells the report.
type Measure = fn(&Bench, &mut Report) -> Result<()>;

/// What can be measured alone, in an order that needs no cleaning up between them.
const PARTS: [(&str, Measure); 4] =
    [("chain", chain::measure), ("bridge", bridge::measure), ("leases", pool::measure), ("ports", ports::measure)];

/// Who is measured; of two, the reference comes first.
struct Bench {
    hosts: [Host; 2],
    /// Those that each round attaches and detaches again.
    containers: [Vec<Container>; 2],
    netd: PathBuf,
    started: Instant,
}

impl Bench {
    fn new(reference: &Path, ours: &Path, netd: PathBuf) -> Result<Self> {
        let hosts = [Host::new("reference", reference)?, Host::new("netd", ours)?];
        let containers = rounds::containers(&hosts)?;
        Ok(Self { hosts, containers, netd, started: Instant::now() })
    }

    fn progress(&self, what: &str) {
        report::progress(self.started, what);
    }
}

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "usage: bench FOLDER-OF-REFERENCE-PLUGINS FOLDER-OF-PLUGINS NETD [PART...]";
    let mut path = || arguments.next().map(PathBuf::from).context(usage);
    let (reference, ours, netd) = (path()?, path()?, path()?);
    let wanted: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let names = PARTS.map(|(name, _)| name);
    if let Some(unknown) = wanted.iter().find(|wanted| !names.contains(&wanted.as_str())) {
        bail!("there is no part {unknown}, only {}", names.join(", "));
    }
    let bench = Bench::new(&reference, &ours, netd)?;
    let mut report = Report::default();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&bench, &mut report)?;
        }
    }
    let [_, ours] = &bench.hosts;
    report.goal("netd-cni, static and stripped, MB", megabytes(ours.plugin("bridge").metadata()?.len()), 6.0);
    Ok(if report.print() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
