//! When the store is read.
//!
//! A verb writes its document several times and pokes after the last: who waits for an answer is worth a look at once,
//! a write alone is worth one a moment later. Now and then all of it is read, whatever was heard of changes.

use std::time::{Duration, Instant};

/// How long after a write the store is read when nobody pokes.
const SETTLE: Duration = Duration::from_millis(5);

/// How long after all of it was read that is done again.
const EVERY: Duration = Duration::from_secs(30);

/// How much of the store is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// What changed.
    Changes,
    /// All of it.
    Whole,
}

/// The state of this clockwork; the time is always told.
#[derive(Debug)]
pub(crate) struct Settle {
    /// When something changed that was not read yet.
    changed: Option<Instant>,
    /// When all is read.
    due: Instant,
}

impl Settle {
    /// A first reading is due at once.
    pub(crate) fn new(now: Instant) -> Self {
        Self { changed: None, due: now }
    }

    /// Something changed.
    pub(crate) fn change(&mut self, now: Instant) {
        self.changed.get_or_insert(now);
    }

    /// What is to be read now, if anything is; that counts as read. `is_poked` says that somebody waits.
    pub(crate) fn read(&mut self, now: Instant, is_poked: bool) -> Option<Reading> {
        if self.due <= now {
            *self = Self { changed: None, due: now + EVERY };
            return Some(Reading::Whole);
        }
        self.changed.take_if(|changed| is_poked || *changed + SETTLE <= now).map(|_| Reading::Changes)
    }

    /// When [`Settle::read`] is worth the next call.
    pub(crate) fn next(&self) -> Instant {
        self.changed.map_or(self.due, |changed| self.due.min(changed + SETTLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn after_first_reading() -> (Settle, Instant) {
        let now = Instant::now();
        let mut settle = Settle::new(now);
        assert_eq!(settle.read(now, false), Some(Reading::Whole));
        (settle, now)
    }

    #[test]
    fn the_writes_of_a_verb_are_one_reading() {
        let (mut settle, now) = after_first_reading();
        settle.change(now + 10 * MS);
        settle.change(now + 12 * MS);
        assert_eq!(settle.read(now + 14 * MS, false), None);
        assert_eq!(settle.next(), now + 15 * MS);
        assert_eq!(settle.read(now + 15 * MS, false), Some(Reading::Changes));
        assert_eq!(settle.read(now + 100 * MS, false), None);
    }

    #[test]
    fn who_pokes_after_a_change_waits_for_nothing() {
        let (mut settle, now) = after_first_reading();
        settle.change(now + 10 * MS);
        assert_eq!(settle.read(now + 11 * MS, true), Some(Reading::Changes));
        assert_eq!(settle.read(now + 12 * MS, true), None, "nothing changed since");
    }

    #[test]
    fn writes_without_end_put_no_reading_off() {
        let (mut settle, now) = after_first_reading();
        let every = u32::try_from(EVERY.as_millis()).unwrap();
        let reads = (0..=every).filter_map(|ms| {
            settle.change(now + ms * MS);
            settle.read(now + ms * MS, false)
        });
        let reads: Vec<Reading> = reads.collect();
        assert_eq!(reads.len(), 5_001);
        assert_eq!(reads.iter().filter(|reading| **reading == Reading::Whole).count(), 1);
        assert_eq!(reads.last(), Some(&Reading::Whole));
    }

    #[test]
    fn it_is_read_without_being_told_too() {
        let (mut settle, now) = after_first_reading();
        assert_eq!(settle.read(now + EVERY / 2, false), None);
        assert_eq!(settle.read(now + EVERY, false), Some(Reading::Whole));
    }
}
