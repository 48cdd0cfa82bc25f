//! Gives each address of an interface a routing table of its own. What it takes and leaves: README.md.

mod config;
mod desired;

#[cfg(test)]
mod tests;

use netd_model::object::Side;

use crate::{
    alter::{self, Altering},
    cni::{CniResult, Error, Request, Target, result::Ip},
    host::Host,
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = alter::plugin::<Sbr>();

struct Sbr;

impl Altering for Sbr {
    const NAME: &'static str = "sbr";
    const ALONE: &'static str = "This plugin must be called as chained plugin";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn alter(request: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        let addresses = addresses(target, previous)?;
        let ifname = &target.id.ifname;
        if let Some(table) = config.table {
            host.alter(target, Self::NAME, desired::of_table(&addresses, table))?;
            return Ok(previous.clone());
        }
        let missing = || Error::config(format!("Cannot find network interface {ifname}: Link not found"));
        host.link(Side::Container, ifname)?.ok_or_else(missing)?;
        // Of two interfaces of one container only one may choose tables at a time.
        let _choosing = host.lock_container(&target.id)?;
        let routes = host.kernel.routes_inside(ifname)?;
        let taken = host.kernel.tables_inside()?;
        let section = desired::of_routes(&config, ifname, &addresses, &routes, &taken);
        host.alter(target, Self::NAME, section)?;
        Ok(previous.clone())
    }

    fn restore(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
        let _choosing = host.lock_container(&target.id)?;
        let previous = request.prev_result.as_ref();
        let unrecorded = if host.knows(target) { Ok(()) } else { desired::tidy(target, previous, host) };
        let undone = host.undo(&target.id, Self::NAME);
        Error::collect([unrecorded, undone].into_iter().filter_map(Result::err))
    }
}

/// The addresses of the interface; one of no interface is taken for one of this.
fn addresses<'r>(target: &Target, previous: &'r CniResult) -> Result<Vec<&'r Ip>, Error> {
    if previous.ips.is_empty() {
        return Err(Error::config(format!("No IP addresses supplied on interface: {}", target.id.ifname)));
    }
    let is_its_own = |ip: &&Ip| previous.interface_of(ip).is_none_or(|interface| interface.name == target.id.ifname);
    Ok(previous.ips.iter().filter(is_its_own).collect())
}
