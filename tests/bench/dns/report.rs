//! The figures as a person reads them, and whether they are what they must be.

use std::time::Instant;

use crate::figures::Series;
use crate::many::Many;
use crate::rounds::{Measured, RATE};

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
pub(crate) fn print(rounds: &[Measured], forwarded: &[(&'static str, Series)], many: &[Many]) -> bool {
    if !rounds.is_empty() {
        print_servers(rounds, forwarded);
    }
    println!("\nnetd with 100,000 names of 10,000 attachments");
    for Many { networks, load, memory, change, change_cpu } in many {
        println!(
            "  in {networks:>5} networks: loaded in {load:.3} s, {memory:.1} MB above idle, a change is seen in {change:.2} ms \
             and costs {change_cpu:.2} ms of CPU",
        );
    }
    let goals = goals(rounds, forwarded, many);
    println!("\nmust be reached");
    for goal in &goals {
        let verdict = if goal.is <= goal.at_most { "reached" } else { "MISSED" };
        println!("  {:<66}{:>8.3} <= {:<6.3}{:<5}{verdict}", goal.what, goal.is, goal.at_most, goal.unit);
    }
    goals.iter().all(|goal| goal.is <= goal.at_most)
}

#[expect(clippy::print_stdout, reason = "a part of what is printed")]
fn print_servers(rounds: &[Measured], forwarded: &[(&'static str, Series)]) {
    println!("\n1,000 names                 as fast as it answers         one client      {RATE} a second");
    println!("                        per second  CPU/query   lost     CPU/query   CPU/query         p99   lost");
    for Measured { name, saturation, one_client, rate } in rounds {
        println!(
            "  {name:<18}{:>14.0}{:>8.2} us{:>7}{:>11.2} us{:>9.2} us{:>9.0} us{:>7}",
            saturation.per_second(),
            saturation.cpu(),
            saturation.lost(),
            one_client.cpu(),
            rate.cpu(),
            rate.p99(),
            rate.lost(),
        );
    }
    println!("\nnames of another server, asked before");
    for (name, series) in forwarded {
        let lost = series.lost();
        println!("  {name:<18}{:>14.0}{:>8.2} us{lost:>7}", series.median(|round| round.per_second), series.cpu());
    }
}

/// What must be reached of what was measured.
fn goals(rounds: &[Measured], forwarded: &[(&'static str, Series)], many: &[Many]) -> Vec<Goal> {
    let times = |what, is, at_most| Goal { what, is, at_most, unit: "" };
    let worst = |of: fn(&Many) -> f64| many.iter().map(of).fold(0.0, f64::max);
    let mut goals = Vec::new();
    if let [ours, bare, peers @ ..] = rounds {
        let least = |of: fn(&Measured) -> f64| peers.iter().map(of).fold(f64::INFINITY, f64::min);
        let most = |of: fn(&Measured) -> f64| peers.iter().map(of).fold(0.0, f64::max);
        // What is lost costs nothing.
        let whole = |series: &Series, is: f64| if series.lost() == 0 { is } else { f64::INFINITY };
        let cpu = whole(&ours.saturation, ours.saturation.cpu());
        let p99 = whole(&ours.rate, ours.rate.p99());
        goals.extend([
            times("CPU per query, of the best peer's", cpu / least(|peer| peer.saturation.cpu()), 0.8),
            times("CPU per query, of that of a server that only answers", cpu / bare.saturation.cpu(), 1.25),
            times(
                "the best peer's queries per second with none lost, of ours",
                most(|peer| peer.saturation.per_second()) / ours.saturation.per_second(),
                1.0 / 0.95,
            ),
            times("p99 at 20,000 a second, of the best peer's", p99 / least(|peer| peer.rate.p99()), 1.1),
        ]);
    }
    if let [(_, ours), (_, unbound)] = forwarded {
        let is = if ours.lost() == 0 { ours.cpu() / unbound.cpu() } else { f64::INFINITY };
        goals.push(times("CPU per query of another server's name, of unbound's", is, 1.0));
    }
    goals.push(Goal { what: "100,000 names are there after", is: worst(|it| it.load), at_most: 0.5, unit: "s" });
    goals.push(Goal { what: "and hold, above idle", is: worst(|it| it.memory), at_most: 60.0, unit: "MB" });
    goals.push(Goal { what: "a change is seen after", is: worst(|it| it.change), at_most: 5.0, unit: "ms" });
    if let [few, .., more] = many {
        goals.push(times("a change in 1,000 networks, of one in 10", more.change / few.change, 1.3));
    }
    goals
}
