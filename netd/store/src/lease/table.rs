//! A table of numbers in a file: key -> values, read and written a page at a time, so that its size does not matter.
//!
//! Open addressing with linear probing. Slots are 32 bytes: key and value, little endian; a key of 0 is an empty slot.
//! The first page is left to the owner of the file. At most half of the slots are used.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::File,
    io,
    os::unix::fs::FileExt,
};

/// A page, the unit of reading and writing.
pub(super) const PAGE: usize = 4096;
const SLOT: usize = 32;
const SLOTS_PER_PAGE: usize = PAGE / SLOT;

/// Keys that differ in so many low bits only are neighbours, so that runs of them are read together.
const NEIGHBOUR_BITS: u32 = 6;

/// The smallest number of slots, and the largest that is believed of a file.
const SMALLEST: u64 = 1 << 12;
const LARGEST: u64 = 1 << 32;

/// A table, in memory as far as it was touched. Nothing reaches the file before it is saved.
#[derive(Debug)]
pub(super) struct Table {
    /// What holds the pages that are not in memory; without it they are empty.
    file: Option<File>,
    slots: u64,
    used: u64,
    pages: BTreeMap<u64, Page>,
}

#[derive(Debug)]
struct Page {
    slots: Vec<Slot>,
    changed: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slot {
    key: u128,
    value: u128,
}

impl Table {
    /// An empty table.
    pub(super) fn new() -> Self {
        Self::with_slots(SMALLEST)
    }

    fn with_slots(slots: u64) -> Self {
        Self { file: None, slots, used: 0, pages: BTreeMap::new() }
    }

    /// The table in a file that one was saved to when [`Table::numbers`] were these.
    pub(super) fn open(file: File, slots: u64, used: u64) -> io::Result<Self> {
        let sound = slots.is_power_of_two() && (SMALLEST..=LARGEST).contains(&slots) && used <= slots / 2;
        if !sound || file.metadata()?.len() != file_size(slots) {
            return Err(damaged());
        }
        Ok(Self { file: Some(file), slots, used, pages: BTreeMap::new() })
    }

    /// The number of slots and of those that are used.
    pub(super) fn numbers(&self) -> (u64, u64) {
        (self.slots, self.used)
    }

    /// The file that the table is in; none before it was saved, and when it outgrew the one it was in.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// All values of a key.
    pub(super) fn values(&mut self, key: u128) -> io::Result<Vec<u128>> {
        let mut values = Vec::new();
        self.find(key, |slot| {
            values.extend((slot.key == key).then_some(slot.value));
            slot.key == 0
        })?;
        Ok(values)
    }

    /// The value of a key that has at most one; 0 when it has none.
    pub(super) fn value(&mut self, key: u128) -> io::Result<u128> {
        self.find(key, |slot| slot.key == key || slot.key == 0).map(|(_, slot)| slot.value)
    }

    /// Sets the value of a key that has at most one; 0 takes it away.
    pub(super) fn set(&mut self, key: u128, value: u128) -> io::Result<()> {
        match self.find(key, |slot| slot.key == key || slot.key == 0)? {
            (_, Slot { key: 0, .. }) if value == 0 => Ok(()),
            (_, Slot { key: 0, .. }) => self.insert(key, value),
            (at, _) if value == 0 => self.clear(at),
            (at, _) => self.put(at, Slot { key, value }),
        }
    }

    /// Adds a value to a key, unless it has it.
    pub(super) fn insert(&mut self, key: u128, value: u128) -> io::Result<()> {
        if self.used >= self.slots / 2 {
            self.grow()?;
        }
        let new = Slot { key, value };
        let (at, found) = self.find(key, |slot| slot == new || slot.key == 0)?;
        if found == new {
            return Ok(());
        }
        self.used += 1;
        self.put(at, new)
    }

    /// Takes a value from a key, if it has it.
    pub(super) fn remove(&mut self, key: u128, value: u128) -> io::Result<()> {
        let old = Slot { key, value };
        let (at, found) = self.find(key, |slot| slot == old || slot.key == 0)?;
        if found == old { self.clear(at) } else { Ok(()) }
    }

    /// Writes what changed to the table's file, or all of it to `new`, which becomes its file.
    pub(super) fn save(&mut self, new: Option<File>) -> io::Result<()> {
        if let Some(file) = new {
            file.set_len(file_size(self.slots))?;
            self.pages.values_mut().for_each(|page| page.changed = true);
            self.file = Some(file);
        }
        let file = self.file.as_ref().ok_or_else(damaged)?;
        for (number, page) in self.pages.iter_mut().filter(|(_, page)| page.changed) {
            file.write_all_at(&page.to_bytes(), page_offset(*number))?;
            page.changed = false;
        }
        Ok(())
    }

    /// Empties a slot.
    ///
    /// Slots after it may have been pushed there by the one that goes: each moves up unless that is before its home, so
    /// that no search meets a hole on its way.
    fn clear(&mut self, mut hole: u64) -> io::Result<()> {
        self.used = self.used.saturating_sub(1);
        let mut at = hole;
        for _ in 0..self.slots {
            at = self.after(at);
            let slot = self.get(at)?;
            if slot.key == 0 {
                return self.put(hole, Slot::default());
            }
            let distance_from = |from: u64| at.wrapping_sub(from) & (self.slots - 1);
            if distance_from(self.home(slot.key)) >= distance_from(hole) {
                self.put(hole, slot)?;
                hole = at;
            }
        }
        Err(damaged())
    }

    /// The first slot from the key's home on that is wanted.
    fn find(&mut self, key: u128, mut wanted: impl FnMut(Slot) -> bool) -> io::Result<(u64, Slot)> {
        let mut at = self.home(key);
        for _ in 0..self.slots {
            let slot = self.get(at)?;
            if wanted(slot) {
                return Ok((at, slot));
            }
            at = self.after(at);
        }
        Err(damaged())
    }

    /// Twice the slots, in memory, until it is saved to a new file.
    fn grow(&mut self) -> io::Result<()> {
        let mut larger = Self::with_slots(self.slots * 2);
        for at in 0..self.slots {
            let slot = self.get(at)?;
            if slot.key != 0 {
                larger.insert(slot.key, slot.value)?;
            }
        }
        *self = larger;
        Ok(())
    }

    fn home(&self, key: u128) -> u64 {
        let neighbours = (1 << NEIGHBOUR_BITS) - 1;
        let (high, low) = (low_half(key >> 64), low_half(key));
        let mut mixed = (low >> NEIGHBOUR_BITS) ^ high.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        ((mixed & !neighbours) + (low & neighbours)) & (self.slots - 1)
    }

    fn after(&self, at: u64) -> u64 {
        (at + 1) & (self.slots - 1)
    }

    fn get(&mut self, at: u64) -> io::Result<Slot> {
        let (number, index) = place(at);
        Ok(self.page(number)?.slots.get(index).copied().unwrap_or_default())
    }

    fn put(&mut self, at: u64, slot: Slot) -> io::Result<()> {
        let (number, index) = place(at);
        let page = self.page(number)?;
        page.changed = true;
        *page.slots.get_mut(index).ok_or_else(damaged)? = slot;
        Ok(())
    }

    fn page(&mut self, number: u64) -> io::Result<&mut Page> {
        match self.pages.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let mut bytes = [0; PAGE];
                if let Some(file) = &self.file {
                    file.read_exact_at(&mut bytes, page_offset(number))?;
                }
                Ok(entry.insert(Page::from_bytes(&bytes)))
            }
        }
    }
}

impl Page {
    fn from_bytes(bytes: &[u8; PAGE]) -> Self {
        let (numbers, _) = bytes.as_chunks::<16>();
        let (pairs, _) = numbers.as_chunks::<2>();
        let slot =
            |[key, value]: &[[u8; 16]; 2]| Slot { key: u128::from_le_bytes(*key), value: u128::from_le_bytes(*value) };
        Self { slots: pairs.iter().map(slot).collect(), changed: false }
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.slots.iter().flat_map(|slot| [slot.key.to_le_bytes(), slot.value.to_le_bytes()]).flatten().collect()
    }
}

/// The page of a slot, and its place in it.
fn place(at: u64) -> (u64, usize) {
    let per_page = u64::try_from(SLOTS_PER_PAGE).unwrap_or(u64::MAX);
    (at / per_page, usize::try_from(at % per_page).unwrap_or(0))
}

fn page_offset(number: u64) -> u64 {
    (number + 1).saturating_mul(u64::try_from(PAGE).unwrap_or(u64::MAX))
}

fn file_size(slots: u64) -> u64 {
    page_offset(place(slots).0)
}

fn low_half(number: u128) -> u64 {
    u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0)
}

/// No error of the system: the file is not what was saved.
fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests;
