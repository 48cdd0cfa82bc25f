//! GC: what is not valid goes, by its document or by the owner that it carries in the kernel.

use std::{collections::BTreeSet, time::Instant};

use netd_kernel::{Kernel, Netns};
use netd_model::{
    attachment::{Attachment, AttachmentId},
    element::Set,
    name::NetworkName,
    object::{Object, State},
};

use super::{Host, PATIENCE};
use crate::cni::{Error, Valid};

impl Host {
    /// Removes all attachments of a network but the valid ones, and goes on after a failure.
    pub(crate) fn collect(&mut self, network: &NetworkName, valid: &Valid) -> Result<(), Error> {
        let is_valid = |id: &AttachmentId| valid.contains(&(id.container.clone(), id.ifname.clone()));
        let mut failures = Vec::new();
        let mut kept = BTreeSet::new();
        for found in self.store.list_network(network) {
            match found {
                Ok(found) if is_valid(&found.id) => drop(kept.insert(found.id.owner())),
                Ok(found) => failures.extend(self.collect_one(&found.id).err()),
                Err(error) => failures.push(error.into()),
            }
        }
        self.store.forget(network);
        kept.extend(valid.iter().map(|(container, ifname)| {
            let (network, container, ifname) = (network.clone(), container.clone(), ifname.clone());
            AttachmentId { network, container, ifname }.owner()
        }));
        failures.extend(self.collect_orphans(network, &kept).err());
        Error::collect(failures)
    }

    fn collect_one(&mut self, id: &AttachmentId) -> Result<(), Error> {
        let _lock = self.store.lock_attachment(&id.container, &id.ifname, Instant::now() + PATIENCE)?;
        match self.store.read(id)? {
            Some(attachment) => self.beside(&attachment).remove_document(&attachment),
            None => Ok(()),
        }
    }

    /// Removes an attachment whose container is no more, as its DEL would; whether it is gone. Not one that somebody works
    /// on.
    pub(crate) fn remove_if_dead(&mut self, id: &AttachmentId) -> Result<bool, Error> {
        let Some(_lock) = self.store.try_lock_attachment(&id.container, &id.ifname)? else { return Ok(false) };
        match self.store.read(id)? {
            Some(attachment) if self.is_dead(&attachment) => {
                self.beside(&attachment).remove_document(&attachment).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// The host with the container's namespace, if that is still there: what is only in it has to go as well.
    fn beside(&self, attachment: &Attachment) -> Self {
        let is_same = |found: &Netns| !found.is_own() && Some(found.identity()) == attachment.netns.as_ref();
        let netns = attachment.netns.as_ref().and_then(|known| Netns::open(&known.path).ok().flatten());
        let netns = netns.filter(is_same);
        let identity = netns.as_ref().map(|netns| netns.identity().clone());
        Self { kernel: Kernel::open(netns), store: self.store.clone(), boot: self.boot.clone(), netns: identity }
    }

    /// Links and elements that say they are of this network, and of no attachment that is kept.
    fn collect_orphans(&mut self, network: &NetworkName, kept: &BTreeSet<String>) -> Result<(), Error> {
        let prefix = format!("{network}/");
        let is_orphan = |owner: &str| owner.starts_with(&prefix) && !kept.contains(owner);
        let links = self.kernel.our_links()?;
        let mut orphans: State =
            links.into_iter().filter(|link| link.alias.as_deref().is_some_and(is_orphan)).map(Object::Link).collect();
        for set in Set::ALL {
            let elements = self.kernel.elements_of(set)?;
            orphans.extend(elements.into_iter().filter(|element| is_orphan(&element.owner)).map(Object::Element));
        }
        self.remove_objects(orphans)
    }
}
