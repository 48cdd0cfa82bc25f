//! Names of chains of nftables.

use serde::{Deserialize, Serialize};

use super::{InvalidName, text};
use crate::digest::hex;

/// The name of a chain of our tables: 1 to 31 lower-case letters, digits and `-`, a letter first.
///
/// nft(8) reads it as it is, wherever a name may stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainName(String);

text!(ChainName, |value| {
    let invalid = |rule| Err(InvalidName { what: "chain name", rule, value: value.to_owned() });
    match value.bytes().next() {
        _ if value.len() > 31 => invalid("is longer than 31 characters"),
        Some(b'a'..=b'z') => {
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if value.bytes().all(is_plain) { Ok(()) } else { invalid("has another character than a-z, 0-9 and -") }
        }
        _ => invalid("does not start with a letter"),
    }
});

/// How the name of a chain that asks conditions begins.
const OF_CONDITIONS: &str = "when-";

impl ChainName {
    /// The name of a chain that asks conditions: a function of them, so that another text is another chain.
    pub fn of_conditions(parts: &[&str]) -> Self {
        Self(format!("{OF_CONDITIONS}{}", hex(parts, 20)))
    }

    /// Whether it is such a name.
    pub fn is_of_conditions(&self) -> bool {
        self.0.starts_with(OF_CONDITIONS)
    }
}
