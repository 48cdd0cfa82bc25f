use std::cell::Cell;
use std::net::IpAddr;

use fastrand::Rng;
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::fixture::{attachment, back, listener, network, upstreams, web, zones};
use crate::packet::{Action, respond};
use crate::{Attachment, Network, Port, Protocol, SplitDomain, StaticData, StaticRecord, Upstreams, ZonesBuilder};

/// What a client may set.
#[derive(Clone, Copy, Debug)]
struct Asks {
    kind: RecordType,
    /// Octets it takes over UDP, and whether it wants DNSSEC's records.
    edns: Option<(u16, bool)>,
    recursion_desired: bool,
    checking_disabled: bool,
}

const PLAIN: Asks = Asks { kind: RecordType::A, edns: None, recursion_desired: true, checking_disabled: false };

fn packet(name: &str, asks: Asks) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = asks.recursion_desired;
    message.metadata.checking_disabled = asks.checking_disabled;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), asks.kind));
    if let Some((size, wants_dnssec)) = asks.edns {
        message.edns = Some(Edns::new());
        message.edns.as_mut().unwrap().set_max_payload(size).set_dnssec_ok(wants_dnssec);
    }
    message.to_vec().unwrap()
}

/// What is said here, and what [`respond`] says from the same state of the generator.
fn both(zones: &Zones, listener: &[NetworkId], source: IpAddr, packet: &[u8], seed: u64) -> (Option<Vec<u8>>, Action) {
    let mut room = [0; LONGEST];
    let origin = Origin { listener, source, transport: Transport::Udp };
    let length = respond_usual(zones, origin, packet, &mut Rng::with_seed(seed), &mut room);
    (length.map(|length| room[..length].to_vec()), respond(zones, origin, packet, &mut Rng::with_seed(seed)))
}

fn agree(zones: &Zones, listener: &[NetworkId], source: IpAddr, packet: &[u8], seed: u64) -> bool {
    let (usual, action) = both(zones, listener, source, packet, seed);
    let Some(usual) = usual else { return false };
    assert_eq!(Action::Answer(usual), action, "{packet:?} from {source}");
    true
}

/// Asks `web` from c1.
fn is_usual(name: &str, asks: Asks) -> bool {
    agree(&zones(), &listener(&["web"]), [10, 1, 0, 7].into(), &packet(name, asks), 7)
}

#[test]
fn what_containers_ask_all_day_is_usual() {
    use RecordType::{A, AAAA, PTR};
    for (name, kind) in [
        ("web1.web.internal.", A),
        ("web1.web.internal.", AAAA),
        ("WEB1.Web.internal.", A),
        ("web.web.internal.", A),
        ("db.web.internal.", AAAA),
        ("host.web.internal.", A),
        ("db.", A),
        ("db.", AAAA),
        ("nobody.web.internal.", A),
        ("example.com.web.internal.", AAAA),
        ("9.0.1.10.in-addr.arpa.", PTR),
        ("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa.", PTR),
    ] {
        for edns in [None, Some((1232, false)), Some((4096, true)), Some((0, false))] {
            assert!(is_usual(name, Asks { kind, edns, ..PLAIN }), "{name} {kind} {edns:?}");
        }
    }
}

#[test]
fn where_a_service_is_is_usual_with_the_addresses_of_its_targets() {
    let crowd = |count: u8| {
        let served = (1..=count).map(|last| {
            let (own, v4, v6) = (format!("db{last}"), format!("10.1.0.{last}"), format!("fd00:1::{last}"));
            let ports = vec![Port { name: "sql".parse().unwrap(), protocol: Protocol::Tcp, number: 5432 }];
            Attachment { ports, ..attachment(&own, &[&v4, &v6], &[&own, "db"], 5) }
        });
        ZonesBuilder::new(1).network(network("web", "web.internal", &["10.1.0.0/24"], &[], served.collect())).build()
    };
    let edns = Some((1232, false));
    for (name, edns, count, is_usual) in [
        ("_sql._tcp.db.web.internal.", None, 3, true),
        ("_sql._tcp.db.", edns, 3, true),
        ("_sql._TCP.db.WEB.internal.", edns, 3, true),
        ("_sql._tcp.db1.web.internal.", edns, 3, true),
        ("_tcp.db.web.internal.", edns, 3, true),
        ("_sql._udp.db.web.internal.", edns, 3, true),
        ("_sql._tcp.db.web.internal.", edns, 8, true),
        ("_sql._tcp.db.web.internal.", edns, 9, false),
        ("_sql._tcp.db.web.internal.", None, 8, false),
    ] {
        let packet = packet(name, Asks { kind: RecordType::SRV, edns, ..PLAIN });
        let found = agree(&crowd(count), &listener(&["web"]), [10, 1, 0, 1].into(), &packet, 7);
        assert_eq!(found, is_usual, "{name} of {count}, {edns:?}");
    }
}

#[test]
fn split_domains_change_nothing_of_what_is_ours() {
    use RecordType::{A, PTR};
    let split = |domain: &str| SplitDomain { domain: domain.parse().unwrap(), upstreams: upstreams(&["192.0.2.4:53"]) };
    let split_domains = ["internal", "web.internal", "10.in-addr.arpa", "local", "lan"].map(split).to_vec();
    let zones = ZonesBuilder::new(42).network(web()).network(back()).split_domains(split_domains).build();
    for (name, kind, expected) in [
        ("db.web.internal.", A, true),
        ("nobody.web.internal.", A, true),
        ("9.0.1.10.in-addr.arpa.", PTR, true),
        ("99.0.1.10.in-addr.arpa.", PTR, false),
        ("9.9.9.10.in-addr.arpa.", PTR, false),
        ("other.internal.", A, false),
        ("printer.local.", A, false),
        ("lan.", A, false),
    ] {
        let packet = packet(name, Asks { kind, ..PLAIN });
        assert_eq!(agree(&zones, &listener(&["web"]), [10, 1, 0, 7].into(), &packet, 7), expected, "{name}");
    }
}

#[test]
fn what_needs_more_than_looking_is_not_usual() {
    use RecordType::{A, ANY, PTR, SOA, TXT};
    for (name, kind) in [
        ("example.com.", A),
        ("localhost.", A),
        ("a.localhost.", A),
        ("nobody.", A),
        ("web1.web.internal.", TXT),
        ("web1.web.internal.", ANY),
        ("web.internal.", SOA),
        ("store.back.internal.", A),
        ("1.0.1.10.in-addr.arpa.", PTR),
        ("1.0.0.127.in-addr.arpa.", PTR),
        ("99.0.1.10.in-addr.arpa.", PTR),
        ("09.0.1.10.in-addr.arpa.", PTR),
        ("9.0.1.10.in-addr.arpa.", A),
        (".", A),
    ] {
        assert!(!is_usual(name, Asks { kind, ..PLAIN }), "{name} {kind}");
    }
}

#[test]
fn whatever_is_out_of_the_ordinary_in_a_packet_is_not_usual() {
    let good = packet("db.", Asks { edns: Some((1232, false)), ..PLAIN });
    let asked = |packet: &[u8]| agree(&zones(), &listener(&["web"]), [10, 1, 0, 7].into(), packet, 7);
    assert!(asked(&good));
    assert!(!asked(&[&good[..], &[0]].concat()), "octets after the end");
    for end in 0..good.len() {
        assert!(!asked(&good[..end]), "{end} octets of it");
    }
    // Response, opcode, truncation; recursion available, code; counts; compression; class; OPT's owner, version, options.
    let opt = good.len() - 11;
    let flips = [(2, 0x80), (2, 0x08), (2, 0x02), (3, 0x80), (3, 1), (5, 3), (7, 1), (9, 1), (11, 3), (12, 0xc0)];
    let flips =
        flips.into_iter().chain([(opt - 1, 2), (opt, 1), (opt + 2, 1), (opt + 6, 1), (opt + 8, 1), (opt + 10, 1)]);
    for (place, bits) in flips {
        let mut bad = good.clone();
        bad[place] ^= bits;
        assert!(!asked(&bad), "octet {place} as {:#x}", bad[place]);
    }
}

#[test]
fn a_stranger_and_a_container_of_many_networks_are_not_usual() {
    let ask = packet("db.", PLAIN);
    assert!(!agree(&zones(), &listener(&["web"]), [192, 0, 2, 66].into(), &ask, 7));
    let wide = |index: u8| {
        let (name, address) = (format!("n{index}"), format!("10.9.{index}.7"));
        let networks =
            network(&name, &format!("{name}.internal"), &[], &[], vec![attachment("c", &[&address], &["db"], 5)]);
        Network { upstreams: Upstreams::None, ..networks }
    };
    for (count, is_usual) in [(4, true), (5, false)] {
        let builder = (0..count).map(wide).fold(ZonesBuilder::new(1), ZonesBuilder::network);
        assert_eq!(agree(&builder.build(), &listener(&["n0"]), [10, 9, 0, 7].into(), &ask, 7), is_usual, "{count}");
    }
}

#[test]
fn more_addresses_than_fit_are_not_usual() {
    let crowd = |count: u8| {
        let attachments = (0..count).map(|last| {
            attachment(&format!("c{last}"), &[&format!("10.1.0.{last}"), &format!("fd00:1::{last}")], &["all"], 5)
        });
        let network = network("web", "web.internal", &["10.1.0.0/24"], &[], attachments.collect());
        ZonesBuilder::new(1).network(network).build()
    };
    let ask = |kind, edns| packet("all.web.internal.", Asks { kind, edns, ..PLAIN });
    let edns = Some((1232, false));
    for (kind, edns, count, is_usual) in [
        (RecordType::A, None, 29, true),
        (RecordType::A, None, 30, false),
        (RecordType::A, edns, 32, true),
        (RecordType::A, edns, 33, false),
        (RecordType::AAAA, None, 17, true),
        (RecordType::AAAA, None, 18, false),
    ] {
        let found = agree(&crowd(count), &listener(&["web"]), [10, 1, 0, 7].into(), &ask(kind, edns), 7);
        assert_eq!(found, is_usual, "{count} {kind} {edns:?}");
    }
}

/// Words of which names are made, so that they meet, nest and are told apart.
const WORDS: [&str; 12] =
    ["db", "web", "a", "internal", "host", "localhost", "invalid", "arpa", "example", "docker", "tasks", "_tcp"];

prop_compose! {
    fn name(most: usize)(words in prop::collection::vec(select(&WORDS[..]), 1..=most)) -> String {
        words.join(".")
    }
}

/// A name that a container bears.
fn borne() -> impl Strategy<Value = String> {
    prop_oneof![8 => name(2), 1 => name(1).prop_map(|below| format!("*.{below}"))]
}

prop_compose! {
    fn members(octet: u8)(
        all in prop::collection::vec((0_u8..6, 1_u8..12, any::<bool>(), prop::collection::vec(borne(), 0..3), 0_u32..9), 0..8)
    ) -> Vec<Attachment> {
        let one = |(container, last, has_v6, names, ttl): (u8, u8, bool, Vec<String>, u32)| {
            let (v4, v6) = (format!("10.{octet}.0.{last}"), format!("fd00:{octet}::{last}"));
            let addresses: &[&str] = if has_v6 { &[&v4, &v6] } else { &[&v4] };
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let ports = vec![Port { name: "db".parse().unwrap(), protocol: Protocol::Tcp, number: 80 }];
            let ports = if ttl == 5 { ports } else { Vec::new() };
            Attachment { ports, is_healthy: ttl != 3, ..attachment(&format!("c{container}"), addresses, &names, ttl) }
        };
        all.into_iter().map(one).collect()
    }
}

/// A record of the network's own.
fn record(octet: u8) -> impl Strategy<Value = StaticRecord> {
    let address = (1_u8..12).prop_map(move |last| StaticData::Address([10, octet, 0, last].into()));
    let alias = name(3).prop_map(|target| StaticData::Alias(target.parse().unwrap()));
    let data = prop_oneof![address, alias, Just(StaticData::Text("a".parse().unwrap()))];
    (borne(), data, 0_u32..9).prop_map(|(name, data, ttl)| StaticRecord { name: name.parse().unwrap(), data, ttl })
}

prop_compose! {
    fn some_network(index: u8)(
        // Two may share a subnet.
        octet in select(&[1_u8, 2][..]),
    )(
        octet in Just(octet),
        domain in name(3),
        attachments in members(octet),
        records in prop::collection::vec(record(octet), 0..3),
        forwards in any::<bool>(),
        near in any::<bool>(),
    ) -> Network {
        let (subnet, gateway) = (format!("10.{octet}.0.0/24"), format!("10.{octet}.0.1"));
        let network = network(&format!("n{index}"), &domain, &[&subnet], &[&gateway], attachments);
        let near = if near { vec![format!("10.{octet}.0.0/29").parse().unwrap()] } else { Vec::new() };
        Network { near, records, upstreams: if forwards { Upstreams::Host } else { Upstreams::None }, ..network }
    }
}

prop_compose! {
    fn question(known: Vec<String>)(
        name in prop_oneof![
            6 => select(known),
            1 => name(5),
            1 => (0_u8..12, 1_u8..3).prop_map(|(last, octet)| format!("{last}.0.{octet}.10.in-addr.arpa")),
        ],
        upper in prop::collection::vec(prop::bool::weighted(0.02), 60),
        kind in select(&[RecordType::A, RecordType::AAAA, RecordType::PTR, RecordType::SRV, RecordType::TXT][..]),
        edns in prop::option::of((select(&[0_u16, 512, 600, 1232, 4096][..]), any::<bool>())),
        recursion_desired in any::<bool>(),
        checking_disabled in any::<bool>(),
    ) -> Vec<u8> {
        let spell = |(index, c): (usize, char)| if upper.get(index) == Some(&true) { c.to_ascii_uppercase() } else { c };
        let name: String = name.chars().enumerate().map(spell).collect();
        packet(&format!("{name}."), Asks { kind, edns, recursion_desired, checking_disabled })
    }
}

/// Names that mean something in these networks.
fn known(networks: &[Network]) -> Vec<String> {
    let of_network = |Network { domain, attachments, records, .. }: &Network| {
        let names: Vec<String> = attachments.iter().flat_map(|it| &it.names).map(|name| format!("{name}")).collect();
        let below = names.iter().map(|name| format!("{name}.{domain}"));
        let below = below.chain(records.iter().map(|record| format!("{}.{domain}", record.name)));
        let services = names.iter().map(|name| format!("_db._tcp.{name}"));
        let services: Vec<String> = services.flat_map(|name| [format!("{name}.{domain}"), name]).collect();
        let below = below.chain([format!("{domain}"), format!("a.{domain}")]);
        below.chain(names.iter().cloned()).chain(services).collect::<Vec<_>>()
    };
    networks.iter().flat_map(of_network).map(|name| name.replace('*', "any")).collect()
}

/// Networks, those that a listener has, who asks it, and what.
type Asked = (Vec<Network>, Vec<&'static str>, [IpAddr; 2], Vec<Vec<u8>>);

fn asked() -> impl Strategy<Value = Asked> {
    let listening = || select(vec![vec!["n0"], vec!["n1", "n0"], vec!["n2", "gone"]]);
    let sources = || {
        (0_u8..13, 1_u8..3).prop_map(|(last, octet)| {
            [IpAddr::from([10, octet, 0, last]), format!("fd00:{octet}::{last}").parse().unwrap()]
        })
    };
    (some_network(0), some_network(1), some_network(2)).prop_flat_map(move |(a, b, c)| {
        let networks = vec![a, b, c];
        let packets = prop::collection::vec(question(known(&networks)), 8);
        (Just(networks), listening(), sources(), packets)
    })
}

#[test]
fn it_says_what_the_way_of_all_packets_says() {
    let mut runner =
        TestRunner::new(Config { cases: 400, max_shrink_iters: 300, failure_persistence: None, ..Config::default() });
    let usual = Cell::new(0);
    let agreed = runner.run(&(asked(), any::<u64>()), |((networks, listening, sources, packets), seed)| {
        let zones = networks.into_iter().fold(ZonesBuilder::new(seed), ZonesBuilder::network).build();
        for (packet, source) in packets.iter().flat_map(|packet| sources.map(|source| (packet, source))) {
            usual.set(usual.get() + u32::from(agree(&zones, &listener(&listening), source, packet, seed)));
        }
        Ok(())
    });
    agreed.unwrap();
    // Else it would prove nothing.
    assert!(usual.get() > 200, "only {} of 6,400 packets were usual", usual.get());
}

#[test]
fn a_container_that_is_on_two_networks_sees_both() {
    let zones = [web(), back()].into_iter().fold(ZonesBuilder::new(1), ZonesBuilder::network).build();
    for name in ["store.back.internal.", "cache.", "db."] {
        assert!(agree(&zones, &listener(&["web"]), [10, 1, 0, 9].into(), &packet(name, PLAIN), 7), "{name}");
    }
    let mut other = packet("db.", PLAIN);
    *other.last_mut().unwrap() = 3; // class CH
    assert!(!agree(&zones, &listener(&["web"]), [10, 1, 0, 9].into(), &other, 7));
}
