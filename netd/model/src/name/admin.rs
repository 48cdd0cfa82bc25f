//! Names that an operator gives to things of firewalls.

use serde::{Deserialize, Serialize};

use super::{InvalidName, text};

/// The name of a chain that an operator fills: 1 to 31 letters, digits, `_` and `-`, a letter or `_` first.
///
/// nft(8) reads it as it is, but for its own words, which are of lower-case letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AdminChain(String);

/// The name of a zone of firewalld, or of a policy: 1 to 31 letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(String);

text!(AdminChain, |value| {
    let starts_well = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well {
        plain("chain name", value)
    } else {
        Err(invalid("chain name", "does not start with a letter", value))
    }
});

text!(ZoneName, |value| {
    let starts_well = value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well {
        plain("zone", value)
    } else {
        Err(invalid("zone", "does not start with a letter or digit", value))
    }
});

fn plain(what: &'static str, value: &str) -> Result<(), InvalidName> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match value.bytes().all(is_plain) {
        false => Err(invalid(what, "has a character other than letters, digits, _ and -", value)),
        true if value.len() > 31 => Err(invalid(what, "is longer than 31 characters", value)),
        true => Ok(()),
    }
}

fn invalid(what: &'static str, rule: &'static str, value: &str) -> InvalidName {
    InvalidName { what, rule, value: value.to_owned() }
}

impl AdminChain {
    /// The chain of the reference plugin, where no other is named.
    pub fn usual() -> Self {
        Self("CNI-ADMIN".to_owned())
    }
}

impl ZoneName {
    /// firewalld's zone that lets everything through.
    pub fn trusted() -> Self {
        Self("trusted".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_nft_and_firewalld_read_as_it_is() {
        for good in ["CNI-ADMIN", "my_chain", "_x", "a0"] {
            assert_eq!(good.parse::<AdminChain>().map(String::from), Ok(good.to_owned()));
        }
        let long = "a".repeat(32);
        for bad in ["", "-a", "0a", "a b", "a;b", "a\"", "ä", "a.b", &long] {
            assert!(bad.parse::<AdminChain>().is_err(), "{bad:?}");
        }
        for bad in ["", "-a", "a b", "a/b", &long] {
            assert!(bad.parse::<ZoneName>().is_err(), "{bad:?}");
        }
        assert!("trusted".parse::<ZoneName>().is_ok());
    }
}
