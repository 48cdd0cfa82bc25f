//! Who of the recorded is alive: a look at documents, interfaces and namespaces at one moment, before anything is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use netd_kernel::{Error, Kernel, Netns};
use netd_model::{
    attachment::{Attachment, AttachmentId, Namespace, Progress},
    name::{LinkName, NetworkName},
    object::{Key, Object, State},
    overlay::Mode,
    plan::{Plan, plan},
};
use netd_store::{Snapshot, Store};

use crate::repair;

/// The attachments that are not in a paused network, by what is to be done for them.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Attachments to keep whole.
    pub(crate) living: Vec<Arc<Attachment>>,
    /// What they share, by their network, as far as it may be put back.
    pub(crate) shared: BTreeMap<NetworkName, State>,
    /// Attachments of a verb that is under way or was killed.
    pub(crate) unfinished: Vec<AttachmentId>,
    /// Attachments of containers that are no more.
    pub(crate) dead: BTreeSet<AttachmentId>,
}

impl Look {
    /// Looks now.
    pub(crate) fn now(snapshot: &Snapshot, boot: &str, kernel: &mut Kernel) -> Result<Self, Error> {
        let links: BTreeSet<LinkName> = kernel.our_links()?.into_iter().map(|link| link.name).collect();
        let mut look = Self::default();
        // What a paused network shares with others is left alone too.
        let mut left_alone: BTreeSet<Key> = BTreeSet::new();
        for (id, attachment) in &snapshot.attachments {
            if snapshot.network(&id.network).paused {
                let shared = attachment.sections.values().flat_map(|section| section.shared.iter());
                left_alone.extend(shared.filter(|object| !is_of_host(object)).map(Object::key));
            } else if attachment.progress != Progress::Ready {
                look.unfinished.push(id.clone());
            } else if attachment.is_dead(boot, |link| links.contains(link), namespace_exists) {
                look.dead.insert(id.clone());
            } else {
                look.living.push(Arc::clone(attachment));
            }
        }
        for of_network in look.living.chunk_by(|a, b| a.id.network == b.id.network) {
            let mut shared = repair::shared(of_network.iter().map(Arc::as_ref));
            shared.retain(|object| !left_alone.contains(&object.key()));
            look.shared.extend(of_network.first().map(|attachment| (attachment.id.network.clone(), shared)));
        }
        Ok(look)
    }

    /// The same for a person, who is told nothing of bridges that repair keeps apart from attachments.
    pub(crate) fn of_host(store: &Store, snapshot: &Snapshot, boot: &str, kernel: &mut Kernel) -> Result<Self, Error> {
        let mut look = Self::now(snapshot, boot, kernel)?;
        let leases = store.host_leases().unwrap_or_default();
        let leases = leases.iter().filter_map(|network| store.host_lease(network).ok()?);
        for lease in leases.filter(|lease| lease.overlay.mode == Mode::L2) {
            look.leave_bridge(&lease.overlay.name);
        }
        Ok(look)
    }

    /// Leaves alone what attachments recorded of a network's bridge before it was netd's to keep.
    pub(crate) fn leave_bridge(&mut self, network: &NetworkName) {
        if let Some(shared) = self.shared.get_mut(network) {
            shared.retain(is_of_host);
        }
    }

    /// The bridges that questions come over.
    pub(crate) fn bridges(&self) -> BTreeSet<LinkName> {
        let names = self.living.iter().filter_map(|attachment| attachment.names());
        names.flat_map(|names| &names.listen).map(|listen| listen.link.clone()).collect()
    }

    /// The interfaces that lead to containers of networks with a policy.
    pub(crate) fn guarded_links(&self) -> BTreeSet<LinkName> {
        self.living.iter().flat_map(|attachment| attachment.guarded_links()).collect()
    }

    /// The whole repair as one plan, as people read it.
    pub(crate) fn plan(&self, kernel: &mut Kernel) -> Result<Plan, Error> {
        let wanted = self.wanted();
        let observed = kernel.observe(&repair::keys(&wanted))?;
        Ok(plan(&repair::permitted(&wanted, &observed), &observed))
    }

    /// All that may be put back.
    fn wanted(&self) -> State {
        let mut wanted: State = self.shared.values().flat_map(|shared| shared.iter().cloned()).collect();
        wanted.extend(self.living.iter().flat_map(|attachment| repair::own(attachment)));
        wanted
    }
}

/// Whether it is still the same namespace.
pub(crate) fn namespace_exists(namespace: &Namespace) -> bool {
    match Netns::open(&namespace.path) {
        Ok(found) => found.is_some_and(|found| found.identity() == namespace),
        // Who cannot look does not conclude that it is gone.
        Err(_) => true,
    }
}

/// What belongs to the host as a whole and to no network: the program, parameters that no interface has.
fn is_of_host(object: &Object) -> bool {
    match object {
        Object::Program(_) => true,
        Object::Sysctl(sysctl) => sysctl.path.link().is_none(),
        _ => false,
    }
}
