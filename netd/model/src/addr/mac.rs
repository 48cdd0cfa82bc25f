//! Hardware addresses, and those that are a function of something else.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::digest::digest;

/// A 48-bit Ethernet address of one interface (the group bit is clear, and it is not all zeros).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

/// Text or bytes that are no address of one interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("MAC address {0:?} is not six hexadecimal bytes of a unicast address, as in 02:00:5e:10:00:01")]
pub struct InvalidMac(String);

impl Mac {
    /// A locally administered address that is a function of `parts` alone, so that repair finds the same one.
    pub fn derived(parts: &[&str]) -> Self {
        let [a, b, c, d, e, ..] = digest(parts);
        Self([0x02, a, b, c, d, e])
    }

    /// The address for the container that holds `address` in `network`.
    ///
    /// A function of the IP address, so that a neighbour's cache entry stays true when the next container gets it.
    pub fn of_address(network: &str, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let [first, ..] = digest(&[network]);
                let [a, b, c, d] = v4.octets();
                Self([0x02, first, a, b, c, d])
            }
            IpAddr::V6(v6) => Self::derived(&[network, &v6.to_string()]),
        }
    }

    /// The six bytes, in the order of the wire.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl TryFrom<[u8; 6]> for Mac {
    type Error = InvalidMac;

    fn try_from(bytes: [u8; 6]) -> Result<Self, Self::Error> {
        let [first, ..] = bytes;
        let mac = Self(bytes);
        if first & 1 == 1 || bytes == [0; 6] { Err(InvalidMac(mac.to_string())) } else { Ok(mac) }
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMac(text.chars().take(64).collect());
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = part.and_then(|part| u8::from_str_radix(part, 16).ok()).ok_or_else(invalid)?;
        }
        if parts.next().is_some() { Err(invalid()) } else { Self::try_from(bytes) }
    }
}

impl TryFrom<String> for Mac {
    type Error = InvalidMac;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_six_hexadecimal_bytes_of_a_unicast_address() {
        assert_eq!("02:00:5E:10:00:01".parse::<Mac>().map(String::from), Ok("02:00:5e:10:00:01".to_owned()));
        for bad in [
            "",
            "02",
            "02:00:5e:10:00",
            "02:00:5e:10:00:01:02",
            "2:0:5e:10:0:1",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "+2:00:5e:10:00:01",
            "02:00:5e:10:00:0g",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_that_comes_back_keeps_its_mac() {
        let address = IpAddr::from([10, 1, 0, 7]);
        assert_eq!(Mac::of_address("web", address), Mac::of_address("web", address));
        assert_ne!(Mac::of_address("web", address), Mac::of_address("db", address));
        assert_eq!(Mac::of_address("web", address).octets().get(2..), Some(&[10, 1, 0, 7][..]));
    }
}
