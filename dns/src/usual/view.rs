//! The decision of [`crate::answer`] about the usual question, by looking only.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fastrand::Rng;

use super::question::Question;
use super::services::Services;
use crate::counters::Tally;
use crate::name::{after_first_label, relative};
use crate::network::Upstreams;
use crate::record::Kind;
use crate::reverse::{nibble, octet};
use crate::zone::{Bearer, Node, Zone};
use crate::{Name, NetworkId, Zones};

/// Networks of one listener, or one container, that are usual.
const MAX_NETWORKS: usize = 4;
/// Addresses of one name that are usual.
const MAX_ADDRESSES: usize = 32;

/// Octets of a name in wire form without its root label.
const MAX_NAME: usize = 254;
const ROOT: &[u8] = &[];
/// What reverse names end with.
const ARPA: &[u8] = b"\x04arpa";

/// The networks of a listener.
#[derive(Debug, Default)]
pub(crate) struct Listening<'a>(Few<'a>);

/// Networks, each once, in their order.
#[derive(Clone, Copy, Debug, Default)]
struct Few<'a>([Option<&'a Zone>; MAX_NETWORKS]);

/// What a source may see, as [`crate::answer::View`] says it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    zones: &'a Zones,
    networks: Few<'a>,
}

/// What is said to a usual question.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is moved once, and a box would be an allocation")]
pub(crate) enum Said<'a> {
    Addresses4(Addresses<Ipv4Addr>),
    Addresses6(Addresses<Ipv6Addr>),
    /// With the addresses of their targets.
    Services(Services<'a>),
    /// To a name below a domain.
    Pointer {
        name: &'a [u8],
        domain: &'a [u8],
        ttl: u32,
    },
    /// With the SOA of this domain, in wire form.
    NoData(&'a [u8]),
    /// The same.
    NxDomain(&'a [u8]),
}

/// Addresses of one family, each once.
#[derive(Debug)]
pub(crate) struct Addresses<T> {
    found: [T; MAX_ADDRESSES],
    count: usize,
    pub(crate) ttl: u32,
}

impl<'a> Listening<'a> {
    pub(crate) fn new(zones: &'a Zones, listener: &[NetworkId]) -> Option<Self> {
        let mut listening = Few::default();
        for zone in listener.iter().filter_map(|id| zones.zone(id)) {
            listening.see(zone)?;
        }
        Some(Self(listening))
    }
}

impl<'a> Few<'a> {
    fn iter(&self) -> impl Iterator<Item = &'a Zone> {
        self.0.iter().map_while(|zone| *zone)
    }

    /// Takes in one more, unless it is there; none if there is no room.
    fn see(&mut self, zone: &'a Zone) -> Option<()> {
        if self.iter().any(|seen| std::ptr::eq(seen, zone)) {
            return Some(());
        }
        *self.0.iter_mut().find(|place| place.is_none())? = Some(zone);
        Some(())
    }
}

impl<'a> View<'a> {
    /// None where the source is on no network of the listener, or on unusually many.
    pub(crate) fn new(zones: &'a Zones, listening: &Listening<'a>, source: IpAddr) -> Option<Self> {
        let mut networks = Few::default();
        for zone in listening.0.iter() {
            for attachment in zone.attachments_at(source) {
                networks.see(zone)?;
                for other in zones.memberships(&attachment.container) {
                    networks.see(other)?;
                }
            }
        }
        if networks.iter().next().is_none() {
            listening.0.iter().filter(|zone| zone.is_on_link(source)).try_for_each(|zone| networks.see(zone))?;
        }
        networks.iter().next().is_some().then_some(Self { zones, networks })
    }

    /// What is counted of the network that the source belongs to.
    pub(crate) fn tally(&self) -> Option<&'a Tally> {
        self.networks.iter().next().map(|zone| &*zone.tally)
    }

    pub(crate) fn forwards(&self) -> bool {
        self.networks.iter().any(|zone| zone.network.upstreams != Upstreams::None)
    }

    pub(crate) fn is_near(&self, address: IpAddr) -> bool {
        self.networks.iter().flat_map(|zone| &zone.network.near).any(|subnet| subnet.contains(address))
    }

    /// What is said; none where it is unusual.
    pub(crate) fn answer(&self, question: &Question<'_>) -> Option<Said<'a>> {
        let name = question.name();
        // Names that mean the same for everybody, or are compressed with names in the answer.
        let special: [&[u8]; 2] = [b"\x09localhost", b"\x07invalid"];
        if special.iter().any(|top| name.ends_with(top)) {
            return None;
        }
        let is_reverse = name.ends_with(ARPA);
        match question.kind {
            Kind::PTR if is_reverse => self.pointer(name),
            _ if is_reverse => None,
            kind => match self.domain_around(name) {
                Some(domain) => self.in_domain(question, domain),
                None => self.bare(name, kind),
            },
        }
    }

    /// The longest domain that the source sees and that the name is in.
    fn domain_around(&self, name: &[u8]) -> Option<&'a [u8]> {
        let domains = self.networks.iter().map(|zone| zone.network.domain.octets());
        domains.filter(|domain| relative(name, domain).is_some()).max_by_key(|domain| domain.len())
    }

    /// Names in a domain that the source sees.
    fn in_domain(&self, question: &Question<'_>, domain: &'a [u8]) -> Option<Said<'a>> {
        let name = question.name();
        let node = |zone: &'a Zone| zone.found(relative(name, zone.network.domain.octets())?);
        // The SOA's owner is compressed only where the client spells the domain as we do.
        let soa = || question.spelled.ends_with(domain).then_some(domain);
        match collected(question.kind, self.networks.iter().filter_map(node))? {
            Found::Records(said) => Some(said),
            Found::NoneOfType => Some(Said::NoData(soa()?)),
            Found::Nothing => {
                let is_above_another = self.networks.iter().any(|zone| zone.network.domain.is_in(name));
                if is_above_another { None } else { Some(Said::NxDomain(soa()?)) }
            }
        }
    }

    /// Names without their domain.
    fn bare(&self, name: &[u8], kind: Kind) -> Option<Said<'a>> {
        if !self.is_below_no_domain(name) {
            return None;
        }
        let is_single = after_first_label(name).is_some_and(<[u8]>::is_empty);
        let is_ours = |node: &Cow<'_, Node>| match node.bearer {
            Bearer::Container => true,
            Bearer::Gateway => false,
            Bearer::Nobody => is_single,
        };
        let nodes = self.networks.iter().filter_map(|zone| zone.found(name)).filter(is_ours);
        match collected(kind, nodes)? {
            Found::Records(said) => Some(said),
            Found::NoneOfType => Some(Said::NoData(ROOT)),
            Found::Nothing => None,
        }
    }

    /// The one name of an address.
    fn pointer(&self, name: &[u8]) -> Option<Said<'a>> {
        let address = address(name)?;
        let is_usual = match address {
            IpAddr::V4(v4) => ![0, 127, 255].contains(&v4.octets()[0]),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unspecified(),
        };
        if !is_usual || !self.is_below_no_domain(name) || self.networks.iter().any(|zone| zone.found(name).is_some()) {
            return None;
        }
        let mut only = None;
        for zone in self.networks.iter() {
            if zone.network.gateways.contains(&address) {
                return None;
            }
            for attachment in zone.attachments_at(address) {
                let name = zone.own_name(attachment).map(Name::octets)?;
                let domain = zone.network.domain.octets();
                let said = Said::Pointer { name, domain, ttl: attachment.ttl };
                // Two names have an order; one below `arpa` would be compressed, and a long one is none.
                if only.replace(said).is_some() || domain.ends_with(ARPA) || name.len() + domain.len() > MAX_NAME {
                    return None;
                }
            }
        }
        only
    }

    /// The addresses of a whole name, as far as the source sees them; none if they are unusually many.
    pub(crate) fn addresses_of(&self, name: &Name) -> Option<(Addresses<Ipv4Addr>, Addresses<Ipv6Addr>)> {
        let (mut v4, mut v6) = (Addresses::new(Ipv4Addr::UNSPECIFIED), Addresses::new(Ipv6Addr::UNSPECIFIED));
        let node = |zone: &'a Zone| zone.node(relative(name.octets(), zone.network.domain.octets())?);
        for node in self.networks.iter().filter_map(node) {
            v4.add(&node.v4, node.ttl)?;
            v6.add(&node.v6, node.ttl)?;
        }
        Some((v4.each_once(), v6.each_once()))
    }

    /// Whether no network of this host, seen or not, has this domain or one above it.
    fn is_below_no_domain(&self, name: &[u8]) -> bool {
        let mut suffixes = std::iter::successors(Some(name), |octets| after_first_label(octets));
        !suffixes.any(|suffix| !suffix.is_empty() && self.zones.has_domain(suffix))
    }
}

/// What nodes of one name have together.
#[expect(clippy::large_enum_variant, reason = "it is moved once, and a box would be an allocation")]
enum Found<'a> {
    Records(Said<'a>),
    /// The name is there, records of this type are not.
    NoneOfType,
    Nothing,
}

fn collected<'a>(kind: Kind, nodes: impl Iterator<Item = Cow<'a, Node>>) -> Option<Found<'a>> {
    let (mut v4, mut v6) = (Addresses::new(Ipv4Addr::UNSPECIFIED), Addresses::new(Ipv6Addr::UNSPECIFIED));
    let mut services = Services::new();
    let (mut found, mut withholds) = (Found::Nothing, false);
    for node in nodes {
        // Where it leads is another question.
        if node.alias().is_some() {
            return None;
        }
        found = Found::NoneOfType;
        withholds |= node.withholds(kind);
        match kind {
            Kind::A => v4.add(&node.v4, node.ttl)?,
            Kind::AAAA => v6.add(&node.v6, node.ttl)?,
            Kind::SRV => match node {
                Cow::Borrowed(node) => {
                    node.services().try_for_each(|service| services.add(service))?;
                    services.ttl = services.ttl.min(node.ttl);
                }
                Cow::Owned(_) => return None,
            },
            _ => {}
        }
    }
    if v4.count > 0 {
        found = Found::Records(Said::Addresses4(v4.each_once()));
    } else if v6.count > 0 {
        found = Found::Records(Said::Addresses6(v6.each_once()));
    } else if !services.is_empty() {
        found = Found::Records(Said::Services(services));
    } else if withholds {
        // That there is nothing is kept for another time.
        return None;
    }
    Some(found)
}

impl<T: Copy + Ord> Addresses<T> {
    fn new(none: T) -> Self {
        Self { found: [none; MAX_ADDRESSES], count: 0, ttl: u32::MAX }
    }

    /// Takes in those of a node; none if there is no room.
    fn add(&mut self, addresses: &[T], ttl: u32) -> Option<()> {
        self.found.get_mut(self.count..self.count + addresses.len())?.copy_from_slice(addresses);
        self.count += addresses.len();
        self.ttl = self.ttl.min(ttl);
        Some(())
    }

    fn each_once(mut self) -> Self {
        let found = self.found.get_mut(..self.count).unwrap_or_default();
        found.sort_unstable();
        let mut kept = 0;
        for index in 0..found.len() {
            if index == 0 || found.get(index) != found.get(kept - 1) {
                found.swap(index, kept);
                kept += 1;
            }
        }
        self.count = kept;
        self
    }

    /// In their order.
    pub(crate) fn sorted(&mut self) -> impl Iterator<Item = T> {
        self.found.iter().copied().take(self.count)
    }

    /// In any order, but those that are near before the others.
    pub(crate) fn shuffled(&mut self, rng: &mut Rng, is_near: impl Fn(T) -> bool + Copy) -> impl Iterator<Item = T> {
        let found = self.found.get_mut(..self.count).unwrap_or_default();
        rng.shuffle(found);
        let found: &[T] = found;
        let of = move |near| found.iter().copied().filter(move |&address| is_near(address) == near);
        of(true).chain(of(false))
    }
}

/// The address whose reverse name this is, lower-cased.
fn address(name: &[u8]) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(b"\x07in-addr\x04arpa") {
        let mut octets = [0; 4];
        let mut rest = digits;
        for place in octets.iter_mut().rev() {
            let (label, after) = first_label(rest)?;
            (*place, rest) = (octet(label)?, after);
        }
        return rest.is_empty().then_some(octets.into());
    }
    let digits = name.strip_suffix(b"\x03ip6\x04arpa")?;
    let mut bits = 0_u128;
    let mut rest = digits;
    for place in 0..32 {
        let (label, after) = first_label(rest)?;
        bits |= u128::from(nibble(label)?) << (4 * place);
        rest = after;
    }
    rest.is_empty().then_some(Ipv6Addr::from_bits(bits).into())
}

fn first_label(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = octets.split_first()?;
    rest.split_at_checked(length.into())
}
