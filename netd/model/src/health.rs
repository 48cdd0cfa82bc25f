//! Whether a container is to be found by its names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attachment::AttachmentId;

/// The form of the document; one that is higher was written by a newer netd.
pub const VERSION: u32 = 1;

/// How a container is. Of one that is not healthy the names exist and lead nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It does its work, or nobody said otherwise.
    #[default]
    Healthy,
    /// It does not yet.
    Starting,
    /// It does not.
    Unhealthy,
}

/// What was said of an attachment that is not healthy: `<run_dir>/health/<hash>.<network>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The form of the document.
    pub version: u32,
    /// Of which.
    pub attachment: AttachmentId,
    /// How it is.
    pub health: Health,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Starting => "starting",
            Self::Unhealthy => "unhealthy",
        })
    }
}
