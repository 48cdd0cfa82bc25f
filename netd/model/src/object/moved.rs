//! Interfaces of the host that a container has for a while.

use serde::{Deserialize, Serialize};

use super::{LinkKind, Side};
use crate::name::LinkName;

/// An interface that was the host's. What is made of it ends with it; it itself goes home.
///
/// It carries a second name (`altname`, ip-link(8)) by which it is found wherever it is: the kernel moves a physical
/// interface to the host when its namespace ends, under whatever name is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// The second name.
    pub mark: LinkName,
    /// Where it is.
    pub side: Side,
    /// Its name there.
    pub name: LinkName,
    /// Its name on the host, before and after.
    pub home: LinkName,
    /// What it is.
    pub kind: LinkKind,
    /// Whether it was up on the host.
    pub was_up: bool,
}

impl Moved {
    /// Whether `found`, which has the same key, is where this one should be.
    pub fn is_met_by(&self, found: &Self) -> bool {
        (self.side, &self.name, &self.home) == (found.side, &found.name, &found.home)
    }

    /// What was recorded of the interface that is found: where it is now, and what it was before.
    #[must_use]
    pub fn found_at(&self, found: &Self) -> Self {
        Self { side: found.side, name: found.name.clone(), ..self.clone() }
    }
}
