use std::time::Instant;

use super::*;
use crate::cluster::{
    Mtus,
    contact::{Names, Told},
};

fn member() -> Member {
    serde_json::from_value(serde_json::json!({
        "version": 1, "host": "h2", "network": "lab", "vtep": "192.0.2.2",
        "mac": "02:00:00:00:00:02", "subnets": ["10.40.2.0/24"],
    }))
    .unwrap()
}

fn overlay() -> Overlay {
    serde_json::from_value(serde_json::json!({
        "name": "lab", "subnets": ["10.40.0.0/16"], "vni": 78, "port": 4789, "masquerade": true,
    }))
    .unwrap()
}

/// A host that told these containers: name and address.
fn view(containers: &[(&str, &str)]) -> Peer {
    let containers: Vec<_> = containers
        .iter()
        .map(
            |(name, address)| serde_json::json!({"container": name, "names": [name], "addresses": [address], "ttl": 5}),
        )
        .collect();
    let names = serde_json::json!({"version": 1, "host": "h2", "network": "lab", "containers": containers});
    let names = Names::from([("lab".parse().unwrap(), Arc::new(serde_json::from_value(names).unwrap()))]);
    let mut contact = Contact::new(SystemTime::UNIX_EPOCH);
    let mtus = Mtus::from([("lab".parse().unwrap(), 1400.try_into().unwrap())]);
    contact.hear(Ok(Some(Told { names, mtus, ..Told::default() })), Instant::now(), SystemTime::UNIX_EPOCH);
    Peer::new(&member(), &contact, &overlay())
}

/// The containers of a peer.
fn containers(peer: &Peer) -> Vec<&str> {
    peer.names.containers.iter().map(|container| container.container.as_str()).collect()
}

#[test]
fn a_host_gives_names_to_its_own_addresses_only() {
    let good = view(&[("c1", "10.40.2.5")]);
    assert_eq!((containers(&good), good.state, &good.last_error), (vec!["c1"], State::Alive, &None));
    assert_eq!(good.member.mtu.map(u32::from), Some(1400));
    let bad = view(&[("c1", "10.40.2.5"), ("c2", "10.40.1.5"), ("c3", "192.0.2.5")]);
    assert_eq!((containers(&bad), bad.state), (vec!["c1"], State::Alive));
    let error = bad.last_error.unwrap();
    assert_eq!(error, "2 addresses of network lab are not in its subnets and are left out");
}

#[test]
fn a_host_of_which_nothing_was_heard_is_a_member_without_names() {
    let peer = Peer::new(&member(), &Contact::new(SystemTime::UNIX_EPOCH), &overlay());
    assert_eq!((containers(&peer), peer.state, peer.member.mtu), (vec![], State::Silent, None));
}

#[test]
fn a_name_that_comes_is_a_change_of_one_host_and_of_no_way() {
    let host = |number: usize| format!("h{number}").parse().unwrap();
    let of = |containers: &[(&str, &str)], number| Peer {
        member: Arc::new(Member { host: host(number), ..member() }),
        ..view(containers)
    };
    let mut old = Peers::default();
    (2..1000).for_each(|number| old.insert(&host(number), of(&[], number)));
    let mut new = old.clone();
    new.insert(&host(500), of(&[("c1", "10.40.2.5")], 500));
    assert!(old.members().ptr_eq(new.members()));
    let changes: Vec<_> = old.changes(&new).collect();
    assert!(matches!(changes[..], [(Some(was), Some(now))] if containers(was).is_empty() && containers(now) == ["c1"]));
    new.remove(&host(500));
    assert!(matches!(old.changes(&new).collect::<Vec<_>>()[..], [(Some(was), None)] if was.member.host == host(500)));
    assert_eq!(crate::cluster::changes(old.members(), new.members()).count(), 1);
}
