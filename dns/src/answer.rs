//! The decision: what a source hears to a question. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::explain::Rule;
use crate::network::Upstreams;
use crate::record::{Answer, Data, Kind, Question, Record, Soa};
use crate::reverse::{Reverse, reverse_name};
use crate::special;
use crate::zone::{Bearer, Node, TTL, WITHHELD_TTL, Zone};
use crate::{Name, Network, NetworkId, SplitDomain, Upstream, Zones};

#[cfg(test)]
mod tests;

/// Aliases that are followed for one question: more are a circle.
const MOST_ALIASES: usize = 8;
/// Seconds to live of the answer to ANY, as in RFC 8482 4.2.
const NOT_ANY_TTL: u32 = 8482;

/// What a source may see: the networks of its container, those of the listener first.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) zones: &'a Zones,
    pub(crate) networks: Vec<&'a Zone>,
    /// Upstreams of the container alone.
    own: Option<&'a Arc<[Upstream]>>,
}

impl<'a> View<'a> {
    /// What `source` sees that asks a listener of these networks; none if it belongs to none of them.
    ///
    /// A known attachment sees every network of its container. An unknown source on a subnet sees just the listener's
    /// networks with that subnet: nobody said what else it is on.
    pub(crate) fn new(zones: &'a Zones, listener: &[NetworkId], source: IpAddr) -> Option<Self> {
        let listening: Vec<&Zone> = listener.iter().filter_map(|id| zones.zone(id)).collect();
        let mut networks: Vec<&Zone> = Vec::new();
        let mut own = None;
        for &zone in &listening {
            for attachment in zone.attachments_at(source) {
                see(&mut networks, zone);
                own = own.or(attachment.upstreams.as_ref());
                zones.memberships(&attachment.container).for_each(|other| see(&mut networks, other));
            }
        }
        if networks.is_empty() {
            networks.extend(listening.iter().filter(|zone| zone.is_on_link(source)));
        }
        (!networks.is_empty()).then_some(Self { zones, networks, own })
    }

    /// Whether anything at all is forwarded for this source.
    pub(crate) fn forwards(&self) -> bool {
        self.networks.iter().any(|zone| zone.network.upstreams != Upstreams::None)
    }

    /// What the source hears of the name that the question leads to, which rule says so, and the aliases on the way there.
    pub(crate) fn follow(&self, question: &Question) -> (Vec<Record>, Rule, Answer) {
        let mut aliases = Vec::new();
        let mut question = Cow::Borrowed(question);
        loop {
            let (rule, answer) = self.decide(&question);
            match answer {
                Answer::Alias(alias) if aliases.len() < MOST_ALIASES => {
                    question = Cow::Owned(Question { name: alias.target(), kind: question.kind });
                    aliases.push(alias);
                }
                Answer::Alias(_) => return (aliases, rule, Answer::NoData(self.soa(Name::root()))),
                answer => return (aliases, rule, answer),
            }
        }
    }

    /// What the source hears, and which rule says so.
    pub(crate) fn decide(&self, question: &Question) -> (Rule, Answer) {
        let by = |rule| move |answer| (rule, answer);
        special::loopback(question, self.soa(Name::root()))
            .map(by(Rule::Special))
            .or_else(|| self.qualified(question).map(by(Rule::Domain)))
            .or_else(|| self.bare(question).map(by(Rule::Bare)))
            .or_else(|| self.host(question).map(by(Rule::Host)))
            .or_else(|| self.reverse(question).map(by(Rule::Reverse)))
            .or_else(|| self.above_a_domain(question).map(by(Rule::Above)))
            .or_else(|| self.split(question).map(by(Rule::Split)))
            .or_else(|| self.forward(question).map(by(Rule::Forward)))
            .or_else(|| self.above(question).map(by(Rule::Above)))
            .unwrap_or_else(|| (Rule::Nowhere, Answer::NxDomain(self.soa(Name::root()))))
    }

    /// The network that it was found on.
    pub(crate) fn first(&self) -> Option<&'a Zone> {
        self.networks.first().copied()
    }

    /// The networks that it sees.
    pub(crate) fn networks(&self) -> impl Iterator<Item = &NetworkId> {
        self.networks.iter().map(|zone| &zone.network.id)
    }

    /// Names at or below a domain of this host. One that the source may not see is told from one that is not there by
    /// nothing: neither the code nor the SOA differ.
    fn qualified(&self, question: &Question) -> Option<Answer> {
        let name = &question.name;
        if !name.suffixes().any(|suffix| self.zones.has_domain(suffix)) {
            return None;
        }
        let inside = |&zone: &&'a Zone| Some((zone, name.relative_to(zone.network.domain.octets())?));
        let matches: Vec<(&Zone, &[u8])> = self.networks.iter().filter_map(inside).collect();
        let domains = matches.iter().map(|(zone, _)| &zone.network.domain);
        let Some(domain) = domains.max_by_key(|domain| domain.octets().len()) else {
            return Some(self.nothing(question, self.soa(Name::root())));
        };
        let soa = self.soa(domain.clone());
        let nodes: Vec<Cow<'_, Node>> = matches.iter().filter_map(|(zone, relative)| zone.found(relative)).collect();
        if name.octets() == domain.octets() && question.kind == Kind::SOA {
            return Some(Answer::Records(vec![Record { ttl: TTL, data: Data::Soa(soa) }]));
        }
        if nodes.is_empty() && name.octets() != domain.octets() {
            return Some(self.nothing(question, soa));
        }
        Some(of_nodes(question, &nodes, soa))
    }

    /// Relative names without their domain, as `db`.
    fn bare(&self, question: &Question) -> Option<Answer> {
        let name = &question.name;
        let is_ours = |node: &Cow<'_, Node>| match node.bearer {
            Bearer::Container => true,
            Bearer::Gateway => false,
            // `shop` exists because `web.shop` does. But because a container is called `db.example.com`, nothing is
            // said about `example.com`.
            Bearer::Nobody => name.is_single_label(),
        };
        let nodes = self.networks.iter().filter_map(|zone| zone.found(name.octets()));
        let nodes: Vec<Cow<'_, Node>> = nodes.filter(is_ours).collect();
        let soa = self.soa(Name::root());
        (!nodes.is_empty()).then(|| of_nodes(question, &nodes, soa))
    }

    /// The host by the names that other runtimes gave it.
    fn host(&self, question: &Question) -> Option<Answer> {
        let is_host = special::is_host_or_above(&question.name)?;
        let gateways = self.networks.iter().filter(|_| is_host).map(|zone| Cow::Owned(zone.gateway()));
        Some(existing(question, records(question.kind, &gateways.collect::<Vec<_>>()), self.soa(Name::root())))
    }

    /// The addresses of the targets of these records, as far as they are ours: who gets them need not ask.
    pub(crate) fn additional(&self, answers: &[Record]) -> Vec<(Name, Record)> {
        let targets = answers.iter().filter_map(|record| match &record.data {
            Data::Srv(srv) => Some(&srv.target),
            _ => None,
        });
        let targets: BTreeSet<&Name> = targets.collect();
        let addresses = |name: &Name| {
            let inside = |zone: &&'a Zone| zone.node(name.relative_to(zone.network.domain.octets())?);
            let nodes: Vec<_> = self.networks.iter().filter_map(inside).map(Cow::Borrowed).collect();
            [Kind::A, Kind::AAAA].into_iter().flat_map(move |kind| records(kind, &nodes))
        };
        targets.into_iter().flat_map(|name| addresses(name).map(|record| (name.clone(), record))).collect()
    }

    /// Reverse names of addresses in our subnets, and of our addresses wherever they are.
    fn reverse(&self, question: &Question) -> Option<Answer> {
        let reverse = Reverse::parse(&question.name)?;
        let names = |address| self.networks.iter().flat_map(move |zone| zone.names_of(address));
        let names: Vec<(Name, u32)> = reverse.address().into_iter().flat_map(names).collect();
        let subnets = self.networks.iter().flat_map(|zone| zone.subnets_around(reverse.prefix));
        let owner = subnets.max_by_key(IpNetwork::prefix).and_then(reverse_name);
        if names.is_empty() && owner.is_none() && !self.zones.has_subnet_around(reverse.prefix) {
            return None;
        }
        Some(reverse_answer(question, reverse, names, self.soa(owner.unwrap_or_else(Name::root))))
    }

    /// A name that exists because a domain below it is ours, as `internal` does. It must not be NXDOMAIN, which would
    /// deny what is below (RFC 8020); but only names that are not forwarded anyway are ours to say.
    fn above_a_domain(&self, question: &Question) -> Option<Answer> {
        let is_local = question.name.is_single_label() || special::is_never_forwarded(&question.name);
        let exists = is_local && self.has_domain_below(question);
        exists.then(|| existing(question, Vec::new(), self.soa(Name::root())))
    }

    fn has_domain_below(&self, question: &Question) -> bool {
        self.networks.iter().any(|zone| zone.network.domain.is_in(question.name.octets()))
    }

    /// A name that nobody else is asked for, and that exists because of a domain, a bare name or a subnet of ours below it.
    fn above(&self, question: &Question) -> Option<Answer> {
        let exists = self.networks.iter().any(|zone| zone.is_below(&question.name));
        exists.then(|| existing(question, Vec::new(), self.soa(Name::root())))
    }

    /// Of a name in one of our domains that has nothing: it exists if another domain is below it.
    fn nothing(&self, question: &Question, soa: Soa) -> Answer {
        if self.has_domain_below(question) { existing(question, Vec::new(), soa) } else { Answer::NxDomain(soa) }
    }

    /// To those who are asked for the domain that the name is in; where that is nobody, it does not exist.
    fn split(&self, question: &Question) -> Option<Answer> {
        let upstreams = &self.split_domain(question)?.1.upstreams;
        if upstreams.is_empty() {
            return self.above(question).or_else(|| Some(Answer::NxDomain(self.soa(Name::root()))));
        }
        Some(Answer::Forward(Upstreams::Own(Arc::clone(upstreams))))
    }

    /// To the container's own upstreams, else to those of the first network that lets this name out.
    fn forward(&self, question: &Question) -> Option<Answer> {
        let lets_out = |zone: &&&Zone| {
            let network = &zone.network;
            network.upstreams != Upstreams::None && (network.forward_single_label || !question.name.is_single_label())
        };
        if special::is_never_forwarded(&question.name) {
            return None;
        }
        let zone = self.networks.iter().find(lets_out)?;
        let own = self.own.map(|own| Upstreams::Own(Arc::clone(own)));
        Some(Answer::Forward(own.unwrap_or_else(|| zone.network.upstreams.clone())))
    }

    /// The longest split domain that the name is in, and whose it is, if it is a network's: of two that are the same, that
    /// one goes before the host's.
    pub(crate) fn split_domain(&self, question: &Question) -> Option<(Option<&NetworkId>, &SplitDomain)> {
        if !self.forwards() {
            return None;
        }
        let outward = self.networks.iter().map(|zone| &zone.network).filter(|it| it.upstreams != Upstreams::None);
        let of_network =
            |network: &'a Arc<Network>| network.split_domains.iter().map(|split| (Some(&network.id), split));
        let of_networks: Vec<_> = outward.flat_map(of_network).collect();
        let of_host = self.zones.split_domains().iter().map(|split| (None, split));
        let all = of_host.rev().chain(of_networks.into_iter().rev());
        let around = all.filter(|(_, split)| question.name.relative_to(split.domain.octets()).is_some());
        // Of equals it is the last.
        around.max_by_key(|(_, split)| split.domain.octets().len())
    }

    /// Puts addresses that are near before the others, and leaves their order otherwise.
    pub(crate) fn put_near_first(&self, records: &mut [Record]) {
        let near = || self.networks.iter().flat_map(|zone| &zone.network.near);
        if near().next().is_none() {
            return;
        }
        records.sort_by_key(|record| match record.data {
            Data::A(v4) => !near().any(|subnet| subnet.contains(v4.into())),
            Data::Aaaa(v6) => !near().any(|subnet| subnet.contains(v6.into())),
            Data::Ptr(_) | Data::Cname(_) | Data::Srv(_) | Data::Txt(_) | Data::Soa(_) | Data::NotAny => false,
        });
    }

    fn soa(&self, owner: Name) -> Soa {
        Soa { owner, serial: self.zones.serial(), ttl: TTL }
    }
}

/// The answer for a name that these nodes have.
fn of_nodes(question: &Question, nodes: &[Cow<'_, Node>], soa: Soa) -> Answer {
    if let Some(alias) = alias(question, nodes) {
        return alias;
    }
    let withholds = nodes.iter().any(|node| node.withholds(question.kind));
    let soa = if withholds { Soa { ttl: WITHHELD_TTL, ..soa } } else { soa };
    existing(question, records(question.kind, nodes), soa)
}

/// The answer for a name that exists, with the records of the type that was asked for.
pub(crate) fn existing(question: &Question, records: Vec<Record>, soa: Soa) -> Answer {
    if question.kind == Kind::ANY {
        return Answer::Records(vec![Record { ttl: NOT_ANY_TTL, data: Data::NotAny }]);
    }
    if records.is_empty() { Answer::NoData(soa) } else { Answer::Records(records) }
}

/// The answer for a reverse name, with the names of its address.
pub(crate) fn reverse_answer(question: &Question, reverse: Reverse, names: Vec<(Name, u32)>, soa: Soa) -> Answer {
    let is_block = reverse.exact && reverse.address().is_none();
    if names.is_empty() && !is_block {
        return Answer::NxDomain(soa);
    }
    let ttl = names.iter().map(|&(_, ttl)| ttl).min().unwrap_or_default();
    let pointers = names.into_iter().filter(|_| question.kind == Kind::PTR);
    existing(question, pointers.map(|(name, _)| Record { ttl, data: Data::Ptr(name) }).collect(), soa)
}

fn see<'a>(networks: &mut Vec<&'a Zone>, zone: &'a Zone) {
    if !networks.iter().any(|seen| seen.network.id == zone.network.id) {
        networks.push(zone);
    }
}

/// The alias that stands at these nodes, where something else is asked for, and none of them has addresses.
fn alias(question: &Question, nodes: &[Cow<'_, Node>]) -> Option<Answer> {
    let has_addresses = nodes.iter().any(|node| node.has_addresses());
    if has_addresses || [Kind::CNAME, Kind::ANY].contains(&question.kind) {
        return None;
    }
    records(Kind::CNAME, nodes).into_iter().next().map(Answer::Alias)
}

/// The records of one type that these nodes have together, each once, under one TTL (RFC 2181 5).
fn records(kind: Kind, nodes: &[Cow<'_, Node>]) -> Vec<Record> {
    let mut data: Vec<Data> = match kind {
        Kind::A => nodes.iter().flat_map(|node| &node.v4).map(|&v4| Data::A(v4)).collect(),
        Kind::AAAA => nodes.iter().flat_map(|node| &node.v6).map(|&v6| Data::Aaaa(v6)).collect(),
        Kind::CNAME => nodes.iter().filter_map(|node| node.alias()).take(1).cloned().map(Data::Cname).collect(),
        Kind::SRV => nodes.iter().flat_map(|node| node.services()).cloned().map(Data::Srv).collect(),
        Kind::TXT => nodes.iter().flat_map(|node| node.texts()).cloned().map(Data::Txt).collect(),
        _ => Vec::new(),
    };
    data.sort_unstable();
    data.dedup();
    let ttl = nodes.iter().map(|node| node.ttl).min().unwrap_or_default();
    data.into_iter().map(|data| Record { ttl, data }).collect()
}
