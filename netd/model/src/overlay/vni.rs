//! The VXLAN network identifier: 24 bits (RFC 7348 5).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::digest;

/// A VXLAN network identifier, 1 to 16777215.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(u32);

/// A number that is no VNI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidVni(u32);

/// The largest.
const MAX: u32 = (1 << 24) - 1;

/// Below this nothing is chosen: others begin at 1 (flannel) and at 4096 (Calico, Docker).
const FIRST_CHOSEN: u32 = 1 << 20;

impl Vni {
    /// The one of a network for which none was chosen: a function of its name, the same on every host.
    pub fn of_network(cluster: &str, network: &str) -> Self {
        let [a, b, c, d, ..] = digest(&["vni", cluster, network]);
        Self(FIRST_CHOSEN + u32::from_be_bytes([a, b, c, d]) % (MAX - FIRST_CHOSEN + 1))
    }
}

impl TryFrom<u32> for Vni {
    type Error = InvalidVni;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if (1..=MAX).contains(&number) { Ok(Self(number)) } else { Err(InvalidVni(number)) }
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> Self {
        vni.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for InvalidVni {}

impl fmt::Display for InvalidVni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vni {} is not a number from 1 to {MAX}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vni_has_24_bits_and_is_not_zero() {
        assert!([0, MAX + 1, u32::MAX].into_iter().all(|number| Vni::try_from(number).is_err()));
        assert!([1, MAX].into_iter().all(|number| Vni::try_from(number).is_ok()));
    }

    #[test]
    fn what_nobody_chose_is_away_from_what_others_choose() {
        for network in 0..1_000 {
            let vni = u32::from(Vni::of_network("default", &network.to_string()));
            assert!((FIRST_CHOSEN..=MAX).contains(&vni));
        }
        assert_ne!(Vni::of_network("a", "lab"), Vni::of_network("b", "lab"));
    }
}
