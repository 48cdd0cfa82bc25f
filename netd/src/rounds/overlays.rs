//! Overlay networks: what leads to other hosts is made, kept and taken away, and the plugin gets the host's lease.

use netd_model::{
    IpNetwork,
    addr::Mtu,
    element::Set,
    name::NetworkName,
    object::{Address, GROUP, Link, LinkKind, Object, Side, State},
    overlay::{HostLease, VERSION, device},
    plan::{Desired, Plan, plan},
};

use super::{Job, Outcome, Worker};
use crate::overlay::{self, Here};

/// The sets that overlay networks have elements in.
const SETS: [Set; 3] = [Set::Vni, Set::Peer4, Set::Peer6];

/// To how many hosts the way is asked for its MTU: they are in one network, as a rule.
const WAYS: usize = 16;

impl Worker {
    /// Each network for itself: one that cannot be keeps no other from being.
    pub(super) fn see_to_overlays(&mut self, job: &Job, note: &mut impl FnMut(&str, Outcome)) {
        for here in &job.overlays.networks {
            let name = &here.overlay.name;
            note(&format!("overlay network {name}"), self.see_to_overlay(here));
            // Last of all: a runtime that sees it may add a container.
            if let Some(conflists) =
                job.conflists.as_ref().filter(|_| self.store.host_lease(name).is_ok_and(|it| it.is_some()))
            {
                note(&format!("configuration of network {name}"), conflists.write(name).map_err(Into::into));
            }
        }
    }

    /// Takes away networks that were of the settings and are no more: those that this host has a lease in. Of one that
    /// stands there and is not known (yet), nothing is touched.
    pub(super) fn take_overlays_away(&mut self, job: &Job, note: &mut impl FnMut(&str, Outcome)) {
        if !job.overlays.is_whole {
            return;
        }
        let leases = self.store.host_leases().unwrap_or_default();
        let gone = leases.into_iter().filter(|network| !job.overlays.named.contains(network));
        let is_used = |network: &NetworkName| job.snapshot.attachments.keys().any(|id| id.network == *network);
        let (used, unused): (Vec<_>, Vec<_>) = gone.partition(is_used);
        for network in unused.iter().chain(&used) {
            let removed = job.conflists.as_ref().map_or(Ok(()), |conflists| conflists.remove(network));
            note(&format!("configuration of network {network}"), removed.map_err(Into::into));
        }
        for network in &unused {
            note(&format!("overlay network {network}"), self.take_overlay_away(network));
        }
        self.kept.say(used.iter().map(ToString::to_string), |network| {
            let advice = "remove its containers, or put it back into the settings";
            tracing::warn!(network, advice, "overlay network is gone and kept for its containers");
        });
    }

    /// Takes gateways of parts that the host does not have any more from its bridges, when no container needs them: such
    /// a part may be another host's by now, and must be found there.
    pub(super) fn take_old_gateways_away(&mut self, job: &Job, note: &mut impl FnMut(&str, Outcome)) {
        for here in &job.overlays.networks {
            let name = &here.overlay.name;
            note(&format!("gateways of overlay network {name}"), self.take_old_gateways_of(here, job));
        }
    }

    fn take_old_gateways_of(&mut self, here: &Here, job: &Job) -> Outcome {
        let (network, bridge) = (&here.overlay.name, here.overlay.bridge());
        let attachments = job.snapshot.attachments.values().filter(|attachment| attachment.id.network == *network);
        let needed: State = attachments
            .flat_map(|attachment| attachment.sections.values())
            .flat_map(|section| section.shared.iter().cloned())
            .collect();
        let is_of = |subnets: &[IpNetwork], address: &IpNetwork| subnets.iter().any(|it| it.contains(address.ip()));
        let held = self.kernel.addresses(Side::Host, &bridge)?.into_iter();
        let held = held.filter(|it| is_of(&here.overlay.subnets, it) && !is_of(&here.own.subnets, it)).map(|address| {
            Object::Address(Address { side: Side::Host, link: bridge.clone(), address, detect_duplicates: false })
        });
        let absent: State = held.filter(|address| needed.find(&address.key()).is_none()).collect();
        if absent.is_empty() || self.store.network(network)?.paused {
            return Ok(());
        }
        let Some(_lock) = self.store.try_lock_shared()? else { return Ok(()) };
        let observed = self.kernel.observe(absent.keys())?;
        let plan = plan(&Desired { present: State::default(), absent }, &observed);
        for step in &plan.steps {
            tracing::info!(%network, %step, "gateway of an old part taken away");
        }
        Ok(self.kernel.apply(&plan)?)
    }

    fn take_overlay_away(&mut self, network: &NetworkName) -> Outcome {
        let Some(_lock) = self.store.try_lock_shared()? else { return Ok(()) };
        if self.store.network(network)?.paused {
            return Ok(());
        }
        let kind = LinkKind::Vxlan { vni: None, local: None, port: None };
        let device = Link { group: Some(GROUP), ..Link::new(Side::Host, device(network), kind) };
        let mut absent = State::from_iter([Object::Link(device)]);
        absent.extend(self.elements_of_overlay(network)?);
        let observed = self.kernel.observe(absent.keys())?;
        let plan = plan(&Desired { present: State::default(), absent }, &observed);
        tracing::info!(%network, steps = plan.steps.len(), "overlay network taken away");
        self.kernel.apply(&plan)?;
        self.store.remove_host_lease(network)?;
        Ok(())
    }

    /// The elements that say they are the network's.
    fn elements_of_overlay(&mut self, network: &NetworkName) -> Result<Vec<Object>, netd_kernel::Error> {
        let owner = overlay::owner(network);
        let mut elements = Vec::new();
        for set in SETS {
            let found = self.kernel.elements_of(set)?.into_iter().filter(|element| element.owner == owner);
            elements.extend(found.map(Object::Element));
        }
        Ok(elements)
    }

    fn see_to_overlay(&mut self, here: &Here) -> Outcome {
        let name = &here.overlay.name;
        if self.store.network(name)?.paused {
            return Ok(());
        }
        let mtu = self.mtu_of(here)?;
        let wanted = overlay::wanted(here, mtu);
        let plan = self.plan_of_overlay(here, &wanted)?;
        if !plan.is_empty() {
            let Some(_lock) = self.store.try_lock_shared()? else { return Ok(()) };
            let kept = self.kept_default_routes(&wanted)?;
            let kept = self.plan(&kept)?;
            self.kernel.apply(&kept)?;
            for step in &plan.steps {
                tracing::debug!(network = %name, %step, "taken");
            }
            self.kernel.apply(&plan)?;
            tracing::info!(network = %name, steps = plan.steps.len(), "overlay network brought up to date");
        }
        let (overlay, subnets) = (here.overlay.clone(), here.own.subnets.clone());
        Ok(self.store.write_host_lease(&HostLease { version: VERSION, overlay, subnets, mtu })?)
    }

    /// From what is there under the keys of `wanted`, and all else that is on the device or says it is the network's.
    fn plan_of_overlay(&mut self, here: &Here, wanted: &State) -> Result<Plan, Box<dyn std::error::Error>> {
        let device = here.overlay.device();
        let found = self.kernel.link(Side::Host, &device)?;
        if found.is_some_and(|found| !found.is_ours()) {
            return Err(format!("interface {device} is of another program: remove it, or rename the network").into());
        }
        let mut observed = self.kernel.observe(wanted.keys())?;
        let mut absent = self.kernel.on_link(&device)?;
        absent.extend(self.elements_of_overlay(&here.overlay.name)?);
        absent.retain(|object| wanted.find(&object.key()).is_none());
        observed.extend(absent.iter().cloned());
        Ok(plan(&Desired { present: wanted.clone(), absent }, &observed))
    }

    /// What a person chose, or what the ways to other hosts leave.
    fn mtu_of(&mut self, here: &Here) -> Result<Mtu, Box<dyn std::error::Error>> {
        if let Some(mtu) = here.mtu {
            return Ok(mtu);
        }
        let vteps: Vec<_> = here.peers.iter().take(WAYS).map(|peer| peer.vtep).collect();
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
