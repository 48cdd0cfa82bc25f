//! Reverse names: addresses written as names below `in-addr.arpa` (RFC 1035 3.5) and `ip6.arpa` (RFC 3596 2.5).

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::Name;
use crate::name::QuestionName;

#[cfg(test)]
mod tests;

/// What a reverse name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reverse {
    /// The address, or the block of addresses if labels are missing on the left.
    pub(crate) prefix: IpNetwork,
    /// Whether all labels count. If not, the leftmost are no octets or nibbles (`300`, `07`, `xy`), or too many.
    pub(crate) exact: bool,
}

impl Reverse {
    /// Reads a name; none if it is not below one of the two domains.
    pub(crate) fn parse(name: &QuestionName) -> Option<Self> {
        let labels: Vec<&[u8]> = name.labels().collect();
        let (digits, domain) = labels.split_at_checked(labels.len().checked_sub(2)?)?;
        match domain {
            [b"in-addr", b"arpa"] => Some(Self::from_octets(digits)),
            [b"ip6", b"arpa"] => Some(Self::from_nibbles(digits)),
            _ => None,
        }
    }

    /// The address, if the name is one of a single address.
    pub(crate) fn address(self) -> Option<IpAddr> {
        let whole = if self.prefix.is_ipv4() { 32 } else { 128 };
        (self.exact && self.prefix.prefix() == whole).then_some(self.prefix.ip())
    }

    fn from_octets(labels: &[&[u8]]) -> Self {
        let octets: Vec<u8> = labels.iter().rev().map_while(|label| octet(label)).take(4).collect();
        let address = octets.iter().zip([24, 16, 8, 0]).fold(0, |sum, (&octet, shift)| sum | u32::from(octet) << shift);
        Self::new(Ipv4Addr::from(address).into(), octets.len() * 8, octets.len() == labels.len())
    }

    fn from_nibbles(labels: &[&[u8]]) -> Self {
        let nibbles: Vec<u8> = labels.iter().rev().map_while(|label| nibble(label)).take(32).collect();
        let shifts = (0..32).rev().map(|position| position * 4);
        let address = nibbles.iter().zip(shifts).fold(0, |sum, (&nibble, shift)| sum | u128::from(nibble) << shift);
        Self::new(Ipv6Addr::from(address).into(), nibbles.len() * 4, nibbles.len() == labels.len())
    }

    fn new(address: IpAddr, bits: usize, exact: bool) -> Self {
        let bits = u8::try_from(bits).unwrap_or(u8::MAX);
        let prefix = IpNetwork::new(address, bits).unwrap_or_else(|_| address.into());
        Self { prefix, exact }
    }
}

/// The reverse name of a subnet; one that ends inside an octet or nibble gets the name of the block around it.
pub(crate) fn reverse_name(subnet: IpNetwork) -> Option<Name> {
    let mut text = String::new();
    match subnet.network() {
        IpAddr::V4(v4) => {
            for octet in v4.octets().iter().take(usize::from(subnet.prefix() / 8)).rev() {
                write!(text, "{octet}.").ok()?;
            }
            text.push_str("in-addr.arpa");
        }
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            let nibbles: Vec<u8> = nibbles.take(usize::from(subnet.prefix() / 4)).collect();
            for nibble in nibbles.iter().rev() {
                write!(text, "{nibble:x}.").ok()?;
            }
            text.push_str("ip6.arpa");
        }
    }
    text.parse().ok()
}

/// A decimal octet without leading zeros.
pub(crate) fn octet(label: &[u8]) -> Option<u8> {
    let strict = label.iter().all(u8::is_ascii_digit) && (label.len() == 1 || label.first() != Some(&b'0'));
    std::str::from_utf8(label).ok().filter(|_| strict)?.parse().ok()
}

/// One hexadecimal digit.
pub(crate) fn nibble(label: &[u8]) -> Option<u8> {
    let [digit] = label else { return None };
    u8::try_from(char::from(*digit).to_digit(16)?).ok()
}
