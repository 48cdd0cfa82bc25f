//! Brings up the interface `lo` of a container. What it takes and leaves: README.md.

mod config;

#[cfg(test)]
mod tests;

use netd_model::{
    IpNetwork,
    name::LinkName,
    object::{Link, LinkKind, Object, Side, State},
    plan::Desired,
};

use crate::{
    cni::{
        About, CniResult, Error, Kind, Request, Target, Version,
        result::{Interface, Ip},
    },
    host::Host,
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: "loopback", oldest: Version::V0_1_0, capabilities: Some(&[]) },
    config: |_| Ok(()),
    add,
    check,
    del,
    // It keeps nothing of a container outside of its namespace, and needs nothing of the host.
    gc: |_, _| Ok(()),
    status: |_| Ok(()),
};

fn add(request: &Request, target: &Target) -> Result<CniResult, Error> {
    let config = Config::of(request);
    let mut host = Host::open(request, target)?;
    host.settle(&wanted(true))?;
    match config.previous {
        Some(previous) => Ok(previous),
        None => result(target, &host.addresses(Side::Container, &lo())?),
    }
}

fn check(request: &Request, target: &Target) -> Result<(), Error> {
    let mut host = Host::open(request, target)?;
    match host.link(Side::Container, &lo())? {
        Some(Link { up: Some(true), .. }) => Ok(()),
        _ => Err(Error::new(Kind::Drift, "loopback interface is down")),
    }
}

/// A namespace that is gone took its interface with it.
fn del(request: &Request, target: &Target) -> Result<(), Error> {
    let mut host = Host::open(request, target)?;
    if host.has_container() { host.settle(&wanted(false)) } else { Ok(()) }
}

fn lo() -> LinkName {
    "lo".parse().expect("invariant: lo is a link name")
}

fn wanted(up: bool) -> Desired {
    let link = Link { up: Some(up), ..Link::new(Side::Container, lo(), LinkKind::Loopback) };
    Desired { present: State::from_iter([Object::Link(link)]), absent: State::default() }
}

/// The interface and its first address of each family, as the kernel gave them when it came up.
fn result(target: &Target, addresses: &[IpNetwork]) -> Result<CniResult, Error> {
    let first = |is: fn(&IpNetwork) -> bool| addresses.iter().copied().find(is);
    let mut ips = Vec::new();
    for address in [first(IpNetwork::is_ipv4), first(IpNetwork::is_ipv6)].into_iter().flatten() {
        if !address.ip().is_loopback() {
            let msg = format!("loopback interface found with non-loopback address \"{address}\"");
            return Err(Error::new(Kind::Netns, msg));
        }
        ips.push(Ip { interface: Some(0), address, gateway: None });
    }
    let netns = target.netns.clone().unwrap_or_default();
    let interface = Interface::in_container(lo(), None, netns);
    let interfaces = vec![Interface { mac: "00:00:00:00:00:00".to_owned(), ..interface }];
    Ok(CniResult { interfaces, ips, ..CniResult::default() })
}
