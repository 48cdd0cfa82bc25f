//! What of the store changed: a [`crate::Watch`] says it, and a [`crate::Reader`] looks at it again.

use std::{collections::BTreeSet, path::PathBuf};

/// What may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These documents, and these directories of networks.
    These(BTreeSet<PathBuf>),
    /// Anything: nobody knows.
    Everything,
}

impl Default for Changes {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl Changes {
    /// Whether nothing did.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::These(paths) if paths.is_empty())
    }

    /// Adds what changed besides.
    pub fn add(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::These(paths), Self::These(more)) => paths.extend(more),
            (_, Self::Everything) => *self = Self::Everything,
            (Self::Everything, _) => {}
        }
    }

    pub(crate) fn insert(&mut self, path: PathBuf) {
        if let Self::These(paths) = self {
            paths.insert(path);
        }
    }
}
