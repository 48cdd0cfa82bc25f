//! Snapshots share what did not change, and forget what is gone.

use super::*;
use crate::fixture::{attachment, back, network, web};

#[test]
fn an_unchanged_network_is_the_same_object_in_the_next_snapshot() {
    let first = ZonesBuilder::new(1).network(web()).network(back()).build();
    let mut changed = back();
    changed.attachments.pop();
    let second = ZonesBuilder::after(&first, 2).network(changed).build();
    let same = |id: &str| Arc::ptr_eq(&first.networks[&NetworkId::from(id)], &second.networks[&NetworkId::from(id)]);
    assert!(same("web"));
    assert!(!same("back"));
    assert_eq!((first.generation(), second.generation()), (1, 2));
}

#[test]
fn a_network_that_is_taken_away_leaves_nothing() {
    let first = ZonesBuilder::new(1).network(web()).network(back()).build();
    let second = ZonesBuilder::after(&first, 2).without(&"back".into()).build();
    assert!(second.zone(&"back".into()).is_none());
    assert!(!second.has_domain(back().domain.octets()));
    assert!(!second.has_subnet_around("10.2.0.9".parse().unwrap()));
    assert_eq!(second.memberships(&"db".into()).count(), 0, "it is on one network now");
    let third = ZonesBuilder::after(&second, 3).without(&"web".into()).without(&"none".into()).build();
    assert!(third.networks.is_empty() && third.containers.is_empty() && third.domains.is_empty());
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

/// What there is, as text.
fn text(zones: &Zones) -> String {
    let ids = |ids: &Arc<[NetworkId]>| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = zones.networks.values().map(|zone| format!("{:?}", zone.network)).collect();
    lines.extend(zones.containers.iter().map(|(id, networks)| format!("container {id} {}", ids(networks))));
    lines.extend(zones.memberships.iter().map(|(id, networks)| format!("member {id} {}", ids(networks))));
    lines.extend(zones.domains.iter().map(|domain| format!("domain {domain}")));
    lines.extend(zones.subnets.iter().map(|subnet| format!("subnet {subnet}")));
    lines.sort();
    lines.join("\n")
}

proptest::proptest! {
    #[test]
    fn whoever_makes_changes_has_what_is_built_from_nothing(
        acts in proptest::collection::vec((0_u8..4, 0_u8..3, proptest::option::of(0_u8..16)), 1..30),
    ) {
        let mut wanted: std::collections::BTreeMap<u8, Network> = std::collections::BTreeMap::new();
        let mut zones = Zones::default();
        for (id, domain, containers) in acts {
            // Each bit is a container; the domains are fewer than the networks.
            let network = containers.map(|containers| {
                let on = (0..4).filter(|bit| containers >> bit & 1 == 1);
                let on = on.map(|bit| attachment(&format!("c{bit}"), &[&format!("10.{id}.0.{}", bit + 2)], &["a"], 5));
                network(&format!("n{id}"), &format!("d{domain}.internal"), &[&format!("10.{id}.0.0/24")], &[], on.collect())
            });
            let builder = ZonesBuilder::after(&zones, 1);
            let changed = if let Some(network) = network {
                wanted.insert(id, network.clone());
                builder.network(network)
            } else {
                wanted.remove(&id);
                builder.without(&format!("n{id}").into())
            };
            zones = changed.build();
            let whole = wanted.values().cloned().fold(ZonesBuilder::new(1), ZonesBuilder::network).build();
            proptest::prop_assert_eq!(text(&zones), text(&whole));
        }
    }
}

#[test]
fn a_client_is_its_container_at_all_its_addresses_else_an_address_in_a_network() {
    let zones = crate::fixture::zones();
    let client = |listener: &str, source: &str| zones.client(&[listener.into()], source.parse().unwrap());
    let container = |id: &str| Client::Container(id.into());
    for source in ["10.1.0.7", "fd00:1::7"] {
        assert_eq!(client("web", source), container("c1"), "{source}");
    }
    assert_eq!(client("twin", "10.1.0.7"), container("spy"), "at the same address of another network");
    assert_eq!(client("back", "10.2.0.9"), client("web", "10.1.0.9"), "one container on two networks");
    assert_ne!(client("web", "10.1.0.99"), client("twin", "10.1.0.99"), "nobody knows them");
    assert_eq!(client("none", "10.1.0.7"), Client::Address(None, "10.1.0.7".parse().unwrap()));
}
