//! When the store is read.
//!
//! A verb writes its document several times and pokes after the last: who waits for an answer is worth a look at once,
//! a write alone is worth one a moment later.

use std::time::{Duration, Instant};

/// How long after a write the store is read when nobody pokes.
const SETTLE: Duration = Duration::from_millis(5);

/// How long it is not read while nobody says that it changed.
const EVERY: Duration = Duration::from_secs(30);

/// The state of this clockwork; the time is always told.
#[derive(Debug)]
pub(crate) struct Settle {
    /// When something changed that was not read yet.
    changed: Option<Instant>,
    /// When it is read without being asked.
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

    /// Whether the store is to be read now; if so it counts as read. `is_poked` says that somebody waits.
    pub(crate) fn read(&mut self, now: Instant, is_poked: bool) -> bool {
        let is_time = self.next() <= now || is_poked && self.changed.is_some();
        if is_time {
            *self = Self { changed: None, due: now + EVERY };
        }
        is_time
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
        assert!(settle.read(now, false));
        (settle, now)
    }

    #[test]
    fn the_writes_of_a_verb_are_one_reading() {
        let (mut settle, now) = after_first_reading();
        settle.change(now + 10 * MS);
        settle.change(now + 12 * MS);
        assert!(!settle.read(now + 14 * MS, false));
        assert_eq!(settle.next(), now + 15 * MS);
        assert!(settle.read(now + 15 * MS, false));
        assert!(!settle.read(now + 100 * MS, false));
    }

    #[test]
    fn who_pokes_after_a_change_waits_for_nothing() {
        let (mut settle, now) = after_first_reading();
        settle.change(now + 10 * MS);
        assert!(settle.read(now + 11 * MS, true));
        assert!(!settle.read(now + 12 * MS, true), "nothing changed since");
    }

    #[test]
    fn writes_without_end_do_not_put_the_reading_off() {
        let (mut settle, now) = after_first_reading();
        let reads = (0..100u32).filter(|&ms| {
            settle.change(now + ms * MS);
            settle.read(now + ms * MS, false)
        });
        assert_eq!(reads.count(), 16);
    }

    #[test]
    fn it_is_read_without_being_told_too() {
        let (mut settle, now) = after_first_reading();
        assert!(!settle.read(now + EVERY / 2, false));
        assert!(settle.read(now + EVERY, false));
    }
}
