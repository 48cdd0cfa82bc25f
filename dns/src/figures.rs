//! What the server tells of itself in numbers.

use std::collections::BTreeMap;

use crate::{CountedKind, Durations, NetworkId, Outcome};

/// What the server did since it was made, and what it keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Packets over UDP and TCP together, of each network that is served; what came to nothing is left out. The figures of
    /// a network that is not served any more are gone.
    pub networks: BTreeMap<NetworkId, Vec<(CountedKind, Outcome, u64)>>,
    /// How long answers took for which nobody else was asked: of one in eight batches over UDP, from the kernel's giving it
    /// until all of it is answered.
    pub here: Durations,
    /// How long answers took that upstreams were asked for, all of them.
    pub asked: Durations,
    /// What upstreams answered and is kept.
    pub kept: Kept,
    /// Notes of questions that were not kept, as who takes them was too slow or could not.
    pub lost_notes: u64,
}

/// What is kept of upstreams' answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// How many.
    pub entries: u64,
    /// Octets that they take together, by guess.
    pub bytes: u64,
    /// Questions that were answered from it.
    pub hits: u64,
    /// Questions that had to be asked.
    pub misses: u64,
    /// Answers that had to go before their time, for others, or found no room.
    pub evictions: u64,
}
