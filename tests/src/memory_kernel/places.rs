//! Interfaces of the host in containers, and interfaces that stand on others.

use netd_model::name::LinkName;
use netd_model::object::{Key, Link, Moved, Object, Side};

use super::{Errno, MemoryKernel};

impl MemoryKernel {
    /// An interface of the host goes into the container, down and without what was on it.
    pub(super) fn take_in(&mut self, container: usize, moved: &Moved) -> Result<(), Errno> {
        let home = self.host.link(Side::Host, &moved.home).cloned().ok_or(Errno::NoDevice)?;
        if self.containers[container].link(Side::Container, &moved.name).is_some() {
            return Err(Errno::Exists);
        }
        let gone = Key::Link(Side::Host, moved.home.clone());
        self.host.remove(&gone);
        self.host.retain(|object| object.carrier().as_ref() != Some(&gone));
        let inside = Link { side: Side::Container, name: moved.name.clone(), port: None, ..home.clone() };
        self.containers[container].insert(Object::Link(Link { up: Some(false), ..inside }));
        self.host.insert(Object::Moved(moved.clone()));
        self.moved.insert(moved.mark.clone(), (container, home));
        Ok(())
    }

    /// It comes home, and is as it was there but for what was on it.
    pub(super) fn bring_home(&mut self, moved: &Moved) {
        let Some((container, home)) = self.moved.remove(&moved.mark) else { return };
        let gone = Key::Link(Side::Container, moved.name.clone());
        self.containers[container].remove(&gone);
        self.containers[container].retain(|object| object.carrier().as_ref() != Some(&gone));
        self.host.insert(Object::Link(Link { port: None, up: Some(moved.was_up), ..home }));
    }

    /// With an interface go those that stand on it, wherever they are.
    pub(super) fn end_of_uppers(&mut self, container: usize, link: &Link) {
        let below = (link.side, link.name.clone());
        let stands = |object: &Object| match object {
            Object::Link(upper) if upper.kind.parent() == Some(&below) => Some(object.key()),
            _ => None,
        };
        let here = |at: usize| link.side == Side::Host || at == container;
        for at in (0..self.containers.len()).filter(|at| here(*at)) {
            let uppers: Vec<Key> = self.containers[at].iter().filter_map(stands).collect();
            for upper in &uppers {
                self.delete(at, upper);
            }
        }
    }

    /// Those that a container has end with its namespace, where they are made of software.
    pub(super) fn end_of_moved(&mut self, container: usize) {
        let moved: Vec<LinkName> =
            self.moved.iter().filter(|(_, (at, _))| *at == container).map(|(mark, _)| mark.clone()).collect();
        for mark in moved {
            self.moved.remove(&mark);
            self.host.remove(&Key::Moved(mark));
        }
    }
}
