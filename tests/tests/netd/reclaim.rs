//! Who is dead: another boot, or both ends gone; never time alone.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Container, Host, Lab, Run, eventually};

use super::web;

/// Five addresses for containers.
fn small() -> Value {
    let mut config = web();
    config["plugins"][0]["ipam"]["ranges"] = json!([[{"subnet": "10.1.0.0/29"}]]);
    config
}

/// Fills the pool.
fn fill(host: &Host, prefix: &str) -> Vec<Container> {
    let containers: Vec<Container> = (0..5).map(|number| host.container(&format!("{prefix}{number}"))).collect();
    for container in &containers {
        container.add(&small());
    }
    containers
}

/// Without documents a lease tells only when it was written: a day before the boot is long enough to be believed.
#[test]
fn leases_from_before_a_reboot_are_taken_back_when_the_pool_is_full() {
    for run in [Run::Wiped, Run::Kept] {
        let lab = Lab::new();
        let host = lab.host("a");
        fill(&host, "old");
        host.reboot(run);
        if run == Run::Wiped {
            host.sh("find /var/lib/cni/networks -type f -exec touch -d '1 year ago' {} +");
        }
        let containers = fill(&host, "new");
        let living: Vec<(&str, &str)> = containers.iter().map(|container| (container.name(), "eth0")).collect();
        assert_eq!(host.gc(&small(), Some(&living)), Ok(()), "{run:?}");
        assert!(containers[0].pings(&containers[4].address("eth0")), "{run:?}");
    }
}

#[test]
fn after_a_reboot_del_and_gc_clean_up() {
    for run in [Run::Wiped, Run::Kept] {
        let lab = Lab::new();
        let host = lab.host("a");
        fill(&host, "old");
        host.reboot(run);
        for number in 0..5 {
            let gone =
                host.call("bridge", "DEL").env("CNI_IFNAME", "eth0").env("CNI_CONTAINERID", &format!("old{number}"));
            let mut config = small()["plugins"][0].clone();
            config["name"] = "web".into();
            config["cniVersion"] = "1.1.0".into();
            if number < 3 {
                assert_eq!(gone.config(&config).run().answer(), Ok(Value::Null), "{run:?}");
            }
        }
        assert_eq!(host.gc(&small(), Some(&[])), Ok(()), "{run:?}");
        assert_eq!(host.leftovers(), [""; 0], "{run:?}");
    }
}

/// As Podman starts it: with its id of before, the same address if it was asked for one, and no DEL.
#[test]
fn after_a_reboot_a_container_is_attached_again() {
    for run in [Run::Wiped, Run::Kept] {
        let lab = Lab::new();
        let host = lab.host("a");
        host.container("c1").add(&small());
        host.reboot(run);
        let container = host.container("c1");
        container.add(&small());
        assert_eq!(std::fs::read_dir(host.leases("web")).unwrap().flatten().filter(is_lease).count(), 1, "{run:?}");
        let again = container.attachment(&small(), "eth0");
        assert_eq!(again.add().unwrap_err().code, 100, "{run:?}: it lives");
    }
}

fn is_lease(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().to_str().is_some_and(|name| name.parse::<std::net::IpAddr>().is_ok())
}

#[test]
fn the_dead_of_this_boot_are_taken_back_when_the_pool_is_full() {
    let lab = Lab::new();
    let host = lab.host("a");
    let containers = fill(&host, "c");
    containers[0].vanish();
    eventually(Duration::from_secs(5), || host.leftovers().iter().filter(|line| line.starts_with("link")).count() == 4);
    let next = host.container("next");
    next.add(&small());
    assert_eq!(next.address("eth0"), "10.1.0.2");
    let more = host.container("more").attachment(&small(), "eth0");
    assert_eq!(more.add().unwrap_err().code, 11, "the living keep theirs");
    more.del().unwrap();
}

#[test]
fn no_date_of_a_file_makes_a_living_container_dead() {
    let lab = Lab::new();
    let host = lab.host("a");
    let containers = fill(&host, "c");
    for date in ["1980-01-01", "2099-01-01"] {
        host.sh(&format!("find /var/lib/cni/networks /run/netd -type f -exec touch -d {date} {{}} +"));
        let more = host.container("more").attachment(&small(), "eth0");
        assert_eq!(more.add().unwrap_err().code, 11, "{date}");
        more.del().unwrap();
    }
    assert!(containers[0].pings(&containers[4].address("eth0")));
}

#[test]
fn an_attachment_of_a_dead_container_of_the_same_name_gives_way() {
    let lab = Lab::new();
    let host = lab.host("a");
    let c1 = host.container("c1");
    c1.add(&web()).forget();
    c1.vanish();
    let again = host.container("c1-again");
    let attachment = again.attachment(&web(), "eth0");
    let first = attachment.call("ADD", 0, None).env("CNI_CONTAINERID", "c1");
    // The veth dies a moment after its namespace.
    eventually(Duration::from_secs(5), || first.run().success());
    assert_eq!(again.addresses("eth0").len(), 2);
    let del = attachment.call("DEL", 0, None).env("CNI_CONTAINERID", "c1");
    assert_eq!(del.run().answer(), Ok(Value::Null));
    assert_eq!(host.leftovers(), [""; 0]);
}
