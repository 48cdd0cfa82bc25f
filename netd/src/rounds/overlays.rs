//! Overlay networks: what leads to other hosts is made, kept and taken away, and the plugin gets the host's lease.

use std::collections::BTreeSet;

use netd_model::{
    addr::Mtu,
    element::Set,
    name::LinkName,
    object::{LinkKind, Object, Side, State},
    overlay::{HostLease, VERSION},
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
    pub(super) fn see_to_overlays(&mut self, networks: &[Here], note: &mut impl FnMut(&str, Outcome)) {
        for here in networks {
            note(&format!("overlay network {}", here.overlay.name), self.see_to_overlay(here));
        }
    }

    /// Takes away what is left of networks that are in the settings no more. Of one that stands there and is not known
    /// (yet), nothing is touched.
    pub(super) fn take_overlays_away(&mut self, job: &Job) -> Outcome {
        let names = &job.overlays.named;
        let devices: BTreeSet<LinkName> = names.iter().map(netd_model::overlay::device).collect();
        let owners: BTreeSet<String> = names.iter().map(overlay::owner).collect();
        let is_left = |link: &netd_model::object::Link| {
            matches!(link.kind, LinkKind::Vxlan { .. }) && !devices.contains(&link.name)
        };
        let links = self.kernel.our_links()?.into_iter().filter(is_left).map(Object::Link);
        let mut absent: State = links.collect();
        for set in SETS {
            let elements = self.kernel.elements_of(set)?.into_iter();
            absent.extend(elements.filter(|element| !owners.contains(&element.owner)).map(Object::Element));
        }
        for network in self.store.host_leases()?.iter().filter(|network| !names.contains(*network)) {
            self.store.remove_host_lease(network)?;
        }
        if absent.is_empty() {
            return Ok(());
        }
        let observed = self.kernel.observe(absent.keys())?;
        let plan = plan(&Desired { present: State::default(), absent }, &observed);
        tracing::info!(steps = plan.steps.len(), "overlay networks that are gone taken away");
        Ok(self.kernel.apply(&plan)?)
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
            tracing::info!(network = %name, steps = plan.steps.len(), "overlay network brought up to date");
            for step in &plan.steps {
                tracing::debug!(network = %name, %step, "taken");
            }
            self.kernel.apply(&plan)?;
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
        let owner = overlay::owner(&here.overlay.name);
        for set in SETS {
            let elements = self.kernel.elements_of(set)?.into_iter().filter(|element| element.owner == owner);
            absent.extend(elements.map(Object::Element));
        }
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
            None => self.kernel.uplink_mtu()?,
        };
        let name = &here.overlay.name;
        let underlay = underlay.ok_or_else(|| format!("no route leads to another host of network {name}"))?;
        Ok(overlay::mtu_inside(underlay, here.own.vtep, &here.overlay)?)
    }
}
