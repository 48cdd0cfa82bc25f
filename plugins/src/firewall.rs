//! Says who may begin to talk to a container, and lets its packets through other firewalls of the host. What it takes and
//! leaves: README.md.

mod config;
mod desired;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use netd_model::{
    name::LinkName,
    object::{Gate, Object, Opening, Side, State},
};

use crate::{
    alter::{self, Altering},
    cni::{CniResult, Error, Kind, Request, Target, Version, result::Ip},
    host::{self, Host},
    verb::Plugin,
};
use config::{Config, Policy};
use desired::Guard;

/// The plugin.
pub(crate) const PLUGIN: Plugin = alter::plugin::<Firewall>();

struct Firewall;

impl Altering for Firewall {
    const NAME: &'static str = "firewall";
    const OLDEST: Version = Version::V0_4_0;
    const ALONE: &'static str = "missing prevResult from earlier plugin";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn alter(request: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        let of_host = previous.interfaces.iter().any(|interface| interface.sandbox.is_none());
        if config.policy != Policy::Open && !of_host {
            let policy = config.policy.word();
            return Err(Error::config(format!(
                "interface needs to be set for ingress policy {policy:?}, make sure to chain \"firewall\" plugin with \"bridge\""
            )));
        }
        let guard = guard(&config, request, target, previous, host)?;
        let mut section = guard.section();
        let openings = openings(&config, &guard, host)?;
        section.held.extend(openings);
        host.alter(target, Self::NAME, section)?;
        Ok(previous.clone())
    }

    /// Besides what was recorded: whether packets come through what others hold back.
    fn check(_: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<(), Error> {
        host.compare(target, Self::NAME, Some(previous))?;
        let section = host.recorded(&target.id, Self::NAME)?.unwrap_or_default();
        let guarded = section.guarded_links().collect();
        told(host, &guarded, Kind::Drift)
    }

    fn restore(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
        let is_ours = host.recorded(&target.id, Self::NAME).is_ok_and(|section| section.is_some());
        let previous = request.prev_result.iter().filter(|_| !is_ours);
        let mut addresses = previous.flat_map(|previous| previous.ips_inside(&target.id.ifname));
        let swept = addresses.try_for_each(|ip| host.sweep_admitted(ip.address.ip()));
        let undone = host.undo(&target.id, Self::NAME);
        Error::collect([undone, swept].into_iter().filter_map(Result::err))
    }

    /// Where the network has a container, its interface is known, and so whether others hold its packets back.
    fn status(request: &Request) -> Result<(), Error> {
        Self::read(request)?;
        host::lacks_nothing()?;
        let mut host = Host::open_without_container(request)?;
        let Some(attachment) = host.store.first_of_network(&request.network) else { return Ok(()) };
        told(&mut host, &attachment.guarded_links(), Kind::Limited)
    }
}

/// What others drop of what goes by these interfaces, and the commands against it.
fn told(host: &mut Host, guarded: &BTreeSet<LinkName>, kind: Kind) -> Result<(), Error> {
    let chains = host.kernel.hooked_chains()?;
    let held_back = host.kernel.held_back(&chains, guarded)?;
    match held_back.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Error::new(kind, first).with_details(held_back.join("\n"))),
    }
}

/// What the container is guarded by.
fn guard(
    config: &Config,
    request: &Request,
    target: &Target,
    previous: &CniResult,
    host: &mut Host,
) -> Result<Guard, Error> {
    let ips: Vec<&Ip> = previous.ips_inside(&target.id.ifname).collect();
    let link = match ips.first() {
        Some(ip) => host.leads_to(ip.address.ip(), previous)?,
        None => None,
    };
    let end = host.kernel.host_end(&target.id.ifname)?;
    let port = match end {
        Some(end) => host.link(Side::Host, &end.name)?.filter(|end| end.port.is_some()).map(|end| end.name),
        None => None,
    };
    // Packets of containers on other hosts come by another interface.
    let elsewhere = host.store.host_lease(&request.network)?.map(|lease| lease.overlay.device());
    Ok(Guard {
        owner: target.id.owner(),
        policy: config.policy,
        admin: config.admin.clone(),
        link,
        port,
        elsewhere,
        ipv4: ips.iter().any(|ip| ip.address.is_ipv4()),
        ipv6: ips.iter().any(|ip| ip.address.is_ipv6()),
    })
}

/// What lets the network's packets through the other firewalls that hold them back. Where an operator let them through,
/// that is the operator's to take away.
fn openings(config: &Config, guard: &Guard, host: &mut Host) -> Result<State, Error> {
    let Some(link) = &guard.link else { return Ok(State::default()) };
    let gates: Vec<Gate> = config.gates(guard.ipv4, guard.ipv6);
    let closed = host.kernel.closed_gates(&gates)?.into_iter().cloned();
    let openings = closed.map(|gate| Object::Opening(Opening { gate, link: link.clone() }));
    host.but_operators(openings.collect())
}
