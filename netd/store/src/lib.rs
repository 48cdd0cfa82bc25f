//! Owns: state directories, locks, watching them.
//! Never: kernel objects, sockets, decisions.
//!
//! ```text
//! <run_dir>/boot.json                          when this boot was first seen
//! <run_dir>/attachments/<network>/<hash>.json  one document per attachment
//! <run_dir>/networks/<network>.json            what attachments of a network share
//! <run_dir>/overlays/<network>.json            what this host has of an overlay network
//! <run_dir>/peers.json                         what netd knows of other hosts
//! <run_dir>/held/<thing>/<hash>                who holds what attachments have together
//! <run_dir>/dhcp/<hash>.<family>.json          one document per lease of DHCP
//! <run_dir>/health/<hash>.<network>.json       one document per attachment that is not healthy
//! <run_dir>/locks/...                          there while somebody holds or wants the lock
//! <run_dir>/leases/<folder>                    who holds which lease, a cache of host-local's folders
//! <state_dir>/identity.json                    what tells this host from all others
//! <state_dir>/remembered.json                  what netd knew of other hosts when it ended
//! ```
//!
//! A document is written to a temporary file beside it and renamed, so a reader finds the old one or the new one.
//! Nothing is synced to the disk: a power cut is a reboot, after which every attachment is dead anyway.
//! Every wait for a lock ends at its deadline.

mod attachments;
mod boot;
mod changes;
mod conflist;
mod dhcp;
mod error;
mod file;
mod folder;
mod health;
mod holders;
mod identity;
pub mod lease;
mod lock;
mod machine;
mod networks;
mod overlays;
mod reader;
mod remembered;
mod snapshot;
mod watch;

#[cfg(test)]
mod bench;

use std::path::{Path, PathBuf};

pub use boot::{Boot, boot_id, uptime};
pub use changes::Changes;
pub use conflist::Conflists;
pub use error::{Error, Result};
pub use identity::Identity;
pub use lock::Lock;
pub use machine::machine_id;
pub use networks::NetworkSettings;
pub use reader::Reader;
pub use remembered::{Documents, Remembered};
pub use snapshot::Snapshot;
pub use watch::Watch;

/// The run directory: where plugins and netd meet.
///
/// Opening touches nothing: directories are made by the first write into them.
#[derive(Debug, Clone)]
pub struct Store {
    run_dir: PathBuf,
}

impl Store {
    /// The store in `run_dir`, by default `/run/netd`.
    pub fn open(run_dir: impl Into<PathBuf>) -> Self {
        Self { run_dir: run_dir.into() }
    }

    /// Where the store is.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }
}
