//! Plugins that change what another made: what they change is recorded with what it was before, and put back.

use std::time::Instant;

use netd_model::{
    attachment::{Attachment, AttachmentId, Section},
    object::{Key, Link, Object, Port, Side, State},
    plan::{Desired, Plan, Step, plan},
};

use super::{Host, PATIENCE};
use crate::cni::{Error, Target};

impl Host {
    /// Records what a plugin is about to change and make, then does so. After a failure all is as it was.
    ///
    /// A plugin may be twice in a chain: then what the first found is what DEL puts back.
    ///
    /// # Errors
    /// A thing that is to be changed refuses.
    pub(crate) fn alter(&mut self, target: &Target, plugin: &str, mut section: Section) -> Result<(), Error> {
        let observed = self.kernel.observe(section.changed.keys())?;
        section.before.extend(section.changed.iter().filter_map(|wanted| as_it_was(wanted, &observed)));
        if let Some(earlier) = self.earlier(&target.id, plugin)? {
            section.before = joined(section.before, earlier.before);
            section.changed = joined(earlier.changed, section.changed);
            section.own = joined(earlier.own, section.own);
            section.held = joined(earlier.held, section.held);
        }
        self.record(target, plugin, section.clone())?;
        let done = self.alter_recorded(target, &section);
        if done.is_err() {
            // The first failure is the one to tell.
            let _ = self.undo_but(&target.id, plugin, |_, _| false);
        }
        done
    }

    /// What the plugin recorded of this very container.
    fn earlier(&self, id: &AttachmentId, plugin: &str) -> Result<Option<Section>, Error> {
        let document = self.store.read(id)?;
        let document = document.filter(|found| (&found.boot, &found.netns) == (&self.boot.id, &self.netns));
        Ok(document.and_then(|mut document| document.sections.remove(plugin)).map(|section| *section))
    }

    fn alter_recorded(&mut self, target: &Target, section: &Section) -> Result<(), Error> {
        self.store.hold(&target.id, &section.held, Instant::now() + PATIENCE)?;
        let shared = joined(section.shared.clone(), section.held.clone());
        let present = |state: &State| Desired { present: state.clone(), absent: State::default() };
        let mut all = section.changed.clone();
        all.extend(section.own.iter().cloned());
        // A change may take along what stands on the interface: then that is put there again.
        if !section.changed.is_empty() {
            self.bring_about(&present(&shared), &present(&section.changed), None)?;
        }
        self.bring_about(&present(&shared), &present(&all), None)?;
        self.kernel.forget_flows_before(&section.own)?;
        // What it takes away the kernel may have made itself, and then does not show.
        let taken = section.before.iter().filter(|object| section.changed.find(&object.key()).is_none());
        let mut steps: Vec<Step> = taken.cloned().map(Step::Delete).collect();
        // What goes by a router goes before the way to the router.
        steps.sort_by_key(|step| matches!(step, Step::Delete(Object::Route(route)) if route.gateway.is_none()));
        Ok(self.kernel.apply(&Plan { steps })?)
    }

    /// DEL of such a plugin: what it made goes, what it changed is as before, and nothing of it is recorded.
    pub(crate) fn undo(&mut self, id: &AttachmentId, plugin: &str) -> Result<(), Error> {
        self.undo_but(id, plugin, ends_with_port)
    }

    /// The same, but what `ends` is not changed back.
    fn undo_but(
        &mut self,
        id: &AttachmentId,
        plugin: &str,
        ends: impl Fn(&Attachment, &Object) -> bool,
    ) -> Result<(), Error> {
        let document = match self.store.read(id) {
            Ok(document) => document,
            // The names say what there is; the interface plugin, whose DEL must come, takes it away.
            Err(netd_store::Error::Malformed { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(document) = document else { return Ok(()) };
        if let Some(section) = document.sections.get(plugin) {
            let own = Attachment { sections: [(plugin.to_owned(), section.clone())].into(), ..document.clone() };
            self.remove_objects(self.still_here(&document, own.unwanted().absent))?;
            let mut before = self.still_here(&document, section.before.clone());
            before.retain(|object| !ends(&document, object));
            self.put_back(&before)?;
            self.let_go(id, &section.held)?;
        }
        self.forget(id, plugin)
    }

    /// Puts back what a plugin changed, as far as there is something to be changed back.
    pub(super) fn put_back(&mut self, before: &State) -> Result<(), Error> {
        if before.is_empty() {
            return Ok(());
        }
        let carriers: Vec<Key> = before.iter().filter_map(Object::carrier).collect();
        let observed = self.kernel.observe(before.keys().chain(&carriers))?;
        let is_there = |object: &Object| match (object, observed.find(&object.key())) {
            (Object::Link(wanted), Some(Object::Link(found))) => wanted.kind.word() == found.kind.word(),
            (Object::Sysctl(_), found) => found.is_some(),
            (Object::Route(_) | Object::Address(_) | Object::Point(_), _) => {
                object.carrier().is_some_and(|link| is_up(&observed, &link))
            }
            _ => false,
        };
        let present = before.iter().filter(|object| is_there(object)).cloned().collect();
        let wanted = Desired { present, absent: State::default() };
        Ok(self.kernel.apply(&plan(&wanted, &observed))?)
    }

    /// What of these is on the host, or in the namespace that the document is of: a path may lead to another by now.
    fn still_here(&self, document: &Attachment, mut objects: State) -> State {
        let same_netns = self.netns.is_some() && self.netns == document.netns;
        objects.retain(|object| object.side() == Side::Host || same_netns);
        objects
    }
}

/// Whether it is how a port of a bridge treats frames, and the attachment's own DEL takes the port away after this. To
/// change that back would only wait for the kernel, which is busy with the interfaces of others.
fn ends_with_port(document: &Attachment, object: &Object) -> bool {
    let is_own = |key: &Key| document.sections.values().any(|section| section.own.find(key).is_some());
    matches!(object, Object::Link(Link { port: Some(_), mtu: None, .. })) && is_own(&object.key())
}

/// The thing with those attributes that are to be changed; nothing where there is nothing.
fn as_it_was(wanted: &Object, observed: &State) -> Option<Object> {
    match (wanted, observed.find(&wanted.key())?) {
        (Object::Link(wanted), Object::Link(found)) => Some(Object::Link(Link {
            mac: wanted.mac.and(found.mac),
            mtu: wanted.mtu.and(found.mtu),
            promiscuous: wanted.promiscuous.and(found.promiscuous),
            all_multicast: wanted.all_multicast.and(found.all_multicast),
            queue_length: wanted.queue_length.and(found.queue_length),
            port: wanted.port.as_ref().and(found.port.clone()),
            ..Link::new(found.side, found.name.clone(), found.kind.bare())
        })),
        (_, found) => Some(found.clone()),
    }
}

/// All of both; of what is in both, what the second says before what the first does.
fn joined(mut all: State, strong: State) -> State {
    for object in strong {
        let joined = match (all.remove(&object.key()), object) {
            (Some(Object::Link(weak)), Object::Link(strong)) => Object::Link(Link {
                mac: strong.mac.or(weak.mac),
                mtu: strong.mtu.or(weak.mtu),
                promiscuous: strong.promiscuous.or(weak.promiscuous),
                all_multicast: strong.all_multicast.or(weak.all_multicast),
                queue_length: strong.queue_length.or(weak.queue_length),
                port: Port::joined(weak.port, strong.port.as_ref()),
                ..strong
            }),
            (_, object) => object,
        };
        all.insert(joined);
    }
    all
}

fn is_up(observed: &State, link: &Key) -> bool {
    matches!(observed.find(link), Some(Object::Link(Link { up: Some(true), .. })))
}
