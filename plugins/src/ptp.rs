//! A veth pair between the host and each container, over which packets are routed. What it takes and leaves: README.md.

mod config;
mod desired;

#[cfg(test)]
mod tests;

use netd_model::addr::Mtu;

use crate::{
    attach,
    cni::{About, CniResult, Error, Request, Target, Version, result::Interface},
    host::{self, Host, Intent},
    inside::{self, Assigned},
    ipam::Assignment,
    verb::Plugin,
};
use config::Config;
use desired::{Attach, Wanted};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: "ptp", oldest: Version::V0_1_0, capabilities: Some(&[]) },
    config: |request| Config::of(request).map(drop),
    add,
    check: |request, target| {
        Config::of(request)?;
        attach::check(request, target, PLUGIN.about.name)
    },
    del: attach::del,
    gc: attach::gc,
    status,
};

fn add(request: &Request, target: &Target) -> Result<CniResult, Error> {
    let config = Config::of(request)?;
    let mtu = |host: &mut Host| config.mtu.map_or_else(|| host.uplink_mtu(), |mtu| Ok(Some(mtu)));
    attach::add(request, target, mtu, |host, mtu, assignment| make(target, host, &config, *mtu, assignment))
}

fn make(
    target: &Target,
    host: &mut Host,
    config: &Config,
    mtu: Option<Mtu>,
    assignment: &Assignment,
) -> Result<CniResult, Error> {
    let ipam = &assignment.result;
    let addresses = Assigned::all(ipam);
    if let Some(alone) = addresses.iter().find(|assigned| assigned.gateway.is_none()) {
        let text = format!("ipam gives {} no gateway, by which a ptp network is reached", alone.address);
        return Err(Error::config(text));
    }
    let routes = inside::routes(&target.id.ifname, &ipam.routes, &addresses);
    let ipv6 = netd_kernel::has_ipv6();
    let attach = Attach { id: &target.id, config, addresses: &addresses, routes: &routes, mtu, ipv6 };
    let Wanted { section, pair } = attach.wanted();
    let before = attach::before_forwarding(host, &addresses)?;
    host.make(&Intent {
        target,
        plugin: PLUGIN.about.name,
        section,
        before,
        absent: netd_model::object::State::default(),
        lease: None,
        given: assignment,
    })?;
    let mtu = mtu.map(u32::from);
    let netns = target.netns.clone().unwrap_or_default();
    let interfaces = vec![
        Interface { mtu, ..Interface::on_host(pair.host.name, Some(pair.host_mac)) },
        Interface { mtu, ..Interface::in_container(target.id.ifname.clone(), Some(pair.container_mac), netns) },
    ];
    Ok(CniResult {
        interfaces,
        ips: addresses.iter().map(|ip| ip.on_interface(1)).collect(),
        routes: ipam.routes.clone(),
        dns: config.dns.clone().unwrap_or_else(|| ipam.dns.clone()),
    })
}

fn status(request: &Request) -> Result<(), Error> {
    if Config::of(request)?.masquerade {
        host::lacks_nothing()?;
    }
    attach::status(request)
}
