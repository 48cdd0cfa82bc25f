//! Changes an interface that another plugin made, and parameters of the container's namespace. What it takes and leaves:
//! README.md.

mod allowlist;
mod config;
mod reference;

#[cfg(test)]
mod tests;

use netd_model::{
    attachment::Section,
    object::{Link, Object, Side, Sysctl},
};

use crate::{
    alter::{self, Altering},
    cni::{CniResult, Error, Request, Target},
    host::Host,
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = alter::plugin::<Tuning>();

struct Tuning;

impl Altering for Tuning {
    const NAME: &'static str = "tuning";
    const CAPABILITIES: &'static [&'static str] = &["mac"];
    const ALONE: &'static str = "Required prevResult missing";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn alter(request: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        allowlist::admit(&config)?;
        let changed = changed(&config, target, host)?;
        let section = Section { changed: changed.into_iter().collect(), ..Section::default() };
        host.alter(target, Self::NAME, section)?;
        Ok(result(&config, target, previous, host))
    }

    fn restore(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
        let undone = host.undo(&target.id, Self::NAME);
        let restored = reference::restore(&config::data_dir(request), target, host);
        Error::collect([undone, restored].into_iter().filter_map(Result::err))
    }

    fn status(request: &Request) -> Result<(), Error> {
        allowlist::admit(&Config::of(request)?)
    }
}

/// The previous result with what is otherwise now: of the interface, and, where the MTU was changed, of the other end of a pair
/// and of a bridge that takes its MTU from that.
fn result(config: &Config, target: &Target, previous: &CniResult, host: &mut Host) -> CniResult {
    let mut result = previous.clone();
    for interface in &mut result.interfaces {
        if interface.sandbox.is_none() {
            let found = config.mtu.and_then(|_| host.link(Side::Host, &interface.name).ok().flatten());
            interface.mtu = found.and_then(|found| found.mtu).map(u32::from).or(interface.mtu);
        } else if interface.name == target.id.ifname {
            if let Some(mac) = config.mac {
                interface.mac = mac.to_string();
            }
            interface.mtu = config.mtu.map(u32::from).or(interface.mtu);
        }
    }
    result
}

/// What is to be changed: the interface, the other end of a pair where that must be the same, and parameters.
fn changed(config: &Config, target: &Target, host: &mut Host) -> Result<Vec<Object>, Error> {
    let sysctls = config.sysctls.iter().map(|(path, value)| {
        Object::Sysctl(Sysctl { side: Side::Container, path: path.clone(), value: value.clone() })
    });
    let mut changed: Vec<Object> = sysctls.collect();
    if !config.changes_link() {
        return Ok(changed);
    }
    let ifname = &target.id.ifname;
    let missing = || Error::config(format!("failed to get {:?}: Link not found", ifname.as_str()));
    let found = host.link(Side::Container, ifname)?.ok_or_else(missing)?;
    changed.push(Object::Link(Link {
        mac: config.mac,
        mtu: config.mtu,
        promiscuous: config.promiscuous.then_some(true),
        all_multicast: config.all_multicast,
        queue_length: config.queue_length,
        ..Link::new(Side::Container, found.name, found.kind.bare())
    }));
    if let (Some(mtu), Some(end)) = (config.mtu, host.kernel.host_end(ifname)?) {
        changed.push(Object::Link(Link { mtu: Some(mtu), ..Link::new(Side::Host, end.name, end.kind.bare()) }));
    }
    Ok(changed)
}
