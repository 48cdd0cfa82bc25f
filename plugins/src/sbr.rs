//! Gives each address of an interface a routing table of its own. What it takes and leaves: README.md.

mod config;
mod desired;

#[cfg(test)]
mod tests;

use netd_model::object::Side;

use crate::{
    cni::{About, CniResult, Error, Request, Target, Version, result::Ip},
    host::Host,
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: "sbr", oldest: Version::V0_1_0 },
    config: |request| Config::of(request).map(drop),
    add,
    check,
    del,
    gc: |request, valid| Host::open_without_container(request)?.collect(&request.network, valid),
    status: |request| Config::of(request).map(drop),
};

fn add(request: &Request, target: &Target) -> Result<CniResult, Error> {
    let config = Config::of(request)?;
    let previous = previous(request)?;
    let addresses = addresses(target, previous)?;
    let mut host = Host::open(request, target)?;
    let _lock = host.lock(&target.id)?;
    let ifname = &target.id.ifname;
    if let Some(table) = config.table {
        host.alter(target, PLUGIN.about.name, desired::of_table(&addresses, table))?;
        return Ok(previous.clone());
    }
    let missing = || Error::config(format!("Cannot find network interface {ifname}: Link not found"));
    host.link(Side::Container, ifname)?.ok_or_else(missing)?;
    // Of two interfaces of one container only one may choose tables at a time.
    let _choosing = host.lock_container(&target.id)?;
    let routes = host.kernel.routes_inside(ifname)?;
    let taken = host.kernel.tables_inside()?;
    let section = desired::of_routes(&config, ifname, &addresses, &routes, &taken);
    host.alter(target, PLUGIN.about.name, section)?;
    Ok(previous.clone())
}

fn check(request: &Request, target: &Target) -> Result<(), Error> {
    Config::of(request)?;
    let previous = previous(request)?;
    Host::open(request, target)?.compare(target, PLUGIN.about.name, Some(previous))
}

/// The configuration may be wrong by now: what was recorded says what to put back.
fn del(request: &Request, target: &Target) -> Result<(), Error> {
    let mut host = Host::open(request, target)?;
    let _lock = host.lock(&target.id)?;
    let _choosing = host.lock_container(&target.id)?;
    let unrecorded = if host.knows(target) { Ok(()) } else { desired::tidy(target, &mut host) };
    let undone = host.undo(&target.id, PLUGIN.about.name);
    Error::collect([unrecorded, undone].into_iter().filter_map(Result::err))
}

fn previous(request: &Request) -> Result<&CniResult, Error> {
    request.prev_result.as_ref().ok_or_else(|| Error::config("This plugin must be called as chained plugin"))
}

/// The addresses of the interface; one of no interface is taken for one of this.
fn addresses<'r>(target: &Target, previous: &'r CniResult) -> Result<Vec<&'r Ip>, Error> {
    if previous.ips.is_empty() {
        return Err(Error::config(format!("No IP addresses supplied on interface: {}", target.id.ifname)));
    }
    let is_its_own = |ip: &&Ip| previous.interface_of(ip).is_none_or(|interface| interface.name == target.id.ifname);
    Ok(previous.ips.iter().filter(is_its_own).collect())
}
