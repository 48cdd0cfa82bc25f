//! Waiting for the store to change: `inotify(7)` on its directories.
//!
//! Documents arrive by rename and leave by unlink, and who edits one in place closes it: these are the events that count;
//! files that are being written do not. Where events were lost, directories were moved, or one cannot be watched, what
//! changed is everything.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};

use crate::{
    Changes, Error, Result, Store,
    attachments::{entries, is_document},
    file,
};

/// What is in a directory changed.
const CONTENT: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ONLYDIR);

/// A directory that has no watched one above it is not there any more.
const SELF: WatchFlags = WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF);

/// What is watched is not what it was: it is set up anew.
const DOUBT: ReadFlags =
    ReadFlags::QUEUE_OVERFLOW.union(ReadFlags::UNMOUNT).union(ReadFlags::DELETE_SELF).union(ReadFlags::MOVE_SELF);

const MOVED: ReadFlags = ReadFlags::MOVED_FROM.union(ReadFlags::MOVED_TO);

/// A watch of the store. Its descriptor is readable when [`Watch::changes`] may have something to say.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    inotify: OwnedFd,
    /// What is watched, by the kernel's number for it.
    directories: BTreeMap<i32, PathBuf>,
    /// Whether that is all there is, as far as is known.
    is_whole: bool,
}

/// An event.
struct Seen {
    directory: i32,
    what: ReadFlags,
    name: Option<OsString>,
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.inotify.as_raw_fd()
    }
}

impl Watch {
    /// Begins to watch; makes the directories. What is in the store already is no change: read it after this. What cannot
    /// be watched yet is an error of [`Watch::changes`].
    pub fn open(store: &Store) -> Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let inotify = inotify.map_err(|error| Error::io("watch", store.run_dir(), error))?;
        let mut watch = Self { store: store.clone(), inotify, directories: BTreeMap::new(), is_whole: false };
        drop(watch.set_up());
        Ok(watch)
    }

    /// What may have changed since this was asked before; takes all events, waits for none.
    ///
    /// New directories are watched before this returns, so what is read afterwards misses nothing.
    ///
    /// # Errors
    /// Something cannot be watched, and so may have changed, now and until this succeeds: each call tries it again.
    pub fn changes(&mut self) -> Result<Changes> {
        let mut changes = Changes::default();
        for seen in self.events()? {
            self.note(&seen, &mut changes);
        }
        if !self.is_whole {
            self.set_up()?;
            return Ok(Changes::Everything);
        }
        Ok(changes)
    }

    fn events(&mut self) -> Result<Vec<Seen>> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => events.push(Seen {
                    directory: event.wd(),
                    what: event.events(),
                    name: event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned()),
                }),
                Err(Errno::AGAIN) => return Ok(events),
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.is_whole = false;
                    return Err(Error::io("watch", self.store.run_dir(), error));
                }
            }
        }
    }

    /// Takes note of an event.
    fn note(&mut self, seen: &Seen, changes: &mut Changes) {
        if seen.what.contains(ReadFlags::IGNORED) {
            // A directory of a network is gone, which the one above it tells too, or was not to be watched any more.
            self.directories.remove(&seen.directory);
            return;
        }
        let place = self.directories.get(&seen.directory).zip(seen.name.as_ref());
        let Some((directory, name)) = place.filter(|_| !seen.what.intersects(DOUBT)) else {
            self.is_whole = false;
            return;
        };
        let path = directory.join(name);
        if *directory != self.store.attachments() {
            if is_document(&path) {
                changes.insert(path);
            }
        } else if seen.what.contains(ReadFlags::ISDIR) && seen.what.intersects(MOVED) {
            // It is still watched, under the name that it had.
            self.is_whole = false;
        } else {
            if seen.what.contains(ReadFlags::CREATE) {
                self.is_whole &= self.add_folder(&path).is_ok();
            }
            changes.insert(path);
        }
    }

    /// Watches every directory that is there, and no other; one that is watched already stays so.
    fn set_up(&mut self) -> Result<()> {
        let before = std::mem::take(&mut self.directories);
        let watched = self.add_all();
        for old in before.into_keys().filter(|old| !self.directories.contains_key(old)) {
            // The kernel may have forgotten it by itself.
            let _ = inotify::remove_watch(&self.inotify, old);
        }
        self.is_whole = watched.is_ok();
        watched
    }

    fn add_all(&mut self) -> Result<()> {
        let (attachments, networks) = (self.store.attachments(), self.store.networks());
        for directory in [&attachments, &networks] {
            file::make_directory(directory).map_err(|error| Error::io("watch", directory, error))?;
            self.add(directory, CONTENT | SELF).map_err(|error| Error::io("watch", directory, error))?;
        }
        // Those above first: a directory made after this listing is an event.
        entries(&attachments)?.iter().try_for_each(|folder| self.add_folder(folder))
    }

    /// Watches the directory of a network, unless it is gone again, or none.
    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        match self.add(folder, CONTENT) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            added => added.map_err(|error| Error::io("watch", folder, error)),
        }
    }

    fn add(&mut self, directory: &Path, flags: WatchFlags) -> Result<(), Errno> {
        let number = inotify::add_watch(&self.inotify, directory, flags)?;
        self.directories.insert(number, directory.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
