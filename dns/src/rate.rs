//! How many requests come.

use std::time::{Duration, Instant};

/// Counts requests, one period after the other.
#[derive(Debug)]
pub(crate) struct Rate {
    period: Duration,
    began: Instant,
    count: usize,
}

impl Rate {
    /// Counts from now on.
    pub(crate) fn new(period: Duration, now: Instant) -> Self {
        Self { period, began: now, count: 0 }
    }

    /// So many came.
    pub(crate) fn add(&mut self, count: usize) {
        self.count += count;
    }

    /// How many came in a period, each time that one is over. Where nobody asked what the time is, it was longer than that,
    /// and its share of them counts.
    pub(crate) fn take_past(&mut self, now: Instant) -> Option<usize> {
        let past = now.saturating_duration_since(self.began);
        if past < self.period {
            return None;
        }
        let periods = past.as_nanos() / self.period.as_nanos().max(1);
        let count = std::mem::take(&mut self.count) / usize::try_from(periods).unwrap_or(usize::MAX);
        self.began = now;
        Some(count)
    }

    /// Whether so many came in a period, as soon as they did.
    pub(crate) fn reaches(&mut self, many: usize, now: Instant) -> bool {
        self.take_past(now).unwrap_or(self.count) >= many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_in_a_longer_time_counts_for_less() {
        let start = Instant::now();
        let mut rate = Rate::new(Duration::from_millis(100), start);
        rate.add(20);
        assert_eq!(rate.take_past(start + Duration::from_millis(99)), None);
        assert_eq!(rate.take_past(start + Duration::from_millis(100)), Some(20));
        rate.add(20);
        assert_eq!(rate.take_past(start + Duration::from_millis(500)), Some(5));
        assert_eq!(rate.take_past(start + Duration::from_millis(600)), Some(0));
    }

    #[test]
    fn many_are_many_before_the_period_is_over() {
        let start = Instant::now();
        let mut rate = Rate::new(Duration::from_millis(100), start);
        rate.add(199);
        assert!(!rate.reaches(200, start + Duration::from_millis(5)));
        rate.add(1);
        assert!(rate.reaches(200, start + Duration::from_millis(10)));
        assert!(!rate.reaches(200, start + Duration::from_millis(200)), "in two periods");
        assert!(!rate.reaches(200, start + Duration::from_millis(201)), "they counted once");
    }
}
