//! An interface whose other end a program holds, such as a virtual machine. What it takes and leaves: README.md.

mod config;

#[cfg(test)]
mod tests;

use netd_model::object::{Link, LinkKind, Port, Side};

use crate::{
    attach::{self, Attaching},
    cni::{CniResult, Error, Request, Target},
    host::Host,
    single::{self, Single},
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = attach::plugin::<Tap>();

struct Tap;

impl Attaching for Tap {
    const NAME: &'static str = "tap";
    const CAPABILITIES: &'static [&'static str] = &["mac"];

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn attach(request: &Request, target: &Target) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        let learn = |host: &mut Host| {
            let Some(bridge) = &config.bridge else { return Ok(()) };
            let missing = || Error::config(format!("failed to get bridge {bridge}: Link not found"));
            host.link(Side::Container, bridge)?.map(drop).ok_or_else(missing)
        };
        attach::add(request, target, learn, |host, (), assignment| {
            let parameters: &[_] = if assignment.result.ips.is_empty() { &[] } else { &[("ipv4", "arp_notify", "1")] };
            let single = Single { plugin: Self::NAME, target, link: link(&config, target), parameters };
            single.make(host, assignment, config.dns.clone())
        })
    }
}

fn link(config: &Config, target: &Target) -> Link {
    let kind = LinkKind::Tap {
        owner: config.owner,
        group: config.group,
        multi_queue: Some(config.multi_queue),
        context: config.context.clone(),
    };
    let mac = config.mac.unwrap_or_else(|| single::own_mac(target));
    let port = config.bridge.clone().map(|bridge| Port { bridge, hairpin: None, isolated: None });
    Link { port, ..single::link(target, kind, Some(mac), config.mtu) }
}
