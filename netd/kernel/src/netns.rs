//! Network namespaces: which one a path is, and work done inside one.
//!
//! A thread that entered a namespace returns before it does anything else, or the process ends: what it would do next
//! was meant for the host.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    os::unix::fs::MetadataExt,
    path::Path,
};

use netd_model::attachment::Namespace;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::Error;

/// The namespace of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace that is held open: it lives at least as long as this does.
#[derive(Debug)]
pub struct Netns {
    file: File,
    home: File,
    identity: Namespace,
    is_own: bool,
}

/// Brings the thread back when it is dropped.
struct Visit<'a> {
    home: &'a File,
}

impl Netns {
    /// Opens the namespace at `path`; none where it is gone: nothing is there, or a file that is no namespace, as a
    /// bind mount leaves one behind.
    ///
    /// # Errors
    /// When the path cannot be looked at, or the calling thread's own namespace cannot.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        let failed = |source| Error::Io { attempt: format!("open the namespace {}", path.display()), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let home = File::open(OWN).map_err(failed)?;
        let (found, own) = (file.metadata().map_err(failed)?, home.metadata().map_err(failed)?);
        // All namespaces are files of one file system, which has nothing else.
        if found.dev() != own.dev() {
            return Ok(None);
        }
        let identity = Namespace { path: path.to_owned(), device: found.dev(), inode: found.ino() };
        Ok(Some(Self { is_own: found.ino() == own.ino(), file, home, identity }))
    }

    /// Which namespace it is: a path may be used again, device and inode say that it is still the same one.
    pub fn identity(&self) -> &Namespace {
        &self.identity
    }

    /// Whether the calling thread was in it when it was opened.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Runs `work` inside, on this thread.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
        let visit = Visit { home: &self.home };
        let result = work();
        drop(visit);
        Ok(result)
    }

    /// The number of the descriptor of the namespace that it was opened in, for a request that names it.
    pub(crate) fn home(&self) -> RawFd {
        self.home.as_raw_fd()
    }

    /// The number of its descriptor, for a request that names it.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if move_into_link_name_space(self.home.as_fd(), Some(LinkNameSpaceType::Network)).is_err() {
            std::process::abort();
        }
    }
}
