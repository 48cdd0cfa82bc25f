//! The host's resolvers, as /etc/resolv.conf names them.
//!
//! What is watched are directories: editors, NetworkManager and systemd-resolved replace the file, and a watch on a
//! file that was replaced is deaf. The file is often a symbolic link, so that there are two directories.

mod parse;

use std::{
    fs,
    io::{self, Read},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;

use crate::ready::register;

/// Beyond this the file is not resolv.conf(5).
const MAX_BYTES: u64 = 1 << 16;

/// The host's resolvers and the watch on them.
#[derive(Debug)]
pub(crate) struct Resolv {
    path: PathBuf,
    watch: AsyncFd<OwnedFd>,
    /// The last set that was not empty: while the file is being replaced, or is lost, names still resolve.
    servers: Vec<SocketAddr>,
}

impl Resolv {
    /// Reads and watches `path`.
    ///
    /// # Errors
    /// The kernel has no more inotify instances for this user.
    pub(crate) fn watch(path: &Path) -> io::Result<Self> {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        let mut resolv = Self { path: path.to_owned(), watch: register(watch)?, servers: Vec::new() };
        resolv.read();
        Ok(resolv)
    }

    /// Returns when the file may have changed.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        let mut guard = self.watch.readable().await?;
        drain(guard.get_inner());
        guard.clear_ready();
        Ok(())
    }

    /// The servers that the file names now, else the last that it named.
    pub(crate) fn read(&mut self) -> &[SocketAddr] {
        // Watched again each time, because the link may lead elsewhere now; a watch that is there is not doubled.
        for directory in directories(&self.path) {
            let flags = inotify::WatchFlags::CREATE
                | inotify::WatchFlags::CLOSE_WRITE
                | inotify::WatchFlags::MOVED_TO
                | inotify::WatchFlags::ONLYDIR;
            if let Err(error) = inotify::add_watch(self.watch.get_ref(), &directory, flags) {
                tracing::debug!(path = %directory.display(), %error, "directory of resolv.conf is not watched");
            }
        }
        match servers(&self.path) {
            Ok(servers) if !servers.is_empty() => self.servers = servers,
            Ok(_) => tracing::debug!(path = %self.path.display(), "resolv.conf names no server"),
            Err(error) => tracing::debug!(path = %self.path.display(), %error, "resolv.conf cannot be read"),
        }
        &self.servers
    }
}

/// The servers that the file names.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn servers(path: &Path) -> io::Result<Vec<SocketAddr>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let index = |name: &str| netd_kernel::link_index(&name.parse().ok()?);
    Ok(parse::servers(&String::from_utf8_lossy(&bytes), index))
}

/// The directory of the file, and that of the file which it leads to.
fn directories(path: &Path) -> Vec<PathBuf> {
    let target = fs::canonicalize(path).ok();
    let mut found: Vec<PathBuf> =
        [Some(path), target.as_deref()].into_iter().flatten().filter_map(Path::parent).map(Path::to_owned).collect();
    found.dedup();
    found
}

fn drain(watch: &OwnedFd) {
    let mut bytes = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch, &mut bytes);
    while events.next().is_ok() {}
}
