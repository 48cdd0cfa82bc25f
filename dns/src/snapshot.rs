//! The snapshot that questions are answered from.
//!
//! [`Zones`] is immutable and is replaced whole. What did not change is the same object in the next one.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::counters::Tally;
use crate::limit::Client;
use crate::zone::{Zone, holds};
use crate::{ContainerId, Name, Network, NetworkId, SplitDomain};

#[cfg(test)]
mod tests;

/// All networks of this host at one moment.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    generation: u64,
    networks: imbl::HashMap<NetworkId, Arc<Zone>>,
    /// The networks of each container, in their order. Questions do not look here.
    containers: imbl::HashMap<ContainerId, Arc<[NetworkId]>>,
    /// The same of each container that is on more than one.
    memberships: imbl::HashMap<ContainerId, Arc<[NetworkId]>>,
    /// The domains of all networks, whoever may see them.
    domains: Arc<HashSet<Name>>,
    /// The subnets of all networks, whoever may see them.
    subnets: Arc<[IpNetwork]>,
    /// Of the host, for all networks that forward.
    split_domains: Vec<SplitDomain>,
}

/// Makes [`Zones`] out of [`Network`]s.
#[derive(Debug)]
pub struct ZonesBuilder {
    zones: Zones,
    /// Whether domains or subnets came or went.
    is_moved: bool,
}

impl Zones {
    /// The generation it was built with; its low 32 bits are the serial of every SOA record.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The serial of SOA records, compared by RFC 1982.
    pub(crate) fn serial(&self) -> u32 {
        u32::try_from(self.generation & u64::from(u32::MAX)).unwrap_or_default()
    }

    pub(crate) fn zone(&self, id: &NetworkId) -> Option<&Zone> {
        self.networks.get(id).map(Arc::as_ref)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Zone> {
        self.networks.values().map(Arc::as_ref)
    }

    /// The networks of this container, if they are more than one.
    pub(crate) fn memberships(&self, container: &ContainerId) -> impl Iterator<Item = &Zone> {
        let networks = self.memberships.get(container).into_iter().flat_map(|networks| networks.iter());
        networks.filter_map(|id| self.zone(id))
    }

    /// The network of a listener that a source belongs to; of one that belongs to none, the first: there it asks.
    pub(crate) fn zone_of(&self, listener: &[NetworkId], source: IpAddr) -> Option<&Zone> {
        let zones = || listener.iter().filter_map(|id| self.zone(id));
        let attached = zones().find(|zone| zone.attachments_at(source).next().is_some());
        attached.or_else(|| zones().find(|zone| zone.is_on_link(source))).or_else(|| zones().next())
    }

    /// Who asks a listener of these networks from this address.
    pub(crate) fn client(&self, listener: &[NetworkId], source: IpAddr) -> Client {
        let zone = self.zone_of(listener, source);
        let attachment = zone.and_then(|zone| zone.attachments_at(source).next());
        attachment.map_or_else(
            || Client::Address(zone.map(|zone| zone.network.id.clone()), source),
            |attachment| Client::Container(attachment.container.clone()),
        )
    }

    /// What was asked of each network.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&NetworkId, &Tally)> {
        self.networks.iter().map(|(id, zone)| (id, &*zone.tally))
    }

    /// Whether a network of this host has this domain, given in wire form.
    pub(crate) fn has_domain(&self, domain: &[u8]) -> bool {
        self.domains.contains(domain)
    }

    /// The host's split domains.
    pub(crate) fn split_domains(&self) -> &[SplitDomain] {
        &self.split_domains
    }

    /// Whether `prefix` lies in a subnet of this host.
    pub(crate) fn has_subnet_around(&self, prefix: IpNetwork) -> bool {
        self.subnets.iter().any(|&subnet| holds(subnet, prefix))
    }
}

impl ZonesBuilder {
    /// Starts from nothing.
    pub fn new(generation: u64) -> Self {
        Self::after(&Zones::default(), generation)
    }

    /// Starts from `previous`: what is not said here stays as it was there, and is shared with it; what was counted of a
    /// network goes on when it changes. To build costs what changed.
    pub fn after(previous: &Zones, generation: u64) -> Self {
        Self { zones: Zones { generation, ..previous.clone() }, is_moved: false }
    }

    /// Adds a network; one of the same id is replaced, unless it is equal.
    #[must_use]
    pub fn network(mut self, network: impl Into<Arc<Network>>) -> Self {
        let network = network.into();
        let old = self.zones.networks.get(&network.id).cloned();
        // One that is the same object is equal, which is seen at once.
        if old.as_ref().is_some_and(|old| old.network == network) {
            return self;
        }
        let tally = old.as_ref().map(|old| Arc::clone(&old.tally)).unwrap_or_default();
        let (id, new) = (network.id.clone(), Arc::new(Zone::new(network, tally)));
        self.turn(&id, old.as_deref(), Some(new.as_ref()));
        self.zones.networks.insert(id, new);
        self
    }

    /// Takes a network away.
    #[must_use]
    pub fn without(mut self, id: &NetworkId) -> Self {
        let old = self.zones.networks.remove(id);
        self.turn(id, old.as_deref(), None);
        self
    }

    /// Sets who is asked for names in certain domains, in all networks that forward. A network's own go before them.
    #[must_use]
    pub fn split_domains(mut self, split_domains: Vec<SplitDomain>) -> Self {
        self.zones.split_domains = split_domains;
        self
    }

    /// The snapshot.
    pub fn build(self) -> Zones {
        let Self { mut zones, is_moved } = self;
        if is_moved {
            let networks = || zones.networks.values().map(|zone| &zone.network);
            let domains = networks().map(|network| network.domain.clone()).collect();
            let subnets = networks().flat_map(|network| network.subnets.iter().copied()).collect();
            (zones.domains, zones.subnets) = (Arc::new(domains), subnets);
        }
        zones
    }

    /// Takes note of what a network was and is.
    fn turn(&mut self, id: &NetworkId, old: Option<&Zone>, new: Option<&Zone>) {
        let place = |zone: Option<&Zone>| zone.map(|zone| (zone.network.domain.clone(), zone.network.subnets.clone()));
        self.is_moved |= place(old) != place(new);
        let (old, new) = (containers(old), containers(new));
        let alone: Arc<[NetworkId]> = [id.clone()].into();
        for gone in old.difference(&new) {
            let networks = self.networks(gone).filter(|other| *other != id).cloned().collect();
            self.set(gone, networks);
        }
        for come in new.difference(&old) {
            let networks: BTreeSet<&NetworkId> = self.networks(come).chain([id]).collect();
            let is_alone = networks.len() == 1;
            let networks = if is_alone { Arc::clone(&alone) } else { networks.into_iter().cloned().collect() };
            self.set(come, networks);
        }
    }

    fn networks(&self, container: &ContainerId) -> impl Iterator<Item = &NetworkId> {
        self.zones.containers.get(container).into_iter().flat_map(|networks| networks.iter())
    }

    /// Sets the networks of a container.
    fn set(&mut self, container: &ContainerId, networks: Arc<[NetworkId]>) {
        let Zones { containers, memberships, .. } = &mut self.zones;
        if networks.len() > 1 {
            memberships.insert(container.clone(), Arc::clone(&networks));
        } else {
            memberships.remove(container);
        }
        if networks.is_empty() {
            containers.remove(container);
        } else {
            containers.insert(container.clone(), networks);
        }
    }
}

fn containers(zone: Option<&Zone>) -> BTreeSet<&ContainerId> {
    let attachments = zone.into_iter().flat_map(|zone| &zone.network.attachments);
    attachments.map(|attachment| &attachment.container).collect()
}
