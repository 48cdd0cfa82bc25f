//! The folder of a network's leases as host-local keeps it: `<dataDir>/<network>/`.
//!
//! ```text
//! 10.1.0.7            a lease, mode 0600: `<container>\r\n<ifname>`, in old versions `<container>`
//! last_reserved_ip.0  the address that the first range set gave last
//! lock                flock(2) by whoever changes something
//! ```

use std::{
    fs::File,
    io::{self, Read, Write},
    net::IpAddr,
    os::{fd::OwnedFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, RawDir, Stat, Timestamps, fstat, futimens, linkat, openat, unlinkat},
    io::Errno,
};

use super::holder::Holder;
use crate::{Error, Result, file};

/// More bytes than a container id and an interface name have.
const LARGEST: usize = 1024;

/// Where a lease stands until it is whole, on file systems without unnamed files. The folder's lock is held, so there
/// is one at a time; what a killed writer left goes with the next
/// index, which has to be made anew then.
const TEMPORARY: &str = ".lease";

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// An open folder of leases.
#[derive(Debug)]
pub(super) struct Folder {
    directory: OwnedFd,
    path: PathBuf,
}

/// What the file of an address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Who has the address; `None` when the file is empty or torn: nobody.
    pub(super) holder: Option<Holder>,
    /// When the file was written.
    pub(super) written: SystemTime,
}

impl Folder {
    /// The folder at `path`, `None` where there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        match openat(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(directory) => Ok(Some(Self { directory, path: path.to_owned() })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::io("open", path, error)),
        }
    }

    /// The folder at `path`, made if need be.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if let Some(folder) = Self::open(path)? {
            return Ok(folder);
        }
        file::make_directory(path).map_err(|error| Error::io("create", path, error))?;
        Self::open(path)?.ok_or_else(|| Error::io("open", path, io::ErrorKind::NotFound))
    }

    /// The file whose flock(2) excludes everybody else, the reference plugin included. It stays for ever.
    pub(super) fn lock_file(&self) -> Result<(File, PathBuf)> {
        let file =
            self.open_at("lock", OFlags::RDWR | OFlags::CREATE).map_err(|error| self.error("lock", "lock", error))?;
        Ok((file, self.path.join("lock")))
    }

    /// The folder itself.
    pub(super) fn stat(&self) -> Result<Stat> {
        fstat(&self.directory).map_err(|error| Error::io("read", &self.path, error))
    }

    /// Sets the time of the folder's last change.
    pub(super) fn set_times(&self, times: &Timestamps) -> io::Result<()> {
        Ok(futimens(&self.directory, times)?)
    }

    /// The addresses that have a file, be it a lease or torn.
    pub(super) fn addresses(&self) -> Result<Vec<IpAddr>> {
        let list = || -> io::Result<Vec<IpAddr>> {
            let directory = self.open_at(".", OFlags::RDONLY | OFlags::DIRECTORY)?;
            let mut buffer = Vec::with_capacity(32 * 1024);
            let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
            let mut addresses = Vec::new();
            while let Some(entry) = entries.next() {
                addresses.extend(entry?.file_name().to_str().ok().and_then(address_of));
            }
            Ok(addresses)
        };
        list().map_err(|error| Error::io("list", &self.path, error))
    }

    /// What the file of an address says, `None` where there is none.
    pub(super) fn read(&self, address: IpAddr) -> Result<Option<Entry>> {
        let name = address.to_string();
        let unknown = Entry { holder: Some(Holder::Unknown), written: SystemTime::now() };
        match self.open_at(&name, OFlags::RDONLY) {
            Ok(file) => entry(&file).map(Some).map_err(|error| self.error("read", &name, error)),
            Err(Errno::NOENT) => Ok(None),
            // A link or a socket is no plugin's lease, so it is not ours to take.
            Err(Errno::LOOP | Errno::NXIO) => Ok(Some(unknown)),
            Err(error) => Err(self.error("read", &name, error)),
        }
    }

    /// Makes the lease of an address, whole or not at all; whether there was no file before.
    pub(super) fn lease(&self, address: IpAddr, holder: &Holder) -> Result<bool> {
        let (name, text) = (address.to_string(), holder.text());
        let made = self.link_unnamed(&name, &text).or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::StorageFull => Err(error),
            _ => self.link_temporary(&name, &text),
        });
        match made {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(self.error("write", &name, error)),
        }
    }

    /// Removes the file of an address, if there is one.
    pub(super) fn remove(&self, address: IpAddr) -> Result<()> {
        self.unlink(&address.to_string())
    }

    /// Removes what a killed writer left.
    pub(super) fn sweep(&self) -> Result<()> {
        self.unlink(TEMPORARY)
    }

    /// The address that a range set gave last. Without one that can be read, round robin starts anew.
    pub(super) fn last_reserved(&self, set: usize) -> Option<IpAddr> {
        let mut file = self.open_at(&last_reserved(set), OFlags::RDONLY).ok()?;
        let mut text = [0; LARGEST];
        let size = file.read(&mut text).ok()?;
        std::str::from_utf8(text.get(..size)?).ok()?.parse().ok()
    }

    /// Records the address that a range set gave last.
    pub(super) fn set_last_reserved(&self, set: usize, address: IpAddr) -> Result<()> {
        let name = last_reserved(set);
        let write = || -> io::Result<()> {
            // In place: ext4 begins to write out at once what was truncated and written (`auto_da_alloc`, ext4(5)), which
            // takes milliseconds. Who is killed in between leaves a wrong address, from which the turn goes on as well.
            let file = self.open_at(&name, OFlags::WRONLY | OFlags::CREATE)?;
            let text = address.to_string();
            file.write_all_at(text.as_bytes(), 0)?;
            file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
        };
        write().map_err(|error| self.error("write", &name, error))
    }

    fn link_unnamed(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = self.open_at(".", OFlags::TMPFILE | OFlags::WRONLY)?;
        file.write_all(text.as_bytes())?;
        Ok(linkat(&file, "", &self.directory, name, AtFlags::EMPTY_PATH)?)
    }

    fn link_temporary(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = self.open_at(TEMPORARY, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
        let written = file.write_all(text.as_bytes());
        let linked =
            written.and_then(|()| Ok(linkat(&self.directory, TEMPORARY, &self.directory, name, AtFlags::empty())?));
        let removed = unlinkat(&self.directory, TEMPORARY, AtFlags::empty());
        linked.and(removed.map_err(io::Error::from))
    }

    fn unlink(&self, name: &str) -> Result<()> {
        match unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.error("remove", name, error)),
        }
    }

    fn open_at(&self, name: &str, flags: OFlags) -> Result<File, Errno> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        openat(&self.directory, name, flags, PRIVATE).map(File::from)
    }

    fn error(&self, action: &'static str, name: &str, source: impl Into<io::Error>) -> Error {
        Error::io(action, &self.path.join(name), source)
    }
}

fn entry(mut file: &File) -> io::Result<Entry> {
    let metadata = file.metadata()?;
    let written = metadata.modified()?;
    if !metadata.is_file() {
        return Ok(Entry { holder: Some(Holder::Unknown), written });
    }
    let mut text = [0; LARGEST];
    let size = file.read(&mut text)?;
    let holder = match text.get(..size) {
        Some(text) if text.len() < LARGEST => Holder::parse(text),
        // Longer than any plugin writes.
        _ => Some(Holder::Unknown),
    };
    Ok(Entry { holder, written })
}

/// The address whose file has this name, if it has exactly the name that a plugin gives it.
fn address_of(name: &str) -> Option<IpAddr> {
    name.parse().ok().filter(|address: &IpAddr| address.to_canonical() == *address && address.to_string() == name)
}

fn last_reserved(set: usize) -> String {
    format!("last_reserved_ip.{set}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Both ways to make a lease, on file systems that have files without a name and on others.
    type Link = fn(&Folder, &str, &str) -> io::Result<()>;

    const LINKS: [(&str, Link); 2] = [("unnamed", Folder::link_unnamed), ("temporary", Folder::link_temporary)];

    #[test]
    fn a_lease_appears_whole_and_only_where_there_is_none() {
        for (how, link) in LINKS {
            let root = tempfile::tempdir().unwrap();
            let folder = Folder::create(&root.path().join("web")).unwrap();
            let text = |name: &str| fs::read_to_string(root.path().join("web").join(name));
            link(&folder, "10.0.0.2", "a\r\neth0").unwrap();
            let refused = link(&folder, "10.0.0.2", "b\r\neth0").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{how}");
            assert_eq!(text("10.0.0.2").unwrap(), "a\r\neth0", "{how}");
            // What a killed writer left is in nobody's way.
            fs::write(root.path().join("web").join(TEMPORARY), "a longer text that was left").unwrap();
            link(&folder, "10.0.0.3", "c\r\neth0").unwrap();
            assert_eq!(text("10.0.0.3").unwrap(), "c\r\neth0", "{how}");
            folder.sweep().unwrap();
            assert_eq!(fs::read_dir(root.path().join("web")).unwrap().count(), 2, "{how}");
        }
    }

    #[test]
    fn a_folder_that_is_no_directory_is_told_by_its_path() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("web");
        assert!(Folder::open(&path).unwrap().is_none());
        fs::write(&path, "").unwrap();
        let told = |error: Error| error.to_string();
        assert_eq!(Folder::open(&path).map(drop).map_err(told), Err(format!("cannot open {}", path.display())));
        assert_eq!(
            Folder::create(&path.join("below")).map(drop).map_err(|error| error.path().to_owned()),
            Err(path.join("below"))
        );
    }
}
