//! Publishes ports of a container on the host. What it takes and leaves: README.md.

mod conditions;
mod config;
mod desired;
mod taken;

#[cfg(test)]
mod tests;

use netd_model::{
    attachment::Section,
    name::LinkName,
    object::{Key, Link, Object, Port, Side, Sysctl, SysctlPath},
};

use crate::{
    alter::{self, Altering},
    cni::{CniResult, Error, Kind, Request, Target, result::Ip},
    host::{self, Host},
    verb::Plugin,
};
use config::Config;
use desired::Publish;

/// The plugin.
pub(crate) const PLUGIN: Plugin = alter::plugin::<Portmap>();

struct Portmap;

impl Altering for Portmap {
    const NAME: &'static str = "portmap";
    const CAPABILITIES: &'static [&'static str] = &["portMappings"];
    const ALONE: &'static str = "must be called as chained plugin";

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn alter(request: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        let mut section = wanted(&config, target, previous, host)?;
        if !section.own.is_empty() {
            taken::refuse(host, target, &config, &mut section)?;
            if config.snat {
                section.changed.extend(reflecting(target, host)?.map(Object::Link));
            }
            let own = section.own.clone();
            let published = host.alter(target, Self::NAME, section);
            published.map_err(|error| match error.kind {
                Kind::Exists => taken::by_whom(host, target, &own).unwrap_or(error),
                _ => error,
            })?;
        }
        Ok(previous.clone())
    }

    /// Of a container without ports nothing is recorded.
    fn check(request: &Request, target: &Target, previous: &CniResult, host: &mut Host) -> Result<(), Error> {
        let wanted = wanted(&Config::of(request)?, target, previous, host)?;
        if wanted.own.is_empty() { Ok(()) } else { host.compare(target, Self::NAME, Some(previous)) }
    }

    fn restore(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
        let is_ours = host.recorded(&target.id, Self::NAME).is_ok_and(|section| section.is_some());
        let swept = if is_ours { Ok(()) } else { unrecorded(request, target, host) };
        let undone = host.undo(&target.id, Self::NAME);
        Error::collect([undone, swept].into_iter().filter_map(Result::err))
    }

    fn status(request: &Request) -> Result<(), Error> {
        host::lacks_nothing()?;
        Self::read(request)
    }
}

fn wanted(config: &Config, target: &Target, previous: &CniResult, host: &mut Host) -> Result<Section, Error> {
    if config.ports.is_empty() {
        return Ok(Section::default());
    }
    let addresses: Vec<&Ip> = previous.ips_inside(&target.id.ifname).collect();
    let link = leads_to(&addresses, previous, host)?;
    Ok(Publish { id: &target.id, config, addresses: &addresses, link: link.as_ref() }.section())
}

/// Takes away what the reference published, and what an ADD of this very request did. Elements say whose they are: a port
/// that another has by now stays.
fn unrecorded(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
    host.sweep_published(target)?;
    let (Ok(config), Some(previous)) = (Config::of(request), &request.prev_result) else { return Ok(()) };
    let addresses: Vec<&Ip> = previous.ips_inside(&target.id.ifname).collect();
    let section = Publish { id: &target.id, config: &config, addresses: &addresses, link: None }.section();
    host.remove_objects(section.own)
}

/// The interface that leads to the container, from which 127.0.0.1 may be answered.
fn leads_to(addresses: &[&Ip], previous: &CniResult, host: &mut Host) -> Result<Option<LinkName>, Error> {
    let ipv4 = addresses.iter().find(|ip| ip.address.is_ipv4());
    ipv4.map_or(Ok(None), |ip| host.leads_to(ip.address.ip(), previous))
}

/// The container's port of a bridge, which must send back where a frame came from: with `br_netfilter`, what a container
/// sends to a published port of its own is translated while it is a frame, and never leaves the bridge.
fn reflecting(target: &Target, host: &mut Host) -> Result<Option<Link>, Error> {
    let shown = ["bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"];
    let keys = shown.map(|word| Key::Sysctl(Side::Host, SysctlPath::of_namespace(word)));
    let found = host.kernel.observe(&keys)?;
    let is_on = |object: &Object| matches!(object, Object::Sysctl(Sysctl { value, .. }) if value != "0");
    if !found.iter().any(is_on) {
        return Ok(None);
    }
    let Some(end) = host.kernel.host_end(&target.id.ifname)? else { return Ok(None) };
    let Some(end) = host.link(Side::Host, &end.name)? else { return Ok(None) };
    let port = end.port.map(|port| Port { hairpin: Some(true), isolated: None, ..port });
    Ok(port.map(|port| Link { port: Some(port), ..Link::new(Side::Host, end.name, end.kind.bare()) }))
}
