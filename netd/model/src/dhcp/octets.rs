//! Bytes that stand in a document as hexadecimal digits.

use serde::{Deserialize, Serialize};

/// Bytes; in JSON two hexadecimal digits for each.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Octets(Vec<u8>);

/// A text that is not two hexadecimal digits for each byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not two hexadecimal digits for each byte")]
pub struct InvalidOctets;

impl Octets {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Octets {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<Octets> for String {
    fn from(octets: Octets) -> Self {
        let nibbles = octets.0.into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
    }
}

impl TryFrom<String> for Octets {
    type Error = InvalidOctets;

    fn try_from(text: String) -> Result<Self, InvalidOctets> {
        let byte = |pair: &[u8]| match pair {
            [a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                str::from_utf8(pair).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        text.as_bytes().chunks(2).map(byte).collect::<Option<_>>().map(Self).ok_or(InvalidOctets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_and_read_as_hexadecimal_digits() {
        let octets = Octets::from(vec![0, 1, 0xab, 0xff]);
        assert_eq!(String::from(octets.clone()), "0001abff");
        assert_eq!(Octets::try_from("0001ABff".to_owned()), Ok(octets));
        for bad in ["0", "0g", "+1", "é", "00 1"] {
            assert_eq!(Octets::try_from(bad.to_owned()), Err(InvalidOctets), "{bad}");
        }
    }
}
