//! What killed verbs and dead containers left, taken away as DEL does.

use std::time::{Duration, Instant};

use netd_kernel::{Kernel, Netns};
use netd_model::{
    attachment::{Attachment, AttachmentId, Progress},
    object::{Key, Side},
    plan::plan,
};

use netd_store::lease::{Owner, Pool};

use super::{Outcome, Worker};
use crate::{look, reclaim};

/// How long the lock of a pool is waited for; the next round tries again.
const PATIENCE: Duration = Duration::from_millis(100);

impl Worker {
    /// Ends what a killed verb began. A verb that is alive holds its lock.
    pub(super) fn finish(&mut self, id: &AttachmentId) -> Outcome {
        self.remove_if(id, |_, attachment| Ok(attachment.progress != Progress::Ready))
    }

    /// Takes back what a container that is no more left.
    pub(super) fn take_back(&mut self, id: &AttachmentId) -> Outcome {
        self.remove_if(id, |worker, attachment| {
            let link = Key::Link(Side::Host, attachment.id.host_link());
            let has_link = worker.kernel.observe([&link])?.find(&link).is_some();
            Ok(reclaim::is_dead(attachment, &worker.boot, |_| has_link, look::namespace_exists))
        })
    }

    /// Applies DEL's plan if nobody else works on the attachment and `condition` holds for its document as it is now.
    fn remove_if(
        &mut self,
        id: &AttachmentId,
        condition: impl FnOnce(&mut Self, &Attachment) -> Result<bool, netd_kernel::Error>,
    ) -> Outcome {
        let Some(_lock) = self.store.try_lock_attachment(&id.container, &id.ifname)? else { return Ok(()) };
        let Some(mut attachment) = self.store.read(id)? else { return Ok(()) };
        if !condition(self, &attachment)? {
            return Ok(());
        }
        if attachment.progress != Progress::Deleting {
            attachment.progress = Progress::Deleting;
            self.store.write(&attachment)?;
        }
        let desired = attachment.unwanted();
        let mut kernel = Kernel::open(namespace(&attachment)?);
        let observed = kernel.observe(desired.keys())?;
        kernel.apply(&plan(&desired, &observed))?;
        self.free_leases(&attachment)?;
        self.store.remove(id)?;
        tracing::info!(network = %id.network, container = %id.container, ifname = %id.ifname, "taken back");
        Ok(())
    }
}

impl Worker {
    fn free_leases(&self, attachment: &Attachment) -> Outcome {
        let owner = Owner { container: attachment.id.container.clone(), ifname: attachment.id.ifname.clone() };
        for lease in attachment.sections.values().flat_map(|section| &section.leases) {
            if let Some(pool) = Pool::open(&self.store, &lease.pool)? {
                pool.lock(Instant::now() + PATIENCE)?.release_this(lease.address, &owner)?;
            }
        }
        Ok(())
    }
}

/// The container's namespace, if it is still the same one.
fn namespace(attachment: &Attachment) -> Result<Option<Netns>, netd_kernel::Error> {
    let Some(recorded) = &attachment.netns else { return Ok(None) };
    Ok(Netns::open(&recorded.path)?.filter(|found| found.identity() == recorded))
}
