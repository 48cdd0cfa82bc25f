//! What was measured, and how it is summed up.

use std::time::Duration;

/// ADDs and DELs of one host in one kind of round.
#[derive(Clone)]
pub(crate) struct Measured {
    pub(crate) add: Samples,
    pub(crate) del: Samples,
}

/// How long each run of a plugin took, and how long all took together.
#[derive(Clone, Default)]
pub(crate) struct Samples {
    took: Vec<Duration>,
    wall: Duration,
}

impl Samples {
    /// `wall` is less than the sum where plugins ran side by side.
    pub(crate) fn new(took: Vec<Duration>, wall: Duration) -> Self {
        Self { took, wall }
    }

    /// Takes in the runs of another block.
    pub(crate) fn extend(&mut self, other: Self) {
        self.took.extend(other.took);
        self.wall += other.wall;
    }

    /// The round in the middle, by the time it took; none has no samples.
    pub(crate) fn median(mut rounds: Vec<Self>) -> Self {
        rounds.sort_by_key(|round| round.wall);
        let middle = rounds.len() / 2;
        rounds.into_iter().nth(middle).unwrap_or_default()
    }

    /// What `percent` of the runs did not exceed (nearest rank); none has no samples.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// The run in the middle.
    pub(crate) fn p50(&self) -> Duration {
        self.percentile(50)
    }

    /// Runs per second, over all of them.
    pub(crate) fn per_second(&self) -> f64 {
        let runs = u32::try_from(self.took.len()).expect("invariant: a bench has fewer runs than an u32 counts");
        f64::from(runs) / self.wall.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let samples = Samples::new((1..=100).rev().map(Duration::from_millis).collect(), Duration::ZERO);
        assert_eq!(samples.p50(), Duration::from_millis(50));
        assert_eq!(samples.percentile(99), Duration::from_millis(99));
        let one = Samples::new(vec![Duration::from_millis(7)], Duration::ZERO);
        assert_eq!(one.percentile(99), Duration::from_millis(7));
    }
}
