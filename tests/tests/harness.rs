//! The lab is not lying: with the reference plugins it shows what those are known to do, faults included.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use std::time::Duration;
use tests::{Lab, REFERENCE, eventually};

fn web() -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "web",
        "type": "bridge",
        "bridge": "br-web",
        "isDefaultGateway": true,
        "ipam": {"type": "host-local", "subnet": "10.1.2.0/24"}
    })
}

#[test]
fn reference_plugins_join_two_containers_and_leave_nothing() {
    let lab = Lab::with_plugins(REFERENCE);
    let host = lab.host("a");
    let [c1, c2] = ["c1", "c2"].map(|name| host.container(name));
    let first = c1.add(&web());
    c2.add(&web());
    assert_eq!(first.check(), Ok(()));
    assert_eq!(c1.addresses("eth0"), ["10.1.2.2/24"]);
    assert_eq!(c2.address("eth0"), "10.1.2.3");
    assert!(c1.pings("10.1.2.3"));
    assert!(host.leases("web").join("10.1.2.2").exists());
    assert_eq!(host.leftovers().len(), 4, "two links, two leases: {:?}", host.leftovers());
}

#[test]
fn reference_bridge_changes_back_all_but_what_is_shared() {
    let lab = Lab::with_plugins(REFERENCE);
    let host = lab.host("a");
    host.container("c1").add(&web()).del().unwrap();
    let settled = host.kernel_text();
    let again = host.container("c2").add(&web());
    assert_ne!(host.kernel_text(), settled);
    again.del().unwrap();
    eventually(Duration::from_secs(5), || host.kernel_text() == settled);
}
