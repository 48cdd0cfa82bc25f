//! Addresses from ranges that stand in the configuration, each container its own. What it takes and leaves: README.md.
//!
//! Called by plugins of ours in their own process, and by others as a plugin of its own.

mod config;
mod give;
mod resolv;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use netd_model::attachment::{AttachmentId, Lease};
use netd_store::{
    Store,
    lease::{Held, Holder, Owner, Pool},
};

use crate::{
    cni::{About, CniResult, Error, Kind, Request, Target, Valid, Version, result::Ip},
    host::{self, Host},
    ipam::{Assignment, Ipam},
    verb::Plugin,
};
use config::Config;
use give::{Giving, full};

/// The plugin, as others call it.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: IPAM.name, oldest: Version::V0_1_0, capabilities: None },
    config: |request| Config::of(request).map(drop),
    add: |request, target| Ok((IPAM.add)(request, target, &mut host(request, target)?)?.result),
    check: |request, target| (IPAM.check)(request, target, &mut host(request, target)?),
    del: |request, target| (IPAM.del)(request, target, &mut host(request, target)?),
    gc: |request, valid| (IPAM.gc)(request, valid, &mut Host::open_without_container(request)?),
    status: |request| (IPAM.status)(request, &mut Host::open_without_container(request)?),
};

/// The plugin, as those of ours call it.
pub(crate) const IPAM: Ipam = Ipam {
    name: "host-local",
    capabilities: &["ipRanges", "ips"],
    by_link: false,
    add: |request, target, host| {
        host.with_stale(Some(&owner(&target.id)), |store, stale| add(request, target, store, stale))
    },
    check: |request, target, host| check(request, target, &host.store),
    del: |request, target, host| del(request, target, &host.store),
    gc: |request, valid, host| gc(request, valid, &host.store),
    status: |request, host| host.with_stale(None, |store, stale| status(request, store, stale)),
};

/// How long a verb waits for the folder's lock. The kubelet gives a verb 60 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says of a lease whether nobody needs it any more.
type Stale<'a> = &'a mut dyn FnMut(&Held) -> bool;

/// The host for a command about one container, whose namespace is looked at only to refuse the plugin's own.
fn host(request: &Request, target: &Target) -> Result<Host, Error> {
    host::refuse_own_netns(target)?;
    Host::open_without_container(request)
}

/// Leases an address of each range set, or of none.
fn add(request: &Request, target: &Target, store: &Store, stale: Stale<'_>) -> Result<Assignment, Error> {
    let config = Config::of(request)?;
    let dns = config.dns()?;
    let pool = Pool::create(store, &config.folder)?;
    let mut giving = Giving { session: pool.lock(Instant::now() + PATIENCE)?, owner: owner(&target.id), stale };
    let ips = giving.all(&config)?;
    let lease = |ip: &Ip| Lease { pool: config.folder.clone(), address: ip.address.ip() };
    let leases = ips.iter().map(lease).collect();
    Ok(Assignment {
        result: CniResult { interfaces: vec![], ips, routes: config.routes, dns },
        leases,
        ..Assignment::default()
    })
}

/// Says whether the attachment has a lease.
fn check(request: &Request, target: &Target, store: &Store) -> Result<(), Error> {
    let config = Config::of(request)?;
    let leases = match Pool::open(store, &config.folder)? {
        Some(pool) => pool.lock(Instant::now() + PATIENCE)?.held_by(&owner(&target.id))?,
        None => vec![],
    };
    if leases.is_empty() {
        let container = &target.id.container;
        let text = format!("host-local: Failed to find address added by container {container}");
        return Err(Error::new(Kind::Drift, text));
    }
    Ok(())
}

/// Frees the attachment's leases, whatever ranges the configuration has by now.
fn del(request: &Request, target: &Target, store: &Store) -> Result<(), Error> {
    free(request, target, store)?;
    Config::of(request).map(drop)
}

/// Frees the attachment's leases in the network's folder, which is all that this needs to know.
pub(crate) fn free(request: &Request, target: &Target, store: &Store) -> Result<(), Error> {
    if let Some(pool) = Pool::open(store, &config::folder_of(request)?)? {
        pool.lock(Instant::now() + PATIENCE)?.release(&owner(&target.id))?;
    }
    Ok(())
}

/// Frees all leases of the network but those of valid attachments.
fn gc(request: &Request, valid: &Valid, store: &Store) -> Result<(), Error> {
    let Some(pool) = Pool::open(store, &config::folder_of(request)?)? else { return Ok(()) };
    let is_valid = |held: &Held| match &held.holder {
        Holder::Attachment(owner) => valid.contains(&(owner.container.clone(), owner.ifname.clone())),
        Holder::Container(container) => valid.iter().any(|(valid, _)| valid == container),
        Holder::Unknown => true,
    };
    pool.lock(Instant::now() + PATIENCE)?.reclaim(|held| !is_valid(held))?;
    Ok(())
}

/// Says whether ADD would find an address in each range set, and names for the result where they are to be.
fn status(request: &Request, store: &Store, stale: Stale<'_>) -> Result<(), Error> {
    let config = Config::of(request)?;
    config.dns()?;
    let Some(pool) = Pool::open(store, &config.folder)? else { return Ok(()) };
    for set in &config.sets {
        if !pool.has_room(set, &mut *stale)? {
            return Err(full(Kind::Unavailable, set));
        }
    }
    Ok(())
}

fn owner(id: &AttachmentId) -> Owner {
    Owner { container: id.container.clone(), ifname: id.ifname.clone() }
}
