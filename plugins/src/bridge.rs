//! An Ethernet bridge on the host and a veth pair from it to each container. What it takes and leaves: README.md.

mod addresses;
mod config;
mod desired;

#[cfg(test)]
mod tests;

use netd_model::{
    IpNetwork,
    addr::Mtu,
    name::LinkName,
    object::{Link, LinkKind, Object, Side, State},
    overlay::HostLease,
};

use crate::{
    attach,
    cni::{About, CniResult, Error, Kind, Request, Target, Version, result::Interface},
    host::{self, Host, Intent},
    inside::{self, Assigned},
    ipam::{self, Assignment},
    single,
    verb::Plugin,
};
use config::Config;
use desired::{Attach, Facts, Wanted};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: "bridge", oldest: Version::V0_1_0, capabilities: Some(&["mac"]) },
    config: |request| Config::of(request).map(drop),
    add: |request, target| attach(&Variant::bridge(), request, target),
    check: |request, target| compare(&Variant::bridge(), request, target),
    del: attach::del,
    gc: attach::gc,
    status,
};

/// In whose name containers are put on a bridge.
pub(crate) struct Variant {
    /// The plugin's type, which names its section.
    pub(crate) plugin: &'static str,
    /// Interfaces by which the network goes on, on other hosts: nothing is masqueraded there.
    pub(crate) elsewhere: Vec<LinkName>,
    /// What becomes of gateways that the bridge has and the network does not.
    pub(crate) earlier: Earlier,
    /// Whether the bridge gets an MTU of its own; otherwise it is as large as the smallest of its ports.
    pub(crate) sizes_bridge: bool,
    /// The bridge and what is on it, where netd keeps them: made if they are not there, and not recorded.
    pub(crate) kept: State,
    /// The host's lease that the bridge is of.
    pub(crate) lease: Option<HostLease>,
}

/// Addresses that a bridge has from an earlier configuration of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// They cannot stand beside the new ones: refused, or with `forceAddress` removed, as by the reference.
    InConflict,
    /// They stay: containers use them.
    Kept,
}

impl Variant {
    fn bridge() -> Self {
        let (plugin, earlier) = (PLUGIN.about.name, Earlier::InConflict);
        Self { plugin, elsewhere: Vec::new(), earlier, sizes_bridge: true, kept: State::default(), lease: None }
    }
}

/// ADD.
pub(crate) fn attach(variant: &Variant, request: &Request, target: &Target) -> Result<CniResult, Error> {
    let mut config = Config::of(request)?;
    if ipam::is_by_link(request) {
        // A server knows the container by it before there is an address that it could be a function of.
        config.mac.get_or_insert_with(|| single::own_mac(target));
    }
    let learn = |host: &mut Host| facts(host, &config, !variant.kept.is_empty());
    attach::add(request, target, learn, |host, facts, assignment| {
        make(variant, target, host, &config, facts, assignment)
    })
}

/// Makes the attachment; after a failure nothing of it is left but the addresses that IPAM gave.
fn make(
    variant: &Variant,
    target: &Target,
    host: &mut Host,
    config: &Config,
    facts: &Facts,
    assignment: &Assignment,
) -> Result<CniResult, Error> {
    let ipam = &assignment.result;
    let assigned = addresses::assigned(config, ipam);
    let routes = addresses::routes(config, ipam, &assigned);
    let in_container = inside::routes(&target.id.ifname, &routes, &assigned);
    let attach = Attach {
        id: &target.id,
        config,
        facts,
        addresses: &assigned,
        routes: &in_container,
        elsewhere: &variant.elsewhere,
        sizes_bridge: variant.sizes_bridge,
        kept: &variant.kept,
    };
    let wanted = attach.wanted();
    let mut absent: State = attach.unwanted().into_iter().collect();
    if variant.earlier == Earlier::InConflict {
        absent.extend(conflicts(host, config, &wanted, &assigned)?);
    }
    let mut before = attach::before_forwarding(host, &assigned)?;
    if variant.kept.is_empty() {
        before.extend(attach.bridge_without_ipv6());
    }
    before.extend(variant.kept.iter().cloned());
    let (plugin, section, lease) = (variant.plugin, wanted.section.clone(), variant.lease.as_ref());
    host.make(&Intent { target, plugin, section, before, absent, lease, given: assignment })?;
    if config.detect_duplicates && assigned.iter().any(|ip| ip.address.is_ipv6()) {
        host.wait_unique(target)?;
    }
    let found = if facts.bridge.is_some() { host.link(Side::Host, &config.bridge)? } else { None };
    let bridge_mtu = found.map_or(wanted.mtu, |found| found.mtu);
    Ok(result(target, config, &wanted, bridge_mtu, &assigned, routes, ipam))
}

fn facts(host: &mut Host, config: &Config, is_kept: bool) -> Result<Facts, Error> {
    let bridge = host.link(Side::Host, &config.bridge)?;
    if let Some(found) = &bridge {
        usable(config, found)?;
    }
    if let Some(Link { name, .. }) = bridge.as_ref().filter(|found| is_kept && !found.is_ours()) {
        let text = format!("\"{name}\" already exists and is of another program");
        return Err(Error::new(Kind::Exists, text).with_details("remove it, or rename the network"));
    }
    let uplink_mtu = if bridge.is_none() && config.mtu.is_none() { host.uplink_mtu()? } else { None };
    // Only a bridge that is made needs an address of its own.
    let machine = if bridge.is_none() { netd_store::machine_id() } else { String::new() };
    Ok(Facts { bridge, uplink_mtu, ipv6: netd_kernel::has_ipv6(), machine })
}

/// A link that has the bridge's name must be a bridge; one that others made is not reconfigured.
fn usable(config: &Config, found: &Link) -> Result<(), Error> {
    let name = &found.name;
    let LinkKind::Bridge { vlan_filtering } = found.kind else {
        return Err(Error::new(Kind::Exists, format!("\"{name}\" already exists but is not a bridge")));
    };
    if config.filters_vlans() && !found.is_ours() && vlan_filtering != Some(true) {
        let advice = format!("ip link set {name} type bridge vlan_filtering 1");
        return Err(
            Error::config(format!("bridge {name} was made without VLAN filtering by another")).with_details(advice)
        );
    }
    Ok(())
}

/// Addresses of the bridge that the gateways cannot stand beside.
fn conflicts(host: &mut Host, config: &Config, wanted: &Wanted, assigned: &[Assigned]) -> Result<Vec<Object>, Error> {
    let link = wanted.vlan_gateway.as_ref().unwrap_or(&config.bridge);
    if !config.gateway || assigned.is_empty() {
        return Ok(vec![]);
    }
    let found: Vec<IpNetwork> = host.addresses(Side::Host, link)?;
    addresses::in_conflict(config, link, &found, assigned)
}

/// Interfaces in the order of the reference: bridge, host's end, container's end, the VLAN's gateway.
fn result(
    target: &Target,
    config: &Config,
    wanted: &Wanted,
    bridge_mtu: Option<Mtu>,
    assigned: &[Assigned],
    routes: Vec<crate::cni::result::Route>,
    ipam: &CniResult,
) -> CniResult {
    let netns = target.netns.clone().unwrap_or_default();
    let mtu = wanted.mtu.map(u32::from);
    let on_host = |name: &LinkName, mac| Interface { mtu, ..Interface::on_host(name.clone(), mac) };
    let bridge_mtu = bridge_mtu.map(u32::from);
    let mut interfaces = vec![
        Interface { mtu: bridge_mtu, ..Interface::on_host(config.bridge.clone(), wanted.bridge_mac) },
        on_host(&target.id.host_link(), Some(wanted.host_mac)),
        Interface { mtu, ..Interface::in_container(target.id.ifname.clone(), Some(wanted.container_mac), netns) },
    ];
    interfaces.extend(wanted.vlan_gateway.as_ref().map(|link| on_host(link, None)));
    CniResult {
        interfaces,
        ips: assigned.iter().map(|ip| ip.on_interface(2)).collect(),
        routes,
        dns: config.dns.clone().unwrap_or_else(|| ipam.dns.clone()),
    }
}

/// CHECK.
pub(crate) fn compare(variant: &Variant, request: &Request, target: &Target) -> Result<(), Error> {
    Config::of(request)?;
    attach::check(request, target, variant.plugin)
}

fn status(request: &Request) -> Result<(), Error> {
    if Config::of(request)?.families(ipam::configured(request)?).next().is_some() {
        host::lacks_nothing()?;
    }
    attach::status(request)
}
