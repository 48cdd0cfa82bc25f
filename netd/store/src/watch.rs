//! Waiting for the store to change: `inotify(7)` on its directories.
//!
//! Documents arrive by rename and leave by unlink, so these are the events that count; files that are being written do
//! not. What changed is not said: a [`crate::Reader`] finds out cheaply, so many events are one change, and events that
//! the kernel lost are no lost change.

use std::{
    ffi::{CStr, OsStr},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};

use crate::{Error, Result, Store, attachments::entries, file};

/// Directories came or went, or events were lost: what is watched is set up anew.
const DIRECTORIES: ReadFlags =
    ReadFlags::ISDIR.union(ReadFlags::IGNORED).union(ReadFlags::QUEUE_OVERFLOW).union(ReadFlags::UNMOUNT);

/// A watch of the store. Its descriptor is readable when [`Watch::changed`] may say yes.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    inotify: OwnedFd,
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
    /// Begins to watch; makes the directories. What is in the store already is no change: read it after this.
    pub fn open(store: &Store) -> Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let inotify = inotify.map_err(|error| Error::io("watch", store.run_dir(), error))?;
        let watch = Self { store: store.clone(), inotify };
        watch.set_up()?;
        Ok(watch)
    }

    /// Whether anything may have changed since this was asked before; takes all events, waits for none.
    ///
    /// New directories are watched before this returns, so what is read afterwards misses nothing.
    pub fn changed(&mut self) -> Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let (mut documents, mut directories) = (false, false);
        loop {
            match reader.next() {
                Ok(event) if event.events().intersects(DIRECTORIES) => directories = true,
                Ok(event) => documents |= event.file_name().is_some_and(is_document),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(Error::io("watch", self.store.run_dir(), error)),
            }
        }
        if directories {
            self.set_up()?;
        }
        Ok(documents || directories)
    }

    /// Watches every directory that is there; one that is watched already stays so.
    fn set_up(&self) -> Result<()> {
        let (attachments, networks) = (self.store.attachments(), self.store.networks());
        for directory in [&attachments, &networks] {
            file::make_directory(directory).map_err(|error| Error::io("watch", directory, error))?;
            self.add(directory)?;
        }
        // Those above first: a directory made after this listing is an event.
        entries(&attachments)?.iter().try_for_each(|folder| self.add(folder))
    }

    fn add(&self, directory: &Path) -> Result<()> {
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&self.inotify, directory, flags) {
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(Error::io("watch", directory, error)),
        }
    }
}

fn is_document(name: &CStr) -> bool {
    Path::new(OsStr::from_bytes(name.to_bytes())).extension().is_some_and(|extension| extension == file::DOCUMENT)
}

#[cfg(test)]
mod tests;
