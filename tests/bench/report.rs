//! The figures as a person reads them, and whether they are what they must be.

use std::time::{Duration, Instant};

use crate::figures::{Figures, Measured, Samples};
use crate::pool::Leases;
use crate::ports::Ports;

/// A figure that must be reached.
struct Goal {
    what: &'static str,
    is: f64,
    at_most: f64,
    unit: &'static str,
}

/// Says what is being measured now, and how long the bench has run.
#[expect(clippy::print_stderr, reason = "a bench takes minutes, and a person waits for it")]
pub(crate) fn progress(started: Instant, what: &str) {
    eprintln!("bench {:>4} s: {what}", started.elapsed().as_secs());
}

/// Prints all figures; true if every one that must be reached is.
#[expect(clippy::print_stdout, reason = "the one place that prints figures")]
pub(crate) fn print(figures: &Figures) -> bool {
    let goals = goals(figures);
    println!("\n{:<37}    ADD p50        p99 per s          DEL p50        p99 per s", "bridge + host-local + ipMasq");
    for (title, measured) in [
        ("one at a time", &figures.one),
        ("16 at a time", &figures.many),
        ("one at a time, 1,000 attached", &figures.one_filled),
        ("16 at a time, 1,000 attached", &figures.many_filled),
    ] {
        print!("{}", rows(title, measured));
    }
    println!("\nhost-local alone, one at a time");
    let [reference, ours] = &figures.leases;
    print!("{}{}", pool("reference", reference), pool("netd", ours));
    print!("\npublished ports\n{}", published(&figures.ports));
    println!("\nmust be reached");
    for goal in &goals {
        let verdict = if goal.is <= goal.at_most { "reached" } else { "MISSED" };
        println!("  {:<66}{:>8.3} <= {:<6.3}{:<5}{verdict}", goal.what, goal.is, goal.at_most, goal.unit);
    }
    goals.iter().all(|goal| goal.is <= goal.at_most)
}

fn rows(title: &str, [reference, ours]: &[Measured; 2]) -> String {
    let row = |who: &str, measured: &Measured| {
        format!("  {who:<35}{}      {}\n", samples(&measured.add), samples(&measured.del))
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
    let better = format!("  {:<35}{}      {}\n", "better by", ratio(|m| &m.add), ratio(|m| &m.del));
    format!("{title}\n{}{}{better}", row("reference", reference), row("netd", ours))
}

fn samples(samples: &Samples) -> String {
    format!("{:>8.2} ms{:>8.1} ms{:>6.0}", ms(samples.p50()), ms(samples.percentile(99)), samples.per_second())
}

fn pool(who: &str, leases: &Leases) -> String {
    let row = |title: &str, [add, del]: &[Samples; 2]| {
        format!(
            "  {:<35}ADD p50 {:>9.2} ms    DEL p50 {:>9.2} ms\n",
            format!("{who}, {title}"),
            ms(add.p50()),
            ms(del.p50())
        )
    };
    let first = format!("  {:<35}ADD     {:>9.2} ms\n", format!("{who}, first of 50,000"), ms(leases.first.p50()));
    format!("{}{}{first}", row("no lease", &leases.none), row("50,000 leases", &leases.many))
}

fn published(ports: &Ports) -> String {
    let row = |title: &str, connect: &Samples, add: &Samples| {
        format!("  {title:<35}connect p50 {:>7.3} ms    ADD p50 {:>9.2} ms\n", ms(connect.p50()), ms(add.p50()))
    };
    let [alone, among_others] = &ports.connect;
    let [add_alone, add_among_others] = &ports.add;
    row("none of others", alone, add_alone) + &row("5,000 of others", among_others, add_among_others)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn goals(figures: &Figures) -> Vec<Goal> {
    let [reference, ours] = &figures.one;
    let [many_reference, many_ours] = &figures.many;
    let [_, filled] = &figures.one_filled;
    let [_, many_filled] = &figures.many_filled;
    let [_, leases] = &figures.leases;
    let times = |what, is, at_most| Goal { what, is, at_most, unit: "" };
    let megabytes = |what, bytes: u64, at_most| Goal { what, is: mega(bytes), at_most, unit: "MB" };
    vec![
        times(
            "ADD one at a time, of the reference's p50",
            ours.add.p50().div_duration_f64(reference.add.p50()),
            1.0 / 8.0,
        ),
        times(
            "ADD 16 at a time, the reference's per second of ours",
            many_reference.add.per_second() / many_ours.add.per_second(),
            1.0 / 6.0,
        ),
        times(
            "ADD one at a time with 1,000 attached, of that with none",
            filled.add.p50().div_duration_f64(ours.add.p50()),
            1.3,
        ),
        times(
            "ADD 16 at a time with 1,000 attached, of that with none",
            many_ours.add.per_second() / many_filled.add.per_second(),
            1.3,
        ),
        times("DEL one at a time, of the reference's p50", ours.del.p50().div_duration_f64(reference.del.p50()), 0.4),
        times(
            "DEL 16 at a time, the reference's per second of ours",
            many_reference.del.per_second() / many_ours.del.per_second(),
            1.0 / 10.0,
        ),
        times(
            "host-local ADD with 50,000 leases, of that with none",
            leases.many[0].p50().div_duration_f64(leases.none[0].p50()),
            1.3,
        ),
        times(
            "host-local DEL with 50,000 leases, of that with none",
            leases.many[1].p50().div_duration_f64(leases.none[1].p50()),
            1.3,
        ),
        times(
            "connecting to a published port among 5,000, of that to one alone",
            figures.ports.connect[1].p50().div_duration_f64(figures.ports.connect[0].p50()),
            1.05,
        ),
        times(
            "ADD of a port with 5,000 published by others, of that with none",
            figures.ports.add[1].p50().div_duration_f64(figures.ports.add[0].p50()),
            1.3,
        ),
        megabytes("netd-cni, static and stripped", figures.size, 6.0),
        megabytes("netd idle with 1,000 attachments, resident", figures.resident, 30.0),
    ]
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "sizes of some megabytes")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
