//! Addresses as numbers, IPv4 ones in their mapped form (RFC 4291 2.5.5.2), so that one arithmetic does for both.

use std::net::{IpAddr, Ipv6Addr};

/// The number of an address.
pub(super) fn to_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The address of a number.
pub(super) fn from_number(number: u128) -> IpAddr {
    Ipv6Addr::from(number).to_canonical()
}
