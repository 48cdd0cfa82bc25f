//! Addresses that a DHCP server on the container's link gives. What it takes and leaves: README.md.
//!
//! `netd dhcp` asks servers and keeps leases; the plugin asks it. What a lease is stands in the store, with the frame that
//! gives it back, so that DEL and GC need nobody.

mod config;
mod keeper;

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, path::Path};

use netd_kernel::send_frame_in;
use netd_model::{
    attachment::AttachmentId,
    dhcp::{Family, Lease, Question, Stage, Wish},
    object::{Link, LinkKind, Object, Side, State},
    plan::Desired,
};
use netd_store::uptime;

use crate::{
    cni::{About, CniResult, Error, Kind, Request, Target, Valid, Version},
    host::Host,
    ipam::{Assignment, Ipam},
    verb::Plugin,
};
use config::Config;

/// The plugin, as others call it.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: IPAM.name, oldest: Version::V0_1_0, capabilities: None },
    config: |request| Config::of(request).map(drop),
    add: |request, target| {
        let mut host = Host::open(request, target)?;
        let _lock = host.lock(&target.id)?;
        refuse_live(&host, &target.id)?;
        Ok(add(request, target, &mut host)?.result)
    },
    check: |request, target| (IPAM.check)(request, target, &mut Host::open_without_container(request)?),
    del: |request, target| {
        let mut host = Host::open_without_container(request)?;
        let _lock = host.lock(&target.id)?;
        (IPAM.del)(request, target, &mut host)
    },
    gc: |request, valid| (IPAM.gc)(request, valid, &mut Host::open_without_container(request)?),
    status: |request| (IPAM.status)(request, &mut Host::open_without_container(request)?),
};

/// The plugin, as those of ours call it.
pub(crate) const IPAM: Ipam = Ipam {
    name: "dhcp",
    capabilities: &[],
    by_link: true,
    add,
    check,
    del: |request, target, host| free(&config::socket_of(request)?, host, &target.id),
    gc: |request, valid, host| gc(request, valid, host),
    status: |request, _| keeper::answers(&Config::of(request)?.socket),
};

/// Refuses a second ADD of an interface that has a lease. Plugins of ours have seen to that, and know what is dead.
fn refuse_live(host: &Host, id: &AttachmentId) -> Result<(), Error> {
    for family in Family::ALL {
        if let Ok(Some(lease)) = host.store.dhcp_lease(&id.container, &id.ifname, family)
            && Some(&lease.wish.netns) == host.namespace()
        {
            let (address, container) = (lease.terms.address.ip(), &id.container);
            let text = format!("{address} has been allocated to {container}, duplicate allocation is not allowed");
            return Err(Error::new(Kind::Exists, text));
        }
    }
    Ok(())
}

/// Has leases got and kept. After a failure there is none.
fn add(request: &Request, target: &Target, host: &mut Host) -> Result<Assignment, Error> {
    let config = Config::of(request)?;
    let wish = wish(&config, target, host)?;
    // What an earlier container of that name left.
    free(&config.socket, host, &target.id)?;
    let families = config.families.clone();
    keeper::keep(&config.socket, &Question::Keep { wish, families })?;
    let mut result = CniResult::default();
    for family in config.families.iter().copied() {
        let lease = host.store.dhcp_lease(&target.id.container, &target.id.ifname, family)?;
        let missing = || Error::new(Kind::TryAgain, format!("the {family} lease was given back meanwhile"));
        config.add_to(&mut result, lease.ok_or_else(missing)?.terms);
    }
    Ok(Assignment { result, is_leased: true, ..Assignment::default() })
}

/// What is asked for, over the interface that is there by now.
fn wish(config: &Config, target: &Target, host: &mut Host) -> Result<Wish, Error> {
    let id = target.id.clone();
    let missing = |what: &str| Error::new(Kind::Io, format!("{what} {} of container {}", id.ifname, id.container));
    let link = host.link(Side::Container, &id.ifname)?.ok_or_else(|| missing("there is no interface"))?;
    if link.up != Some(true) {
        // The reference's bridge leaves that to whoever asks over it.
        let up = Link { up: Some(true), ..Link::new(Side::Container, id.ifname.clone(), link.kind.bare()) };
        host.settle(&Desired { present: State::from_iter([Object::Link(up)]), absent: State::default() })?;
    }
    Ok(Wish {
        netns: host.namespace().cloned().ok_or_else(|| missing("there is no namespace for interface"))?,
        mac: link.mac.ok_or_else(|| missing("there is no hardware address of interface"))?,
        // Before it has an address, it gets of what is sent to the hardware address that all share nothing.
        broadcast: matches!(link.kind, LinkKind::Ipvlan { .. }),
        request: config.request.clone(),
        provide: config.provide.clone(),
        id,
    })
}

/// Each lease is held, and its address is the one in the result.
///
/// Where a plugin of ours asks about an interface that the reference made, the reference's keeper has the lease: whether the
/// addresses are there, who asks compares.
fn check(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
    let config = Config::of(request)?;
    let previous = request.prev_result.as_ref().ok_or_else(|| Error::config("Required prevResult missing"))?;
    for family in config.families {
        let AttachmentId { container, ifname, .. } = &target.id;
        let drift = |text: String| Err(Error::new(Kind::Drift, format!("dhcp: {text}")));
        let Some(lease) = host.store.dhcp_lease(container, ifname, family)? else {
            if host.has_container() && host.is_of_others(target)? {
                continue;
            }
            return drift(format!("container {container} has no {family} lease on interface {ifname}"));
        };
        let address = lease.terms.address.ip();
        if lease.stage != Stage::Held || lease.times.expire <= uptime().as_secs() {
            return drift(format!("the lease of {address} on interface {ifname} has run out, or was taken back"));
        }
        if !previous.ips.iter().any(|told| told.address.ip() == address) {
            return drift(format!("Failed to match addr {address} on interface {ifname}"));
        }
    }
    Ok(())
}

/// Gives back all leases of the network but those of valid attachments.
fn gc(request: &Request, valid: &Valid, host: &Host) -> Result<(), Error> {
    let socket = config::socket_of(request)?;
    let (leases, unreadable): (Vec<_>, Vec<_>) = host.store.dhcp_leases().into_iter().partition(Result::is_ok);
    let of_network = leases.into_iter().flatten().map(|lease| lease.wish.id).filter(|id| id.network == request.network);
    let is_valid = |id: &AttachmentId| valid.contains(&(id.container.clone(), id.ifname.clone()));
    let stale: BTreeSet<AttachmentId> = of_network.filter(|id| !is_valid(id)).collect();
    let freed = stale.iter().map(|id| free(&socket, host, id)).filter_map(Result::err);
    Error::collect(unreadable.into_iter().filter_map(|lease| lease.err().map(Error::from)).chain(freed))
}

/// Gives back the leases of an interface: the keeper, if it runs, lets go of them, the server is told, if the interface
/// is there, and the documents go.
fn free(socket: &Path, host: &Host, id: &AttachmentId) -> Result<(), Error> {
    let AttachmentId { container, ifname, .. } = id;
    let found = Family::ALL.map(|family| (family, host.store.dhcp_lease(container, ifname, family)));
    if found.iter().any(|(_, lease)| !matches!(lease, Ok(None))) {
        keeper::forget(socket, id);
    }
    let mut failures = Vec::new();
    for (family, lease) in found {
        if let Ok(Some(Lease { wish, release, .. })) = lease {
            // Whom nobody tells waits until the lease runs out.
            let _told = send_frame_in(&wish.netns, ifname, release.as_slice());
        }
        failures.extend(host.store.remove_dhcp_lease(container, ifname, family).err().map(Error::from));
    }
    Error::collect(failures)
}
