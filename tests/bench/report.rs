//! The figures as a person reads them, and whether they are what they must be.

use std::time::{Duration, Instant};

use crate::figures::{Measured, Samples};

/// What was measured, in the order of measuring.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    goals: Vec<Goal>,
}

/// A figure that must be reached.
struct Goal {
    what: String,
    is: f64,
    at_most: f64,
}

/// What both hosts took for ADDs and DELs that are done alike, must not be more: of the reference's.
pub(crate) struct Shares {
    pub(crate) add: f64,
    pub(crate) del: f64,
    pub(crate) add_many: f64,
    pub(crate) del_many: f64,
}

/// Says what is being measured now, and how long the bench has run.
#[expect(clippy::print_stderr, reason = "a bench takes minutes, and a person waits for it")]
pub(crate) fn progress(started: Instant, what: &str) {
    eprintln!("bench {:>4} s: {what}", started.elapsed().as_secs());
}

impl Report {
    /// A heading, above the columns of [`Self::rounds`].
    pub(crate) fn heading(&mut self, what: &str) {
        self.lines.push(format!("\n{what:<37}    ADD p50        p99 per s          DEL p50        p99 per s"));
    }

    /// What stands below the last heading, or is one.
    pub(crate) fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    /// The reference, ours, and by how much ours is better.
    pub(crate) fn rounds(&mut self, title: &str, [reference, ours]: &[Measured; 2]) {
        let row = |who: &str, measured: &Measured| {
            format!("  {who:<35}{}      {}", samples(&measured.add), samples(&measured.del))
        };
        let ratio = |of: fn(&Measured) -> &Samples| {
            let (reference, ours) = (of(reference), of(ours));
            format!(
                "{:>10.1}x{:>10.1}x{:>5.1}x",
                reference.p50().div_duration_f64(ours.p50()),
                reference.percentile(99).div_duration_f64(ours.percentile(99)),
                ours.per_second() / reference.per_second(),
            )
        };
        let better = format!("  {:<35}{}      {}", "better by", ratio(|m| &m.add), ratio(|m| &m.del));
        self.lines.extend([title.to_owned(), row("reference", reference), row("netd", ours), better]);
    }

    /// A figure that must be reached.
    pub(crate) fn goal(&mut self, what: &str, is: f64, at_most: f64) {
        self.goals.push(Goal { what: what.to_owned(), is, at_most });
    }

    /// What must be reached beside the reference: one at a time by the time in the middle, many at a time by the number
    /// per second.
    pub(crate) fn goals(&mut self, who: &str, one: &[Measured; 2], many: &[Measured; 2], at_most: &Shares) {
        let time = |of: fn(&Measured) -> &Samples| {
            let [reference, ours] = one.each_ref().map(|measured| of(measured).p50());
            ours.div_duration_f64(reference)
        };
        let rate = |of: fn(&Measured) -> &Samples| {
            let [reference, ours] = many.each_ref().map(|measured| of(measured).per_second());
            reference / ours
        };
        let (one, many) = ("one at a time, of the reference's p50", "16 at a time, the reference's per second of ours");
        self.goal(&format!("{who}: ADD {one}"), time(|m| &m.add), at_most.add);
        self.goal(&format!("{who}: ADD {many}"), rate(|m| &m.add), at_most.add_many);
        self.goal(&format!("{who}: DEL {one}"), time(|m| &m.del), at_most.del);
        self.goal(&format!("{who}: DEL {many}"), rate(|m| &m.del), at_most.del_many);
    }

    /// Prints everything; true if every figure that must be reached is.
    #[expect(clippy::print_stdout, reason = "the one place that prints figures")]
    pub(crate) fn print(&self) -> bool {
        println!("{}\n\nmust be reached", self.lines.join("\n"));
        for Goal { what, is, at_most } in &self.goals {
            let verdict = if is <= at_most { "reached" } else { "MISSED" };
            println!("  {what:<71}{is:>8.3} <= {at_most:<8.3}{verdict}");
        }
        self.goals.iter().all(|goal| goal.is <= goal.at_most)
    }
}

fn samples(samples: &Samples) -> String {
    format!("{:>8.2} ms{:>8.1} ms{:>6.0}", ms(samples.p50()), ms(samples.percentile(99)), samples.per_second())
}

/// As milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// As megabytes.
#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "sizes of some megabytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
