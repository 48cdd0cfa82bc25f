//! The host's resolvers, as /etc/resolv.conf names them.
//!
//! What is watched are directories: editors, NetworkManager and systemd-resolved replace the file, and a watch on a
//! file that was replaced is deaf. The file is often a symbolic link, so that there are two directories. And the file
//! is watched: where a host is a container itself, it is a mount of a file that stands in neither.

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
        for place in places(&self.path) {
            let flags = inotify::WatchFlags::CREATE | inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::MOVED_TO;
            if let Err(error) = inotify::add_watch(self.watch.get_ref(), &place, flags) {
                tracing::debug!(path = %place.display(), %error, "resolv.conf is not watched");
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

/// The directory of the file, that of the file which it leads to, and that file.
fn places(path: &Path) -> Vec<PathBuf> {
    let target = fs::canonicalize(path).ok();
    let directories = [Some(path), target.as_deref()].into_iter().flatten().filter_map(Path::parent);
    directories.map(Path::to_owned).chain(target.clone()).collect()
}

fn drain(watch: &OwnedFd) {
    let mut bytes = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch, &mut bytes);
    while events.next().is_ok() {}
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, time::Duration};

    use super::*;

    /// Whether `change` is noticed, and the servers after it.
    async fn after(resolv: &mut Resolv, change: impl FnOnce()) -> Vec<String> {
        change();
        tokio::time::timeout(Duration::from_secs(5), resolv.changed()).await.unwrap().unwrap();
        resolv.read().iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn a_file_that_is_written_replaced_or_led_elsewhere_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let [etc, first, second] = ["etc", "first", "second"].map(|name| folder.path().join(name));
        for folder in [&etc, &first, &second] {
            fs::create_dir(folder).unwrap();
        }
        let (path, new) = (etc.join("resolv.conf"), etc.join("new"));
        fs::write(first.join("stub"), "nameserver 192.0.2.1").unwrap();
        fs::write(second.join("stub"), "nameserver 192.0.2.2").unwrap();
        symlink(first.join("stub"), &path).unwrap();
        let mut resolv = Resolv::watch(&path).unwrap();
        assert_eq!(resolv.read(), ["192.0.2.1:53".parse().unwrap()]);

        let write = |server: &str| fs::write(first.join("stub"), server).unwrap();
        assert_eq!(after(&mut resolv, || write("nameserver 192.0.2.3")).await, ["192.0.2.3:53"]);
        assert_eq!(after(&mut resolv, || write("")).await, ["192.0.2.3:53"], "the last good set");
        symlink(second.join("stub"), &new).unwrap();
        assert_eq!(after(&mut resolv, || fs::rename(&new, &path).unwrap()).await, ["192.0.2.2:53"]);
        fs::write(&new, "nameserver 192.0.2.4").unwrap();
        resolv.changed().await.unwrap();
        assert_eq!(after(&mut resolv, || fs::rename(&new, &path).unwrap()).await, ["192.0.2.4:53"]);
    }
}
