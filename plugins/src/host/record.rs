//! Plugins that come after the one that attaches: what they want to be remembered stands in the same document.

use netd_model::{
    attachment::{AttachmentId, Section},
    plan::{Desired, plan},
};

use super::Host;
use crate::cni::{Error, Target};

impl Host {
    /// Whether the container's namespace is there.
    pub(crate) fn has_container(&self) -> bool {
        self.netns.is_some()
    }

    /// Whether there is a document of the container's interface, in whatever network.
    pub(crate) fn knows(&self, target: &Target) -> bool {
        !self.store.find(&target.id.container, &target.id.ifname).is_empty()
    }

    /// Makes the kernel as it is wanted, without a record: for what ends with the container's namespace.
    pub(crate) fn settle(&mut self, wanted: &Desired) -> Result<(), Error> {
        let observed = self.kernel.observe(wanted.keys())?;
        Ok(self.kernel.apply(&plan(wanted, &observed))?)
    }

    /// Puts a plugin's section into the attachment's document, in place of the one that it had.
    pub(crate) fn record(&self, target: &Target, plugin: &str, section: Section) -> Result<(), Error> {
        let mut attachment = self.document(&target.id);
        if (&attachment.boot, &attachment.netns) != (&self.boot.id, &self.netns) {
            // Left by a container that died; an interface plugin of ours would have made a new one by now.
            self.store.remove(&target.id)?;
            attachment = self.document(&target.id);
        }
        attachment.sections.insert(plugin.to_owned(), Box::new(section));
        Ok(self.store.write(&attachment)?)
    }

    /// What a plugin recorded.
    pub(crate) fn recorded(&self, id: &AttachmentId, plugin: &str) -> Result<Option<Section>, Error> {
        Ok(self.store.read(id)?.and_then(|mut attachment| attachment.sections.remove(plugin)).map(|section| *section))
    }

    /// Takes a plugin's section out of the attachment's document, and the document away with the last one.
    ///
    /// One that nobody can read says nothing of anybody; the interface plugin, whose DEL must come, takes it away.
    pub(crate) fn forget(&self, id: &AttachmentId, plugin: &str) -> Result<(), Error> {
        let mut attachment = match self.store.read(id) {
            Ok(Some(attachment)) => attachment,
            Ok(None) | Err(netd_store::Error::Malformed { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        attachment.sections.remove(plugin);
        if attachment.sections.is_empty() {
            self.store.remove(id)?;
            return Ok(());
        }
        Ok(self.store.write(&attachment)?)
    }
}
