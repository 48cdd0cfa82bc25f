//! DEL: what the document says, else what the names say; then the document.

use netd_model::{
    attachment::{Attachment, AttachmentId, Progress},
    object::{Direction, GROUP, Link, LinkKind, Object, Side, State},
    plan::{Desired, Plan, Step, plan},
};

use super::{Host, unrecorded};
use crate::cni::{CniResult, Error, Target};

impl Host {
    /// Removes everything that any of our plugins made for the attachment, whatever its network was called then.
    pub(crate) fn remove_all(&mut self, target: &Target, previous: Option<&CniResult>) -> Result<(), Error> {
        let mut failures = Vec::new();
        let mut recorded = false;
        for found in self.store.find(&target.id.container, &target.id.ifname) {
            match found {
                Ok(found) => {
                    recorded = true;
                    failures.extend(self.remove_document(&found).err());
                }
                // Nothing can be read from it: the names say what there is, and the next plugin must not stumble.
                Err(netd_store::Error::Malformed { .. }) => {
                    failures.extend(self.store.remove(&target.id).err().map(Error::from));
                }
                Err(error) => failures.push(error.into()),
            }
        }
        if !recorded {
            failures.extend(self.remove_unrecorded(target, previous).err());
            // An ADD that was killed while it wrote its first document left a part of it.
            failures.extend(self.store.remove(&target.id).err().map(Error::from));
        }
        Error::collect(failures)
    }

    /// DEL of one document: says that it goes, removes its objects and addresses, unlinks it.
    ///
    /// After a failure it stays, for the next DEL, GC or netd.
    pub(crate) fn remove_document(&mut self, attachment: &Attachment) -> Result<(), Error> {
        self.store.write(&Attachment { progress: Progress::Deleting, ..attachment.clone() })?;
        let mut unwanted = attachment.unwanted();
        // A path may lead to another container's namespace by now.
        let same_netns = self.netns.is_some() && self.netns == attachment.netns;
        unwanted.absent.retain(|object| object.side() == Side::Host || same_netns);
        self.remove_objects(unwanted.absent)?;
        for section in attachment.sections.values() {
            let mut before = section.before.clone();
            before.retain(|object| object.side() == Side::Host || same_netns);
            self.put_back(&before)?;
        }
        self.let_go(&attachment.id, &attachment.held())?;
        for section in attachment.sections.values() {
            crate::ipam::release(&self.store, &attachment.id, &section.leases)?;
        }
        self.store.remove(&attachment.id)?;
        Ok(())
    }

    /// Removes objects of ours, and what the kernel remembers of them: also of those that a killed DEL removed.
    pub(crate) fn remove_objects(&mut self, absent: State) -> Result<(), Error> {
        let unwanted = Desired { present: State::default(), absent };
        let observed = self.kernel.observe(unwanted.keys())?;
        self.kernel.apply(&plan(&unwanted, &observed))?;
        Ok(self.kernel.forget_flows_by(&unwanted.absent)?)
    }

    /// Removes what would hold back packets of the attachment, by its names.
    pub(crate) fn remove_ifbs(&mut self, id: &AttachmentId) -> Result<(), Error> {
        let both = [Direction::Ingress, Direction::Egress].map(|direction| id.ifb(direction));
        let sides = [Side::Host, Side::Container];
        let links = sides.into_iter().flat_map(|side| both.clone().map(|name| Link::new(side, name, LinkKind::Ifb)));
        let owned = |link: Link| Object::Link(Link { group: Some(GROUP), alias: Some(id.owner()), ..link });
        self.remove_objects(links.map(owned).collect())
    }

    /// Without a document: names that are a function of container and interface, addresses of prevResult, and the
    /// live interface if it is ours or prevResult names it, because the reference plugin made it.
    fn remove_unrecorded(&mut self, target: &Target, previous: Option<&CniResult>) -> Result<(), Error> {
        let id = &target.id;
        let host = Link {
            group: Some(GROUP),
            alias: Some(id.owner()),
            ..Link::new(Side::Host, id.host_link(), LinkKind::Veth { peer: None })
        };
        let mut absent = unrecorded::elements(id, previous);
        absent.insert(Object::Link(host));
        self.remove_objects(absent)?;
        self.remove_ifbs(id)?;
        self.sweep_attached(target, previous)?;
        if self.netns.is_none() {
            return Ok(());
        }
        let is_named = |link: &Link| link.is_ours() || previous.is_some_and(|previous| made(previous, link));
        match self.kernel.link(Side::Container, &id.ifname)? {
            Some(link) if is_made(&link.kind) && is_named(&link) => {
                Ok(self.kernel.apply(&Plan { steps: vec![Step::Delete(Object::Link(link))] })?)
            }
            _ => Ok(()),
        }
    }
}

/// Whether a plugin makes interfaces of this kind: others are the host's, or the container's own.
fn is_made(kind: &LinkKind) -> bool {
    let by_word = ["veth", "macvlan", "ipvlan", "vlan", "dummy", "tun"];
    by_word.contains(&kind.word())
}

/// Whether prevResult says that a plugin made this interface: after an ADD that was refused there is none.
fn made(previous: &CniResult, link: &Link) -> bool {
    let in_container = previous.interfaces.iter().filter(|interface| interface.sandbox.is_some());
    in_container.into_iter().any(|interface| interface.name == link.name)
}
