//! Addresses that stand in the configuration, for one container. What it takes and leaves: README.md.

mod config;

#[cfg(test)]
mod tests;

use crate::{
    cni::{About, CniResult, Error, Kind, Request, Target, Version},
    host::{self, Host},
    ipam::{Assignment, Ipam},
    verb::Plugin,
};
use config::Config;

/// The plugin, as others call it.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: IPAM.name, oldest: Version::V0_1_0, capabilities: None },
    config: |request| Config::of(request).map(drop),
    add: |request, target| {
        host::refuse_own_netns(target)?;
        Ok(assignment(request)?.result)
    },
    check: compare,
    // It keeps nothing that could be given back, or be used up.
    del: |_, _| Ok(()),
    gc: |_, _| Ok(()),
    status: |request| Config::of(request).map(drop),
};

/// The plugin, as those of ours call it.
pub(crate) const IPAM: Ipam = Ipam {
    name: "static",
    capabilities: &["ips"],
    by_link: false,
    add: |request, _, _: &mut Host| assignment(request),
    check: |request, target, _| compare(request, target),
    del: |_, _, _| Ok(()),
    gc: |_, _, _| Ok(()),
    status: |request, _| Config::of(request).map(drop),
};

fn assignment(request: &Request) -> Result<Assignment, Error> {
    let Config { ips, routes, dns } = Config::of(request)?;
    let result = CniResult { interfaces: vec![], ips, routes, dns };
    Ok(Assignment { result, ..Assignment::default() })
}

/// Each address of the configuration is in the result, with its gateway if it has one.
fn compare(request: &Request, target: &Target) -> Result<(), Error> {
    let config = Config::of(request)?;
    let previous = request.prev_result.as_ref().ok_or_else(|| Error::config("Required prevResult missing"))?;
    for wanted in &config.ips {
        let mut told = previous.ips.iter().filter(|told| told.address.ip() == wanted.address.ip());
        if !told.any(|told| wanted.gateway.is_none() || told.gateway == wanted.gateway) {
            let (address, ifname) = (wanted.address.ip(), &target.id.ifname);
            let text = format!("static: Failed to match addr {address} on interface {ifname}");
            return Err(Error::new(Kind::Drift, text));
        }
    }
    Ok(())
}
