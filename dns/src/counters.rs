//! What the server did, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::forward::Reply;

/// How many packets, over UDP and TCP together, came to which end since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answered from our own names.
    pub answered: u64,
    /// Answered by an upstream.
    pub forwarded: u64,
    /// Answered from what an upstream answered before.
    pub cached: u64,
    /// That too, after its time: no upstream answered.
    pub stale: u64,
    /// Answered with SERVFAIL, because no upstream answered, just now or shortly before, or too many were being asked.
    pub failed: u64,
    /// Answered with an error because of what they were or where they came from.
    pub refused: u64,
    /// Not answered at all: no DNS header, or a response.
    pub ignored: u64,
}

/// The running [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: Count,
    forwarded: Count,
    cached: Count,
    stale: Count,
    failed: Count,
    pub(crate) refused: Count,
    pub(crate) ignored: Count,
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add_one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// Counts what a client gets of a forwarded question, and passes it on.
    pub(crate) fn forwarded(&self, reply: Reply) -> Vec<u8> {
        let (count, octets) = match reply {
            Reply::Asked(octets) => (&self.forwarded, octets),
            Reply::Cached(octets) => (&self.cached, octets),
            Reply::Stale(octets) => (&self.stale, octets),
            Reply::Failed(octets) => (&self.failed, octets),
        };
        count.add_one();
        octets
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            answered: self.answered.get(),
            forwarded: self.forwarded.get(),
            cached: self.cached.get(),
            stale: self.stale.get(),
            failed: self.failed.get(),
            refused: self.refused.get(),
            ignored: self.ignored.get(),
        }
    }
}
