//! Which upstreams did not answer of late: those are asked after the others, and tried again from time to time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::Upstream;

#[cfg(test)]
mod tests;

/// How often in a row another one must have been faster by far until a server counts as silent.
const STRIKES: u32 = 3;
/// For how long a silent server is asked last: twice as long each time, up to a bound.
const FIRST_REST: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_secs(64);
/// Servers that are remembered. They stand in settings and configurations, so there are few.
const MAX_REMEMBERED: usize = 1024;

/// What is remembered of servers that did not answer.
#[derive(Debug, Default)]
pub(crate) struct Health {
    silent: Mutex<HashMap<Upstream, Silence>>,
}

#[derive(Debug, Default)]
struct Silence {
    strikes: u32,
    rests_until: Option<Instant>,
    rested: Option<Duration>,
}

impl Health {
    /// The servers in the order in which they are asked: those that do not answer come last.
    ///
    /// One that rested long enough keeps its place, for this question; others pass it over until it is known how that
    /// went.
    pub(crate) fn order(&self, servers: impl Iterator<Item = Upstream>, now: Instant) -> Vec<Upstream> {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rests = |server: &Upstream| {
            let Some(silence) = silent.get_mut(server) else { return false };
            let rests = silence.rests(now);
            if !rests && silence.rests_until.is_some() {
                silence.rest(now);
            }
            rests
        };
        let (resting, mut order): (Vec<_>, Vec<_>) = servers.partition(|server| rests(server));
        order.extend(resting);
        order
    }

    /// It answered, whatever it said.
    pub(crate) fn answered(&self, server: &Upstream) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).remove(server);
    }

    /// Another one, asked later, was faster.
    pub(crate) fn was_slow(&self, server: &Upstream, now: Instant) {
        self.strike(server, 1, now);
    }

    /// It did not answer at all.
    pub(crate) fn was_silent(&self, server: &Upstream, now: Instant) {
        self.strike(server, STRIKES, now);
    }

    fn strike(&self, server: &Upstream, strikes: u32, now: Instant) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent.len() >= MAX_REMEMBERED {
            silent.retain(|_, silence| silence.rests(now));
        }
        if silent.len() >= MAX_REMEMBERED && !silent.contains_key(server) {
            return;
        }
        let silence = silent.entry(server.clone()).or_default();
        // What comes while it rests is of questions that were on their way already.
        if silence.rests(now) {
            return;
        }
        silence.strikes = silence.strikes.saturating_add(strikes);
        if silence.strikes >= STRIKES {
            silence.rest(now);
            tracing::debug!(addr = %server, "upstream does not answer, and is asked last");
        }
    }
}

impl Silence {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    fn rest(&mut self, now: Instant) {
        let rest = self.rested.map_or(FIRST_REST, |rested| (rested * 2).min(LONGEST_REST));
        self.rests_until = Some(now + rest);
        self.rested = Some(rest);
    }
}
