//! When which upstream is asked, from the first to the last moment of a question. Pure: time comes as an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::upstream::Upstream;

#[cfg(test)]
mod tests;

/// From the request to the answer, whatever happens: clients give up, or ask again, after 5 s.
pub(super) const DEADLINE: Duration = Duration::from_secs(4);
/// Upstreams that are tried, as many as a resolver reads from resolv.conf(5).
const MAX_UPSTREAMS: usize = 3;
/// When the next upstream is asked as well, because the one before has not answered.
pub(super) const HEDGE: Duration = Duration::from_millis(250);
/// When those are asked once more that have not answered: a datagram may be lost.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// The course of one question.
#[derive(Debug)]
pub(super) struct Course {
    start: Instant,
    untried: VecDeque<Upstream>,
    hedge: Instant,
    /// Asked, and not heard of, the longest first.
    silent: Vec<Asked>,
    asked_again: usize,
}

/// An upstream that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) server: Upstream,
    pub(super) at: Instant,
}

impl Course {
    /// A course over these, in order.
    pub(super) fn new(servers: Vec<Upstream>, start: Instant) -> Self {
        let untried = servers.into_iter().take(MAX_UPSTREAMS).collect();
        Self { start, untried, hedge: start, silent: Vec::new(), asked_again: 0 }
    }

    /// Who is to be asked now, if it is time for anybody.
    pub(super) fn due(&mut self, now: Instant) -> Option<Upstream> {
        if self.hedge <= now
            && let Some(server) = self.untried.pop_front()
        {
            self.hedge = now + HEDGE;
            self.silent.push(Asked { server: server.clone(), at: now });
            return Some(server);
        }
        let again = self.again().filter(|&again| again <= now)?;
        debug_assert!(again >= self.start);
        let turn = self.asked_again.checked_rem(self.silent.len())?;
        self.asked_again += 1;
        self.silent.get(turn).map(|asked| asked.server.clone())
    }

    /// It answered that it cannot, or it cannot be reached: the next one is due at once.
    pub(super) fn over(&mut self, server: &Upstream, now: Instant) {
        self.silent.retain(|asked| asked.server != *server);
        self.hedge = now;
    }

    /// When something is due again, at the latest at the end.
    pub(super) fn next(&self) -> Instant {
        let hedge = (!self.untried.is_empty()).then_some(self.hedge);
        hedge.into_iter().chain(self.again()).chain([self.end()]).min().unwrap_or(self.start)
    }

    /// When it is over.
    pub(super) fn end(&self) -> Instant {
        self.start + DEADLINE
    }

    /// Those that were asked and not heard of.
    pub(super) fn silent(&self) -> &[Asked] {
        &self.silent
    }

    fn again(&self) -> Option<Instant> {
        let again = AGAIN.get(self.asked_again).filter(|_| self.untried.is_empty() && !self.silent.is_empty())?;
        Some(self.start + *again)
    }
}
