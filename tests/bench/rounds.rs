//! The rounds: who attaches what, when. In each the two hosts take turns.

use anyhow::Result;

use crate::Bench;
use crate::figures::{Measured, Samples};
use crate::host::{Attachment, Container, Host};
use crate::network::Network;

/// Containers that are attached one at a time.
const ONE_AT_A_TIME: usize = 100;
/// Containers of each host.
pub(crate) const CONTAINERS: u16 = 200;
/// How often containers are attached many at a time.
const ROUNDS: usize = 3;
/// How many chains of plugins run at once then.
const WORKERS: usize = 16;
/// The hosts change over after so many containers: seldom enough that each is warm, often enough that both are
/// disturbed alike.
const BLOCK: usize = 10;
/// So many networks share the attachments that are already there, beside the one that is measured. A broadcast goes to
/// every port of its bridge, whoever made it; what is measured is what a full host costs, not what a full bridge does.
const NETWORKS: u16 = 10;

/// The containers that every round attaches and detaches again.
pub(crate) fn containers(hosts: &[Host; 2]) -> Result<[Vec<Container>; 2]> {
    let [reference, ours] = hosts;
    Ok([reference.containers("c", CONTAINERS)?, ours.containers("c", CONTAINERS)?])
}

/// 100 containers, one after the other; first all ADDs, then all DELs.
pub(crate) fn one_at_a_time(bench: &Bench, networks: &[Network; 2]) -> Result<[Measured; 2]> {
    let Bench { hosts, containers, .. } = bench;
    warm_up(bench, networks)?;
    let mut add = [Samples::default(), Samples::default()];
    let mut del = [Samples::default(), Samples::default()];
    let mut attached = [Vec::new(), Vec::new()];
    for block in 0..ONE_AT_A_TIME / BLOCK {
        for (index, host) in hosts.iter().enumerate() {
            let containers = &containers[index][block * BLOCK..(block + 1) * BLOCK];
            let (samples, attachments) = host.add(&networks[index], containers, 1)?;
            add[index].extend(samples);
            attached[index].extend(attachments);
        }
    }
    for block in 0..ONE_AT_A_TIME / BLOCK {
        for (index, host) in hosts.iter().enumerate() {
            del[index].extend(host.del(&attached[index][block * BLOCK..(block + 1) * BLOCK], 1)?);
        }
    }
    Ok(pair(add, del))
}

/// The first `count` containers, 16 at a time; of three rounds the one in the middle counts.
pub(crate) fn many_at_a_time(bench: &Bench, networks: &[Network; 2], count: usize) -> Result<[Measured; 2]> {
    let Bench { hosts, containers, .. } = bench;
    let mut add = [Vec::new(), Vec::new()];
    let mut del = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let mut attached = Vec::new();
        for (index, host) in hosts.iter().enumerate() {
            let (samples, attachments) = host.add(&networks[index], &containers[index][..count], WORKERS)?;
            add[index].push(samples);
            attached.push(attachments);
        }
        for (index, host) in hosts.iter().enumerate() {
            del[index].push(host.del(&attached[index], WORKERS)?);
        }
    }
    Ok(pair(add.map(Samples::median), del.map(Samples::median)))
}

/// Attaches `count` containers on each host, in networks of their own.
pub(crate) fn fill(hosts: &[Host; 2], count: u16) -> Result<[Vec<Attachment>; 2]> {
    let network = |index| Network::new(&format!("full-{index}"), &format!("10.{}.0.0/16", 101 + index));
    let networks: Vec<_> = (0..NETWORKS).map(network).collect();
    let [reference, ours] = hosts;
    let fill = |host: &Host| {
        let containers = host.containers("old", count)?;
        let mut attached = Vec::with_capacity(containers.len());
        for (network, containers) in networks.iter().zip(containers.chunks(containers.len() / networks.len())) {
            attached.extend(host.add(network, containers, WORKERS)?.1);
        }
        anyhow::Ok(attached)
    };
    Ok([fill(reference)?, fill(ours)?])
}

/// What the first ADD makes for all, is made: bridge, ruleset, folders.
fn warm_up(bench: &Bench, networks: &[Network; 2]) -> Result<()> {
    for ((host, containers), network) in bench.hosts.iter().zip(&bench.containers).zip(networks) {
        let (_, attached) = host.add(network, &containers[..1], 1)?;
        host.del(&attached, 1)?;
    }
    Ok(())
}

fn pair(add: [Samples; 2], del: [Samples; 2]) -> [Measured; 2] {
    let [reference_add, our_add] = add;
    let [reference_del, our_del] = del;
    [Measured { add: reference_add, del: reference_del }, Measured { add: our_add, del: our_del }]
}
