//! How rounds are summed up.

use crate::load::Measured;

/// The rounds of one server under one load.
#[derive(Default)]
pub(crate) struct Series(Vec<Measured>);

impl Series {
    pub(crate) fn push(&mut self, round: Measured) {
        self.0.push(round);
    }

    /// Slices of one round: that with the lowest p99 counts, but what was lost in any was lost.
    pub(crate) fn push_quietest<'m>(&mut self, slices: impl Iterator<Item = &'m Measured> + Clone) {
        let lost = slices.clone().map(|slice| slice.lost).sum();
        let quietest = slices.min_by(|one, other| one.p99.total_cmp(&other.p99));
        self.0.extend(quietest.map(|slice| Measured { lost, ..*slice }));
    }

    /// The median of what `of` reads from each round.
    pub(crate) fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        median(self.0.iter().map(of))
    }

    /// Questions without a good answer, in all rounds.
    pub(crate) fn lost(&self) -> u64 {
        self.0.iter().map(|round| round.lost).sum()
    }

    /// Answers in a second in rounds where no question was lost; none if each lost some.
    pub(crate) fn per_second(&self) -> f64 {
        median(self.0.iter().filter(|round| round.lost == 0).map(|round| round.per_second))
    }

    pub(crate) fn cpu(&self) -> f64 {
        self.median(|round| round.cpu)
    }

    pub(crate) fn p99(&self) -> f64 {
        self.median(|round| round.p99)
    }
}

/// The one in the middle, the lower of two; zero of none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_that_lost_something_does_not_count_as_fast() {
        let mut series = Series::default();
        for (per_second, lost) in [(9.0, 1), (5.0, 0), (7.0, 0), (3.0, 0)] {
            series.push(Measured { per_second, lost, cpu: per_second, p99: 0.0 });
        }
        assert!((series.per_second() - 5.0).abs() < f64::EPSILON);
        assert_eq!(series.lost(), 1);
        assert!((Series::default().cpu()).abs() < f64::EPSILON);
    }

    #[test]
    fn the_quietest_slice_counts_with_what_all_lost() {
        let mut series = Series::default();
        let slices = [(300.0, 2), (100.0, 0), (200.0, 1)];
        let slices = slices.map(|(p99, lost)| Measured { per_second: 1.0, lost, cpu: p99, p99 });
        series.push_quietest(slices.iter());
        assert!((series.p99() - 100.0).abs() < f64::EPSILON && (series.cpu() - 100.0).abs() < f64::EPSILON);
        assert_eq!(series.lost(), 3);
    }
}
