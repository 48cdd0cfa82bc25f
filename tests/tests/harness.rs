//! The lab is not lying: with the reference plugins it shows what those are known to do, faults included.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use std::time::Duration;
use tests::{Lab, REFERENCE, Run, eventually};

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
    eventually(Duration::from_secs(5), || host.changes_since(&settled).is_empty());
}

#[test]
#[should_panic(expected = "left on host a")]
fn what_is_left_of_an_attachment_fails_the_test() {
    let lab = Lab::with_plugins(REFERENCE);
    lab.host("a").container("c1").add(&web()).forget();
}

#[test]
#[should_panic(expected = "processes left in a")]
fn a_process_that_is_left_fails_the_test() {
    let lab = Lab::bare();
    // The shell ends, what it started does not yet.
    lab.host("a").sh("timeout 5 tail -f /dev/null >/dev/null 2>&1 &");
}

#[test]
fn the_text_of_the_kernel_shows_every_change() {
    let lab = Lab::bare();
    let host = lab.host("a");
    host.sh(
        "ip link add br0 type bridge; ip link set br0 up; nft 'add table inet t; add set inet t s { type ipv4_addr; }'",
    );
    for (change, back) in [
        ("ip link add br1 type bridge", "ip link del br1"),
        ("ip link set br0 mtu 1400", "ip link set br0 mtu 1500"),
        ("ip link set br0 alias ours", "ip link set br0 alias ''"),
        ("ip addr add 10.1.0.1/24 dev br0", "ip addr del 10.1.0.1/24 dev br0"),
        ("ip addr add 2001:db8::1/64 dev br0 nodad", "ip addr del 2001:db8::1/64 dev br0"),
        ("ip route add 10.2.0.0/24 dev br0 table 77", "ip route del 10.2.0.0/24 dev br0 table 77"),
        ("ip rule add from 10.2.0.0/24 table 77", "ip rule del from 10.2.0.0/24 table 77"),
        ("nft add element inet t s '{ 10.1.0.7 }'", "nft delete element inet t s '{ 10.1.0.7 }'"),
        ("echo 1 > /proc/sys/net/ipv4/ip_forward", "echo 0 > /proc/sys/net/ipv4/ip_forward"),
    ] {
        let before = host.kernel_text();
        host.sh(change);
        assert_ne!(host.kernel_text(), before, "{change}");
        host.sh(back);
        assert_eq!(host.changes_since(&before), [""; 0], "{back}");
    }
}

#[test]
fn a_reboot_leaves_the_disk_and_nothing_else() {
    let lab = Lab::bare();
    let host = lab.host("a");
    let boot = || host.sh("cat /proc/sys/kernel/random/boot_id");
    let before = boot();
    host.sh("ip link add br0 type bridge; echo kept > /var/lib/kept; echo gone > /run/gone");
    host.reboot(Run::Wiped);
    assert_ne!(boot(), before);
    assert_eq!(boot().len(), before.len());
    assert!(host.link("br0").is_null());
    assert_eq!(host.sh("cat /var/lib/kept; test ! -e /run/gone"), "kept\n");
}
