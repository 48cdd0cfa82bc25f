//! Which routing table packets are looked up in.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::Side;

/// A rule that sends packets of some sources to a table: ip-rule(8). The kernel chooses its priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The namespace.
    pub side: Side,
    /// Where packets come from.
    pub source: IpNetwork,
    /// The routing table.
    pub table: u32,
}
