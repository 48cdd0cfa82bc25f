//! What the server did, counted: for each network by type and by what became of a packet.
//!
//! The tally of a network stands in its zone, so that what counts finds it without looking for it, and goes with it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::Kind;

/// The type that a question asks for, as far as types are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountedKind {
    /// A
    A,
    /// AAAA
    Aaaa,
    /// PTR
    Ptr,
    /// SRV
    Srv,
    /// TXT
    Txt,
    /// Any other, and packets that hold no question.
    Other,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Answered from our own names.
    Answered,
    /// Answered by an upstream.
    Forwarded,
    /// Answered from what an upstream answered before.
    Cached,
    /// That too, after its time: no upstream answered.
    Stale,
    /// Answered with SERVFAIL, because no upstream answered, just now or shortly before, or too many were being kind.
    Failed,
    /// Answered with an error because of what it was or where it came from.
    Refused,
    /// Not answered at all: no DNS header, or a response.
    Ignored,
}

/// How many packets of one network came to which end.
#[derive(Debug, Default)]
pub(crate) struct Tally([[Count; Outcome::ALL.len()]; CountedKind::ALL.len()]);

/// Answers from our own names that are not yet in a tally: of a batch, those of one type are added at once.
#[derive(Debug, Default)]
pub(crate) struct Run<'a> {
    tally: Option<&'a Tally>,
    counts: [u64; CountedKind::ALL.len()],
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl CountedKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::A, Self::Aaaa, Self::Ptr, Self::Srv, Self::Txt, Self::Other];

    /// Its name, as in a zone file.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Ptr => "PTR",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
            Self::Other => "other",
        }
    }

    fn place(self) -> usize {
        match self {
            Self::A => 0,
            Self::Aaaa => 1,
            Self::Ptr => 2,
            Self::Srv => 3,
            Self::Txt => 4,
            Self::Other => 5,
        }
    }
}

impl From<Kind> for CountedKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::A => Self::A,
            Kind::AAAA => Self::Aaaa,
            Kind::PTR => Self::Ptr,
            Kind::SRV => Self::Srv,
            Kind::TXT => Self::Txt,
            _ => Self::Other,
        }
    }
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Answered, Self::Forwarded, Self::Cached, Self::Stale, Self::Failed, Self::Refused, Self::Ignored];

    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Forwarded => "forwarded",
            Self::Cached => "cached",
            Self::Stale => "stale",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Ignored => "ignored",
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Answered => 0,
            Self::Forwarded => 1,
            Self::Cached => 2,
            Self::Stale => 3,
            Self::Failed => 4,
            Self::Refused => 5,
            Self::Ignored => 6,
        }
    }
}

impl Count {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// Counts packets.
    pub(crate) fn add(&self, kind: CountedKind, outcome: Outcome, count: u64) {
        if let Some(place) = self.place(kind, outcome) {
            place.add(count);
        }
    }

    /// What was counted.
    pub(crate) fn read(&self) -> impl Iterator<Item = (CountedKind, Outcome, u64)> {
        let count = |kind, outcome| self.place(kind, outcome).map_or(0, Count::get);
        let of = move |kind| Outcome::ALL.into_iter().map(move |outcome| (kind, outcome, count(kind, outcome)));
        CountedKind::ALL.into_iter().flat_map(of).filter(|&(_, _, count)| count > 0)
    }

    fn place(&self, kind: CountedKind, outcome: Outcome) -> Option<&Count> {
        self.0.get(kind.place())?.get(outcome.place())
    }
}

impl<'a> Run<'a> {
    /// Takes in one answer.
    pub(crate) fn add(&mut self, tally: &'a Tally, kind: CountedKind) {
        if !self.tally.is_some_and(|is| std::ptr::eq(is, tally)) {
            self.end();
            self.tally = Some(tally);
        }
        if let Some(count) = self.counts.get_mut(kind.place()) {
            *count += 1;
        }
    }

    fn end(&mut self) {
        let Some(tally) = self.tally else { return };
        for (kind, count) in CountedKind::ALL.into_iter().zip(&mut self.counts) {
            if *count > 0 {
                tally.add(kind, Outcome::Answered, std::mem::take(count));
            }
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_and_outcome_has_a_place_of_its_own() {
        let tally = Tally::default();
        let all = || CountedKind::ALL.into_iter().flat_map(|kind| Outcome::ALL.map(|outcome| (kind, outcome)));
        let expected: Vec<_> = all().zip(1..).map(|((kind, outcome), count)| (kind, outcome, count)).collect();
        for &(kind, outcome, count) in &expected {
            tally.add(kind, outcome, count);
        }
        assert_eq!(tally.read().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_run_counts_each_network_alone_and_all_of_it_when_it_ends() {
        let tallies = [Tally::default(), Tally::default()];
        let mut run = Run::default();
        for (tally, kind) in [
            (0, CountedKind::A),
            (0, CountedKind::Aaaa),
            (0, CountedKind::A),
            (1, CountedKind::Ptr),
            (0, CountedKind::A),
        ] {
            run.add(&tallies[tally], kind);
        }
        drop(run);
        let answered = |tally: usize| tallies[tally].read().map(|(kind, _, count)| (kind, count)).collect::<Vec<_>>();
        assert_eq!(answered(0), [(CountedKind::A, 3), (CountedKind::Aaaa, 1)]);
        assert_eq!(answered(1), [(CountedKind::Ptr, 1)]);
    }
}
