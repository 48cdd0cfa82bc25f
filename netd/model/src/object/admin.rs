//! Chains that an operator fills.

use serde::{Deserialize, Serialize};

use crate::name::AdminChain;

/// A chain of `table inet netd` that every forwarded packet meets before any rule of ours. What is in it is the
/// operator's: it is never flushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The chain.
    pub chain: AdminChain,
}
