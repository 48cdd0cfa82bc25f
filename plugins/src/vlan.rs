//! An interface of one VLAN of an interface of the host. What it takes and leaves: README.md.

mod config;

#[cfg(test)]
mod tests;

use netd_model::object::{Link, LinkKind};

use crate::{
    attach::{self, Attaching},
    cni::{CniResult, Error, Request, Target},
    host::Host,
    keys,
    single::{self, Single},
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = attach::plugin::<Vlan>();

struct Vlan;

impl Attaching for Vlan {
    const NAME: &'static str = "vlan";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn attach(request: &Request, target: &Target) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        let learn = |host: &mut Host| {
            let parent = single::parent(host, single::side(config.in_container), Some(&config.master))?;
            link(&config, target, &parent)
        };
        attach::add(request, target, learn, |host, link, assignment| {
            let single = Single { plugin: Self::NAME, target, link: link.clone(), parameters: &[] };
            single.make(host, assignment, config.dns.clone())
        })
    }

    fn status(request: &Request) -> Result<(), Error> {
        let config = Config::of(request)?;
        single::has_parent(request, single::side(config.in_container), Some(&config.master))?;
        attach::status(request)
    }
}

/// The interface on `parent`, whose hardware address it has.
fn link(config: &Config, target: &Target, parent: &Link) -> Result<Link, Error> {
    let mtu = keys::mtu_within(config.mtu, parent.mtu)?;
    let kind = LinkKind::Vlan { parent: Some((parent.side, parent.name.clone())), id: Some(config.id) };
    Ok(single::link(target, kind, None, mtu))
}
