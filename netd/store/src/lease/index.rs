//! Who holds what in a folder of leases, and what is free, without reading the folder: a cache in a file of ours.
//!
//! The folder is the truth; others change it too. The index is valid while the folder's times of change are those that
//! it recorded after our own last change, under the folder's lock. That change is stamped on the folder with the exact
//! time, which no other change gets: the kernel's own stamps come from a clock of coarser steps. An index that is not
//! valid, or damaged, or that a killed writer left half written, is made again from the folder.
//!
//! Its file, `<run_dir>/leases/<device>-<inode of the folder>`, is a [`Table`] behind a page with the record. Keys:
//! - of a holder: a hash of its text, value: an address; who looks reads the lease itself before believing it
//! - of 128 neighbouring addresses: their number without the last 7 bits, value: a bit for each that is taken

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::IpAddr,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{Stat, Timespec, Timestamps, UTIME_OMIT},
    time::{ClockId, clock_gettime},
};

use super::{
    folder::Folder,
    holder::Holder,
    number::{from_number, to_number},
    table::Table,
};
use crate::{Error, Result, attachments::entries, file};

/// The first bytes of the file; another number for another form.
const MAGIC: u64 = u64::from_le_bytes(*b"leases 1");

/// Keys of holders have the highest bit, keys of addresses the next one, so that none is 0 and no two kinds meet.
const OF_HOLDER: u128 = 1 << 127;
const OF_ADDRESSES: u128 = 1 << 126;

/// How many addresses share a key.
const NEIGHBOURS: u128 = 128;

/// An index that was not used for so long is of a folder that is gone.
const FORGOTTEN: Duration = Duration::from_hours(30 * 24);

/// An index of a folder whose lock is held (but see [`Index::peek`]).
#[derive(Debug)]
pub(super) struct Index {
    path: PathBuf,
    table: Table,
    changed: bool,
}

/// What the first page of the file says.
#[derive(Debug)]
struct Record {
    magic: u64,
    slots: u64,
    used: u64,
    stamp: Stamp,
}

/// The size of a record.
const RECORD: usize = 7 * 8;

/// The times of change of a folder: seconds and nanoseconds of its entries' and of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp([i64; 4]);

impl Index {
    /// The index of a folder, from its file if that is valid, else from the folder.
    pub(super) fn open(indexes: &Path, folder: &Folder) -> Result<Self> {
        match Self::load(indexes, folder) {
            Ok(Some(index)) => Ok(index),
            Ok(None) | Err(_) => Self::scan(indexes, folder),
        }
    }

    /// The index of a folder, from what the folder holds.
    pub(super) fn scan(indexes: &Path, folder: &Folder) -> Result<Self> {
        folder.sweep()?;
        let mut index = Self::empty(indexes, folder)?;
        for address in folder.addresses()? {
            if let Some(holder) = folder.read(address)?.and_then(|entry| entry.holder) {
                index.add(&holder, address).map_err(|error| Error::io("index", &index.path, error))?;
            }
        }
        Ok(index)
    }

    /// An index of an empty folder.
    pub(super) fn empty(indexes: &Path, folder: &Folder) -> Result<Self> {
        Ok(Self { path: path(indexes, &folder.stat()?), table: Table::new(), changed: true })
    }

    /// What the index says when nobody's lock is held; `None` when it is not valid or changes meanwhile.
    pub(super) fn peek<T>(
        indexes: &Path,
        folder: &Folder,
        question: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> Option<T> {
        let before = folder.stat().ok()?;
        let mut index = Self::load(indexes, folder).ok()??;
        let answer = question(&mut index).ok()?;
        let unchanged = Stamp::of(&before) == Stamp::of(&folder.stat().ok()?);
        (unchanged && Self::load(indexes, folder).ok()?.is_some()).then_some(answer)
    }

    fn load(indexes: &Path, folder: &Folder) -> Result<Option<Self>> {
        let stat = folder.stat()?;
        let path = path(indexes, &stat);
        let table = || -> io::Result<Option<Table>> {
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            let record = Record::read(&file)?;
            if record.magic != MAGIC || record.stamp != Stamp::of(&stat) {
                return Ok(None);
            }
            Table::open(file, record.slots, record.used).map(Some)
        };
        let table = table().map_err(|error| Error::io("read", &path, error))?;
        Ok(table.map(|table| Self { path, table, changed: false }))
    }

    /// The addresses that the holder has, perhaps some more.
    pub(super) fn addresses(&mut self, holder: &Holder) -> io::Result<Vec<IpAddr>> {
        Ok(self.table.values(holder_key(holder))?.into_iter().map(from_number).collect())
    }

    /// Notes a lease.
    pub(super) fn add(&mut self, holder: &Holder, address: IpAddr) -> io::Result<()> {
        self.table.insert(holder_key(holder), to_number(address))?;
        self.set_taken(address, true)
    }

    /// Notes that a lease is gone.
    pub(super) fn remove(&mut self, holder: &Holder, address: IpAddr) -> io::Result<()> {
        self.table.remove(holder_key(holder), to_number(address))?;
        self.set_taken(address, false)
    }

    /// Notes that an address has a file or has none, whoever it is that has it.
    pub(super) fn set_taken(&mut self, address: IpAddr, taken: bool) -> io::Result<()> {
        self.changed = true;
        let number = to_number(address);
        let (key, bit) = (addresses_key(number), 1 << (number % NEIGHBOURS));
        let others = self.table.value(key)? & !bit;
        self.table.set(key, if taken { others | bit } else { others })
    }

    /// The first address between `low` and `high` that is not taken.
    pub(super) fn first_free(&mut self, low: u128, high: u128) -> io::Result<Option<u128>> {
        let mut at = low;
        while at <= high {
            let offset = at % NEIGHBOURS;
            let taken = self.table.value(addresses_key(at))? >> offset;
            let free = u128::from(taken.trailing_ones());
            if offset + free < NEIGHBOURS {
                return Ok(at.checked_add(free).filter(|free| *free <= high));
            }
            let Some(next) = at.checked_add(NEIGHBOURS - offset) else { break };
            at = next;
        }
        Ok(None)
    }

    /// Saves what changed and stamps the folder, whose lock is still held.
    ///
    /// Whoever is killed in here leaves a record that does not fit the folder.
    pub(super) fn commit(&mut self, folder: &Folder) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        if let Some(file) = self.table.file() {
            Record::INVALID.write(file)?;
            self.table.save(None)?;
        } else {
            let temporary = self.path.with_extension("tmp");
            self.table.save(Some(file::create(&temporary)?))?;
            fs::rename(&temporary, &self.path)?;
            self.forget_others();
        }
        let (slots, used) = self.table.numbers();
        if let (Some(file), Some(stamp)) = (self.table.file(), Stamp::put(folder)?) {
            Record { magic: MAGIC, slots, used, stamp }.write(file)?;
        }
        self.changed = false;
        Ok(())
    }

    /// Removes the indexes of folders that nobody uses any more. A folder that is used after all has its index made anew.
    fn forget_others(&self) {
        let old = |path: &PathBuf| {
            let age = fs::metadata(path).and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
            age.is_ok_and(|age| age.is_ok_and(|age| age > FORGOTTEN))
        };
        let others = self.path.parent().map(entries).and_then(Result::ok).unwrap_or_default();
        for path in others.iter().filter(|path| old(path)) {
            drop(fs::remove_file(path));
        }
    }
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        let nanoseconds = |value| i64::try_from(value).unwrap_or(-1);
        Self([stat.st_mtime, nanoseconds(stat.st_mtime_nsec), stat.st_ctime, nanoseconds(stat.st_ctime_nsec)])
    }

    /// Stamps the folder with the exact time; `None` where the file system cannot hold it.
    fn put(folder: &Folder) -> io::Result<Option<Self>> {
        let now = clock_gettime(ClockId::Realtime);
        folder.set_times(&Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: now,
        })?;
        let stamp = Self::of(&folder.stat().map_err(io::Error::other)?);
        let Self([seconds, nanoseconds, ..]) = stamp;
        Ok((seconds == now.tv_sec && nanoseconds == now.tv_nsec).then_some(stamp))
    }
}

impl Record {
    const INVALID: Self = Self { magic: 0, slots: 0, used: 0, stamp: Stamp([0; 4]) };

    fn read(file: &File) -> io::Result<Self> {
        let mut bytes = [0; RECORD];
        file.read_exact_at(&mut bytes, 0)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| i64::from_le_bytes(*bytes));
        let mut next = || numbers.next().unwrap_or_default();
        let [magic, slots, used] = [next(), next(), next()].map(i64::cast_unsigned);
        Ok(Self { magic, slots, used, stamp: Stamp([next(), next(), next(), next()]) })
    }

    fn write(&self, file: &File) -> io::Result<()> {
        let numbers = [self.magic, self.slots, self.used].map(u64::cast_signed).into_iter().chain(self.stamp.0);
        let bytes: Vec<u8> = numbers.flat_map(i64::to_le_bytes).collect();
        file.write_all_at(&bytes, 0)
    }
}

fn path(indexes: &Path, folder: &Stat) -> PathBuf {
    indexes.join(format!("{:x}-{:x}", folder.st_dev, folder.st_ino))
}

/// FNV-1a of 128 bits: the same in every program that reads the file. Two holders may share a key.
fn holder_key(holder: &Holder) -> u128 {
    let hash = holder.text().bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    });
    hash | OF_HOLDER
}

fn addresses_key(number: u128) -> u128 {
    (number / NEIGHBOURS) | OF_ADDRESSES
}
