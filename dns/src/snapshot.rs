//! The snapshot that questions are answered from.
//!
//! [`Zones`] is immutable and is replaced whole. A network that did not change is the same object in the next one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::counters::Tally;
use crate::zone::{Zone, holds};
use crate::{Attachment, ContainerId, Name, Network, NetworkId, SplitDomain};

#[cfg(test)]
mod tests;

/// All networks of this host at one moment.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    generation: u64,
    networks: HashMap<NetworkId, Arc<Zone>>,
    /// The networks of each container that is on more than one.
    memberships: HashMap<ContainerId, BTreeSet<NetworkId>>,
    /// The domains of all networks, whoever may see them.
    domains: HashSet<Name>,
    /// The subnets of all networks, whoever may see them.
    subnets: Vec<IpNetwork>,
    /// Of the host, for all networks that forward.
    split_domains: Vec<SplitDomain>,
}

/// Makes [`Zones`] out of [`Network`]s.
#[derive(Debug)]
pub struct ZonesBuilder {
    generation: u64,
    previous: HashMap<NetworkId, Arc<Zone>>,
    networks: HashMap<NetworkId, Arc<Zone>>,
    split_domains: Vec<SplitDomain>,
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

    /// The networks of this container, if they are more than one.
    pub(crate) fn memberships(&self, container: &ContainerId) -> impl Iterator<Item = &Zone> {
        self.memberships.get(container).into_iter().flatten().filter_map(|id| self.zone(id))
    }

    /// The network of a listener that a source belongs to; of one that belongs to none, the first: there it asks.
    pub(crate) fn zone_of(&self, listener: &[NetworkId], source: IpAddr) -> Option<&Zone> {
        let zones = || listener.iter().filter_map(|id| self.zone(id));
        let attached = zones().find(|zone| zone.attachments_at(source).next().is_some());
        attached.or_else(|| zones().find(|zone| zone.is_on_link(source))).or_else(|| zones().next())
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

    /// Starts from nothing too, but a network that is equal to one of `previous` is shared with it, not built again, and what
    /// was counted of one of the same id goes on.
    pub fn after(previous: &Zones, generation: u64) -> Self {
        Self { generation, previous: previous.networks.clone(), networks: HashMap::new(), split_domains: Vec::new() }
    }

    /// Adds a network; one of the same id is replaced.
    #[must_use]
    pub fn network(mut self, network: impl Into<Arc<Network>>) -> Self {
        let network = network.into();
        let zone = match self.previous.get(&network.id) {
            // One that is the same object is equal, which is seen at once.
            Some(same) if same.network == network => Arc::clone(same),
            before => Arc::new(Zone::new(network, before.map(|zone| Arc::clone(&zone.tally)).unwrap_or_default())),
        };
        self.networks.insert(zone.network.id.clone(), zone);
        self
    }

    /// Sets who is asked for names in certain domains, in all networks that forward. A network's own go before them.
    #[must_use]
    pub fn split_domains(mut self, split_domains: Vec<SplitDomain>) -> Self {
        self.split_domains = split_domains;
        self
    }

    /// The snapshot.
    pub fn build(self) -> Zones {
        let mut memberships: HashMap<ContainerId, BTreeSet<NetworkId>> = HashMap::new();
        let mut first: HashMap<&ContainerId, &NetworkId> = HashMap::new();
        let mut domains = HashSet::new();
        let mut subnets = Vec::new();
        for zone in self.networks.values() {
            let Network { id, domain, subnets: own, attachments, .. } = &*zone.network;
            domains.insert(domain.clone());
            subnets.extend(own);
            for Attachment { container, .. } in attachments {
                let first = *first.entry(container).or_insert(id);
                if first != id {
                    memberships.entry(container.clone()).or_default().extend([first.clone(), id.clone()]);
                }
            }
        }
        Zones {
            generation: self.generation,
            networks: self.networks,
            memberships,
            domains,
            subnets,
            split_domains: self.split_domains,
        }
    }
}
