//! Interfaces on other interfaces: who of them reaches whom.

use serde::{Deserialize, Serialize};

/// The mode of a macvlan: ip-link(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MacvlanMode {
    /// Those on one interface do not reach each other.
    Private,
    /// They do by way of a switch that sends frames back.
    Vepa,
    /// They do without one.
    Bridge,
    /// There is only this one.
    Passthru,
}

/// The mode of an ipvlan: ip-link(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpvlanMode {
    /// Those on one interface are one link.
    L2,
    /// Packets are routed between them, and only in the host's namespace.
    L3,
    /// As `l3`, with netfilter of the host's namespace.
    L3s,
}

impl MacvlanMode {
    /// The word of ip(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Bridge => "bridge",
            Self::Passthru => "passthru",
        }
    }
}

impl IpvlanMode {
    /// The word of ip(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3s => "l3s",
        }
    }
}
