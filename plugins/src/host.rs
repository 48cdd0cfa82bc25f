//! The host that a plugin works on: its kernel and its store, and what verbs do with both.
//!
//! The documents are written before the first change of the kernel and after the last; each verb is `plan` and `apply`
//! with another desired state. Shared by all plugins that attach.

mod check;
mod collect;
mod hold;
mod leftovers;
mod make;
mod record;
mod remove;
mod told;
mod undo;
mod unrecorded;

use std::{
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

use netd_kernel::{Kernel, Netns};
use netd_model::{
    IpNetwork,
    addr::Mtu,
    attachment::{Attachment, AttachmentId, Namespace},
    name::LinkName,
    object::{Link, Side},
};
use netd_store::{
    Boot, Lock, Store,
    lease::{Held, Owner},
};

pub(crate) use leftovers::reference_name;
pub(crate) use make::Intent;

use crate::cni::{CniResult, Command, Error, Kind, Request, Target};

/// How long a verb waits for a lock. The kubelet gives a verb 60 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an interface may take to come up.
const COMING_UP: Duration = Duration::from_secs(2);

/// How long IPv6 may look for duplicates.
const DETECTING: Duration = Duration::from_secs(5);

/// The host and the container's namespace, if there is one.
pub(crate) struct Host {
    pub(crate) kernel: Kernel,
    pub(crate) store: Store,
    boot: Boot,
    netns: Option<Namespace>,
}

impl Host {
    /// Opens both for a command about one container.
    ///
    /// # Errors
    /// The container's namespace is the plugin's own, or cannot be opened in ADD and CHECK. In DEL it may be gone.
    pub(crate) fn open(request: &Request, target: &Target) -> Result<Self, Error> {
        let netns = match &target.netns {
            None => None,
            Some(path) => container(path, target, matches!(request.command, Command::Del(_)))?,
        };
        let identity = netns.as_ref().map(|netns| netns.identity().clone());
        Self::with(request, Kernel::open(netns), identity)
    }

    /// Opens both for a command about a whole network.
    pub(crate) fn open_without_container(request: &Request) -> Result<Self, Error> {
        Self::with(request, Kernel::open(None), None)
    }

    fn with(request: &Request, kernel: Kernel, netns: Option<Namespace>) -> Result<Self, Error> {
        let store = Store::open(&request.run_dir);
        let boot = store.boot()?;
        Ok(Self { kernel, store, boot, netns })
    }

    /// Takes the attachment's lock for the whole verb.
    pub(crate) fn lock(&self, id: &AttachmentId) -> Result<Lock, Error> {
        Ok(self.store.lock_attachment(&id.container, &id.ifname, Instant::now() + PATIENCE)?)
    }

    /// Takes a lock of all attachments of a container, after that of one: while something is chosen in its namespace.
    pub(crate) fn lock_container(&self, id: &AttachmentId) -> Result<Lock, Error> {
        let lo = "lo".parse().expect("invariant: lo is a link name");
        // No interface has the second name of another.
        let all = AttachmentId { ifname: lo, ..id.clone() }.mark();
        Ok(self.store.lock_attachment(&id.container, &all, Instant::now() + PATIENCE)?)
    }

    /// The link of this name.
    pub(crate) fn link(&mut self, side: Side, name: &LinkName) -> Result<Option<Link>, Error> {
        Ok(self.kernel.link(side, name)?)
    }

    /// The addresses of a link; none if it is not there.
    pub(crate) fn addresses(&mut self, side: Side, link: &LinkName) -> Result<Vec<IpNetwork>, Error> {
        Ok(self.kernel.addresses(side, link)?)
    }

    /// The largest packet that the host's default route takes.
    pub(crate) fn uplink_mtu(&mut self) -> Result<Option<Mtu>, Error> {
        Ok(self.kernel.uplink_mtu()?)
    }

    /// Interfaces that would stop taking router advertisements when forwarding is switched on.
    pub(crate) fn interfaces_accepting_ra(&mut self) -> Result<Vec<LinkName>, Error> {
        Ok(self.kernel.interfaces_accepting_ra()?)
    }

    /// The interface that leads to an address of the container's, where a plugin of this chain gave it one: by others, such
    /// as the host's own where the container has another address on it, nothing leads to the container alone.
    pub(crate) fn leads_to(&mut self, address: IpAddr, previous: &CniResult) -> Result<Option<LinkName>, Error> {
        let Some(link) = self.kernel.link_to(address)? else { return Ok(None) };
        let mut of_chain = previous.interfaces.iter().filter(|interface| interface.sandbox.is_none());
        let is_of_chain = link.is_ours() || of_chain.any(|interface| interface.name == link.name);
        Ok(is_of_chain.then_some(link.name))
    }

    /// Waits until IPv6 has found no duplicate of the container's addresses.
    pub(crate) fn wait_unique(&mut self, target: &Target) -> Result<(), Error> {
        Ok(self.kernel.wait_unique(Side::Container, &target.id.ifname, DETECTING)?)
    }

    /// Which namespace the container's is.
    pub(crate) fn namespace(&self) -> Option<&Namespace> {
        self.netns.as_ref()
    }

    /// Whether the attachment's container is no more.
    fn is_dead(&mut self, attachment: &Attachment) -> bool {
        is_dead(&mut self.kernel, &self.boot, attachment)
    }

    /// Lets `work` use the store with a way to tell leases that nobody uses any more, for who asks for an address.
    pub(crate) fn with_stale<T>(
        &mut self,
        asker: Option<&Owner>,
        work: impl FnOnce(&Store, &mut dyn FnMut(&Held) -> bool) -> T,
    ) -> T {
        let Self { kernel, store, boot, .. } = self;
        let mut dead = |attachment: &Attachment| is_dead(kernel, boot, attachment);
        work(store, &mut |held| store.is_stale(held, asker, boot, &mut dead))
    }
}

/// Why no ADD would work on this host.
pub(crate) fn lacks_nothing() -> Result<(), Error> {
    if netd_kernel::has_nft() {
        return Ok(());
    }
    let advice = "install the package nftables";
    Err(Error::new(Kind::Unavailable, "the program nft is not on this host").with_details(advice))
}

/// Refuses a container's namespace that is the plugin's own, for a plugin that needs nothing else of it.
pub(crate) fn refuse_own_netns(target: &Target) -> Result<(), Error> {
    let is_own = |path: &Path| Netns::open(path).is_ok_and(|netns| netns.is_some_and(|netns| netns.is_own()));
    if !target.may_be_own_netns && target.netns.as_deref().is_some_and(is_own) {
        return Err(Error::same_netns());
    }
    Ok(())
}

/// Asks the kernel what tells the living from the dead. What cannot be looked at is there.
fn is_dead(kernel: &mut Kernel, boot: &Boot, attachment: &Attachment) -> bool {
    let link_exists = |link: &LinkName| {
        kernel.link(Side::Host, link).map_or(true, |found| found.is_some_and(|found| found.is_ours()))
    };
    let namespace_exists = |netns: &Namespace| {
        Netns::open(&netns.path).map_or(true, |found| found.is_some_and(|found| found.identity() == netns))
    };
    attachment.is_dead(&boot.id, link_exists, namespace_exists)
}

/// Opens the container's namespace, which must not be the plugin's own.
fn container(path: &Path, target: &Target, may_be_gone: bool) -> Result<Option<Netns>, Error> {
    match Netns::open(path)? {
        Some(netns) if netns.is_own() && !target.may_be_own_netns => Err(Error::same_netns()),
        Some(netns) => Ok(Some(netns)),
        None if may_be_gone => Ok(None),
        None => {
            let path = path.display();
            Err(Error::new(Kind::Netns, format!("failed to open netns \"{path}\": it is no network namespace")))
        }
    }
}
