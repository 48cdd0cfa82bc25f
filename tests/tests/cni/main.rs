//! The CNI contract, through the built plugins: environment and standard input in, exit code and standard output out.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod bandwidth;
mod bridge;
mod bridge_masquerade;
mod bridge_options;
mod config;
mod delegation;
mod dhcp;
mod dns;
mod firewall;
mod firewall_others;
mod host_device;
mod host_local;
mod host_local_ranges;
mod host_local_reference;
mod interfaces;
mod invariants;
mod loopback;
mod macvlan;
mod overlay;
mod portmap;
mod portmap_reference;
mod portmap_taken;
mod protocol;
mod ptp;
mod reference;
mod reference_bandwidth;
mod reference_interfaces;
mod reference_switch;
mod results;
mod sbr;
mod single;
mod r#static;
mod tap;
mod tuning;
mod vrf;
