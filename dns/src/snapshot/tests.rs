//! Snapshots share what did not change, and forget what is gone.

use super::*;
use crate::fixture::{attachment, back, network, web};

#[test]
fn an_unchanged_network_is_the_same_object_in_the_next_snapshot() {
    let first = ZonesBuilder::new(1).network(web()).network(back()).build();
    let mut changed = back();
    changed.attachments.pop();
    let second = ZonesBuilder::after(&first, 2).network(web()).network(changed).build();
    let same = |id: &str| Arc::ptr_eq(&first.networks[&id.into()], &second.networks[&id.into()]);
    assert!(same("web"));
    assert!(!same("back"));
    assert_eq!((first.generation(), second.generation()), (1, 2));
}

#[test]
fn a_network_that_is_not_given_again_is_gone() {
    let first = ZonesBuilder::new(1).network(web()).network(back()).build();
    let second = ZonesBuilder::after(&first, 2).network(web()).build();
    assert!(second.zone(&"back".into()).is_none());
    assert!(!second.has_domain(back().domain.octets()));
    assert!(!second.has_subnet_around("10.2.0.9".parse().unwrap()));
    assert_eq!(second.memberships(&"db".into()).count(), 0, "it is on one network now");
}

#[test]
fn a_network_given_twice_counts_once() {
    let zones =
        ZonesBuilder::new(1).network(back()).network(web()).network(Network { id: "back".into(), ..web() }).build();
    assert_eq!(zones.networks.len(), 2);
    assert!(!zones.has_domain(back().domain.octets()));
}

#[test]
fn a_container_with_two_attachments_in_one_network_is_on_one_network() {
    let attachments = vec![attachment("c1", &["10.9.0.7"], &["a"], 5), attachment("c1", &["10.9.0.8"], &["b"], 5)];
    let zones = ZonesBuilder::new(1).network(network("n", "n.internal", &["10.9.0.0/24"], &[], attachments)).build();
    assert_eq!(zones.memberships(&"c1".into()).count(), 0);
}

#[test]
fn the_serial_is_the_low_half_of_the_generation() {
    assert_eq!(ZonesBuilder::new(0x0007_ffff_fffe).build().serial(), 0xffff_fffe);
    assert_eq!(ZonesBuilder::new(0x0001_0000_0003).build().serial(), 3, "RFC 1982 wraps");
}
