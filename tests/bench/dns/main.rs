//! Owns: the namespaces of `make bench-dns`, which end with it.
//! Never: anything of this machine; `tests/bench/run` starts it in namespaces of its own.
//!
//! Asks netd and servers from Debian, all with the same names, from another namespace over a veth. They take turns, so
//! what disturbs one disturbs the others. Then netd alone, with a hundred thousand names.

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
        [netd] => measure(Path::new(netd)),
        _ => bail!("usage: bench-dns NETD | bench-dns bare ADDRESS:PORT"),
    }
}

fn measure(netd: &Path) -> Result<ExitCode> {
    let started = Instant::now();
    let progress = |what: &str| report::progress(started, what);
    let place = Place::new()?;
    progress("servers with 1,000 names start");
    let running = Running::start(&place, netd)?;
    let rounds = running.measure(&place, &progress)?;
    progress("names that another server has");
    let forwarded = running.forwarded(&place)?;
    drop(running);
    let many = many::measure(&place, netd, &progress)?;
    Ok(if report::print(&rounds, &forwarded, &many) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
