//! Owns: environment, stdin, stdout, exit code.
//! Never: async, waiting on the daemon beyond its bound.

mod bridge;
pub mod cni;
mod delegate;
mod dns;
mod host;
mod host_local;
pub mod install;
mod ipam;
mod loopback;
mod overlay;
mod poke;
pub mod program;
pub mod verb;

/// Every plugin of the program.
pub const PLUGINS: &[verb::Plugin] =
    &[bridge::PLUGIN, dns::PLUGIN, host_local::PLUGIN, loopback::PLUGIN, overlay::PLUGIN];
