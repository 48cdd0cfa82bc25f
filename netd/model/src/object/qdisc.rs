//! What holds packets of an interface back, and what sends some of them elsewhere before: tc(8).

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::Side;
use crate::name::LinkName;

/// Nanoseconds in a tick of the packet scheduler (`PSCHED_SHIFT`).
const TICK: u128 = 64;

/// A queueing discipline of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qdisc {
    /// The namespace.
    pub side: Side,
    /// The interface.
    pub link: LinkName,
    /// What it does.
    pub kind: QdiscKind,
}

/// Where on an interface a queueing discipline is: there is one at each place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// It has what leaves. The kernel's own, which no one asked for, is as if there were none.
    Root,
    /// It has filters, and no queue.
    Filters,
}

/// What a queueing discipline does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QdiscKind {
    /// It lets so much leave in a time, and drops what would wait for too long: tc-tbf(8).
    Tbf {
        /// Bytes in a second.
        rate: u64,
        /// How many bytes wait.
        limit: u32,
        /// What may leave at once: how long that takes at the rate, in ticks of 64 ns.
        buffer: u32,
    },
    /// Filters for what comes in.
    Ingress,
    /// Filters for what comes in, and for what leaves before it is in a queue.
    Clsact,
    /// Anything else at the root, by the kernel's word for it.
    Other(String),
}

/// Which packets a filter sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Those that come in.
    Ingress,
    /// Those that leave.
    Egress,
}

/// A filter of a queueing discipline: tc-u32(8). The one of least priority that takes a packet has its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The namespace.
    pub side: Side,
    /// The interface.
    pub link: LinkName,
    /// Which packets it sees.
    pub direction: Direction,
    /// Its place among others of one interface, whatever their direction: the kernel shows those of one priority together.
    pub priority: u16,
    /// Which of them it takes.
    pub packets: Packets,
    /// What becomes of these.
    pub verdict: Verdict,
}

/// Which packets a filter takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Packets {
    /// All, whatever their protocol.
    All,
    /// Those of IP from a subnet, of which no bit is set after the prefix.
    From(IpNetwork),
    /// Those of IP to such a subnet.
    To(IpNetwork),
    /// Others, which no filter of ours takes.
    Other,
}

/// What becomes of packets that a filter takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// They go on as if there were no filter.
    Pass,
    /// They leave by another interface of the namespace; an IFB gives them back.
    Redirect(LinkName),
    /// Something else: what they were sent to is gone, or it is no filter of ours.
    Other,
}

impl Qdisc {
    /// Where it is.
    pub fn place(&self) -> Place {
        match self.kind {
            QdiscKind::Tbf { .. } | QdiscKind::Other(_) => Place::Root,
            QdiscKind::Ingress | QdiscKind::Clsact => Place::Filters,
        }
    }

    /// Whether `found`, which has the same key, does all that this one does.
    pub fn is_met_by(&self, found: &Self) -> bool {
        self.kind == found.kind || matches!((&self.kind, &found.kind), (QdiscKind::Ingress, QdiscKind::Clsact))
    }
}

impl QdiscKind {
    /// The kernel's word.
    pub fn word(&self) -> &str {
        match self {
            Self::Tbf { .. } => "tbf",
            Self::Ingress => "ingress",
            Self::Clsact => "clsact",
            Self::Other(word) => word,
        }
    }
}

impl Direction {
    /// The word of tc(8).
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl Packets {
    /// The subnet that they come from or go to.
    pub fn subnet(&self) -> Option<IpNetwork> {
        match self {
            Self::From(subnet) | Self::To(subnet) => Some(*subnet),
            Self::All | Self::Other => None,
        }
    }
}

/// How many bytes leave at `rate` while so many ticks pass.
pub fn bytes_in(rate: u64, ticks: u32) -> u64 {
    let bytes = u128::from(rate) * u128::from(ticks) * TICK / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
