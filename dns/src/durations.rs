//! How long answers took, counted by ranges.

use std::time::Duration;

use crate::counters::Count;

/// Where one range ends and the next begins: from what a look takes to what a client waits for.
const ENDS: [Duration; 15] = [
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(4),
];

/// How long answers took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many took longer than the end before and at most this; the last has no end.
    pub ranges: Vec<(Option<Duration>, u64)>,
    /// All of them together.
    pub sum: Duration,
}

/// The running [`Durations`].
#[derive(Debug, Default)]
pub(crate) struct Clocked {
    ranges: [Count; ENDS.len()],
    longer: Count,
    nanoseconds: Count,
}

impl Durations {
    /// How many answers there were.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|(_, count)| count).sum()
    }
}

impl Clocked {
    /// Takes in `count` answers that took as long.
    pub(crate) fn add(&self, took: Duration, count: u64) {
        let range = ENDS.iter().zip(&self.ranges).find(|(end, _)| took <= **end);
        range.map_or(&self.longer, |(_, range)| range).add(count);
        self.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).saturating_mul(count));
    }

    pub(crate) fn read(&self) -> Durations {
        let ends = ENDS.into_iter().map(Some).chain([None]);
        let counts = self.ranges.iter().chain([&self.longer]).map(Count::get);
        Durations { ranges: ends.zip(counts).collect(), sum: Duration::from_nanos(self.nanoseconds.get()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_range_that_it_ends_and_all_are_in_the_sum() {
        let clocked = Clocked::default();
        for (micros, count) in [(0, 1), (10, 2), (11, 3), (4_000_000, 4), (4_000_001, 5)] {
            clocked.add(Duration::from_micros(micros), count);
        }
        let read = clocked.read();
        let found: Vec<_> = read.ranges.iter().filter(|(_, count)| *count > 0).copied().collect();
        let [first, second] = [10, 25].map(|micros| Some(Duration::from_micros(micros)));
        assert_eq!(found, [(first, 3), (second, 3), (Some(Duration::from_secs(4)), 4), (None, 5)]);
        assert_eq!((read.count(), read.sum), (15, Duration::from_micros(20 + 33 + 16_000_000 + 20_000_005)));
        assert!(ENDS.is_sorted());
    }
}
