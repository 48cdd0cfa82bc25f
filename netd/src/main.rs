//! Owns: signals, timers, tasks, control socket, cluster store.
//! Never: a container's interface.
//!
//! Data flows one way: store -> snapshot -> [`zones`] -> dns, and snapshot -> [`repair`] -> plan -> kernel. [`run`] is
//! the loop that makes it flow; what it waits for is in [`sources`], what
//! other hosts have comes from [`cluster`], who asks it is heard in [`control`], and [`rounds`] is the thread that changes things.

mod ask;
mod check;
mod cli;
mod clients;
mod cluster;
mod command;
mod control;
mod deposit;
mod dhcp;
mod event;
mod firewall;
mod health;
mod heard;
mod known;
mod listening;
mod logs;
mod look;
mod overlay;
mod pace;
mod poke;
mod probe;
mod queries;
mod ready;
mod reclaim;
mod repair;
mod resolv;
mod rounds;
mod run;
mod service;
mod settings;
mod settle;
mod show;
mod sources;
mod zones;

#[cfg(test)]
mod sample;

use std::{io::Write, process::ExitCode};

use clap::Parser;

fn main() -> ExitCode {
    match command::execute(cli::Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            drop(writeln!(std::io::stderr(), "netd: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
