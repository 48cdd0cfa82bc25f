//! Owns: environment, stdin, stdout, exit code.
//! Never: async, waiting on the daemon beyond its bound.

mod attach;
mod bridge;
pub mod cni;
mod delegate;
mod dns;
#[cfg(test)]
mod fixture;
mod host;
mod host_local;
mod inside;
pub mod install;
mod ipam;
mod keys;
mod loopback;
mod overlay;
mod pair;
mod poke;
pub mod program;
mod ptp;
mod r#static;
mod tuning;
pub mod verb;

/// Every plugin of the program.
pub const PLUGINS: &[verb::Plugin] = &[
    bridge::PLUGIN,
    dns::PLUGIN,
    host_local::PLUGIN,
    loopback::PLUGIN,
    overlay::PLUGIN,
    ptp::PLUGIN,
    r#static::PLUGIN,
    tuning::PLUGIN,
];
