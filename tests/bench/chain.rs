//! A whole chain: a container gets an address, three published ports, a firewall, a parameter, and from netd its names,
//! which the reference has no plugin for.

use anyhow::Result;

use crate::Bench;
use crate::daemon::Daemon;
use crate::network::Network;
use crate::report::{Report, Shares};
use crate::rounds;

/// What must be reached.
const AT_MOST: Shares = Shares { add: 1.0 / 8.0, del: 1.0 / 5.0, add_many: 1.0 / 12.0, del_many: 1.0 / 20.0 };

/// Containers that are attached 16 at a time. Of the reference each waits for all that are there: more take minutes.
const MANY_AT_A_TIME: usize = 96;

/// netd runs meanwhile, and that it serves the names is waited for in ADD and DEL.
pub(crate) fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let network = Network::new("chain", "10.87.0.0/16");
    let reference = network.clone().chained(&["portmap", "firewall", "tuning"]);
    let ours = network.chained(&["portmap", "firewall", "tuning", "dns"]);
    let networks = [reference, ours];
    let [_, host] = &bench.hosts;
    let daemon = Daemon::start(host, &bench.netd)?;
    bench.progress("chain: one at a time");
    let one = rounds::one_at_a_time(bench, &networks)?;
    bench.progress("chain: 16 at a time");
    let many = rounds::many_at_a_time(bench, &networks, MANY_AT_A_TIME)?;
    daemon.stop()?;

    report.heading("bridge + portmap + firewall + tuning");
    report.rounds("one at a time, netd with dns", &one);
    report.rounds("16 at a time, netd with dns", &many);
    report.goals("chain", &one, &many, &AT_MOST);
    Ok(())
}
