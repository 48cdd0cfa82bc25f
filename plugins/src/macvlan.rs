//! An interface with a hardware address of its own on an interface of the host. What it takes and leaves: README.md.

mod config;

#[cfg(test)]
mod tests;

use netd_model::object::{Link, LinkKind, MacvlanMode, Side};

use crate::{
    attach::{self, Attaching},
    cni::{CniResult, Error, Request, Target},
    keys,
    single::{self, ANNOUNCING, Single},
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = attach::plugin::<Macvlan>();

struct Macvlan;

impl Attaching for Macvlan {
    const NAME: &'static str = "macvlan";
    const CAPABILITIES: &'static [&'static str] = &["mac"];

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn attach(request: &Request, target: &Target) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        let side = single::side(config.in_container);
        attach::add(
            request,
            target,
            |host| {
                let parent = single::parent(host, side, config.master.as_ref())?;
                link(&config, target, &parent)
            },
            |host, link, assignment| {
                let parameters = if assignment.result.ips.is_empty() { &[] } else { ANNOUNCING };
                let single = Single { plugin: Self::NAME, target, link: link.clone(), parameters };
                single.make(host, assignment, config.dns.clone())
            },
        )
    }

    fn status(request: &Request) -> Result<(), Error> {
        let config = Config::of(request)?;
        single::has_parent(request, single::side(config.in_container), config.master.as_ref())?;
        attach::status(request)
    }
}

/// The interface on `parent`. In mode `passthru` the hardware address is the parent's, unless one is asked for.
fn link(config: &Config, target: &Target, parent: &Link) -> Result<Link, Error> {
    let mtu = keys::mtu_within(config.mtu, parent.mtu)?;
    let own = (config.mode != MacvlanMode::Passthru).then(|| single::own_mac(target));
    let below: (Side, _) = (parent.side, parent.name.clone());
    let kind = LinkKind::Macvlan { parent: Some(below), mode: Some(config.mode), queue: config.queue };
    Ok(single::link(target, kind, config.mac.or(own), mtu))
}
