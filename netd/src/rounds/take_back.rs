//! What killed verbs and dead containers left, taken away as DEL does.

use std::time::{Duration, Instant};

use netd_model::{
    attachment::{Attachment, AttachmentId, Progress},
    object::{Key, LinkKind, Object, Side, State},
    plan::{Desired, plan},
};

use netd_store::lease::{Holder, Owner, Pool};

use super::{Outcome, Worker};
use crate::look;

/// How long the lock of a pool, and of what is shared, is waited for; the next round tries again.
const PATIENCE: Duration = Duration::from_millis(100);

impl Worker {
    /// Ends what a killed verb began. A verb that is alive holds its lock.
    pub(super) fn finish(&mut self, id: &AttachmentId) -> Outcome<bool> {
        self.remove_if(id, |_, attachment| Ok(attachment.progress != Progress::Ready))
    }

    /// Takes back what a container that is no more left.
    pub(super) fn take_back(&mut self, id: &AttachmentId) -> Outcome<bool> {
        self.remove_if(id, |worker, attachment| {
            let link = Key::Link(Side::Host, attachment.id.host_link());
            let has_link = worker.kernel.observe([&link])?.find(&link).is_some();
            Ok(attachment.is_dead(&worker.boot, |_| has_link, look::namespace_exists))
        })
    }

    /// Applies DEL's plan if nobody else works on the attachment and `condition` holds for its document as it is now;
    /// whether it did.
    fn remove_if(
        &mut self,
        id: &AttachmentId,
        condition: impl FnOnce(&mut Self, &Attachment) -> Result<bool, netd_kernel::Error>,
    ) -> Outcome<bool> {
        let Some(_lock) = self.store.try_lock_attachment(&id.container, &id.ifname)? else { return Ok(false) };
        let Some(mut attachment) = self.store.read(id)? else { return Ok(false) };
        if !condition(self, &attachment)? || self.store.network(&id.network)?.paused {
            return Ok(false);
        }
        // netd enters no container: what is left in one that lives is for DEL, which its runtime calls after an ADD.
        if attachment.netns.as_ref().is_some_and(look::namespace_exists) && is_in_container(&attachment) {
            return Ok(false);
        }
        if attachment.progress != Progress::Deleting {
            attachment.progress = Progress::Deleting;
            self.store.write(&attachment)?;
        }
        let desired = attachment.unwanted();
        let observed = self.kernel.observe(desired.keys())?;
        self.kernel.apply(&plan(&desired, &observed))?;
        self.kernel.forget_flows_by(&desired.absent)?;
        self.let_go(&attachment)?;
        self.free_leases(&attachment)?;
        self.store.remove(id)?;
        tracing::info!(network = %id.network, container = %id.container, ifname = %id.ifname, "taken back");
        Ok(true)
    }
}

impl Worker {
    /// What it held, if nobody else does.
    fn let_go(&mut self, attachment: &Attachment) -> Outcome {
        let held = attachment.held();
        if held.is_empty() {
            return Ok(());
        }
        let _lock = self.store.lock_shared(Instant::now() + PATIENCE)?;
        let absent = self.store.let_go(&attachment.id, &held)?;
        let desired = Desired { present: State::default(), absent };
        let observed = self.kernel.observe(desired.keys())?;
        Ok(self.kernel.apply(&plan(&desired, &observed))?)
    }

    fn free_leases(&self, attachment: &Attachment) -> Outcome {
        let AttachmentId { container, ifname, .. } = attachment.id.clone();
        let holder = Holder::Attachment(Owner { container, ifname });
        for lease in attachment.sections.values().flat_map(|section| &section.leases) {
            if let Some(pool) = Pool::open(&self.store, &lease.pool)? {
                pool.lock(Instant::now() + PATIENCE)?.release_this(lease.address, &holder)?;
            }
        }
        Ok(())
    }
}

/// Whether the attachment has more in the container than what goes with the host's end of its pair.
fn is_in_container(attachment: &Attachment) -> bool {
    let unwanted = attachment.unwanted().absent;
    let pair = attachment.host_link().and_then(|host| match &unwanted.link(Side::Host, &host)?.kind {
        LinkKind::Veth { peer } => peer.clone(),
        _ => None,
    });
    let is_peer = |object: &Object| pair.clone().is_some_and(|(side, name)| object.key() == Key::Link(side, name));
    // Nobody takes a parameter back: its namespace ends with it.
    let stays = |object: &Object| !matches!(object, Object::Sysctl(_)) && !is_peer(object);
    unwanted.iter().any(|object| object.side() == Side::Container && stays(object))
}

#[cfg(test)]
mod tests {
    use netd_model::object::Link;

    use super::*;
    use crate::sample;

    #[test]
    fn a_pair_goes_with_its_end_on_the_host_and_other_things_in_the_container_do_not() {
        let mut attachment = sample::attachment("web", "c1", "10.1.0.7");
        assert!(!is_in_container(&attachment));
        let other = Link::new(Side::Container, "eth1".parse().unwrap(), LinkKind::Other("macvlan".to_owned()));
        attachment.sections.get_mut("bridge").unwrap().own.insert(Object::Link(other));
        assert!(is_in_container(&attachment));
    }
}
