//! The size of packets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest packet of a link in bytes, without the Ethernet header: 68 (RFC 791 3.2) to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Mtu(u32);

/// A number of bytes that no link can have as its MTU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("MTU {0} is not between 68 and 65535")]
pub struct InvalidMtu(u32);

impl TryFrom<u32> for Mtu {
    type Error = InvalidMtu;

    fn try_from(bytes: u32) -> Result<Self, Self::Error> {
        if (68..=65535).contains(&bytes) { Ok(Self(bytes)) } else { Err(InvalidMtu(bytes)) }
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> Self {
        mtu.0
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sizes_that_a_link_can_have() {
        for good in [68, 1280, 1500, 65535] {
            assert_eq!(Mtu::try_from(good).map(u32::from), Ok(good));
        }
        for bad in [0, 67, 65536, u32::MAX] {
            assert!(Mtu::try_from(bad).is_err(), "{bad}");
        }
    }
}
