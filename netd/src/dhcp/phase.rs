//! When something is to be done about a lease: a pure function of its times and the clock. RFC 2131, 4.4.5.

use std::time::Duration;

use netd_model::dhcp::{Lease, Stage, Times};

/// The shortest time after which a question that nobody answered is asked again, as long as so much is left.
const PAUSE: Duration = Duration::from_mins(1);

/// The shortest lease, in seconds: half of it is the shortest time that is counted.
const SHORTEST: u32 = 2;

/// For how long a server gives something, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spans {
    renew: u32,
    rebind: u32,
    whole: u32,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing before this time.
    Rest(Duration),
    /// Ask the server that gave it.
    Renew,
    /// Ask all servers.
    Rebind,
    /// It is the client's no more: ask whether it may be again.
    Lost,
}

impl Spans {
    /// What a server says, with what holds where it says nothing or what cannot be; nothing where it gives no time, or
    /// one so short that it would be asked to go on without a pause.
    pub(super) fn new(whole: u32, renew: Option<u32>, rebind: Option<u32>) -> Option<Self> {
        let eighths = |count: u64| u32::try_from(u64::from(whole) * count / 8).unwrap_or(u32::MAX);
        let rebind = rebind.filter(|rebind| (1..whole).contains(rebind)).unwrap_or_else(|| eighths(7));
        let renew = renew.filter(|renew| (1..=rebind).contains(renew)).unwrap_or_else(|| eighths(4).min(rebind));
        (whole >= SHORTEST).then_some(Self { renew, rebind, whole })
    }

    /// When that is, counted from `now`.
    pub(super) fn from(self, now: Duration) -> Times {
        let at = |seconds: u32| now.as_secs().saturating_add(seconds.into());
        Times { renew: at(self.renew), rebind: at(self.rebind), expire: at(self.whole) }
    }
}

impl Phase {
    /// What is to be done about a lease now.
    pub(super) fn of(lease: &Lease, now: Duration) -> Self {
        let Times { renew, rebind, expire } = lease.times;
        match now.as_secs() {
            _ if lease.stage != Stage::Held => Self::Lost,
            now if now >= expire => Self::Lost,
            now if now >= rebind => Self::Rebind,
            now if now >= renew => Self::Renew,
            _ => Self::Rest(Duration::from_secs(renew)),
        }
    }

    /// How long it lasts from now; none if without an end.
    pub(super) fn left(self, lease: &Lease, now: Duration) -> Option<Duration> {
        let end = match self {
            Self::Rest(until) => until,
            Self::Renew => Duration::from_secs(lease.times.rebind),
            Self::Rebind => Duration::from_secs(lease.times.expire),
            Self::Lost => return None,
        };
        Some(end.saturating_sub(now))
    }

    /// After which time to ask again what nobody answered.
    pub(super) fn pause(self, lease: &Lease, now: Duration) -> Duration {
        self.left(lease, now).map_or(PAUSE, |left| (left / 2).max(PAUSE).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::sample;

    #[test]
    fn what_a_server_leaves_out_or_says_wrongly_is_as_the_standard_says() {
        for (whole, renew, rebind, expected) in [
            (800, None, None, Some((400, 700, 800))),
            (800, Some(10), Some(20), Some((10, 20, 800))),
            (800, Some(30), Some(20), Some((20, 20, 800))),
            (800, Some(0), Some(0), Some((400, 700, 800))),
            (800, Some(900), Some(900), Some((400, 700, 800))),
            (2, None, None, Some((1, 1, 2))),
            (1, None, None, None),
            (u32::MAX, None, None, Some((0x7fff_ffff, 0xdfff_ffff, u32::MAX))),
            (0, None, None, None),
        ] {
            let spans = Spans::new(whole, renew, rebind).map(|spans| (spans.renew, spans.rebind, spans.whole));
            assert_eq!(spans, expected, "{whole} {renew:?} {rebind:?}");
        }
    }

    #[test]
    fn a_lease_rests_is_renewed_rebound_and_lost() {
        let times = Times { renew: 100, rebind: 175, expire: 200 };
        let held = Lease { times, ..sample::lease() };
        let at = Duration::from_secs;
        for (now, expected) in [
            (99, Phase::Rest(at(100))),
            (100, Phase::Renew),
            (174, Phase::Renew),
            (175, Phase::Rebind),
            (200, Phase::Lost),
        ] {
            assert_eq!(Phase::of(&held, at(now)), expected, "{now}");
        }
        let lost = Lease { stage: Stage::Lost, ..held };
        assert_eq!(Phase::of(&lost, at(0)), Phase::Lost);
    }

    #[test]
    fn what_nobody_answers_is_asked_again_after_half_of_what_is_left_but_not_more_often_than_each_minute() {
        let times = Times { renew: 1000, rebind: 2000, expire: 2100 };
        let lease = Lease { times, ..sample::lease() };
        let at = Duration::from_secs;
        for (phase, now, expected) in [
            (Phase::Renew, 1000, 500),
            (Phase::Renew, 1900, 60),
            (Phase::Renew, 1970, 30),
            (Phase::Rebind, 2000, 60),
            (Phase::Rebind, 2099, 1),
            (Phase::Lost, 2100, 60),
        ] {
            assert_eq!(phase.pause(&lease, at(now)), at(expected), "{phase:?} {now}");
        }
    }
}
