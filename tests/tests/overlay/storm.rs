//! Containers come and go while netd of their host is killed again and again.

use std::sync::atomic::{AtomicUsize, Ordering};

use tests::{Container, Lab, eventually};

use super::{
    SECOND,
    cluster::{Cluster, Shape, lab_network},
};

const AT_ONCE: usize = 8;
const ROUNDS: usize = 5;
const KILLS: usize = 5;

/// ADD and DEL again and again; the last ADD stays.
fn come_and_go(container: &Container, verbs: &AtomicUsize) {
    for _ in 1..ROUNDS {
        let attachment = container.attachment(&lab_network(), "eth0");
        attachment.add().unwrap();
        verbs.fetch_add(1, Ordering::Relaxed);
        attachment.del().unwrap();
        verbs.fetch_add(1, Ordering::Relaxed);
    }
    container.add(&lab_network());
}

#[test]
fn netd_killed_in_a_storm_leaves_nothing_and_serves_what_is_there() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab, 2, Shape::default());
    let far = cluster.container(2, "far");
    let h1 = cluster.hosts[0].clone();
    let containers: Vec<Container> = (0..AT_ONCE).map(|number| h1.container(&format!("c{number}"))).collect();
    let verbs = AtomicUsize::new(0);
    let all = AT_ONCE * (ROUNDS - 1) * 2;
    std::thread::scope(|scope| {
        for container in &containers {
            scope.spawn(|| come_and_go(container, &verbs));
        }
        // Off for half of the verbs, so that it is killed and started in the midst of others.
        for kill in 0..KILLS {
            let reached = |part: usize| verbs.load(Ordering::Relaxed) >= all * part / (2 * KILLS);
            eventually(SECOND * 10, || reached(2 * kill));
            cluster.netd[0].take().unwrap().kill();
            eventually(SECOND * 10, || reached(2 * kill + 1));
            cluster.start(1);
        }
    });
    let is_served =
        |container: &Container, from: &Container| from.dig(container.name()).addresses() == [container.address("eth0")];
    for from in [&far, &containers[0]] {
        eventually(SECOND * 5, || containers.iter().all(|container| is_served(container, from)));
    }
    for container in &containers {
        assert_eq!(container.check(), Ok(()));
        assert!(container.pings(&far.address("eth0")), "{}", container.name());
        assert_eq!(container.detach(), Ok(()));
    }
    assert_eq!(h1.leftovers(), [""; 0]);
    eventually(SECOND * 5, || containers.iter().all(|container| far.dig(container.name()).status == "NXDOMAIN"));
    cluster.stop();
}
