//! When rounds of repair begin.
//!
//! Something that was broken is seen at once, by an event, or within [`EVERY`]; and a storm of events cannot make
//! repair the main work of the host, because a round is followed by a rest of [`REST`] times its length. What another host
//! told does not wait for that to end: it takes a round of its own, which looks at nothing else.

use std::time::{Duration, Instant};

/// How long nobody looks while no event comes. Not all changes have events; two seconds are promised.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

/// How long nobody looks at each single attachment while no event comes.
const THOROUGHLY_EVERY: Duration = Duration::from_secs(30);

/// How many times its own length a round is followed by a rest.
const REST: u32 = 10;

/// The longest rest.
const LONGEST_REST: Duration = Duration::from_millis(900);

/// How far a round looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// At what attachments share: its cost does not grow with their number.
    Shared,
    /// At everything.
    All,
    /// At what other hosts told since, and where questions are led.
    Told,
}

/// The state of this clockwork; the time is always told.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the round that is under way began, and how far it looks.
    began: Option<(Instant, Depth)>,
    /// No round at other things before this.
    rested: Instant,
    /// Before this, none at what other hosts told alone.
    rested_of_told: Instant,
    /// A round without being asked.
    due: Instant,
    /// A round that looks at everything without being asked.
    thorough_due: Instant,
    asked: bool,
    told: bool,
}

impl Pace {
    /// A first round is due at once.
    pub(crate) fn new(now: Instant) -> Self {
        Self { began: None, rested: now, rested_of_told: now, due: now, thorough_due: now, asked: true, told: false }
    }

    /// Something may be broken.
    pub(crate) fn ask(&mut self) {
        self.asked = true;
    }

    /// Another host told something, or the settings did, or questions must be led elsewhere.
    pub(crate) fn tell(&mut self) {
        self.asked = true;
        self.told = true;
    }

    /// How far the round looks that begins now, if one does.
    pub(crate) fn begin(&mut self, now: Instant) -> Option<Depth> {
        self.next().filter(|at| *at <= now)?;
        let depth = self.depth(now);
        self.began = Some((now, depth));
        self.told = false;
        if depth != Depth::Told {
            self.due = now + EVERY;
            self.asked = false;
        }
        if depth == Depth::All {
            self.thorough_due = now + THOROUGHLY_EVERY;
        }
        Some(depth)
    }

    fn depth(&self, now: Instant) -> Depth {
        if now < self.rested {
            Depth::Told
        } else if self.asked || now >= self.thorough_due {
            Depth::All
        } else {
            Depth::Shared
        }
    }

    /// The round has ended.
    pub(crate) fn end(&mut self, now: Instant) {
        if let Some((began, depth)) = self.began.take() {
            let rest = now.saturating_duration_since(began).saturating_mul(REST);
            let rested = if depth == Depth::Told { &mut self.rested_of_told } else { &mut self.rested };
            *rested = now + rest.min(LONGEST_REST);
        }
    }

    /// When [`Pace::begin`] is worth the next call; never while a round is under way.
    pub(crate) fn next(&self) -> Option<Instant> {
        let wanted = if self.asked { self.rested } else { self.due.max(self.rested) };
        let wanted = if self.told { wanted.min(self.rested_of_told) } else { wanted };
        self.began.is_none().then_some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A clockwork whose first round took 4 ms and ended at the time that is returned.
    fn after_first_round() -> (Pace, Instant) {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.begin(start), Some(Depth::All));
        pace.end(start + 4 * MS);
        (pace, start + 4 * MS)
    }

    #[test]
    fn an_event_after_a_rest_starts_a_round_at_once() {
        let (mut pace, end) = after_first_round();
        let now = end + 300 * MS;
        assert_eq!(pace.begin(now), None);
        pace.ask();
        assert_eq!(pace.begin(now), Some(Depth::All));
    }

    #[test]
    fn events_without_end_take_one_part_in_eleven() {
        let (mut pace, end) = after_first_round();
        pace.ask();
        assert_eq!(pace.begin(end + 39 * MS), None);
        assert_eq!(pace.next(), Some(end + 40 * MS));
        assert_eq!(pace.begin(end + 40 * MS), Some(Depth::All));
    }

    #[test]
    fn without_events_rounds_come_too_and_few_of_them_look_at_everything() {
        let (mut pace, end) = after_first_round();
        assert_eq!(pace.next().map(|at| at + 4 * MS), Some(end + EVERY));
        let mut depths = Vec::new();
        for second in 1..=60 {
            let now = end + second * EVERY;
            depths.extend(pace.begin(now));
            pace.end(now);
        }
        assert_eq!(depths.len(), 60);
        assert_eq!(depths.iter().filter(|depth| **depth == Depth::All).count(), 2);
    }

    #[test]
    fn there_is_one_round_at_a_time_and_what_came_meanwhile_gets_another() {
        let (mut pace, end) = after_first_round();
        pace.ask();
        assert_eq!(pace.begin(end + EVERY), Some(Depth::All));
        pace.ask();
        assert_eq!(pace.next(), None);
        assert_eq!(pace.begin(end + 10 * EVERY), None);
        pace.end(end + 2 * EVERY);
        assert_eq!(pace.begin(end + 2 * EVERY + LONGEST_REST), Some(Depth::All));
    }

    #[test]
    fn what_another_host_told_waits_for_no_rest_but_that_of_its_like() {
        let (mut pace, end) = after_first_round();
        pace.tell();
        assert_eq!(pace.begin(end + MS), Some(Depth::Told));
        pace.end(end + 2 * MS);
        pace.tell();
        assert_eq!(pace.begin(end + 11 * MS), None);
        assert_eq!(pace.begin(end + 12 * MS), Some(Depth::Told));
        pace.end(end + 13 * MS);
        assert_eq!(pace.next(), Some(end + 40 * MS), "then all is looked at, with the rest of the first round");
        assert_eq!(pace.begin(end + 40 * MS), Some(Depth::All));
        pace.end(end + 41 * MS);
        assert_eq!(pace.next().map(|at| at > end + 900 * MS), Some(true));
    }

    #[test]
    fn however_long_a_round_takes_the_next_comes_within_two_seconds() {
        assert!(EVERY + LONGEST_REST < Duration::from_secs(2));
    }
}
