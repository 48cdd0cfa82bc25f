//! What upstreams answered, kept for as long as they allow; and for a while longer, should they all fail (RFC 8767).
//!
//! A key holds the upstreams that answered: no network hears what another's upstreams say.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache as Bounded;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use tokio::time::Instant;

use super::Servers;
use super::lifetime::Lifetime;
use super::plain::Plain;
use crate::Kept;
use crate::counters::Count;
use crate::options::{Why, explained};
use crate::packet::Forward;
use crate::response::Response;

#[cfg(test)]
mod tests;

/// Octets that all entries hold together.
const CAPACITY: u64 = 8 << 20;
/// Octets of an entry besides what it says: the sizes of its parts, places in the tables of the cache, and what six pieces of
/// memory cost by themselves, rounded up.
const OVERHEAD: usize = 384;
/// What an entry holds, by guess, to make tables of a fitting size.
const USUAL: u64 = 512;
/// Few containers ask at one moment.
const SHARDS: usize = 4;

/// For how long an answer is given after its time when no upstream has one.
const STALE: Duration = Duration::from_hours(1);
/// What a stale answer says of its time to live (RFC 8767 4).
const STALE_TTL: u32 = 30;
/// For how long a stale answer is given at once after upstreams failed (RFC 8767 5 calls for some).
const REST: Duration = Duration::from_secs(5);

/// What is kept, bounded in octets: what is asked for again and again stays longest.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: Bounded<Key, Entry, Weight, RandomState, Evictions>,
    hits: Count,
    misses: Count,
    evictions: Evictions,
}

/// Who was asked what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) servers: Servers,
    pub(crate) plain: Plain,
}

/// What is known at one moment.
#[derive(Debug)]
pub(crate) enum Known {
    /// The answer.
    Fresh(Vec<u8>),
    /// What was the answer, and upstreams failed just now.
    Stale(Vec<u8>),
    /// They failed just now. This is the response of one of them, if there was any.
    Failure(Option<Vec<u8>>),
    /// What was the answer, if somebody asks whether it still is.
    Expired(Past),
    /// Nothing.
    Nothing,
}

/// An answer whose time is over.
#[derive(Clone, Debug)]
pub(crate) struct Past(Arc<Answer>);

#[derive(Clone, Debug)]
enum Entry {
    Answer { answer: Arc<Answer>, rests_until: Option<Instant> },
    Failure { response: Option<Arc<Response>>, until: Instant },
}

#[derive(Debug)]
struct Answer {
    response: Arc<Response>,
    lifetime: Lifetime,
    since: Instant,
}

#[derive(Clone, Debug)]
struct Weight;

/// Entries that had to go for others, or found no room.
#[derive(Clone, Debug, Default)]
struct Evictions(Arc<Count>);

impl Default for Cache {
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl Cache {
    /// A cache that holds so many octets.
    pub(crate) fn new(capacity: u64) -> Self {
        let mut options = OptionsBuilder::new();
        options.shards(SHARDS).weight_capacity(capacity);
        options.estimated_items_capacity(usize::try_from(capacity / USUAL).unwrap_or(usize::MAX));
        let options = options.build().expect("invariant: both capacities are set");
        let evictions = Evictions::default();
        let entries = Bounded::with_options(options, Weight, RandomState::new(), evictions.clone());
        Self { entries, hits: Count::default(), misses: Count::default(), evictions }
    }

    /// What is known of this, for the client that asks.
    pub(crate) fn look(&self, key: &Key, forward: &Forward, now: Instant) -> Known {
        let known = self.known(key, forward, now);
        let is_hit = !matches!(known, Known::Expired(_) | Known::Nothing);
        if is_hit { &self.hits } else { &self.misses }.add(1);
        known
    }

    /// What it holds, and what was looked for.
    pub(crate) fn figures(&self) -> Kept {
        Kept {
            entries: u64::try_from(self.entries.len()).unwrap_or(u64::MAX),
            bytes: self.entries.weight(),
            hits: self.hits.get(),
            misses: self.misses.get(),
            evictions: self.evictions.0.get(),
        }
    }

    fn known(&self, key: &Key, forward: &Forward, now: Instant) -> Known {
        match self.entries.get(key) {
            Some(Entry::Failure { response, until }) if now < until => {
                Known::Failure(response.map(|response| response.relay(forward)))
            }
            None | Some(Entry::Failure { .. }) => Known::Nothing,
            Some(Entry::Answer { answer, rests_until }) => {
                let age = now.saturating_duration_since(answer.since);
                if age < answer.lifetime.time {
                    return Known::Fresh(answer.fresh(forward, age));
                }
                if age >= answer.lifetime.time + STALE {
                    return Known::Nothing;
                }
                let past = Past(answer);
                match rests_until {
                    Some(until) if now < until => Known::Stale(past.stale(forward)),
                    _ => Known::Expired(past),
                }
            }
        }
    }

    /// Keeps an answer, if it may be kept.
    pub(crate) fn keep(&self, key: Key, response: &Arc<Response>, now: Instant) {
        let Some(lifetime) = response.lifetime() else { return };
        let answer = Arc::new(Answer { response: Arc::clone(response), lifetime, since: now });
        self.entries.insert(key, Entry::Answer { answer, rests_until: None });
    }

    /// Keeps for `time` that upstreams failed; where there is an answer whose time is over, that one is given meanwhile.
    pub(crate) fn keep_failure(
        &self,
        key: Key,
        past: Option<Past>,
        response: Option<Arc<Response>>,
        time: Duration,
        now: Instant,
    ) {
        let entry = match past {
            Some(Past(answer)) => Entry::Answer { answer, rests_until: Some(now + REST) },
            None => Entry::Failure { response, until: now + time },
        };
        self.entries.insert(key, entry);
    }
}

impl Past {
    /// It, as what it is.
    pub(crate) fn stale(&self, forward: &Forward) -> Vec<u8> {
        let why = if self.0.response.denies() { Why::StaleDenial } else { Why::Stale };
        explained(self.0.patched(forward, |ttl| ttl.min(STALE_TTL)), why, forward.limit)
    }
}

impl Answer {
    fn fresh(&self, forward: &Forward, age: Duration) -> Vec<u8> {
        let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        self.patched(forward, |ttl| ttl.saturating_sub(age))
    }

    fn patched(&self, forward: &Forward, change: impl Fn(u32) -> u32) -> Vec<u8> {
        let mut octets = self.response.octets().to_vec();
        for &at in &self.lifetime.ttls {
            if let Some(ttl) = octets.get_mut(usize::from(at)..).and_then(<[u8]>::first_chunk_mut) {
                *ttl = change(u32::from_be_bytes(*ttl)).to_be_bytes();
            }
        }
        if let Some(name) = forward.name() {
            for &at in &self.lifetime.spelled {
                let at = usize::from(at);
                octets.get_mut(at..at + name.len()).into_iter().for_each(|owner| owner.copy_from_slice(name));
            }
        }
        self.response.relay_as(octets, forward)
    }
}

impl Lifecycle<Key, Entry> for Evictions {
    type RequestState = ();

    /// Not of one that another with the same key takes the place of.
    fn before_evict(&self, (): &mut (), _: &Key, _: &mut Entry) {
        self.0.add(1);
    }
}

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        let held = match entry {
            Entry::Answer { answer, .. } => answer.response.octets().len() + answer.lifetime.len(),
            Entry::Failure { response, .. } => response.as_ref().map_or(0, |response| response.octets().len()),
        };
        u64::try_from(OVERHEAD + key.plain.len() + held).unwrap_or(u64::MAX)
    }
}
