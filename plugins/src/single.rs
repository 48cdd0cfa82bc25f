//! Plugins whose interface is one link in the container: what is the same whatever kind of link it is.

use netd_model::{
    addr::{Mac, Mtu},
    attachment::Section,
    name::LinkName,
    object::{GROUP, Link, LinkKind, Object, Side, State},
};

use crate::{
    cni::{
        CniResult, Error, Kind, Request, Target,
        result::{Dns, Interface},
    },
    host::{Host, Intent},
    inside::{self, Assigned, Inside, Subnet},
    ipam::Assignment,
};

/// An interface about to be made.
pub(crate) struct Single<'a> {
    /// The plugin's type.
    pub(crate) plugin: &'static str,
    pub(crate) target: &'a Target,
    /// The interface; the name is the container's.
    pub(crate) link: Link,
    /// Parameters of it: family, name, value.
    pub(crate) parameters: &'static [(&'static str, &'static str, &'static str)],
}

/// An interface of the container that tells others when it gets an address.
pub(crate) const ANNOUNCING: &[(&str, &str, &str)] = &[("ipv4", "arp_notify", "1"), ("ipv6", "ndisc_notify", "1")];

/// The interface of an attachment, of this kind: marked as ours, and up.
pub(crate) fn link(target: &Target, kind: LinkKind, mac: Option<Mac>, mtu: Option<Mtu>) -> Link {
    Link {
        mac,
        mtu,
        group: Some(GROUP),
        alias: Some(target.id.owner()),
        up: Some(true),
        ..Link::new(Side::Container, target.id.ifname.clone(), kind)
    }
}

/// A hardware address of its own, for kinds that would get one by chance.
pub(crate) fn own_mac(target: &Target) -> Mac {
    Mac::derived(&[target.id.container.as_str(), target.id.ifname.as_str()])
}

impl Single<'_> {
    /// What is recorded and made.
    pub(crate) fn section(&self, addresses: &[Assigned], routes: &[netd_model::object::Route], ipv6: bool) -> Section {
        let ifname = &self.link.name;
        let inside = Inside { ifname, addresses, routes, subnet: Subnet::OnLink, detect_duplicates: false };
        let mut section = Section::default();
        section.own.insert(Object::Link(self.link.clone()));
        let known = self.parameters.iter().filter(|(family, ..)| *family != "ipv6" || ipv6);
        section.own.extend(known.map(|(family, parameter, value)| inside.parameter(family, parameter, value)));
        section.own.extend(inside.objects());
        section
    }

    /// Makes it with the addresses that IPAM gave, and says what was made.
    pub(crate) fn make(&self, host: &mut Host, assignment: &Assignment, dns: Dns) -> Result<CniResult, Error> {
        let ipam = &assignment.result;
        let addresses = Assigned::all(ipam);
        let routes = inside::routes(&self.link.name, &ipam.routes, &addresses);
        let section = self.section(&addresses, &routes, netd_kernel::has_ipv6());
        let (target, plugin) = (self.target, self.plugin);
        host.make(&Intent {
            target,
            plugin,
            section,
            before: State::default(),
            absent: State::default(),
            lease: None,
            given: assignment,
        })?;
        Ok(CniResult {
            interfaces: vec![shown(host, target)?],
            ips: addresses.iter().map(|ip| ip.on_interface(0)).collect(),
            routes: ipam.routes.clone(),
            dns: if dns.is_empty() && assignment.is_leased { ipam.dns.clone() } else { dns },
        })
    }
}

/// The container's interface as it came to be.
pub(crate) fn shown(host: &mut Host, target: &Target) -> Result<Interface, Error> {
    let found = host.link(Side::Container, &target.id.ifname)?;
    let mac = found.as_ref().and_then(|link| link.mac);
    let mtu = found.and_then(|link| link.mtu).map(u32::from);
    let netns = target.netns.clone().unwrap_or_default();
    Ok(Interface { mtu, ..Interface::in_container(target.id.ifname.clone(), mac, netns) })
}

/// Where the interface below is.
pub(crate) fn side(is_in_container: bool) -> Side {
    if is_in_container { Side::Container } else { Side::Host }
}

/// The interface below: the one that is named, else that of the default route.
///
/// # Errors
/// There is none.
pub(crate) fn parent(host: &mut Host, side: Side, named: Option<&LinkName>) -> Result<Link, Error> {
    let name = if let Some(name) = named {
        name.clone()
    } else {
        let missing = || Error::config("no default route interface found");
        host.kernel.default_link(side)?.ok_or_else(missing)?
    };
    let missing = || Error::config(format!("failed to lookup master \"{name}\": Link not found"));
    host.link(side, &name)?.ok_or_else(missing)
}

/// STATUS: whether the interface below is there, where it is the host's. That of a container is not known yet.
pub(crate) fn has_parent(request: &Request, side: Side, named: Option<&LinkName>) -> Result<(), Error> {
    if side == Side::Container {
        return Ok(());
    }
    let missing = |error: Error| match error.kind {
        Kind::Config => Error { kind: Kind::Unavailable, ..error },
        _ => error,
    };
    parent(&mut Host::open_without_container(request)?, side, named).map(drop).map_err(missing)
}
