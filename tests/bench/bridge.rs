//! One plugin, bridge with host-local and ipMasq: on an empty host, and on one with 1,000 attachments.

use anyhow::Result;

use crate::Bench;
use crate::daemon::Daemon;
use crate::host::{Attachment, Call};
use crate::network::Network;
use crate::plugin::Verb;
use crate::report::{Report, Shares, megabytes};
use crate::rounds;

/// How many attachments are "many already there".
const MANY: u16 = 1_000;

/// What must be reached.
const AT_MOST: Shares = Shares { add: 1.0 / 8.0, del: 0.4, add_many: 1.0 / 6.0, del_many: 1.0 / 10.0 };

/// The attachments that it fills the hosts with stay.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let network = Network::new("bench", "10.88.0.0/16");
    let networks = [network.clone(), network];
    bench.progress("bridge: one at a time");
    let one = rounds::one_at_a_time(bench, &networks)?;
    bench.progress("bridge: 16 at a time");
    let many = rounds::many_at_a_time(bench, &networks, rounds::CONTAINERS.into())?;
    bench.progress("bridge: 1,000 attachments are made on each host");
    let attached = rounds::fill(&bench.hosts, MANY)?;
    bench.progress("bridge: one at a time, 1,000 attached");
    let one_filled = rounds::one_at_a_time(bench, &networks)?;
    bench.progress("bridge: 16 at a time, 1,000 attached");
    let many_filled = rounds::many_at_a_time(bench, &networks, rounds::CONTAINERS.into())?;
    bench.progress("bridge: netd with 1,000 attachments");
    let [_, attached] = attached;
    let resident = resident(bench, &attached)?;

    report.heading("bridge + host-local + ipMasq");
    report.rounds("one at a time", &one);
    report.rounds("16 at a time", &many);
    report.rounds("one at a time, 1,000 attached", &one_filled);
    report.rounds("16 at a time, 1,000 attached", &many_filled);
    report.goals("bridge", &one, &many, &AT_MOST);
    let (of_one, of_many) = (
        one_filled[1].add.p50().div_duration_f64(one[1].add.p50()),
        many[1].add.per_second() / many_filled[1].add.per_second(),
    );
    report.goal("bridge: ADD one at a time with 1,000 attached, of that with none", of_one, 1.3);
    report.goal("bridge: ADD 16 at a time with 1,000 attached, of that with none", of_many, 1.3);
    report.goal("netd idle with 1,000 attachments, resident, MB", megabytes(resident), 30.0);
    Ok(())
}

/// Gives every attachment its names, and returns the bytes that netd holds resident once it serves them.
fn resident(bench: &Bench, attachments: &[Attachment]) -> Result<u64> {
    let [_, host] = &bench.hosts;
    let calls: Vec<Call<'_>> = attachments.iter().map(|one| (&one.container, vec![one.next("dns")])).collect();
    host.run(Verb::Add, &calls, 1)?;
    let mut daemon = Daemon::start(host, &bench.netd)?;
    let resident = daemon.resident()?;
    daemon.stop()?;
    Ok(resident)
}
