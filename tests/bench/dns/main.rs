//! Owns: the namespaces of `make bench-dns`, which end with it.
//! Never: anything of this machine; `tests/bench/run` starts it in namespaces of its own.
//!
//! Asks netd and servers from Debian, all with the same names, from another namespace over a veth. They take turns, so
//! what disturbs one disturbs the others. Then netd alone, with a hundred thousand names: `many` is that without the rest.

mod bare;
mod figures;
mod load;
mod many;
mod message;
mod peers;
mod place;
mod report;
mod rounds;
mod store;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::place::Place;
use crate::rounds::Running;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare", address] => {
            bare::serve(address.parse().context("bare ADDRESS:PORT")?)?;
            Ok(ExitCode::SUCCESS)
        }
        [netd] => measure(Path::new(netd), Part::All),
        [netd, "many"] => measure(Path::new(netd), Part::Many),
        _ => bail!("usage: bench-dns NETD [many] | bench-dns bare ADDRESS:PORT"),
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Many,
}

fn measure(netd: &Path, part: Part) -> Result<ExitCode> {
    let started = Instant::now();
    let progress = |what: &str| report::progress(started, what);
    let place = Place::new()?;
    let (mut rounds, mut forwarded) = (Vec::new(), Vec::new());
    if part == Part::All {
        progress("servers with 1,000 names start");
        let running = Running::start(&place, netd)?;
        rounds = running.measure(&place, &progress)?;
        progress("names that another server has");
        forwarded = running.forwarded(&place)?;
    }
    let many = many::measure(&place, netd, &progress)?;
    Ok(if report::print(&rounds, &forwarded, &many) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
