//! Many at once, and netd in every bad mood: nothing left, nothing missing, nobody waits.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Attachment, Container, Daemon, Lab, eventually};

fn web() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "name": "web",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "br-web",
                "isDefaultGateway": true,
                "ipMasq": true,
                "macspoofchk": true,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/20"}], [{"subnet": "2001:db8::/64"}]]}
            },
            {"type": "dns"}
        ]
    })
}

fn containers(lab: &Lab, count: usize) -> (tests::Host, Vec<Container>) {
    let host = lab.host("a");
    let containers = (0..count).map(|number| host.container(&format!("c{number}"))).collect();
    (host, containers)
}

/// Runs `work` for all containers, shared out to `workers` threads.
fn in_parallel(containers: &[Container], workers: usize, work: impl Fn(&Container) + Sync) {
    std::thread::scope(|scope| {
        for chunk in containers.chunks(containers.len().div_ceil(workers)) {
            scope.spawn(|| chunk.iter().for_each(&work));
        }
    });
}

#[test]
fn two_hundred_adds_of_sixteen_at_a_time_get_addresses_of_their_own() {
    let lab = Lab::new();
    let (host, containers) = containers(&lab, 200);
    in_parallel(&containers, 16, |container| drop(container.add(&web())));
    let given: BTreeSet<String> = containers.iter().map(|container| container.address("eth0")).collect();
    assert_eq!(given.len(), containers.len());
    assert!(containers[0].pings(&containers[199].address("eth0")));
    in_parallel(&containers, 16, |container| assert_eq!(container.detach(), Ok(())));
    assert_eq!(host.leftovers(), [""; 0]);
}

/// Every plugin that can be in one list, for a container with an interface on the host.
fn all_of_them() -> Value {
    let mut list = web();
    let mapping = json!({"hostPort": 8080, "containerPort": 80, "protocol": "udp"});
    let limits = json!({"type": "bandwidth", "unshapedSubnets": ["10.9.0.0/16"], "ingressRate": 8_000_000,
        "ingressBurst": 80_000, "egressRate": 8_000_000, "egressBurst": 80_000});
    list["plugins"].as_array_mut().unwrap().extend([
        json!({"type": "tuning", "mtu": 1400, "promisc": true, "sysctl": {"net.core.somaxconn": "500"}}),
        json!({"type": "portmap", "runtimeConfig": {"portMappings": [mapping]}}),
        json!({"type": "firewall", "ingressPolicy": "isolated"}),
        limits,
        json!({"type": "sbr"}),
    ]);
    list
}

#[test]
fn thirty_two_dels_of_one_container_all_succeed() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    host.container("warm").add(&all_of_them()).del().unwrap();
    let settled = host.kernel_text();
    let c1 = host.container("c1");
    let empty = c1.kernel_text();
    for gone in [false, true] {
        let attachment = c1.add(&all_of_them());
        if gone {
            c1.vanish();
        }
        let answers: Vec<_> = std::thread::scope(|scope| {
            let dels: Vec<_> = (0..32).map(|_| scope.spawn(|| attachment.del())).collect();
            dels.into_iter().map(|del| del.join().unwrap()).collect()
        });
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!([host.leftovers(), host.changes_since(&settled)].concat(), [""; 0], "{gone}");
        if !gone {
            assert_eq!(c1.changes_since(&empty), [""; 0]);
        }
    }
    netd.stop();
}

/// ADD may be told to try again while the ruleset is torn away under it, and for nothing else.
fn add_with_patience(attachment: &Attachment) {
    for _ in 0..20 {
        match attachment.add() {
            Ok(_) => return,
            Err(refusal) if refusal.code == 11 => attachment.del().unwrap(),
            Err(refusal) => panic!("{refusal:?}"),
        }
    }
    panic!("told to try again twenty times");
}

#[test]
fn a_storm_under_flushes_leaves_nothing_and_misses_nothing() {
    const ROUNDS: usize = 12;
    let lab = Lab::new();
    let (host, containers) = containers(&lab, 16);
    let netd = host.netd();
    let first = host.container("first").add(&web());
    let flushes = Daemon::start(&host, "sh".as_ref(), lab.folder().join("flush.log"), |command| {
        command.args(["-c", "while :; do nft flush ruleset; sleep 0.05; done"]);
    });
    in_parallel(&containers, 8, |container| {
        for _ in 0..ROUNDS {
            let attachment = container.attachment(&web(), "eth0");
            add_with_patience(&attachment);
            attachment.del().unwrap();
        }
        add_with_patience(&container.keep(container.attachment(&web(), "eth0")));
    });
    flushes.kill();
    let complete = |container: &Container| container.check().is_ok() && container.pings("10.1.0.1");
    eventually(Duration::from_secs(5), || containers.iter().all(complete));
    for container in &containers {
        assert_eq!(container.detach(), Ok(()));
    }
    assert_eq!(first.check(), Ok(()));
    first.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
    netd.stop();
}

/// Off and frozen take turns, so that whatever else the machine does meets both: without its socket, netd is off.
#[test]
fn a_frozen_netd_costs_an_add_a_tenth_of_a_second() {
    let lab = Lab::new();
    let (host, containers) = containers(&lab, 200);
    let netd = host.netd();
    host.container("first").add(&web());
    netd.freeze();
    let (socket, away) = (host.run_dir().join("poke.sock"), host.run_dir().join("away"));
    let [mut off, mut frozen] = [Vec::new(), Vec::new()];
    for round in 0..2 {
        for (number, container) in containers.iter().enumerate() {
            let is_off = (number + round) % 2 == 0;
            if is_off {
                std::fs::rename(&socket, &away).unwrap();
            }
            let started = Instant::now();
            container.add(&web());
            let times = if is_off { &mut off } else { &mut frozen };
            times.push(started.elapsed());
            if !is_off {
                std::fs::rename(&socket, &away).unwrap();
            }
            if round == 0 {
                container.detach().unwrap();
            }
            std::fs::rename(&away, &socket).unwrap();
        }
    }
    netd.thaw();
    assert_later_by_at_most(Duration::from_millis(100), off, frozen);
    eventually(Duration::from_secs(10), || containers[0].dig("c199").addresses() == [containers[199].address("eth0")]);
    in_parallel(&containers, 4, |container| assert_eq!(container.detach(), Ok(())));
    netd.stop();
}

/// The fastest with the fastest, and so on; the slowest tenth is the noise of the machine.
#[track_caller]
fn assert_later_by_at_most(delay: Duration, mut without: Vec<Duration>, mut with: Vec<Duration>) {
    without.sort_unstable();
    with.sort_unstable();
    for (without, with) in without.iter().zip(&with).take(with.len() * 9 / 10) {
        // The timer and the scheduler take their part of a busy machine.
        let bound = delay + *without * 5 / 4 + Duration::from_millis(10);
        assert!(*with <= bound, "{with:?}, and {without:?} without");
    }
}

#[test]
fn no_verb_starts_a_process_in_steady_state() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    host.container("warm").add(&web());
    let c1 = host.container("c1");
    let attachment = c1.attachment(&web(), "eth0");
    let result = attachment.add().unwrap();
    let started = |command: &str, index: usize, previous: Option<&Value>| {
        attachment.call(command, index, previous).trace(None).programs
    };
    for index in 0..2 {
        assert_eq!(started("CHECK", index, Some(&result)), 0, "CHECK of plugin {index}");
        assert_eq!(started("STATUS", index, None), 0, "STATUS of plugin {index}");
    }
    assert_eq!((started("DEL", 1, Some(&result)), started("DEL", 0, Some(&result))), (0, 0), "DEL");
    assert_eq!(started("ADD", 0, None), 0, "ADD of bridge");
    assert!(c1.pings("10.1.0.1"), "the traced ADD did its work");
    assert_eq!(started("ADD", 1, Some(&result)), 0, "ADD of dns");
    attachment.del().unwrap();
    netd.stop();
}
