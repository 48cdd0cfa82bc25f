//! What can go wrong with files, with the path in every message.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file could not be read, written or locked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted: `read`, `write`, `remove`, `lock`, `list`, `watch`.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process held the lock until the deadline; this may pass by itself.
    #[error("the lock {} was not free in time", path.display())]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
    /// A document that nobody can read: torn, edited, or not ours.
    #[error("{} is malformed: {reason}", path.display())]
    Malformed {
        /// The document.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A document that a newer netd wrote; this may pass by an upgrade.
    #[error("{} has version {version}, this program knows {known}", path.display())]
    Newer {
        /// The document.
        path: PathBuf,
        /// Its version.
        version: u64,
        /// The newest one known here.
        known: u32,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.to_owned(), source: source.into() }
    }

    pub(crate) fn malformed(path: &Path, reason: &impl ToString) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.to_string() }
    }

    /// The file, directory or lock that it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::Locked { path } | Self::Malformed { path, .. } | Self::Newer { path, .. } => {
                path
            }
        }
    }
}
