//! An interface with the hardware address of one of the host. What it takes and leaves: README.md.

mod config;

#[cfg(test)]
mod tests;

use netd_model::{
    name::LinkName,
    object::{Link, LinkKind},
};

use crate::{
    attach::{self, Attaching},
    cni::{CniResult, Error, Request, Target},
    host::Host,
    ipam::Assignment,
    keys,
    single::{self, ANNOUNCING, Single},
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = attach::plugin::<Ipvlan>();

struct Ipvlan;

impl Attaching for Ipvlan {
    const NAME: &'static str = "ipvlan";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn attach(request: &Request, target: &Target) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        let previous = request.prev_result.as_ref();
        let learn = |host: &mut Host| {
            let master = master(&config, previous)?;
            let parent = single::parent(host, single::side(config.in_container), master.as_ref())?;
            link(&config, target, &parent)
        };
        attach::add(request, target, learn, |host, link, assignment| {
            let single = Single { plugin: Self::NAME, target, link: link.clone(), parameters: ANNOUNCING };
            match previous.filter(|previous| !config.has_ipam && !previous.ips.is_empty()) {
                // The addresses are those that a plugin before this one took.
                Some(previous) => {
                    let assignment = Assignment { result: previous.clone(), ..Assignment::default() };
                    single.make(host, &assignment, config.dns.clone())
                }
                None if assignment.result.ips.is_empty() && !assignment.is_awaited => {
                    Err(Error::config("no plugin name provided"))
                }
                None => single.make(host, assignment, config.dns.clone()),
            }
        })
    }

    /// Without `master`, a plugin before this one may say which it is.
    fn status(request: &Request) -> Result<(), Error> {
        let config = Config::of(request)?;
        if config.master.is_some() {
            single::has_parent(request, single::side(config.in_container), config.master.as_ref())?;
        }
        attach::status(request)
    }
}

/// The interface below: as configured, else the only one of the plugin before this one, else that of the default route.
fn master(config: &Config, previous: Option<&CniResult>) -> Result<Option<LinkName>, Error> {
    match (&config.master, previous) {
        (Some(master), _) => Ok(Some(master.clone())),
        (None, None) => Ok(None),
        (None, Some(previous)) => match previous.interfaces.as_slice() {
            [only] => Ok(Some(only.name.clone())),
            _ => Err(Error::config("chained master failure. PrevResult lacks a single named interface")),
        },
    }
}

fn link(config: &Config, target: &Target, parent: &Link) -> Result<Link, Error> {
    let mtu = keys::mtu_within(config.mtu, parent.mtu)?;
    let kind = LinkKind::Ipvlan { parent: Some((parent.side, parent.name.clone())), mode: Some(config.mode) };
    Ok(single::link(target, kind, None, mtu))
}
