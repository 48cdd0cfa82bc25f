//! Locks between processes: `flock(2)` on files, with a deadline.
//!
//! `flock` itself waits for ever or not at all, so a waiter asks again, with pauses that grow from 0.2 ms to 2 ms.
//! The kernel releases the lock of a killed process. A lock's file is there while somebody holds or wants the lock:
//! the holder unlinks it before it lets go, and who then gets a lock on an unlinked file starts again.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use netd_model::{
    attachment::document,
    name::{ContainerId, LinkName},
};
use rustix::fs::{FlockOperation, flock};

use crate::{Error, Result, Store, file};

/// The pauses of a waiter.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// A lock that this process holds until the value is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // First the name, then (with the file) the lock: nobody can hold a lock on a name that will be removed.
        drop(fs::remove_file(&self.path));
    }
}

impl Store {
    /// The lock of an attachment, the same in every network. A verb holds it from its first look to its last change.
    ///
    /// # Errors
    /// [`Error::Locked`] when it is not free before `deadline`.
    pub fn lock_attachment(&self, container: &ContainerId, ifname: &LinkName, deadline: Instant) -> Result<Lock> {
        acquire(&self.attachment_lock(container, ifname), Some(deadline))
    }

    /// The same without waiting: `None` when another process holds it.
    pub fn try_lock_attachment(&self, container: &ContainerId, ifname: &LinkName) -> Result<Option<Lock>> {
        at_once(acquire(&self.attachment_lock(container, ifname), None))
    }

    /// The lock of what attachments of all networks share in the kernel; taken after that of the attachment, only while
    /// shared things come or go.
    ///
    /// # Errors
    /// [`Error::Locked`] when it is not free before `deadline`.
    pub fn lock_shared(&self, deadline: Instant) -> Result<Lock> {
        acquire(&self.run_dir.join("locks/shared"), Some(deadline))
    }

    /// The same without waiting: `None` when another process holds it.
    pub fn try_lock_shared(&self) -> Result<Option<Lock>> {
        at_once(acquire(&self.run_dir.join("locks/shared"), None))
    }

    fn attachment_lock(&self, container: &ContainerId, ifname: &LinkName) -> PathBuf {
        self.run_dir.join("locks/attachments").join(document(container, ifname))
    }
}

/// Turns "held by another" into `None`.
pub(crate) fn at_once<T>(acquired: Result<T>) -> Result<Option<T>> {
    match acquired {
        Err(Error::Locked { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// The lock whose file is at `path`; no deadline: now or not at all.
pub(crate) fn acquire(path: &Path, deadline: Option<Instant>) -> Result<Lock> {
    loop {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = file::open_in_directory(path, &options).map_err(|error| Error::io("lock", path, error))?;
        wait(&file, path, deadline)?;
        if is_at(&file, path).map_err(|error| Error::io("lock", path, error))? {
            return Ok(Lock { _file: file, path: path.to_owned() });
        }
    }
}

/// Waits until the open file is locked.
pub(crate) fn wait(file: impl AsFd, path: &Path, deadline: Option<Instant>) -> Result<()> {
    let mut pause = FIRST_PAUSE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(Error::io("lock", path, error)),
        }
        let left = deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(Error::Locked { path: path.to_owned() });
        }
        thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether `path` still names the open file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
