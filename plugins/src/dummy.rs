//! An interface that leads nowhere, to hold addresses. What it takes and leaves: README.md.

mod config;

#[cfg(test)]
mod tests;

use netd_model::object::LinkKind;

use crate::{
    attach::{self, Attaching},
    cni::{CniResult, Error, Request, Target},
    single::{self, Single},
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = attach::plugin::<Dummy>();

struct Dummy;

impl Attaching for Dummy {
    const NAME: &'static str = "dummy";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn attach(request: &Request, target: &Target) -> Result<CniResult, Error> {
        Config::of(request)?;
        let link = single::link(target, LinkKind::Dummy, Some(single::own_mac(target)), None);
        let single = Single { plugin: Self::NAME, target, link, parameters: &[] };
        let make = |host: &mut _, (): &(), assignment: &crate::ipam::Assignment| {
            single.make(host, assignment, assignment.result.dns.clone())
        };
        attach::add(request, target, |_| Ok(()), make)
    }
}
