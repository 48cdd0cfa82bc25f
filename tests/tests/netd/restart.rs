//! netd goes and comes; containers do not notice.

use std::time::Duration;

use serde_json::Value;
use tests::{Lab, eventually};

use super::web;

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_restart_and_a_kill_lose_no_name() {
    let lab = Lab::new();
    let host = lab.host("a");
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|name| host.container(name));
    let netd = host.netd();
    c1.add(&web());
    let second = c2.add(&web());
    netd.stop();
    let kernel = host.kernel_text();
    assert!(c1.pings(&c2.address("eth0")), "the data path needs no daemon");
    let netd = host.netd();
    // READY=1 was said: every name is there.
    assert_eq!(c1.dig("c2").addresses(), [c2.address("eth0")]);
    assert_eq!(host.changes_since(&kernel), [""; 0]);
    netd.kill();
    second.del().unwrap();
    c3.add(&web());
    let netd = host.netd();
    assert_eq!(c1.dig("c3").addresses(), [c3.address("eth0")], "added while it was away");
    assert_eq!(c1.dig_with("c2.web.internal A").status, "NXDOMAIN", "deleted while it was away");
    netd.stop();
}

#[test]
fn plugins_need_no_daemon() {
    let lab = Lab::new();
    let host = lab.host("a");
    assert_eq!(host.status(&web()), Ok(()));
    let c1 = host.container("c1");
    let attachment = c1.add(&web());
    assert_eq!(attachment.check(), Ok(()));
    assert_eq!(host.gc(&web(), Some(&[("c1", "eth0")])), Ok(()));
    attachment.del().unwrap();
}

#[test]
fn a_bridge_that_is_made_again_is_listened_on_again() {
    let lab = Lab::new();
    let host = lab.host("a");
    let netd = host.netd();
    let c1 = host.container("c1");
    c1.add(&web()).del().unwrap();
    host.sh("ip link del br-web");
    c1.add(&web());
    eventually(SOON, || c1.dig("c1").addresses() == [c1.address("eth0")]);
    netd.stop();
}

#[test]
fn sighup_is_no_reason_to_end() {
    let lab = Lab::new();
    let host = lab.host("a");
    let mut netd = host.netd();
    let c1 = host.container("c1");
    c1.add(&web());
    host.sh(&format!("kill -HUP {}", netd.pid()));
    eventually(SOON, || c1.dig("c1").addresses() == [c1.address("eth0")]);
    assert!(netd.is_running());
    netd.stop();
}

#[test]
fn broken_documents_are_survived() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    c1.add(&web());
    let folder = host.run_dir().join("attachments/web");
    let broken = ["", "{", "[]", "{\"version\": 9999}"];
    for (number, text) in broken.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:032x}.json")), text).unwrap();
    }
    let netd = host.netd();
    assert_eq!(c1.dig("c1").addresses(), [c1.address("eth0")]);
    assert!(serde_json::from_str::<Value>(&host.netd_show("attachments --json")).is_ok());
    netd.stop();
    for number in 0..broken.len() {
        // Nothing of what could not be read was lost.
        std::fs::remove_file(folder.join(format!("{number:032x}.json"))).unwrap();
    }
}
