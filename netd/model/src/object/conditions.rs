//! What must hold of a packet to a published port.

use serde::{Deserialize, Serialize};

use crate::name::ChainName;

/// A chain of `table inet netd`, of one network and one family: what comes to its ports is translated where a rule holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// The chain: [`ChainName::of_conditions`], so that one of this name asks this rule.
    pub chain: ChainName,
    /// The rule without its verdict, as nft(8) reads it: `meta nfproto ipv4 ip saddr 192.0.2.0/24`.
    pub rule: Option<String>,
}
