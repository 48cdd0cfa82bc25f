//! Where something is found of a name, for people: which domain, wildcard, record, subnet or special name says what is heard.

use std::fmt;

use super::{Rule, spelled};
use crate::answer::View;
use crate::name::{QuestionName, labels};
use crate::record::Question;
use crate::reverse::{Reverse, reverse_name};
use crate::zone::{Bearer, Zone};
use crate::{Name, NetworkId, special};

/// What says what is heard of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub what: What,
    /// Its name, such as `*.web.internal`; that of a subnet is like `10.1.0.0/24`.
    pub name: String,
    /// Whose it is; none where it is everybody's, or of the settings.
    pub network: Option<NetworkId>,
}

/// What can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A name or an address that means the same everywhere.
    Special,
    /// One or more containers that bear the name, or a service of theirs.
    Container,
    /// A record of a network's own.
    Record,
    /// A name that stands for all below the rest of it.
    Wildcard,
    /// The host, by a name that it has for containers.
    Host,
    /// A name below this one.
    Below,
    /// A domain of a network, which has nothing more of the name.
    Domain,
    /// A subnet of a network.
    Subnet,
    /// A domain that certain servers are asked for, or nobody.
    SplitDomain,
}

impl View<'_> {
    /// What says what is heard to a question; nothing where it is others who do.
    pub(super) fn found(&self, question: &Question) -> Vec<Found> {
        let name = &question.name;
        let of_all = |what, name| vec![Found { what, name, network: None }];
        match self.decide(question).0 {
            Rule::Special => {
                let block = Reverse::parse(name).map(|reverse| reverse.prefix.to_string());
                of_all(What::Special, block.unwrap_or_else(|| "localhost".to_owned()))
            }
            Rule::Domain => self.in_domains(name),
            Rule::Bare => {
                let found = self.networks.iter().flat_map(|zone| at(zone, name.octets()));
                found.filter(|found| found.what != What::Host).collect()
            }
            Rule::Host => of_all(What::Host, spelled(name.labels())),
            Rule::Reverse => self.in_subnets(name),
            Rule::Above => self.networks.iter().flat_map(|zone| below(zone, name)).collect(),
            Rule::Split => {
                let split = self.split_domain(question).map(|(network, split)| {
                    let (what, name) = (What::SplitDomain, split.domain.to_string());
                    Found { what, name, network: network.cloned() }
                });
                split.into_iter().collect()
            }
            Rule::Nowhere if special::is_never_forwarded(name) => {
                of_all(What::Special, spelled(name.labels().last().into_iter()))
            }
            Rule::Stranger | Rule::Forward | Rule::Nowhere => Vec::new(),
        }
    }

    /// What stands at the name in domains that the source sees; where nothing does, the longest of these domains, else
    /// of those that it does not see.
    fn in_domains(&self, name: &QuestionName) -> Vec<Found> {
        fn longest<'z>(name: &QuestionName, zones: impl Iterator<Item = &'z Zone>) -> Option<&'z Zone> {
            let around = zones.filter(|zone| name.relative_to(zone.network.domain.octets()).is_some());
            around.max_by_key(|zone| zone.network.domain.octets().len())
        }
        let inside = |zone: &&Zone| Some(at(zone, name.relative_to(zone.network.domain.octets())?));
        let found: Vec<Found> = self.networks.iter().filter_map(inside).flatten().collect();
        if !found.is_empty() {
            return found;
        }
        let seen = longest(name, self.networks.iter().copied());
        seen.or_else(|| longest(name, self.zones.all())).map(domain).into_iter().collect()
    }

    /// The subnets around an address of those networks that the source sees; else who has the address; else those around it
    /// that the source does not see.
    fn in_subnets(&self, name: &QuestionName) -> Vec<Found> {
        let Some(reverse) = Reverse::parse(name) else { return Vec::new() };
        let around = |zone: &Zone| -> Vec<Found> {
            let subnets = zone.subnets_around(reverse.prefix);
            subnets.map(|subnet| of(zone, What::Subnet, subnet.to_string())).collect()
        };
        let who = |zone: &Zone| -> Vec<Found> {
            let names = reverse.address().into_iter().flat_map(|address| zone.names_of(address));
            names.map(|(name, _)| of(zone, What::Container, name.to_string())).collect()
        };
        let seen: Vec<Found> = self.networks.iter().flat_map(|zone| around(zone)).collect();
        let seen = if seen.is_empty() { self.networks.iter().flat_map(|zone| who(zone)).collect() } else { seen };
        if seen.is_empty() { self.zones.all().flat_map(around).collect() } else { seen }
    }
}

/// What stands at this relative name, given in wire form.
fn at(zone: &Zone, relative: &[u8]) -> Vec<Found> {
    let here = |what| of(zone, what, spelled(labels(relative).chain(zone.network.domain.labels())));
    let Some(node) = zone.node(relative) else {
        if zone.composed(relative).is_some() {
            return vec![here(What::Container)];
        }
        let wildcard = zone.wildcard(relative).map(|(name, _)| name.labels().chain(zone.network.domain.labels()));
        return wildcard.map(|labels| of(zone, What::Wildcard, spelled(labels))).into_iter().collect();
    };
    match node.bearer {
        Bearer::Gateway => vec![here(What::Host)],
        Bearer::Nobody => vec![here(What::Below)],
        Bearer::Container => {
            let is_record = zone.network.records.iter().any(|record| record.name.octets() == relative);
            let mut names = zone.network.attachments.iter().flat_map(|attachment| &attachment.names);
            // Names of services are in neither list.
            let is_borne = !is_record || names.any(|name| name.octets() == relative);
            let both = [(What::Container, is_borne), (What::Record, is_record)];
            both.into_iter().filter(|(_, is_there)| *is_there).map(|(what, _)| here(what)).collect()
        }
    }
}

/// What is below this name: the domain, a bare name, and subnets.
fn below(zone: &Zone, name: &QuestionName) -> Vec<Found> {
    let is_in = |ours: &Name| ours.is_in(name.octets());
    let domains = is_in(&zone.network.domain).then(|| domain(zone));
    let subnets = zone.network.subnets.iter().filter(|subnet| reverse_name(**subnet).is_some_and(|it| is_in(&it)));
    let subnets = subnets.map(|subnet| of(zone, What::Subnet, subnet.to_string()));
    let bare = at(zone, name.octets()).into_iter().filter(|found| found.what == What::Below);
    domains.into_iter().chain(bare).chain(subnets).collect()
}

fn domain(zone: &Zone) -> Found {
    of(zone, What::Domain, zone.network.domain.to_string())
}

fn of(zone: &Zone, what: What, name: String) -> Found {
    Found { what, name, network: Some(zone.network.id.clone()) }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Special => "special",
            Self::Container => "container",
            Self::Record => "record",
            Self::Wildcard => "wildcard",
            Self::Host => "host",
            Self::Below => "below",
            Self::Domain => "domain",
            Self::Subnet => "subnet",
            Self::SplitDomain => "split-domain",
        })
    }
}
