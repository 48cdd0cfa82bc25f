//! Records the names of a container, so that netd serves them, and tells the container whom to ask. See README.md.

mod config;
mod dnsname;
mod record;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, net::IpAddr};

use netd_model::{
    attachment::{Listen, Names, Section},
    object::Side,
    overlay::Overlay,
};
use netd_store::Store;

use crate::{
    cni::{About, CniResult, Error, Kind, Request, Target, Valid, Version, result::Ip},
    host::Host,
    poke,
    verb::Plugin,
};
use config::Config;

/// What a runtime may ask of it.
const CAPABILITIES: &[&str] = &["aliases", "dns", "portMappings", config::ANNOTATIONS];

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: "dns", oldest: Version::V0_1_0, capabilities: Some(CAPABILITIES) },
    config: |request| Config::of(request, None).map(drop),
    add,
    check: |request, target| check(request, target, Kept::Here),
    del,
    gc,
    status,
};

/// The same under the name and with the keys that Podman knows.
pub(crate) const DNSNAME: Plugin = Plugin {
    about: About { name: "dnsname", oldest: Version::V0_1_0, capabilities: Some(CAPABILITIES) },
    config: |request| {
        let config = Config::of(&dnsname::of_dns(request), None);
        config.map(drop).map_err(|error| dnsname::told(error, request))
    },
    add: |request, target| add(&dnsname::of_dns(request), target).map_err(|error| dnsname::told(error, request)),
    check: |request, target| {
        let checked = check(&dnsname::of_dns(request), target, Kept::HereOrByReference);
        checked.map_err(|error| dnsname::told(error, request))
    },
    del,
    gc,
    status: |request| status(&dnsname::of_dns(request)).map_err(|error| dnsname::told(error, request)),
};

/// Where the names of a container may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// In our document.
    Here,
    /// There, or, of a container that the reference attached, with the plugin of the same name.
    HereOrByReference,
}

fn add(request: &Request, target: &Target) -> Result<CniResult, Error> {
    let config = Config::of(request, overlay(request).as_ref())?;
    let previous = previous(request)?;
    let mut host = Host::open(request, target)?;
    let names = names(&config, target, previous, &mut host)?;
    let result = record::tell(previous.clone(), &names, &config);
    let lock = host.lock(&target.id)?;
    host.record(target, PLUGIN.about.name, Section { names: Some(Box::new(names)), ..Section::default() })?;
    drop(lock);
    let _served_later = poke::live(&request.run_dir);
    Ok(result)
}

/// Compares what is recorded with what would be. Whether netd serves it is netd's to say.
fn check(request: &Request, target: &Target, kept: Kept) -> Result<(), Error> {
    let config = Config::of(request, overlay(request).as_ref())?;
    let previous = previous(request)?;
    let mut host = Host::open(request, target)?;
    if kept == Kept::HereOrByReference && host.is_of_others(target)? {
        return Ok(());
    }
    let wanted = names(&config, target, previous, &mut host)?;
    let recorded = host.recorded(&target.id, PLUGIN.about.name)?.and_then(|section| section.names);
    if recorded.as_deref() == Some(&wanted) {
        return Ok(());
    }
    let what = if recorded.is_some() { "differ from what ADD records" } else { "are not recorded" };
    Err(Error::new(Kind::Drift, format!("the names of attachment {} {what}", target.id.owner())))
}

/// Takes the names back before the interface plugin, whose DEL comes after, frees the addresses for others.
fn del(request: &Request, target: &Target) -> Result<(), Error> {
    let host = Host::open(request, target)?;
    let lock = host.lock(&target.id)?;
    host.forget(&target.id, PLUGIN.about.name)?;
    drop(lock);
    let _gone_later = poke::live(&request.run_dir);
    Ok(())
}

fn gc(request: &Request, valid: &Valid) -> Result<(), Error> {
    Host::open_without_container(request)?.collect(&request.network, valid)
}

/// netd may be down: what is recorded is served when it comes.
fn status(request: &Request) -> Result<(), Error> {
    Config::of(request, overlay(request).as_ref()).map(|_| ())
}

/// The network, where it is one of several hosts. A lease that cannot be read is the overlay plugin's to tell.
fn overlay(request: &Request) -> Option<Overlay> {
    Store::open(&request.run_dir).host_lease(&request.network).ok().flatten().map(|lease| lease.overlay)
}

fn previous(request: &Request) -> Result<&CniResult, Error> {
    let missing =
        || Error::config("must be called as chained plugin, after one that gives addresses: prevResult missing");
    request.prev_result.as_ref().ok_or_else(missing)
}

fn names(config: &Config, target: &Target, previous: &CniResult, host: &mut Host) -> Result<Names, Error> {
    let ips = previous.ips_inside(&target.id.ifname).collect::<Vec<_>>();
    let listen = listen(previous, &ips, host)?;
    record::record(config, target, &ips, listen)
}

/// The gateways that are addresses of an interface of the host: there netd can be asked.
fn listen(previous: &CniResult, ips: &[&Ip], host: &mut Host) -> Result<Vec<Listen>, Error> {
    let mut gateways: BTreeSet<IpAddr> = ips.iter().filter_map(|ip| ip.gateway).collect();
    let mut listen = Vec::new();
    for interface in previous.interfaces.iter().filter(|interface| interface.sandbox.is_none()) {
        if gateways.is_empty() {
            break;
        }
        let addresses = host.addresses(Side::Host, &interface.name)?.into_iter();
        let held = addresses.map(|address| address.ip()).filter(|address| gateways.remove(address));
        listen.extend(held.map(|address| Listen { link: interface.name.clone(), address }));
    }
    // In the order of the container's addresses, whatever the order of the kernel.
    listen.sort_by_key(|listen| ips.iter().position(|ip| ip.gateway == Some(listen.address)));
    Ok(listen)
}
