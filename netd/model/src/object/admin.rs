//! Chains that an operator fills.

use serde::{Deserialize, Serialize};

use crate::name::AdminChain;

/// A chain of `table inet netd` that every forwarded packet meets before the policies of networks, which are asked for where
/// there is such a chain. What is in it is the operator's: it is never flushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The chain.
    pub chain: AdminChain,
}
