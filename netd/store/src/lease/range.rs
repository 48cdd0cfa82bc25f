//! Which addresses a pool may give: ranges of subnets, as host-local's configuration has them.
//!
//! Source of rules and texts: `range.go` and `range_set.go` of the reference plugin.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use ipnetwork::IpNetwork;

use super::number::{from_number, to_number};

/// The first of the IPv6 addresses that stand for IPv4 ones.
const MAPPED: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0);

/// Some addresses of a subnet that containers may get, both ends included, without the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    subnet: IpNetwork,
    start: IpAddr,
    end: IpAddr,
    gateway: IpAddr,
}

/// Ranges of one family of which an attachment gets one address; tried in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeSet(Vec<Range>);

/// Why ranges were refused, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// Fewer than four addresses.
    #[error("Network {0} too small to allocate from")]
    TooSmall(IpNetwork),
    /// IPv4 addresses in the form of IPv6 ones, or a subnet that contains them.
    #[error("IPNet IP and Mask version mismatch")]
    Mapped,
    /// Not the address of the network.
    #[error("Network has host bits set. For a subnet mask of length {} the network address is {}", .0.prefix(), .0.network())]
    HostBits(IpNetwork),
    /// The start is elsewhere, or after the end.
    #[error("RangeStart {0} not in network {1}")]
    Start(IpAddr, IpNetwork),
    /// The end is elsewhere.
    #[error("RangeEnd {0} not in network {1}")]
    End(IpAddr, IpNetwork),
    /// No range.
    #[error("empty range set")]
    Empty,
    /// IPv4 and IPv6.
    #[error("mixed address families")]
    Mixed,
    /// Two ranges with an address in common.
    #[error("subnets {0} and {1} overlap")]
    Overlap(String, String),
}

impl Range {
    /// A range of `subnet`; without `start` from its second address, without `end` to its last (in IPv4 the one before),
    /// without `gateway` with its second.
    pub fn new(
        subnet: IpNetwork,
        start: Option<IpAddr>,
        end: Option<IpAddr>,
        gateway: Option<IpAddr>,
    ) -> Result<Self, InvalidRange> {
        let bits = if subnet.is_ipv4() { 32 } else { 128 };
        if subnet.prefix() > bits - 2 {
            return Err(InvalidRange::TooSmall(subnet));
        }
        if let IpNetwork::V6(v6) = subnet
            && (v6.contains(MAPPED) || v6.ip().to_ipv4_mapped().is_some())
        {
            return Err(InvalidRange::Mapped);
        }
        if subnet.ip() != subnet.network() {
            return Err(InvalidRange::HostBits(subnet));
        }
        let [start, end, gateway] = [start, end, gateway].map(|given| given.map(|address| address.to_canonical()));
        let second = from_number(to_number(subnet.network()) + 1);
        let last = from_number(to_number(subnet.broadcast()) - u128::from(subnet.is_ipv4()));
        if let Some(start) = start.filter(|start| !subnet.contains(*start) || end.is_some_and(|end| *start > end)) {
            return Err(InvalidRange::Start(start, subnet));
        }
        let start = start.unwrap_or(second);
        if let Some(end) = end.filter(|end| !subnet.contains(*end) || *end < start) {
            return Err(InvalidRange::End(end, subnet));
        }
        let (end, gateway) = (end.unwrap_or(last), gateway.unwrap_or(second));
        Ok(Self { subnet, start, end, gateway })
    }

    /// The subnet.
    pub fn subnet(&self) -> IpNetwork {
        self.subnet
    }

    /// The gateway, which no container gets.
    pub fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// Whether the address is between start and end.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (low, high) = self.numbers();
        (low..=high).contains(&to_number(address))
    }

    /// `address` with the prefix of the subnet.
    pub fn with_prefix(&self, address: IpAddr) -> IpNetwork {
        IpNetwork::new(address, self.subnet.prefix()).unwrap_or(self.subnet)
    }

    /// Whether nobody gets the address although it is between start and end: the gateway, and IPv4's broadcast.
    pub fn is_reserved(&self, address: IpAddr) -> bool {
        address == self.gateway || self.subnet.is_ipv4() && address == self.subnet.broadcast()
    }

    /// Start and end.
    pub(super) fn numbers(&self) -> (u128, u128) {
        (to_number(self.start), to_number(self.end))
    }

    fn overlaps(&self, other: &Self) -> bool {
        let ((low, high), (other_low, other_high)) = (self.numbers(), other.numbers());
        low <= other_high && other_low <= high
    }
}

impl RangeSet {
    /// A set of these ranges.
    pub fn new(ranges: Vec<Range>) -> Result<Self, InvalidRange> {
        let first = ranges.first().ok_or(InvalidRange::Empty)?;
        if ranges.iter().any(|range| range.subnet.is_ipv4() != first.subnet.is_ipv4()) {
            return Err(InvalidRange::Mixed);
        }
        for (index, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges.iter().skip(index + 1).find(|other| range.overlaps(other)) {
                return Err(InvalidRange::Overlap(range.to_string(), other.to_string()));
            }
        }
        Ok(Self(ranges))
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range] {
        &self.0
    }

    /// Whether the addresses are IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.0.iter().any(|range| range.subnet.is_ipv4())
    }

    /// The range that the address is in.
    pub fn range_for(&self, address: IpAddr) -> Option<&Range> {
        self.0.iter().find(|range| range.contains(address))
    }

    /// Whether an address is in both sets.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|range| other.0.iter().any(|theirs| range.overlaps(theirs)))
    }

    /// At most so many of the addresses that may be given, from any one on: the same for the same `start`.
    pub(super) fn some(&self, start: u64, most: usize) -> impl Iterator<Item = IpAddr> {
        let spans = self.order(None);
        let count = spans.iter().fold(0_u128, |sum, span| sum.saturating_add(span.high - span.low).saturating_add(1));
        let at = move |mut number: u128| {
            for span in &spans {
                let last = span.high - span.low;
                if number <= last {
                    return Some(from_number(span.low + number)).filter(|address| !span.range.is_reserved(*address));
                }
                number -= last + 1;
            }
            None
        };
        let most = u128::try_from(most).unwrap_or(u128::MAX).min(count);
        (0..most).filter_map(move |step| at((u128::from(start) + step) % count.max(1)))
    }

    /// All addresses in the order in which they are tried: round robin, from the one after the `last` that was given, and
    /// that one at the end.
    pub(super) fn order(&self, last: Option<IpAddr>) -> Vec<Span<'_>> {
        let whole = |range| Span::new(range, |numbers| numbers);
        let last = last.map(|last| last.to_canonical());
        let at = last.and_then(|last| Some((last, self.0.iter().position(|range| range.contains(last))?)));
        let Some((last, position)) = at else { return self.0.iter().filter_map(whole).collect() };
        let last = to_number(last);
        let (before, from) = self.0.split_at(position);
        let after = from.iter().skip(1).chain(before).filter_map(whole);
        let Some(range) = from.first() else { return Vec::new() };
        let rest = Span::new(range, |(_, high)| (last.saturating_add(1), high));
        let start = Span::new(range, |(low, _)| (low, last));
        rest.into_iter().chain(after).chain(start).collect()
    }
}

/// A run of addresses of one range, both ends included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) range: &'a Range,
    pub(super) low: u128,
    pub(super) high: u128,
}

impl<'a> Span<'a> {
    /// A part of a range, `None` if that is empty.
    fn new(range: &'a Range, part: impl FnOnce((u128, u128)) -> (u128, u128)) -> Option<Self> {
        let (low, high) = part(range.numbers());
        (low <= high).then_some(Self { range, low, high })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{range}")?;
        }
        Ok(())
    }
}
