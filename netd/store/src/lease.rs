//! Leases of addresses, in host-local's layout, so that the reference plugin and ours share a folder.
//!
//! A [`Pool`] is the folder of one network. What changes it happens in a [`Session`], under the folder's own lock, and
//! costs the same with one lease and with fifty thousand: an index says who has what and what is free.

mod folder;
mod holder;
mod index;
mod number;
mod range;
mod stale;
mod table;

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use folder::Folder;
pub use holder::{Holder, Owner};
use index::Index;
use netd_model::name::NetworkName;
use number::from_number;
use range::Span;
pub use range::{InvalidRange, Range, RangeSet};

use crate::{Error, Result, Store, lock};

/// The leases of a network.
#[derive(Debug)]
pub struct Pool {
    folder: Folder,
    indexes: PathBuf,
}

/// Leases that are looked at to say whether a full set has one that is stale.
const LOOKS: usize = 32;

/// A lease as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The address.
    pub address: IpAddr,
    /// Who has it.
    pub holder: Holder,
    /// When the lease was written.
    pub written: SystemTime,
}

/// The folder of a network's leases: `<data_dir>/<network>`.
pub fn folder(data_dir: &Path, network: &NetworkName) -> PathBuf {
    data_dir.join(network.as_str())
}

impl Pool {
    /// The pool in `folder`, `None` where there is none, and so no lease.
    pub fn open(store: &Store, folder: &Path) -> Result<Option<Self>> {
        Ok(Folder::open(folder)?.map(|folder| Self { folder, indexes: store.indexes() }))
    }

    /// The pool in `folder`, made if need be.
    pub fn create(store: &Store, folder: &Path) -> Result<Self> {
        Ok(Self { folder: Folder::create(folder)?, indexes: store.indexes() })
    }

    /// Begins to change something; nobody else does until the session is dropped.
    ///
    /// # Errors
    /// [`Error::Locked`] when the folder's lock is not free before `deadline`.
    pub fn lock(&self, deadline: Instant) -> Result<Session<'_>> {
        let (file, path) = self.folder.lock_file()?;
        lock::wait(&file, &path, Some(deadline))?;
        let index = Index::open(&self.indexes, &self.folder)?;
        Ok(Session { pool: self, index, _lock: file })
    }

    /// Whether the set has an address to give, or one whose lease is stale. Waits for no lock and changes nothing, so
    /// it may be wrong by what happens in this moment. Of a set that is full it looks at a few leases only: others
    /// each time, so that who asks again and again hears of a stale one.
    pub fn has_room(&self, set: &RangeSet, mut stale: impl FnMut(&Held) -> bool) -> Result<bool> {
        let peeked = Index::peek(&self.indexes, &self.folder, |index| free_in(index, set));
        if peeked.map_or_else(|| self.has_free(set), Ok)? {
            return Ok(true);
        }
        for address in set.some(RandomState::new().hash_one(()), LOOKS) {
            match self.held(address)? {
                Some(held) if held.holder == Holder::Unknown || !stale(&held) => {}
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Whether an address of the set has no file, by the names in the folder.
    fn has_free(&self, set: &RangeSet) -> Result<bool> {
        let mut index = Index::empty(&self.indexes, &self.folder)?;
        let taken = self.folder.addresses()?.iter().try_for_each(|address| index.set_taken(*address, true));
        taken.and_then(|()| free_in(&mut index, set)).map_err(|error| self.damaged(error))
    }

    /// The lease of an address, `None` where it is nobody's.
    fn held(&self, address: IpAddr) -> Result<Option<Held>> {
        let entry = self.folder.read(address)?;
        Ok(entry.and_then(|entry| Some(Held { address, holder: entry.holder?, written: entry.written })))
    }

    fn damaged(&self, error: io::Error) -> Error {
        Error::io("index", &self.indexes, error)
    }
}

/// Exclusive use of a pool. What was changed is noted in the index when this is dropped.
#[derive(Debug)]
pub struct Session<'a> {
    pool: &'a Pool,
    index: Index,
    /// Declared last: dropped, and so unlocked, last.
    _lock: File,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Without a valid index the next session makes a new one.
        drop(self.index.commit(&self.pool.folder));
    }
}

impl Session<'_> {
    /// The leases of an attachment; those that name its container alone are its own too.
    pub fn held_by(&mut self, owner: &Owner) -> Result<Vec<Held>> {
        let mut leases = self.leases_of(&Holder::Attachment(owner.clone()))?;
        leases.extend(self.leases_of(&Holder::Container(owner.container.clone()))?);
        Ok(leases)
    }

    /// Leases the next free address of a set, round robin; `None` when all are taken.
    ///
    /// `number` is the place of the set in the configuration, under which the last address is remembered.
    pub fn take(&mut self, set: &RangeSet, number: usize, owner: &Owner) -> Result<Option<IpAddr>> {
        let last = self.pool.folder.last_reserved(number);
        for span in set.order(last) {
            while let Some(address) = self.ask(|index| free_in_span(index, &span))? {
                if self.take_this(address, number, owner)? {
                    return Ok(Some(address));
                }
                // The index did not know of it: a file that was put there by hand.
                self.ask(|index| index.set_taken(address, true))?;
            }
        }
        Ok(None)
    }

    /// Leases this address; whether it was free.
    pub fn take_this(&mut self, address: IpAddr, number: usize, owner: &Owner) -> Result<bool> {
        let holder = Holder::Attachment(owner.clone());
        let folder = &self.pool.folder;
        if !folder.lease(address, &holder)? {
            if self.pool.held(address)?.is_some() {
                return Ok(false);
            }
            // Empty or torn: with the lock held nobody is about to fill it.
            folder.remove(address)?;
            if !folder.lease(address, &holder)? {
                return Ok(false);
            }
        }
        self.ask(|index| index.add(&holder, address))?;
        folder.set_last_reserved(number, address)?;
        Ok(true)
    }

    /// Frees all leases of an attachment and says which. Those that name the container alone are freed when there are
    /// no others.
    pub fn release(&mut self, owner: &Owner) -> Result<Vec<Held>> {
        for holder in [Holder::Attachment(owner.clone()), Holder::Container(owner.container.clone())] {
            let leases = self.leases_of(&holder)?;
            leases.iter().try_for_each(|held| self.release_this(held.address, &holder))?;
            if !leases.is_empty() {
                return Ok(leases);
            }
        }
        Ok(Vec::new())
    }

    /// Frees an address, if it is the holder's.
    pub fn release_this(&mut self, address: IpAddr, holder: &Holder) -> Result<()> {
        if self.pool.held(address)?.is_some_and(|held| held.holder == *holder) {
            self.pool.folder.remove(address)?;
            self.ask(|index| index.remove(holder, address))?;
        }
        Ok(())
    }

    /// Frees every lease that `stale` names and every file that is nobody's, and says which leases.
    ///
    /// Reads the whole folder, and makes the index anew.
    pub fn reclaim(&mut self, mut stale: impl FnMut(&Held) -> bool) -> Result<Vec<Held>> {
        let folder = &self.pool.folder;
        self.index = Index::empty(&self.pool.indexes, folder)?;
        let mut reclaimed = Vec::new();
        for address in folder.addresses()? {
            match self.pool.held(address)? {
                Some(held) if held.holder == Holder::Unknown || !stale(&held) => {
                    self.index.add(&held.holder, address).map_err(|error| self.pool.damaged(error))?;
                }
                stale => {
                    folder.remove(address)?;
                    reclaimed.extend(stale);
                }
            }
        }
        Ok(reclaimed)
    }

    /// The leases that say they are the holder's.
    fn leases_of(&mut self, holder: &Holder) -> Result<Vec<Held>> {
        let addresses = self.ask(|index| index.addresses(holder))?;
        let found = addresses.into_iter().map(|address| self.pool.held(address));
        let is_theirs = |found: &Result<Option<Held>>| match found {
            Ok(held) => held.as_ref().is_some_and(|held| held.holder == *holder),
            Err(_) => true,
        };
        found.filter(is_theirs).filter_map(Result::transpose).collect()
    }

    /// Asks or tells the index something. One that turns out to be damaged is made anew from the folder.
    fn ask<T>(&mut self, question: impl Fn(&mut Index) -> io::Result<T>) -> Result<T> {
        if let Ok(answer) = question(&mut self.index) {
            return Ok(answer);
        }
        self.index = Index::scan(&self.pool.indexes, &self.pool.folder)?;
        question(&mut self.index).map_err(|error| self.pool.damaged(error))
    }
}

/// Whether the set has an address without a file.
fn free_in(index: &mut Index, set: &RangeSet) -> io::Result<bool> {
    for span in set.order(None) {
        if free_in_span(index, &span)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first address of the span that has no file and may be given.
fn free_in_span(index: &mut Index, span: &Span<'_>) -> io::Result<Option<IpAddr>> {
    let mut low = span.low;
    while let Some(number) = index.first_free(low, span.high)? {
        let address = from_number(number);
        if !span.range.is_reserved(address) {
            return Ok(Some(address));
        }
        let Some(next) = number.checked_add(1) else { break };
        low = next;
    }
    Ok(None)
}

impl Store {
    /// The directory of the indexes of lease folders.
    fn indexes(&self) -> PathBuf {
        self.run_dir.join("leases")
    }
}

#[cfg(test)]
mod tests;
