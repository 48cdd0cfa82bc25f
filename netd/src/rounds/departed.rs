//! Overlay networks that are no more: kept for the containers that they have, taken away after the last of them.

use netd_model::{
    IpNetwork,
    name::NetworkName,
    object::{Address, Link, Object, Side, State},
    overlay::{Mode, bridge, device},
    plan::{Desired, plan},
};

use super::{Job, Outcome, Worker};
use crate::overlay::{self, Here};

impl Worker {
    /// Networks that are not to be any more, or cannot be as they are written now, and have containers: for those they are
    /// kept whole, as this process knew them last.
    pub(super) fn departed(&mut self, job: &Job) -> Vec<Here> {
        let networks = &job.overlays.networks;
        self.known.extend(networks.iter().map(|here| (here.overlay.name.clone(), here.clone())));
        let is_to_be = |name: &NetworkName| networks.iter().any(|here| here.overlay.name == *name);
        self.known.retain(|name, _| is_to_be(name) || job.has_attachments(name));
        self.known.iter().filter(|(name, _)| !is_to_be(name)).map(|(_, here)| here.clone()).collect()
    }

    /// Takes away networks that were of the settings and are no more: those that this host has a lease in. Of one that
    /// stands there and is not known (yet), nothing is touched.
    pub(super) fn take_overlays_away(&mut self, job: &Job, note: &mut impl FnMut(&str, Outcome)) {
        if !job.overlays.is_whole {
            return;
        }
        let leases = self.store.host_leases().unwrap_or_default();
        let gone = leases.into_iter().filter(|network| !job.overlays.named.contains(network));
        let (used, unused): (Vec<_>, Vec<_>) = gone.partition(|network| job.has_attachments(network));
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
        for here in job.overlays.networks.iter().filter(|here| here.overlay.mode == Mode::Routed) {
            let name = &here.overlay.name;
            note(&format!("gateways of overlay network {name}"), self.take_old_gateways_of(here));
        }
    }

    fn take_old_gateways_of(&mut self, here: &Here) -> Outcome {
        let (network, bridge) = (&here.overlay.name, here.overlay.bridge());
        let is_of = |subnets: &[IpNetwork], address: &IpNetwork| subnets.iter().any(|it| it.contains(address.ip()));
        let mut held = self.kernel.addresses(Side::Host, &bridge)?;
        held.retain(|it| is_of(&here.overlay.subnets, it) && !is_of(&here.own.subnets, it));
        if held.is_empty() || self.store.network(network)?.paused {
            return Ok(());
        }
        let Some(_lock) = self.store.try_lock_shared()? else { return Ok(()) };
        let attachments = self.store.list_network(network).into_iter().collect::<Result<Vec<_>, _>>()?;
        let needed: State = attachments
            .iter()
            .flat_map(|attachment| attachment.sections.values())
            .flat_map(|section| section.shared.iter().cloned())
            .collect();
        let held = held.into_iter().map(|address| {
            let link = bridge.clone();
            Object::Address(Address { side: Side::Host, link, address, detect_duplicates: false, deprecated: false })
        });
        let absent: State = held.filter(|address| needed.find(&address.key()).is_none()).collect();
        let observed = self.kernel.observe(absent.keys())?;
        let plan = plan(&Desired { present: State::default(), absent }, &observed);
        for step in &plan.steps {
            tracing::info!(%network, %step, "gateway of an old part taken away");
        }
        Ok(self.kernel.apply(&plan)?)
    }

    /// The bridge stays where containers are on it.
    fn take_overlay_away(&mut self, network: &NetworkName) -> Outcome {
        let Some(_lock) = self.store.try_lock_shared()? else { return Ok(()) };
        // An ADD may have begun since the snapshot.
        if self.store.network(network)?.paused || !self.store.list_network(network).is_empty() {
            return Ok(());
        }
        let (device, bridge) = (device(network), bridge(network));
        let links = self.kernel.our_links()?;
        let is_on_bridge = |link: &Link| link.port.as_ref().is_some_and(|port| port.bridge == bridge);
        let has_containers = links.iter().any(|link| is_on_bridge(link) && link.name != device);
        let goes = |link: &Link| link.name == device || link.name == bridge && !has_containers;
        let mut absent: State = links.iter().filter(|link| goes(link)).cloned().map(Object::Link).collect();
        let owner = overlay::owner(network);
        let elements = self.elements()?.into_iter().filter(|element| element.owner == owner);
        absent.extend(elements.map(Object::Element));
        if let Some(lease) = self.store.host_lease(network)? {
            absent.extend(self.direct_routes_of(&lease.overlay)?);
        }
        let observed = self.kernel.observe(absent.keys())?;
        let plan = plan(&Desired { present: State::default(), absent }, &observed);
        tracing::info!(%network, steps = plan.steps.len(), "overlay network taken away");
        self.kernel.apply(&plan)?;
        self.store.remove_host_lease(network)?;
        Ok(())
    }
}
