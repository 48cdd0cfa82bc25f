//! What was heard of another host, and when.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use netd_model::{name::NetworkName, overlay::NamesOfHost};
use serde::{Deserialize, Serialize};

use super::{BELIEVED, Mtus, crossing::Crossings, view::State};

/// The names of one host, network by network.
pub(super) type Names = BTreeMap<NetworkName, Arc<NamesOfHost>>;

/// What one host told of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Names of its containers.
    pub(super) names: Names,
    /// What crosses from it; nothing from one that does not say so.
    pub(super) mtus: Mtus,
    /// How packets cross there; nothing from one that does not say so.
    pub(super) crossings: Crossings,
}

/// What of it outlives netd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    alive: bool,
    names: Vec<NamesOfHost>,
    #[serde(default, skip_serializing_if = "Mtus::is_empty")]
    mtus: Mtus,
    /// When that was true last, where that is longer ago than the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    as_of: Option<SystemTime>,
}

/// What was heard of another host.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    /// The last that it told.
    pub(super) told: Told,
    /// Whether it has answered lately.
    pub(super) state: State,
    /// Since when that is so.
    pub(super) since: SystemTime,
    /// Why the last attempt failed, if it did.
    pub(super) last_error: Option<String>,
    /// Whether it was asked once at least, and answered or not.
    pub(super) is_asked: bool,
    /// It did not answer since netd started: what is here was known before, and true last at this time.
    pub(super) recalled: Option<SystemTime>,
    /// When it last answered.
    heard: Option<Instant>,
}

impl Contact {
    /// A host of which nothing was heard yet.
    pub(super) fn new(clock: SystemTime) -> Self {
        Self {
            told: Told::default(),
            state: State::Silent,
            since: clock,
            last_error: None,
            is_asked: false,
            recalled: None,
            heard: None,
        }
    }

    /// A host as it was known before netd started. One that answered then is believed to, for its time to live and a
    /// little more.
    pub(super) fn recalled(kept: Kept, as_of: SystemTime, now: Instant) -> Self {
        let names = kept.names.into_iter().map(|names| (names.network.clone(), Arc::new(names))).collect();
        Self {
            told: Told { names, mtus: kept.mtus, crossings: Crossings::new() },
            state: if kept.alive { State::Alive } else { State::Silent },
            recalled: Some(kept.as_of.unwrap_or(as_of)),
            heard: kept.alive.then(|| now + BELIEVED),
            ..Self::new(as_of)
        }
    }

    /// What the next netd is to know of it.
    pub(super) fn kept(&self) -> Kept {
        let names = self.told.names.values().map(|names| NamesOfHost::clone(names)).collect();
        Kept { alive: self.state == State::Alive, names, mtus: self.told.mtus.clone(), as_of: self.recalled }
    }

    /// It answered, with what it has or with the news that this is as it was; or it could not be asked, or not understood.
    /// Whether that changed anything.
    pub(super) fn hear(&mut self, answer: Result<Option<Told>, String>, now: Instant, clock: SystemTime) -> bool {
        let (state, error) = (self.state, self.last_error.take());
        let is_first = !std::mem::replace(&mut self.is_asked, true);
        let told = match answer {
            Ok(told) => {
                (self.heard, self.recalled) = (Some(now), None);
                self.be(State::Alive, clock);
                told
            }
            Err(error) => {
                self.last_error = Some(error);
                None
            }
        };
        let is_new = told.as_ref().is_some_and(|told| *told != self.told);
        if let Some(told) = told {
            self.told = told;
        }
        is_first || is_new || self.state != state || self.last_error != error
    }

    /// Falls silent if the time has come; whether it did.
    pub(super) fn age(&mut self, ttl: Duration, now: Instant, clock: SystemTime) -> bool {
        let falls = self.falls_silent(ttl).is_some_and(|then| then <= now);
        if falls {
            self.be(State::Silent, clock);
        }
        falls
    }

    /// When it falls silent, if nothing more is heard.
    pub(super) fn falls_silent(&self, ttl: Duration) -> Option<Instant> {
        self.heard.filter(|_| self.state == State::Alive).map(|heard| heard + ttl)
    }

    fn be(&mut self, state: State, clock: SystemTime) {
        if self.state != state {
            self.state = state;
            self.since = clock;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(15);

    fn told() -> Told {
        let text = r#"{"version": 1, "host": "h2", "network": "lab", "containers": []}"#;
        let names = Names::from([("lab".parse().unwrap(), Arc::new(serde_json::from_str(text).unwrap()))]);
        Told { names, ..Told::default() }
    }

    #[test]
    fn who_was_not_heard_for_the_time_to_live_is_silent_and_comes_back_with_the_next_answer() {
        let (start, clock) = (Instant::now(), SystemTime::UNIX_EPOCH);
        let at = |seconds| (start + Duration::from_secs(seconds), clock + Duration::from_secs(seconds));
        let mut contact = Contact::new(clock);
        assert_eq!((contact.state, contact.falls_silent(TTL)), (State::Silent, None));

        assert!(contact.hear(Ok(Some(told())), at(1).0, at(1).1));
        assert_eq!((contact.state, contact.since), (State::Alive, at(1).1));
        assert!(!contact.hear(Ok(Some(told())), at(1).0, at(1).1) && !contact.hear(Ok(None), at(1).0, at(1).1));
        assert!(contact.hear(Err("refused".to_owned()), at(2).0, at(2).1));
        assert!(!contact.hear(Err("refused".to_owned()), at(2).0, at(2).1));
        assert_eq!((contact.state, contact.last_error.as_deref()), (State::Alive, Some("refused")));
        assert!(!contact.age(TTL, at(15).0, at(15).1));
        assert!(contact.age(TTL, at(16).0, at(16).1));
        assert_eq!((contact.state, contact.since, contact.told.names.len()), (State::Silent, at(16).1, 1));
        assert!(!contact.age(TTL, at(17).0, at(17).1), "once");

        assert!(contact.hear(Ok(None), at(20).0, at(20).1));
        assert_eq!((contact.state, contact.since, contact.last_error), (State::Alive, at(20).1, None));
        assert_eq!(contact.told, told(), "they are as they were");
    }
}
