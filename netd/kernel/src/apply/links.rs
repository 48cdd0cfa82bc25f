//! Interfaces, and what is on them: rtnetlink.

use std::os::fd::RawFd;

use netd_model::{
    name::LinkName,
    object::{Filter, Key, Link, LinkKind, Object, Place, Side, Verdict},
    plan::Step,
};
use rustix::io::Errno;

use super::{impossible, line};
use crate::{
    error::Error,
    kernel::{Kernel, Space},
    offload,
    rtnetlink::{address, filter, link, neighbour, property, qdisc, route, rule, vlan},
    wire::{Fault, Refusal, Requests},
};

/// Requests that are not sent yet, and the step of each.
#[derive(Default)]
struct Pending<'s> {
    requests: Requests,
    steps: Vec<&'s Step>,
}

impl Kernel {
    /// Takes steps whose requests go to the rtnetlink socket of `side`.
    pub(super) fn change_links(&mut self, side: Side, steps: &[Step]) -> Result<(), Error> {
        let netns = self.netns().map(crate::netns::Netns::descriptor);
        self.forget(steps);
        let space = self.space(side);
        let mut pending = Pending::default();
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::AddPair(one, peer) => {
                    let netns = match (one.side, peer.side, netns) {
                        (one, peer, _) if one == peer => None,
                        (Side::Host, Side::Container, Some(netns)) => Some(netns),
                        _ => return Err(Error::NoNamespace { attempt: line(step) }),
                    };
                    let master = space.master(one, &mut pending)?;
                    link::add_pair(&mut pending.requests, one, master, peer, netns);
                }
                Step::Add(Object::Link(Link { kind: LinkKind::Veth { .. }, .. })) => {
                    return Err(impossible(step, "an end of a pair is made with the other"));
                }
                Step::Add(Object::Link(wanted)) if wanted.kind.parent().is_some() => {
                    let netns = if wanted.side == side { None } else { netns };
                    space.add_upper(step, wanted, netns, &mut pending)?;
                    pending.steps.resize(pending.requests.len(), step);
                    if let Some(newborn) = wanted.newborn() {
                        space.flush(&mut pending)?;
                        self.space(wanted.side).name(step, &newborn, &wanted.name)?;
                        return self.change_links(side, steps.get(number + 1..).unwrap_or_default());
                    }
                }
                Step::Add(Object::Link(wanted)) => space.add_link(step, wanted, &mut pending)?,
                Step::Set(Link { kind: LinkKind::Veth { peer: Some(_) }, .. }) => {
                    return Err(impossible(step, "the other end is another one, and stays it"));
                }
                Step::Set(wanted) => {
                    let master = space.master(wanted, &mut pending)?;
                    link::set(&mut pending.requests, wanted, master);
                    if let Some(is_on) = wanted.checksum_offload {
                        pending.steps.resize(pending.requests.len(), step);
                        space.flush(&mut pending)?;
                        let socket = space.socket()?.descriptor();
                        let failed = |source| Error::Io { attempt: line(step), source };
                        offload::set(socket, &wanted.name, is_on).map_err(failed)?;
                    }
                }
                Step::Delete(Object::Link(unwanted)) => link::delete(&mut pending.requests, &unwanted.name),
                Step::Add(object) | Step::Delete(object) => space.change_on_link(step, object, &mut pending)?,
            }
            pending.steps.resize(pending.requests.len(), step);
        }
        space.flush(&mut pending)
    }

    /// Takes an interface of the container out of the bridge or VRF that it is a port of.
    ///
    /// # Errors
    /// The kernel refuses. That it is gone is no error.
    pub fn release(&mut self, name: &LinkName) -> Result<(), Error> {
        let mut requests = Requests::new();
        link::release(&mut requests, name);
        let released = self.container.socket()?.change(&mut requests);
        released.map_err(|fault| Error::at(fault, |_| format!("ip link set dev {name} nomaster")))
    }

    /// Forgets the numbers of interfaces that come or go.
    fn forget(&mut self, steps: &[Step]) {
        for step in steps {
            let (one, other) = match step {
                Step::AddPair(one, peer) => (one, Some(peer)),
                Step::Add(Object::Link(link)) | Step::Delete(Object::Link(link)) => (link, None),
                _ => continue,
            };
            for link in [Some(one), other].into_iter().flatten() {
                self.space(link.side).indexes.remove(&link.name);
            }
        }
    }
}

impl Space {
    /// Makes an interface that is no pair.
    ///
    /// A bridge gets its MTU afterwards: one that it is born with follows that of its ports, one that it is given stays.
    fn add_link<'s>(&mut self, step: &'s Step, wanted: &Link, pending: &mut Pending<'s>) -> Result<(), Error> {
        let master = self.master(wanted, pending)?;
        link::add(&mut pending.requests, wanted, master);
        pending.steps.resize(pending.requests.len(), step);
        if let (LinkKind::Bridge { .. }, Some(_)) = (&wanted.kind, wanted.mtu) {
            // Only of one that we made: see [`super::Kind::NewLinks`].
            self.flush(pending)?;
            let kind = LinkKind::Bridge { vlan_filtering: None };
            let mtu = Link { mtu: wanted.mtu, ..Link::new(wanted.side, wanted.name.clone(), kind) };
            link::set(&mut pending.requests, &mtu, None);
        }
        Ok(())
    }

    /// Makes an interface on another of this namespace.
    fn add_upper<'s>(
        &mut self,
        step: &'s Step,
        wanted: &Link,
        netns: Option<RawFd>,
        pending: &mut Pending<'s>,
    ) -> Result<(), Error> {
        let Some((_, below)) = wanted.kind.parent() else { return Ok(()) };
        let below = self.index(below, pending)?;
        if netns.is_none() && wanted.newborn().is_some() {
            return Err(Error::NoNamespace { attempt: line(step) });
        }
        link::add_upper(&mut pending.requests, wanted, below, netns);
        Ok(())
    }

    /// Gives a newborn interface its name.
    fn name(&mut self, step: &Step, newborn: &LinkName, name: &LinkName) -> Result<(), Error> {
        let index = self.index(newborn, &mut Pending::default())?;
        self.indexes.remove(newborn);
        let mut requests = Requests::new();
        property::rename(&mut requests, index, name, None, None);
        let named = self.socket()?.change(&mut requests).map_err(|fault| refusal_of(&[step], fault));
        if named.is_err() {
            // Nobody would look for it under this name.
            let mut requests = Requests::new();
            link::delete(&mut requests, newborn);
            let _gone = self.socket()?.change(&mut requests);
        }
        named
    }

    /// Adds what is on an interface, or removes it: what was on one that is gone is gone.
    fn change_on_link(&mut self, step: &Step, object: &Object, pending: &mut Pending<'_>) -> Result<(), Error> {
        if let Object::Rule(rule) = object {
            match step {
                Step::Delete(_) => rule::delete(&mut pending.requests, rule),
                _ => rule::add(&mut pending.requests, rule),
            }
            return Ok(());
        }
        let Some(Key::Link(_, name)) = object.carrier() else { return Ok(()) };
        let index = match step {
            Step::Delete(_) => match self.find_index(&name, pending)? {
                Some(index) => index,
                None => return Ok(()),
            },
            _ => self.index(&name, pending)?,
        };
        let target = match (step, object) {
            (Step::Add(_), Object::Filter(Filter { verdict: Verdict::Redirect(to), .. })) => {
                Some(self.index(to, pending)?)
            }
            _ => None,
        };
        let requests = &mut pending.requests;
        match step {
            Step::Add(Object::Address(wanted)) => address::add(requests, wanted, true, index),
            Step::Add(Object::Point(wanted)) => address::add(requests, wanted, false, index),
            Step::Add(Object::Neighbour(wanted)) => neighbour::add(requests, wanted, index),
            Step::Add(Object::Fdb(wanted)) => neighbour::add_fdb(requests, wanted, index),
            Step::Add(Object::Route(wanted)) => route::add(requests, wanted, index),
            Step::Add(Object::Vlan(wanted)) => vlan::add(requests, wanted, index),
            Step::Delete(Object::Address(unwanted) | Object::Point(unwanted)) => {
                address::delete(requests, unwanted, index);
            }
            Step::Delete(Object::Neighbour(unwanted)) => neighbour::delete(requests, unwanted, index),
            Step::Delete(Object::Fdb(unwanted)) => neighbour::delete_fdb(requests, unwanted, index),
            Step::Delete(Object::Route(unwanted)) => route::delete(requests, unwanted, index),
            Step::Delete(Object::Vlan(unwanted)) => vlan::delete(requests, unwanted, index),
            Step::Add(Object::Qdisc(wanted)) => qdisc::add(requests, wanted, index),
            Step::Add(Object::Filter(wanted)) => filter::add(requests, wanted, index, target),
            Step::Delete(Object::Qdisc(unwanted)) => qdisc::delete(requests, unwanted, index),
            Step::Delete(Object::Filter(unwanted)) => filter::delete(requests, unwanted, index),
            _ => {}
        }
        Ok(())
    }

    /// The number of the bridge that a link says it is a port of.
    fn master(&mut self, link: &Link, pending: &mut Pending<'_>) -> Result<Option<u32>, Error> {
        link.port.as_ref().map(|port| self.index(&port.bridge, pending)).transpose()
    }

    fn index(&mut self, name: &LinkName, pending: &mut Pending<'_>) -> Result<u32, Error> {
        let missing =
            || Error::Refused { attempt: format!("ip link show dev {name}"), errno: Errno::NODEV, said: String::new() };
        self.find_index(name, pending)?.ok_or_else(missing)
    }

    /// The number of an interface: as it was met, or looked up after what may make it was sent.
    fn find_index(&mut self, name: &LinkName, pending: &mut Pending<'_>) -> Result<Option<u32>, Error> {
        if !self.indexes.contains_key(name) {
            self.flush(pending)?;
            let found = self.number(name)?;
            self.indexes.extend(found.map(|index| (name.clone(), index)));
        }
        Ok(self.indexes.get(name).copied())
    }

    /// Sends what is pending.
    fn flush(&mut self, pending: &mut Pending<'_>) -> Result<(), Error> {
        let Pending { mut requests, steps } = std::mem::take(pending);
        if requests.is_empty() {
            return Ok(());
        }
        let sent = self.socket()?.change(&mut requests);
        if sent.is_err() {
            // Something is not as it was: the numbers may not be, either.
            self.indexes.clear();
        }
        sent.map_err(|fault| refusal_of(&steps, fault))
    }
}

/// The refusal of a step, or which part of the kernel is missing if that is what it means.
fn refusal_of(steps: &[&Step], fault: Fault) -> Error {
    let step = |index: usize| steps.get(index).or(steps.first());
    if let Fault::Refused(index, refusal) = &fault
        && let Some(step) = step(*index)
        && let Some(option) = option_of(step, refusal)
    {
        return Error::MissingFeature { attempt: line(step), option };
    }
    Error::at(fault, |index| step(index).map(|step| line(step)).unwrap_or_default())
}

/// What a kernel lacks that does not know what the step makes.
fn option_of(step: &Step, refusal: &Refusal) -> Option<&'static str> {
    match (step, refusal.errno) {
        (Step::Add(Object::Qdisc(_) | Object::Filter(_)), Errno::OPNOTSUPP) => return Some("CONFIG_NET_SCHED"),
        (Step::Add(Object::Qdisc(qdisc)), Errno::NOENT) => {
            let is_queue = qdisc.place() == Place::Root;
            return Some(if is_queue { "CONFIG_NET_SCH_TBF" } else { "CONFIG_NET_SCH_INGRESS" });
        }
        (Step::Add(Object::Filter(_)), Errno::NOENT) => {
            let is_action = refusal.said.contains("action");
            return Some(if is_action { "CONFIG_NET_ACT_MIRRED" } else { "CONFIG_NET_CLS_U32" });
        }
        (_, Errno::OPNOTSUPP) => {}
        _ => return None,
    }
    match step {
        Step::AddPair(..) => Some("CONFIG_VETH"),
        Step::Add(Object::Rule(_)) => Some("CONFIG_IP_MULTIPLE_TABLES"),
        Step::Add(Object::Vlan(_)) => Some("CONFIG_BRIDGE_VLAN_FILTERING"),
        Step::Add(Object::Link(link)) | Step::Set(link) => match link.kind {
            LinkKind::Bridge { vlan_filtering: Some(true) } => Some("CONFIG_BRIDGE_VLAN_FILTERING"),
            LinkKind::Bridge { .. } => Some("CONFIG_BRIDGE"),
            LinkKind::Vxlan { .. } => Some("CONFIG_VXLAN"),
            LinkKind::Macvlan { .. } => Some("CONFIG_MACVLAN"),
            LinkKind::Ipvlan { .. } => Some("CONFIG_IPVLAN"),
            LinkKind::Vlan { .. } => Some("CONFIG_VLAN_8021Q"),
            LinkKind::Dummy => Some("CONFIG_DUMMY"),
            LinkKind::Ifb => Some("CONFIG_IFB"),
            LinkKind::Vrf { .. } => Some("CONFIG_NET_VRF"),
            _ => None,
        },
        _ => None,
    }
}
