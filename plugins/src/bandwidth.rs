//! Limits how much a container gets and sends in a second. What it takes and leaves: README.md.

mod config;
mod desired;
mod reference;

#[cfg(test)]
mod tests;

use netd_model::{
    attachment::Section,
    object::{LinkKind, Side},
};

use crate::{
    alter::{self, Altering},
    cni::{CniResult, Error, Request, Target, Version, result::Interface},
    host::Host,
    verb::Plugin,
};
use config::Config;
use desired::Spot;

/// The plugin.
pub(crate) const PLUGIN: Plugin = alter::plugin::<Bandwidth>();

struct Bandwidth;

impl Altering for Bandwidth {
    const NAME: &'static str = "bandwidth";
    const CAPABILITIES: &'static [&'static str] = &["bandwidth"];
    const OLDEST: Version = Version::V0_3_0;
    const ALONE: &'static str = "must be called as chained plugin";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn alter(request: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        let mut result = previous.clone();
        if config.is_unlimited() {
            host.alter(target, Self::NAME, Section::default())?;
            return Ok(result);
        }
        let spot = spot(target, previous, host)?;
        let limits = spot.limits(&config);
        host.alter(target, Self::NAME, desired::section(&target.id, &spot, &limits))?;
        result.interfaces.extend(limits.iter().filter(|limit| limit.needs_ifb()).map(|limit| {
            let link = spot.ifb(&target.id, limit);
            let shown = match spot.side {
                Side::Host => Interface::on_host(link.name, link.mac),
                Side::Container => {
                    Interface::in_container(link.name, link.mac, target.netns.clone().unwrap_or_default())
                }
            };
            Interface { mtu: link.mtu.map(u32::from), ..shown }
        }));
        Ok(result)
    }

    fn restore(_: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
        let recorded = matches!(host.recorded(&target.id, Self::NAME), Ok(Some(_)));
        let unrecorded = if recorded { Ok(()) } else { reference::tidy(target, host) };
        let undone = host.undo(&target.id, Self::NAME);
        Error::collect([unrecorded, undone].into_iter().filter_map(Result::err))
    }
}

/// Where packets of the container are held back: on the host's end of its pair, or where there is none in the container.
fn spot(target: &Target, previous: &CniResult, host: &mut Host) -> Result<Spot, Error> {
    if previous.interfaces.is_empty() {
        return Err(Error::config("no interfaces provided"));
    }
    let ifname = &target.id.ifname;
    let no_peer = |why: &str| Error::config(format!("container interface {ifname} has no veth peer: {why}"));
    let found = host.link(Side::Container, ifname)?.ok_or_else(|| no_peer("Link not found"))?;
    match &found.kind {
        LinkKind::Macvlan { .. } | LinkKind::Ipvlan { .. } | LinkKind::Vlan { .. } => {
            Ok(Spot { side: Side::Container, link: found.name, mtu: found.mtu })
        }
        LinkKind::Veth { .. } => {
            let elsewhere = || Error::config(format!("veth peer of {ifname} is not in host ns"));
            let end = host.kernel.host_end(ifname)?.ok_or_else(elsewhere)?;
            let is_end = |told: &Interface| told.sandbox.is_none() && told.name == end.name;
            if !previous.interfaces.iter().any(is_end) {
                return Err(Error::config("no veth peer of container interface found in host ns"));
            }
            Ok(Spot { side: Side::Host, link: end.name, mtu: end.mtu })
        }
        other => {
            let word = if other.word().is_empty() { "a device" } else { other.word() };
            Err(no_peer(&format!("it is {word}, and no macvlan, ipvlan or vlan")))
        }
    }
}
