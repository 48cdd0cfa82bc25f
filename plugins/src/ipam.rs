//! Asks an IPAM plugin for addresses: one of ours by a call, any other as a process.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use netd_model::attachment::{AttachmentId, Lease};
use netd_store::{
    Store,
    lease::{Owner, Pool},
};
use serde_json::Value;

use crate::{
    cni::{CniResult, Error, Request, Target, Valid, decode::find},
    delegate::Delegate,
    dhcp,
    host::Host,
    host_local, r#static,
};

/// How long a lock on leases is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// An IPAM plugin of ours.
pub(crate) struct Ipam {
    /// Its type.
    pub(crate) name: &'static str,
    /// What a runtime may ask of it.
    pub(crate) capabilities: &'static [&'static str],
    /// Whether it asks over the interface, which then is made first, and goes when the addresses were given back.
    pub(crate) by_link: bool,
    /// Takes addresses. After a failure it has none of them.
    pub(crate) add: fn(&Request, &Target, &mut Host) -> Result<Assignment, Error>,
    /// Says whether the attachment still has them.
    pub(crate) check: fn(&Request, &Target, &mut Host) -> Result<(), Error>,
    /// Frees them; succeeds where there are none.
    pub(crate) del: fn(&Request, &Target, &mut Host) -> Result<(), Error>,
    /// Frees all of the network but those of these attachments.
    pub(crate) gc: fn(&Request, &Valid, &mut Host) -> Result<(), Error>,
    /// Says whether it has an address to give.
    pub(crate) status: fn(&Request, &mut Host) -> Result<(), Error>,
}

/// What an attachment was given.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    /// Addresses, routes and DNS, without interfaces.
    pub(crate) result: CniResult,
    /// What is to be freed even if the configuration is gone by then; nothing of other people's plugins.
    pub(crate) leases: Vec<Lease>,
    /// Whether there is more to come, over the interface that is to be made first.
    pub(crate) is_awaited: bool,
    /// Whether a server on the link gave all this, names included.
    pub(crate) is_leased: bool,
}

/// Who gives addresses in this network.
enum Source<'r> {
    /// Nobody: the network has none.
    Nobody,
    /// A plugin of ours.
    Ours(&'static Ipam),
    /// A plugin of somebody else.
    Other(Delegate<'r>),
}

/// Ours.
pub(crate) const OURS: &[Ipam] = &[dhcp::IPAM, host_local::IPAM, r#static::IPAM];

/// The text with which the reference refuses a second ADD: what it holds is the living attachment's.
const DUPLICATE: &str = "duplicate allocation is not allowed";

/// Whether somebody gives addresses in this network.
///
/// # Errors
/// The key that says so is of the wrong type.
pub(crate) fn configured(request: &Request) -> Result<bool, Error> {
    Ok(kind(request)?.is_some())
}

/// What a runtime may ask of who gives addresses; of another's plugin, what is for such plugins by the conventions of CNI.
pub(crate) fn capabilities(request: &Request) -> &'static [&'static str] {
    match source(request) {
        Ok(Source::Nobody) | Err(_) => &[],
        Ok(Source::Ours(ipam)) => ipam.capabilities,
        Ok(Source::Other(_)) => &["ipRanges", "ips"],
    }
}

/// Whether addresses are asked for over the interface.
pub(crate) fn is_by_link(request: &Request) -> bool {
    matches!(source(request), Ok(Source::Ours(ipam)) if ipam.by_link)
}

/// Refuses to ask over an interface that leads to nobody who could answer.
pub(crate) fn refuse_by_link(request: &Request) -> Result<(), Error> {
    if !is_by_link(request) {
        return Ok(());
    }
    let kind = kind(request)?.unwrap_or_default();
    Err(Error::config(format!("key \"ipam.type\": {kind:?} asks over the interface, and nobody else is on that link")))
}

/// Takes addresses; nothing where nobody gives any. After a failure none is held.
pub(crate) fn add(request: &Request, target: &Target, host: &mut Host) -> Result<Assignment, Error> {
    let assignment = match source(request)? {
        Source::Nobody => return Ok(Assignment::default()),
        Source::Ours(ipam) => (ipam.add)(request, target, host)?,
        Source::Other(delegate) => match delegate.add() {
            Ok(result) => Assignment { result, ..Assignment::default() },
            Err(error) if error.msg.contains(DUPLICATE) => return Err(error),
            Err(error) => {
                // CNI 1.1 section 4: whose ADD failed gets DEL. The first failure is the one to tell.
                let _undone = delegate.run("DEL");
                return Err(error);
            }
        },
    };
    if assignment.result.ips.is_empty() {
        let _undone = del(request, target, host);
        return Err(Error::config("IPAM plugin returned missing IP config"));
    }
    Ok(assignment)
}

/// Says whether the attachment still has its addresses.
pub(crate) fn check(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
    match source(request)? {
        Source::Nobody => Ok(()),
        Source::Ours(ipam) => (ipam.check)(request, target, host),
        Source::Other(delegate) => delegate.run("CHECK"),
    }
}

/// Frees the attachment's addresses.
pub(crate) fn del(request: &Request, target: &Target, host: &mut Host) -> Result<(), Error> {
    match source(request)? {
        Source::Nobody => Ok(()),
        Source::Ours(ipam) => (ipam.del)(request, target, host),
        Source::Other(delegate) => delegate.run("DEL"),
    }
}

/// Frees all addresses of the network but those of valid attachments.
pub(crate) fn gc(request: &Request, valid: &Valid, host: &mut Host) -> Result<(), Error> {
    match source(request)? {
        Source::Nobody => Ok(()),
        Source::Ours(ipam) => (ipam.gc)(request, valid, host),
        Source::Other(delegate) => delegate.run("GC"),
    }
}

/// Says whether there is an address to give.
pub(crate) fn status(request: &Request, host: &mut Host) -> Result<(), Error> {
    match source(request)? {
        Source::Nobody => Ok(()),
        Source::Ours(ipam) => (ipam.status)(request, host),
        Source::Other(delegate) => delegate.run("STATUS"),
    }
}

/// Frees the leases of an attachment that are recorded, whatever the configuration says by now.
pub(crate) fn release(store: &Store, id: &AttachmentId, leases: &[Lease]) -> Result<(), Error> {
    let owner = Owner { container: id.container.clone(), ifname: id.ifname.clone() };
    let pools: BTreeSet<&Path> = leases.iter().map(|lease| lease.pool.as_path()).collect();
    for folder in pools {
        if let Some(pool) = Pool::open(store, folder)? {
            pool.lock(Instant::now() + PATIENCE)?.release(&owner)?;
        }
    }
    Ok(())
}

/// `ipam.type`; none where it is absent or empty, as in a network that has no addresses.
fn kind(request: &Request) -> Result<Option<&str>, Error> {
    let wrong = |key: &str, value: &Value| Error::config(format!("key \"{key}\": {value} is of the wrong type"));
    let Some(ipam) = find(request.raw(), "ipam") else { return Ok(None) };
    if !ipam.is_object() {
        return Err(wrong("ipam", ipam));
    }
    match find(ipam, "type") {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.as_str()).filter(|name| !name.is_empty())),
        Some(other) => Err(wrong("ipam.type", other)),
    }
}

fn source(request: &Request) -> Result<Source<'_>, Error> {
    let Some(name) = kind(request)? else { return Ok(Source::Nobody) };
    match OURS.iter().find(|ipam| ipam.name == name) {
        Some(ipam) => Ok(Source::Ours(ipam)),
        None => Delegate::find(name, request).map(Source::Other),
    }
}
