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

/// What is known of an attachment that is not healthy: `<run_dir>/health/<hash>.<network>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The form of the document.
    pub version: u32,
    /// Of which.
    pub attachment: AttachmentId,
    /// What its runtime said.
    #[serde(default, skip_serializing_if = "Health::is_healthy")]
    pub told: Health,
    /// What netd found when it asked.
    #[serde(default, skip_serializing_if = "Health::is_healthy")]
    pub probed: Health,
}

/// How netd asks a container whether it does its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What is asked.
    pub ask: Ask,
    /// The port of the container.
    pub port: u16,
    /// Seconds from one time to the next.
    pub interval: u16,
    /// Seconds after which no answer is a bad one.
    pub timeout: u16,
    /// How many bad answers one after another make it unhealthy.
    pub retries: u16,
}

/// What a container is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// To take a TCP connection.
    Tcp,
    /// To answer a GET of this path with a status of 200 to 399.
    Http(String),
}

impl Health {
    /// Whether it is so.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    pub fn is_healthy(&self) -> bool {
        *self == Self::Healthy
    }
}

impl Report {
    /// What both say together: the runtime's word goes first.
    pub fn health(&self) -> Health {
        if self.told.is_healthy() { self.probed } else { self.told }
    }
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
