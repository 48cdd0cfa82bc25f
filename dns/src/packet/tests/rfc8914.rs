//! RFC 8914: who sends OPT hears why an answer is not what was hoped for.

use super::*;
use crate::SplitDomain;

/// The info codes that a source hears of a name, with and without OPT in its request.
fn codes(zones: &Zones, source: &str, name: &str) -> [Vec<u16>; 2] {
    let plain = query(name, RecordType::A);
    [with_edns(plain.clone(), 1232), plain].map(|request| {
        let origin =
            Origin { listener: &listener(&["web"]), source: source.parse().unwrap(), transport: Transport::Udp };
        let action = respond(zones, origin, &request.to_vec().unwrap(), &mut Rng::with_seed(7));
        let response = Message::from_vec(&octets(action).unwrap()).unwrap();
        assert_eq!(response.edns.is_some(), request.edns.is_some(), "RFC 6891 7");
        let options = response.edns.iter().flat_map(|edns| &edns.options().options);
        let code = |option: &EdnsOption| match option {
            EdnsOption::Unknown(15, said) => u16::from_be_bytes(said[..].try_into().unwrap()),
            other => panic!("{other:?}"),
        };
        options.map(|(_, option)| code(option)).collect()
    })
}

#[test]
fn a_stranger_is_prohibited() {
    assert_eq!(codes(&fixture::zones(), "192.0.2.1", "db."), [vec![18], vec![]]);
}

#[test]
fn a_domain_that_nobody_is_asked_for_is_blocked() {
    let blocked = SplitDomain { domain: "ads.example".parse().unwrap(), upstreams: [].into() };
    let zones = ZonesBuilder::new(1).network(fixture::web()).split_domains(vec![blocked]).build();
    for name in ["ads.example.", "www.ads.example."] {
        assert_eq!(codes(&zones, "10.1.0.7", name), [vec![15], vec![]], "{name}");
    }
}

#[test]
fn what_is_as_it_should_be_has_no_reason() {
    for name in ["db.web.internal.", "none.web.internal.", "none.", "none.local.", "99.0.1.10.in-addr.arpa."] {
        assert_eq!(codes(&fixture::zones(), "10.1.0.7", name), [vec![], vec![]], "{name}");
    }
}
