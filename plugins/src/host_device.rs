//! An interface of the host, given to a container for as long as it lives. What it takes and leaves: README.md.

mod config;
mod sysfs;

#[cfg(test)]
mod tests;

use std::path::Path;

use netd_model::{
    attachment::Section,
    object::{Link, Moved, Object, Side, State},
    plan::{Plan, Step},
};

use crate::{
    attach::{self, Attaching},
    cni::{CniResult, Error, Request, Target, result::Interface},
    host::{Host, Intent},
    inside::{self, Assigned, Inside, Subnet},
    ipam::{self, Assignment},
    single,
    verb::Plugin,
};
use config::{Config, Device};

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin { del, ..attach::plugin::<HostDevice>() };

struct HostDevice;

/// What a container is given.
#[derive(Debug)]
enum Found {
    /// An interface.
    Link(Link),
    /// A device whose driver is a program of the container.
    Driven,
}

impl Attaching for HostDevice {
    const NAME: &'static str = "host-device";
    const CAPABILITIES: &'static [&'static str] = &["deviceID"];

    fn read(request: &Request) -> Result<(), Error> {
        Config::of(request).map(drop)
    }

    fn attach(request: &Request, target: &Target) -> Result<CniResult, Error> {
        let config = Config::of(request)?;
        attach::add(
            request,
            target,
            |host| find(&config, host),
            |host, found, assignment| {
                let mut result = make(target, host, found, assignment)?;
                if let (Device::Pci(address), [interface]) = (&config.device, result.interfaces.as_mut_slice()) {
                    interface.pci_id.clone_from(address);
                }
                if ipam::configured(request)? {
                    result.dns = config.dns.clone();
                }
                Ok(result)
            },
        )
    }
}

/// Finds the interface on the host.
fn find(config: &Config, host: &mut Host) -> Result<Found, Error> {
    let missing = |what: String| Error::config(format!("failed to find host device: {what}"));
    let sys = Path::new("/sys");
    let name = match &config.device {
        Device::Name(name) => name.clone(),
        Device::Mac(mac) => {
            let found = host.kernel.link_with_mac(*mac)?;
            found.ok_or_else(|| missing("failed to find physical interface".to_owned()))?.name
        }
        Device::Path(path) => sysfs::first_of(&path.join("net")).map_err(missing)?,
        Device::Pci(address) if sysfs::is_driven_by_program(sys, address).map_err(missing)? => {
            return Ok(Found::Driven);
        }
        Device::Pci(address) => sysfs::of_pci(sys, address).map_err(missing)?,
        Device::Auxiliary(name) => sysfs::of_auxiliary(sys, name).map_err(missing)?,
    };
    let found = host.link(Side::Host, &name)?.ok_or_else(|| missing(format!("{name}: Link not found")))?;
    if found.is_ours() {
        return Err(Error::config(format!("interface {name} is one that netd made, and no device of the host")));
    }
    Ok(Found::Link(found))
}

fn make(target: &Target, host: &mut Host, found: &Found, assignment: &Assignment) -> Result<CniResult, Error> {
    let ipam = &assignment.result;
    let addresses = Assigned::all(ipam);
    let routes = inside::routes(&target.id.ifname, &ipam.routes, &addresses);
    let section = match found {
        Found::Link(link) => section(target, link, &addresses, &routes),
        Found::Driven => Section::default(),
    };
    let (before, absent) = (State::default(), State::default());
    host.make(&Intent { target, plugin: HostDevice::NAME, section, before, absent, lease: None, given: assignment })?;
    let netns = target.netns.clone().unwrap_or_default();
    let interface = match found {
        Found::Link(_) => single::shown(host, target)?,
        Found::Driven => Interface::in_container(target.id.ifname.clone(), None, netns),
    };
    Ok(CniResult {
        interfaces: vec![interface],
        ips: addresses.iter().map(|ip| ip.on_interface(0)).collect(),
        routes: ipam.routes.clone(),
        ..CniResult::default()
    })
}

/// The interface in the container, up, and what stands on it there.
fn section(target: &Target, link: &Link, addresses: &[Assigned], routes: &[netd_model::object::Route]) -> Section {
    let ifname = &target.id.ifname;
    let moved = Moved {
        mark: target.id.mark(),
        side: Side::Container,
        name: ifname.clone(),
        home: link.name.clone(),
        kind: link.kind.bare(),
        was_up: link.up == Some(true),
    };
    let up = Link { up: Some(true), ..Link::new(Side::Container, ifname.clone(), link.kind.bare()) };
    let mut section = Section::default();
    section.own.extend([Object::Moved(moved), Object::Link(up)]);
    section
        .own
        .extend(Inside { ifname, addresses, routes, subnet: Subnet::OnLink, detect_duplicates: false }.objects());
    section
}

/// An interface that the reference plugin moved goes home as well: its alias says where that is.
fn del(request: &Request, target: &Target) -> Result<(), Error> {
    let mut host = Host::open(request, target)?;
    let _lock = host.lock(&target.id)?;
    let returned = |host: &mut Host| {
        let returned = return_unrecorded(request, target, host);
        // Whatever prevResult names is no interface to be deleted.
        Error::collect([returned, host.remove_all(target, None)].into_iter().filter_map(Result::err))
    };
    attach::remove(request, &mut host, returned, |host| ipam::del(request, target, host))
}

fn return_unrecorded(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
    let ifname = &target.id.ifname;
    let is_told =
        |previous: &CniResult| previous.interfaces.iter().any(|told| told.sandbox.is_some() && told.name == *ifname);
    if !host.has_container() || host.knows(target) || !request.prev_result.as_ref().is_some_and(is_told) {
        return Ok(());
    }
    let Some(found) = host.link(Side::Container, ifname)?.filter(|found| !found.is_ours()) else { return Ok(()) };
    let Some(home) = found.alias.as_deref().and_then(|alias| alias.parse().ok()) else { return Ok(()) };
    let (name, kind) = (ifname.clone(), found.kind.bare());
    // It has no second name; its own is as good as long as nobody else looks.
    let moved = Moved { mark: name.clone(), side: Side::Container, name, home, kind, was_up: false };
    Ok(host.kernel.apply(&Plan { steps: vec![Step::Delete(Object::Moved(moved))] })?)
}
