//! Puts an interface of a container into a VRF: a routing table of its own. What it takes and leaves: README.md.

mod config;
mod desired;

#[cfg(test)]
mod tests;

use netd_model::{
    name::LinkName,
    object::{Link, LinkKind, Object, Side},
    plan::{Plan, Step},
};

use crate::{
    alter::{self, Altering},
    cni::{CniResult, Error, Kind, Request, Target, Version},
    host::Host,
    verb::Plugin,
};
use config::Config;
use desired::Facts;

/// The plugin.
pub(crate) const PLUGIN: Plugin = alter::plugin::<Vrf>();

struct Vrf;

impl Altering for Vrf {
    const NAME: &'static str = "vrf";
    const OLDEST: Version = Version::V0_3_1;
    const ALONE: &'static str = "missing prevResult from earlier plugin";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn alter(request: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        // Of two interfaces of one container only one may make the VRF, or choose its table.
        let _choosing = host.lock_container(&target.id)?;
        let facts = facts(&config, target, host)?;
        host.alter(target, Self::NAME, desired::section(&config, &facts))?;
        Ok(previous.clone())
    }

    /// The interface leaves the VRF, and the last one takes it along.
    fn restore(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
        let _choosing = host.lock_container(&target.id)?;
        let recorded = host.recorded(&target.id, Self::NAME).ok().flatten();
        let configured = || Config::of(request).ok().map(|config| config.vrf);
        let vrf = recorded.as_ref().and_then(desired::recorded_vrf).or_else(configured);
        let vrf = vrf.filter(|_| host.has_container());
        // The reference recorded nothing: of what is in it, nothing is ours.
        let is_reference =
            recorded.is_none() && vrf.as_ref().map_or(Ok(false), |vrf| holds_others(vrf, target, host))?;
        let left = vrf.as_ref().map_or(Ok(()), |vrf| leave(vrf, target, host));
        let undone = host.undo(&target.id, Self::NAME);
        let removed = vrf.as_ref().map_or(Ok(()), |vrf| remove_empty(vrf, is_reference, host));
        Error::collect([left, undone, removed].into_iter().filter_map(Result::err))
    }
}

/// What is there before: the VRF, and what stands on the interface.
fn facts(config: &Config, target: &Target, host: &mut Host) -> Result<Facts, Error> {
    let (name, ifname) = (&config.vrf, &target.id.ifname);
    let failed = |text: String| Error::config(format!("cmdAdd failed: {text}"));
    let found = host.link(Side::Container, name)?;
    let table = match found.as_ref().map(|found| &found.kind) {
        None => config.table,
        Some(LinkKind::Vrf { table }) => {
            if let (Some(wanted), Some(table)) = (config.table, table)
                && wanted != *table
            {
                return Err(failed(format!("VRF {name} already exist with different routing table {table}")));
            }
            *table
        }
        Some(_) => return Err(failed(format!("Netlink {name} is not a VRF"))),
    };
    let missing = || failed(format!("could not get link by name {ifname}"));
    let link = host.link(Side::Container, ifname)?.ok_or_else(missing)?;
    if let Some(port) = link.port {
        let text = format!("interface {ifname} has already a master set: {}", port.bridge);
        return Err(Error { kind: Kind::Exists, ..failed(text) });
    }
    let table = match table {
        Some(table) => table,
        None => desired::free_table(&host.kernel.links_inside()?),
    };
    let addresses = host.addresses(Side::Container, ifname)?;
    let routes = host.kernel.routes(Side::Container, ifname)?;
    Ok(Facts { vrf: found, table, ifname: link.name, kind: link.kind, addresses, routes })
}

/// Whether the container's interface is in the VRF, and others attached it.
fn holds_others(vrf: &LinkName, target: &Target, host: &mut Host) -> Result<bool, Error> {
    let found = host.link(Side::Container, &target.id.ifname)?;
    let is_in_it = found.and_then(|found| found.port).is_some_and(|port| port.bridge == *vrf);
    Ok(is_in_it && host.is_of_others(target)?)
}

fn leave(vrf: &LinkName, target: &Target, host: &mut Host) -> Result<(), Error> {
    let found = host.link(Side::Container, &target.id.ifname)?;
    let is_in_it = found.and_then(|found| found.port).is_some_and(|port| port.bridge == *vrf);
    if is_in_it { Ok(host.kernel.release(&target.id.ifname)?) } else { Ok(()) }
}

/// A VRF that we made goes when nothing is in it; so does one that an interface of the reference's left, which has no mark to
/// know its maker by.
fn remove_empty(vrf: &LinkName, is_reference: bool, host: &mut Host) -> Result<(), Error> {
    let links = host.kernel.links_inside()?;
    let is_used = links.iter().any(|link| link.port.as_ref().is_some_and(|port| port.bridge == *vrf));
    let is_it = |link: &&Link| {
        link.name == *vrf && (is_reference || link.is_ours()) && matches!(link.kind, LinkKind::Vrf { .. })
    };
    match links.iter().find(is_it) {
        Some(found) if !is_used => {
            Ok(host.kernel.apply(&Plan { steps: vec![Step::Delete(Object::Link(found.clone()))] })?)
        }
        _ => Ok(()),
    }
}
