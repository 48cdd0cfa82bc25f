//! Overlay networks: what leads to other hosts is made and kept, and the plugin gets the host's lease.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use netd_model::{
    IpNetwork,
    addr::Mtu,
    element::{Element, Set},
    name::{LinkName, NetworkName},
    object::{Key, Link, Object, Side, State},
    overlay::{HostLease, Member, Mode, Overlay, VERSION, l2},
    plan::{Desired, Plan, plan},
};

use super::{Faults, Job, Outcome, Worker};
use crate::{
    heard,
    logs::chain,
    overlay::{self, Change, Here, Ways},
    pace::Depth,
};

/// To how many hosts the way is asked for its MTU: they are in one network, as a rule.
const WAYS: usize = 16;

/// How long the kernel's tables are not read while nobody says that they changed.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// A network as it was last brought up to date.
pub(super) struct Applied {
    here: Here,
    ways: Ways,
    /// The number of its device: another one has nothing on it.
    device: Option<u32>,
    /// When all of it was looked at.
    looked: Instant,
}

impl Worker {
    /// Each network for itself: one that cannot be keeps no other from being.
    pub(super) fn see_to_overlays(&mut self, job: &Job, note: &mut impl FnMut(&str, Outcome)) {
        let departed = self.departed(job);
        let networks: Vec<&Here> = job.overlays.networks.iter().chain(&departed).collect();
        let is_known = |name: &NetworkName| networks.iter().any(|here| here.overlay.name == *name);
        self.mtus.send_if_modified(|told| {
            let count = told.len();
            told.retain(|name, _| is_known(name));
            told.len() != count
        });
        if !networks.is_empty() && self.touched.is_none() {
            match heard::start_for_overlays(self.events.clone()) {
                Ok(touched) => self.touched = Some(touched),
                Err(error) => note("hear what breaks overlay networks", Err(error.into())),
            }
        }
        // Nobody who could say that nothing happened: all is looked at. Not where only what was told counts.
        let is_touched = job.depth != Depth::Told
            && self.touched.as_ref().is_none_or(|touched| touched.swap(false, Ordering::AcqRel));
        self.applied.retain(|name, _| !is_touched && is_known(name));
        let mut faults = Faults::new();
        for here in networks {
            let name = &here.overlay.name;
            let is_to_be = !departed.contains(here);
            let seen_to = self.see_to_overlay(here).map_err(|error| with_advice(error, here));
            faults.extend(seen_to.as_ref().err().map(|error| (name.clone(), chain(error.as_ref()))));
            note(&format!("overlay network {name}"), seen_to);
            // Last of all: a runtime that sees it may add a container.
            if let Some(conflists) =
                job.conflists.as_ref().filter(|_| is_to_be && self.store.host_lease(name).is_ok_and(|it| it.is_some()))
            {
                note(&format!("configuration of network {name}"), conflists.write(name).map_err(Into::into));
            }
        }
        self.faults.send_if_modified(|told| std::mem::replace(told, faults.clone()) != faults);
    }

    /// The elements of all overlay networks.
    pub(super) fn elements(&mut self) -> Result<Vec<Element>, netd_kernel::Error> {
        let mut elements = Vec::new();
        for set in Set::OF_OVERLAYS {
            elements.append(&mut self.kernel.elements_of(set)?);
        }
        Ok(elements)
    }

    /// The routes into the network that do without its device.
    pub(super) fn direct_routes_of(&mut self, overlay: &Overlay) -> Result<Vec<Object>, netd_kernel::Error> {
        let mut routes = self.kernel.routes_of_priority(overlay::DIRECT)?;
        routes.retain(|route| overlay::is_direct_route_of(overlay, route));
        Ok(routes.into_iter().map(Object::Route).collect())
    }

    fn see_to_overlay(&mut self, here: &Here) -> Outcome {
        let name = &here.overlay.name;
        // Whatever fails now, the next round looks at all.
        let before = self.applied.remove(name);
        if self.store.network(name)?.paused {
            return Ok(());
        }
        let own = self.mtu_of(here)?;
        self.mtus.send_if_modified(|told| told.insert(name.clone(), own) != Some(own));
        let mtu = overlay::mtu_here(here, own);
        let of_before = match before {
            Some(before) if self.still_holds(&before, mtu)? => self.change_overlay(before, here, mtu)?,
            _ => None,
        };
        let applied = match of_before {
            Some(applied) => Some(applied),
            None => self.make_overlay(here, mtu)?,
        };
        let Some(applied) = applied else { return Ok(()) };
        self.applied.insert(name.clone(), applied);
        let (overlay, subnets) = (here.overlay.clone(), here.own.subnets.clone());
        let mac = (overlay.mode == Mode::L2).then_some(here.own.mac);
        Ok(self.store.write_host_lease(&HostLease { version: VERSION, overlay, subnets, mtu, mac })?)
    }

    /// Before the mode changes: who were attached by the lease then would be neither here nor there, and would put back
    /// what the other mode has.
    fn take_lease_of_other_mode_back(&mut self, here: &Here) -> Outcome {
        let Overlay { name, mode, .. } = &here.overlay;
        if self.store.host_lease(name)?.is_some_and(|lease| lease.overlay.mode != *mode) {
            self.store.remove_host_lease(name)?;
        }
        Ok(())
    }

    /// Whether the network is worth no look at everything. What does not grow with the number of hosts is looked at.
    fn still_holds(&mut self, applied: &Applied, mtu: Mtu) -> Outcome<bool> {
        let number = netd_kernel::link_index(&applied.here.overlay.device());
        // On one link it is the device's alone.
        let is_of_peers = applied.here.overlay.mode == Mode::Routed && applied.ways.mtu != mtu;
        if applied.looked.elapsed() >= LOOK_EVERY || is_of_peers || number != applied.device {
            return Ok(false);
        }
        let mut present = overlay::apart_from_peers(&applied.here, &applied.ways);
        present.extend(overlay::samples(&applied.here, &applied.ways));
        let observed = self.kernel.observe_few(present.keys())?;
        Ok(plan(&Desired { present, absent: State::default() }, &observed).is_empty())
    }

    /// What changed since, and only that. None where that is too much, or somebody else changes shared things.
    fn change_overlay(&mut self, mut applied: Applied, here: &Here, mtu: Mtu) -> Outcome<Option<Applied>> {
        let Some(change) = Change::between(&applied.here, here) else { return Ok(None) };
        let is_other_mtu = std::mem::replace(&mut applied.ways.mtu, mtu) != mtu;
        if is_other_mtu || !change.is_empty() {
            let begin = Instant::now();
            applied.ways.on_link.append(&mut self.on_same_link(here, change.came.iter().copied())?);
            let mut desired = change.desired(&applied.ways);
            if is_other_mtu {
                desired.present.extend(overlay::apart_from_peers(here, &applied.ways));
            }
            let plan = plan(&desired, &self.kernel.observe_few(desired.keys())?);
            if !self.take(here, &desired.present, &plan, begin)? {
                return Ok(None);
            }
            let left = change.left();
            if here.overlay.mode == Mode::L2 && !left.is_empty() {
                self.kernel.unlearn(&here.overlay.device(), |destination| left.contains(&destination))?;
            }
            applied.here = here.clone();
        }
        Ok(Some(applied))
    }

    /// The whole network, from what the kernel has. None where somebody else changes shared things.
    fn make_overlay(&mut self, here: &Here, mtu: Mtu) -> Outcome<Option<Applied>> {
        let looked = Instant::now();
        let on_link = self.on_same_link(here, here.peers.values().map(Arc::as_ref))?;
        let (has_ipv6, offloads_soundly) = (netd_kernel::has_ipv6(), netd_kernel::offloads_soundly());
        let ways = Ways { mtu, on_link, has_ipv6, offloads_soundly };
        let wanted = overlay::wanted(here, &ways);
        let (desired, plan) = self.plan_of_overlay(here, wanted)?;
        if !self.take(here, &desired.present, &plan, looked)? {
            return Ok(None);
        }
        if here.overlay.mode == Mode::L2 {
            let vteps: BTreeSet<IpAddr> = here.peers.values().map(|peer| peer.vtep).collect();
            self.kernel.unlearn(&here.overlay.device(), |destination| !vteps.contains(&destination))?;
        }
        tracing::debug!(network = %here.overlay.name, elapsed = ?looked.elapsed(), "overlay network looked at");
        let device = netd_kernel::link_index(&here.overlay.device());
        Ok(Some(Applied { here: here.clone(), ways, device, looked }))
    }

    /// Takes the steps; false where somebody else changes shared things.
    fn take(&mut self, here: &Here, wanted: &State, plan: &Plan, begin: Instant) -> Outcome<bool> {
        if plan.is_empty() {
            return Ok(true);
        }
        let Some(_lock) = self.store.try_lock_shared()? else { return Ok(false) };
        // Whoever pauses it takes the lock too: afterwards nothing is changed.
        if self.store.network(&here.overlay.name)?.paused {
            return Ok(false);
        }
        self.take_lease_of_other_mode_back(here)?;
        let kept = self.kept_default_routes(wanted)?;
        let kept = self.plan(&kept)?;
        self.kernel.apply(&kept)?;
        let name = &here.overlay.name;
        for step in &plan.steps {
            tracing::debug!(network = %name, %step, "taken");
        }
        self.kernel.apply(plan)?;
        let steps = plan.steps.len();
        tracing::info!(network = %name, steps, elapsed = ?begin.elapsed(), "overlay network brought up to date");
        Ok(true)
    }

    /// Hosts that packets may go to without VXLAN.
    fn on_same_link<'a>(
        &mut self,
        here: &Here,
        peers: impl Iterator<Item = &'a Member>,
    ) -> Outcome<BTreeMap<IpAddr, LinkName>> {
        if !here.direct {
            return Ok(BTreeMap::new());
        }
        let vteps: Vec<IpAddr> = peers.map(|peer| peer.vtep).collect();
        Ok(self.kernel.on_same_link(&vteps)?)
    }

    /// Addresses of the network that its bridge may have and must not, where they are not wanted: on one link all; otherwise
    /// those that it had on one link, where the gateways are its containers'.
    fn stale_on_bridge(&mut self, here: &Here) -> Outcome<State> {
        let Here { overlay, own, .. } = here;
        let of_link = l2::addresses_of_mode(overlay, &own.subnets);
        let is_stale = |address: &IpNetwork| match overlay.mode {
            Mode::L2 => overlay.subnets.iter().any(|subnet| subnet.contains(address.ip())),
            Mode::Routed => of_link.contains(address),
        };
        let mut stale = self.kernel.on_link(&overlay.bridge())?;
        stale.retain(|object| matches!(object, Object::Address(address) if is_stale(&address.address)));
        Ok(stale)
    }

    /// From what is there under the keys of `wanted`, and all else that is on the device, is stale on the bridge, or says
    /// it is the network's.
    fn plan_of_overlay(&mut self, here: &Here, wanted: State) -> Outcome<(Desired, Plan)> {
        let Here { overlay, .. } = here;
        let (device, bridge) = (overlay.device(), overlay.bridge());
        // All of a table in one question, where one for each key would be thousands.
        let is_in_table =
            |key: &&Key| !matches!(key, Key::Element(_) | Key::Neighbour(..) | Key::Fdb(..) | Key::Route(..));
        let mut observed = self.kernel.observe(wanted.keys().filter(is_in_table))?;
        let links = [&device, &bridge].into_iter().filter_map(|name| observed.link(Side::Host, name));
        if let Some(Link { name, .. }) = links.into_iter().find(|found| !found.is_ours()) {
            return Err(format!("interface {name} is of another program: remove it, or rename the network").into());
        }
        observed.extend(self.kernel.on_link(&device)?);
        observed.extend(self.stale_on_bridge(here)?);
        observed.extend(self.direct_routes_of(overlay)?);
        let owner = overlay::owner(&here.overlay.name);
        for element in self.elements()? {
            let is_ours = element.owner == owner;
            let element = Object::Element(element);
            if is_ours || wanted.find(&element.key()).is_some() {
                observed.insert(element);
            }
        }
        let is_on_device =
            |object: &&Object| !matches!(object, Object::Program(_) | Object::Sysctl(_) | Object::Link(_));
        let absent =
            observed.iter().filter(is_on_device).filter(|object| wanted.find(&object.key()).is_none()).cloned();
        let desired = Desired { absent: absent.collect(), present: wanted };
        let plan = plan(&desired, &observed);
        Ok((desired, plan))
    }

    /// What crosses from here: what a person chose, or what the ways to other hosts leave.
    fn mtu_of(&mut self, here: &Here) -> Outcome<Mtu> {
        if let Some(mtu) = here.mtu {
            return Ok(mtu);
        }
        let vteps: Vec<_> = here.peers.values().take(WAYS).map(|peer| peer.vtep).collect();
        let underlay = match self.kernel.mtu_to(&vteps)? {
            Some(mtu) => Some(mtu),
            // Of the first host there is no other yet, and none may be reached just now.
            None => self.kernel.mtu_at(here.own.vtep)?,
        };
        let (name, vtep) = (&here.overlay.name, here.own.vtep);
        let underlay = underlay.ok_or_else(|| format!("network {name}: no interface of this host has {vtep}"))?;
        Ok(overlay::mtu_inside(underlay, here.own.vtep, &here.overlay)?)
    }
}

/// What a person can do, where that is known.
fn with_advice(error: Box<dyn Error>, here: &Here) -> Box<dyn Error> {
    let is_in_use = error.downcast_ref::<netd_kernel::Error>().is_some_and(netd_kernel::Error::is_in_use);
    if !is_in_use {
        return error;
    }
    let port = here.overlay.port;
    format!("{error}: another program has UDP port {port}; stop it, or give the network another `port`").into()
}
