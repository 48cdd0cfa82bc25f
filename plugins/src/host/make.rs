//! ADD: what must not be there, then intent, kernel, done.

use std::time::Instant;

use netd_model::{
    attachment::{Attachment, AttachmentId, Progress, Section, VERSION},
    name::LinkName,
    object::{Key, Link, LinkKind, Object, Side, State},
    overlay::HostLease,
    plan::{Desired, plan},
};

use super::{COMING_UP, Host, PATIENCE};
use crate::{
    cni::{Error, Kind, Target},
    ipam::Assignment,
};

/// How often ADD looks again when what it saw is gone by the time it changes something: others flush rulesets.
const LOOKS: u32 = 10;

/// What a plugin is about to make for an attachment.
pub(crate) struct Intent<'a> {
    /// The attachment.
    pub(crate) target: &'a Target,
    /// The plugin's type, which names its section.
    pub(crate) plugin: &'static str,
    /// What it wants, to be recorded.
    pub(crate) section: Section,
    /// What must be so before, not to be recorded.
    pub(crate) before: State,
    /// What must not be there.
    pub(crate) absent: State,
    /// The host's lease in an overlay network that all this follows from.
    pub(crate) lease: Option<&'a HostLease>,
    /// What IPAM gave for it. Where more is awaited, the attachment is not ready yet.
    pub(crate) given: &'a Assignment,
}

impl Host {
    /// Refuses a second ADD of an attachment that lives, and an interface of that name which is not ours to replace.
    ///
    /// What a dead one left is removed. Nothing else is changed.
    pub(crate) fn refuse_live(&mut self, id: &AttachmentId) -> Result<(), Error> {
        for found in self.store.find(&id.container, &id.ifname) {
            // One that cannot be read tells nothing; the names in the kernel are looked at below.
            let Ok(found) = found else { continue };
            if found.progress == Progress::Ready && !self.is_dead(&found) {
                let owner = found.id.owner();
                let text = format!("attachment {owner} has been added already, duplicate ADD is not allowed");
                return Err(Error::new(Kind::Exists, text).with_details("DEL removes it"));
            }
            self.remove_document(&found)?;
        }
        if self.kernel.link(Side::Container, &id.ifname)?.is_some() {
            return Err(Error::new(Kind::Exists, format!("container veth name (\"{}\") already exists", id.ifname)));
        }
        match self.kernel.link(Side::Host, &id.host_link())? {
            Some(left) if is_left_by(&left, id) => self.remove_objects(State::from_iter([Object::Link(left)])),
            Some(other) => Err(Error::new(Kind::Exists, format!("host veth name (\"{}\") already exists", other.name))),
            None => Ok(()),
        }
    }

    /// Makes what is intended. After a failure nothing that is the attachment's own is left.
    pub(crate) fn make(&mut self, intent: &Intent<'_>) -> Result<(), Error> {
        let id = &intent.target.id;
        let mut attachment = self.document(id);
        attachment.progress = Progress::Adding;
        let section = Section { leases: intent.given.leases.clone(), ..intent.section.clone() };
        attachment.sections.insert(intent.plugin.to_owned(), Box::new(section));
        self.store.write(&attachment)?;
        if let Err(error) = self.realise(intent) {
            // The first failure is the one to tell.
            let _ = self.remove_document(&attachment);
            return Err(error);
        }
        if intent.given.is_awaited {
            return Ok(());
        }
        attachment.progress = Progress::Ready;
        if let Err(error) = self.store.write(&attachment) {
            let _ = self.remove_document(&attachment);
            return Err(error.into());
        }
        Ok(())
    }

    /// The attachment's document, or a new one for this boot and namespace.
    pub(crate) fn document(&self, id: &AttachmentId) -> Attachment {
        let found = self.store.read(id).ok().flatten();
        found.unwrap_or_else(|| Attachment {
            version: VERSION,
            id: id.clone(),
            progress: Progress::Ready,
            boot: self.boot.id.clone(),
            netns: self.netns.clone(),
            sections: std::collections::BTreeMap::new(),
        })
    }

    fn realise(&mut self, intent: &Intent<'_>) -> Result<(), Error> {
        let Section { shared, own, .. } = &intent.section;
        let wanted = Desired { present: union(&intent.before, shared), absent: shared_of(&intent.absent, own) };
        let private = Desired { present: own.clone(), absent: own_of(&intent.absent, own) };
        self.bring_about(&wanted, &private, intent.lease)?;
        self.come_up(own)
    }

    /// Makes what attachments share, if anything of it is missing, then what is this one's.
    pub(super) fn bring_about(
        &mut self,
        shared: &Desired,
        private: &Desired,
        lease: Option<&HostLease>,
    ) -> Result<(), Error> {
        let mut looks = 0;
        loop {
            looks += 1;
            match self.change(shared, private, lease)? {
                // Somebody flushed the ruleset, or deleted the bridge, after it was looked at.
                Err(error) if error.is_gone() && looks < LOOKS => {}
                changed => return Ok(changed?),
            }
        }
    }

    /// Looks, and makes what is missing; the kernel's last word, where something can have gone meanwhile.
    fn change(
        &mut self,
        wanted: &Desired,
        private: &Desired,
        lease: Option<&HostLease>,
    ) -> Result<Result<(), netd_kernel::Error>, Error> {
        let keys: Vec<&Key> = wanted.keys().chain(private.keys()).collect();
        let observed = self.kernel.observe(keys)?;
        if !plan(wanted, &observed).is_empty()
            && let Err(error) = self.share(wanted, lease)?
        {
            return Ok(Err(error));
        }
        // The plan for ports depends on the bridge that is there by now.
        Ok(self.kernel.apply(&plan(private, &union(&observed, &wanted.present))))
    }

    /// Makes what attachments share. Another plugin may be making the same: only one at a time looks and makes. So does
    /// netd, and takes the lease of a network that it changes or takes away first.
    fn share(&mut self, wanted: &Desired, lease: Option<&HostLease>) -> Result<Result<(), netd_kernel::Error>, Error> {
        let _lock = self.store.lock_shared(Instant::now() + PATIENCE)?;
        if let Some(lease) = lease {
            self.holds(lease)?;
        }
        let observed = self.kernel.observe(wanted.keys())?;
        Ok(self.kernel.apply(&plan(wanted, &observed)))
    }

    /// Whether the lease is still the host's; how much crosses may be another number.
    fn holds(&self, lease: &HostLease) -> Result<(), Error> {
        let network = &lease.overlay.name;
        let is_same =
            |now: HostLease| (&now.overlay, &now.subnets, now.mac) == (&lease.overlay, &lease.subnets, lease.mac);
        if self.store.host_lease(network)?.is_some_and(is_same) {
            return Ok(());
        }
        let text = format!("overlay network {network} is being changed or taken away");
        Err(Error::new(Kind::TryAgain, text).with_details("try again; `netd show networks` says whether it is there"))
    }

    /// Waits for the container's ends of pairs that were set up: until then packets are lost. Of others the far end is
    /// not ours, and may be down.
    fn come_up(&mut self, own: &State) -> Result<(), Error> {
        for object in own.iter() {
            if let Object::Link(Link { side: Side::Container, name, kind, up: Some(true), .. }) = object
                && matches!(kind, LinkKind::Veth { .. })
                && own.iter().any(|other| is_other_end(other, name))
            {
                self.kernel.wait_up(Side::Container, name, COMING_UP)?;
            }
        }
        Ok(())
    }
}

/// Whether this is the end that names the other.
fn is_other_end(object: &Object, name: &LinkName) -> bool {
    matches!(object, Object::Link(Link { kind: LinkKind::Veth { peer: Some((_, peer)) }, .. }) if peer == name)
}

/// A link that an ADD of this attachment made before it was killed.
fn is_left_by(link: &Link, id: &AttachmentId) -> bool {
    link.is_ours() && link.alias.as_ref().is_none_or(|alias| *alias == id.owner())
}

fn union(a: &State, b: &State) -> State {
    let mut union = a.clone();
    union.extend(b.iter().cloned());
    union
}

/// What of `absent` stands on a thing of `own`.
fn own_of(absent: &State, own: &State) -> State {
    let stands = |object: &&Object| object.carrier().is_some_and(|link| own.find(&link).is_some());
    absent.iter().filter(stands).cloned().collect()
}

/// The rest of `absent`.
fn shared_of(absent: &State, own: &State) -> State {
    let own = own_of(absent, own);
    absent.iter().filter(|object| own.find(&object.key()).is_none()).cloned().collect()
}
