//! Owns: environment, stdin, stdout, exit code.
//! Never: async, waiting on the daemon beyond its bound.

mod alter;
mod attach;
mod bandwidth;
mod bridge;
mod capabilities;
pub mod cni;
mod delegate;
mod dhcp;
mod dns;
mod dummy;
mod firewall;
#[cfg(test)]
mod fixture;
mod host;
mod host_device;
mod host_local;
mod inside;
pub mod install;
mod ipam;
mod ipvlan;
mod keys;
mod loopback;
mod macvlan;
mod message;
mod overlay;
mod pair;
mod poke;
mod portmap;
pub mod program;
mod ptp;
mod sbr;
mod single;
mod r#static;
mod tap;
mod tuning;
pub mod verb;
mod vlan;
mod vrf;

/// Every plugin of the program.
pub const PLUGINS: &[verb::Plugin] = &[
    bandwidth::PLUGIN,
    bridge::PLUGIN,
    dhcp::PLUGIN,
    dns::PLUGIN,
    dns::DNSNAME,
    dummy::PLUGIN,
    firewall::PLUGIN,
    host_device::PLUGIN,
    host_local::PLUGIN,
    ipvlan::PLUGIN,
    loopback::PLUGIN,
    macvlan::PLUGIN,
    overlay::PLUGIN,
    portmap::PLUGIN,
    ptp::PLUGIN,
    sbr::PLUGIN,
    r#static::PLUGIN,
    tap::PLUGIN,
    tuning::PLUGIN,
    vlan::PLUGIN,
    vrf::PLUGIN,
];

#[cfg(test)]
mod tests {
    mod mistakes;
}
