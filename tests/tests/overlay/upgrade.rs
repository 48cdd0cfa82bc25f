//! A netd or a plugin that brings a newer ruleset: all that stood in the older one is in the newer, and no packet meets
//! less than one of them.

use std::{fs::File, path::PathBuf, process::Child};

use netd_model::element::Family;
use serde_json::{Value, json};
use tests::{Container, Host, Lab, eventually, holds_within};

use super::{
    SECOND,
    cluster::{Cluster, Shape},
};

/// The network with every check of a container's packets, so that there are elements in most sets.
fn guarded() -> Value {
    let overlay = json!({"type": "overlay", "macspoofchk": true});
    json!({"cniVersion": "1.1.0", "name": "lab", "plugins": [overlay, {"type": "dns"}]})
}

/// What the main chains of our ruleset say of it, at this many versions before ours.
fn said(before: u32) -> [String; 2] {
    [Family::Inet, Family::Bridge].map(|family| format!("comment \"netd {}\"", family.version() - before))
}

/// Puts the host's ruleset back to an older version, whose sets had another shape.
fn make_older(host: &Host) {
    let ours = host.sh("nft list ruleset");
    assert!(is_new(host), "{ours}");
    // It knew no gateway of many hosts, whose rules nft 1.0.6 shows as it cannot read them.
    let newer = ["flags timeout", "gc-interval", "@gateway6"];
    let lines: Vec<&str> = ours.lines().filter(|line| !newer.iter().any(|it| line.contains(it))).collect();
    let older = lines.join("\n");
    let older = said(0).iter().zip(said(1)).rev().fold(older, |text, (ours, older)| text.replace(ours, &older));
    std::fs::write(host.folder().join("run/older.nft"), format!("flush ruleset\n{older}\n")).unwrap();
    host.sh("nft -f /run/older.nft");
}

fn is_new(host: &Host) -> bool {
    let ruleset = host.sh("nft list ruleset");
    said(0).iter().all(|said| ruleset.contains(said))
}

/// A packet each millisecond; what is said of them goes to a file of the container's.
fn stream(from: &Container, to: &str) -> (Child, PathBuf) {
    let log = from.folder().join(to);
    let mut ping = from.command("ping");
    ping.args(["-n", "-i", "0.001", "-c", "2000", "-W", "2", to]).stdout(File::create(&log).unwrap());
    let ping = ping.spawn().unwrap();
    eventually(SECOND, || std::fs::read_to_string(&log).unwrap().contains("seq=10 "));
    (ping, log)
}

#[test]
fn a_newer_ruleset_takes_the_elements_over_and_no_packet_is_lost() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab, 2, Shape { ipv6: true, ..Shape::default() });
    let [c1, c2, c3] = [(1, "c1"), (2, "c2"), (1, "c3")].map(|(number, name)| {
        let container = cluster.hosts[number - 1].container(name);
        container.add(&guarded());
        container
    });
    let targets = [c2.address("eth0"), c3.address("eth0"), "fd40:0:0:2::2".to_owned()];
    eventually(SECOND * 3, || targets.iter().all(|target| c1.pings(target)));
    let h1 = cluster.hosts[0].clone();
    cluster.netd[0].take().unwrap().stop();
    let before = h1.kernel_text();
    // By a plugin while no netd runs, then by netd.
    for by_netd in [false, true] {
        make_older(&h1);
        let mut streams = targets.each_ref().map(|target| stream(&c1, target));
        if by_netd {
            cluster.start(1);
        } else {
            let c4 = h1.container("c4").attachment(&guarded(), "eth0");
            c4.add().unwrap();
            c4.del().unwrap();
        }
        assert!(holds_within(SECOND, || is_new(&h1)), "{}", h1.sh("nft list ruleset"));
        assert!(streams.iter_mut().all(|(stream, _)| stream.try_wait().unwrap().is_none()), "all across it");
        for (mut stream, log) in streams {
            stream.wait().unwrap();
            let said = std::fs::read_to_string(log).unwrap();
            assert!(said.contains("2000 packets transmitted, 2000 received"), "{said}");
        }
        assert_eq!(h1.changes_since(&before), [""; 0]);
        for container in [&c1, &c3] {
            container.check().unwrap();
        }
    }
    cluster.stop();
}
