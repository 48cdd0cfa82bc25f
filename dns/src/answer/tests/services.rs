//! Services: names that several containers bear, their ports, what is said about them, and what is below them.

use super::*;
use crate::{Attachment, Port, Protocol, StaticData, StaticRecord};

const SRV: Kind = Kind::SRV;

fn port(name: &str, protocol: Protocol, number: u16) -> Port {
    Port { name: name.parse().unwrap(), protocol, number }
}

/// `web` on two containers, of which one says more; `any`, which stands for all below it; `both` in two networks.
fn shop() -> Zones {
    let web1 = Attachment {
        ports: vec![port("http", Protocol::Tcp, 80), port("5353", Protocol::Udp, 5353)],
        texts: vec!["version=7".parse().unwrap(), "tier=front".parse().unwrap()],
        ..attachment("c1", &["10.1.0.7", "fd00::7"], &["web", "web1"], 5)
    };
    let web2 = Attachment {
        ports: vec![port("http", Protocol::Tcp, 8080)],
        ..attachment("c2", &["10.1.0.8"], &["web", "web2"], 3)
    };
    let wild = Attachment {
        ports: vec![port("http", Protocol::Tcp, 80)],
        ..attachment("c3", &["10.1.0.9"], &["*.any", "any", "deep.a.any"], 5)
    };
    let named = attachment("c4", &["10.1.0.10"], &["tasks", "host.db", "both"], 5);
    let record = |name: &str, data| StaticRecord { name: name.parse().unwrap(), data, ttl: 60 };
    let alias = |name: &str, target: &str| record(name, StaticData::Alias(target.parse().unwrap()));
    let records = vec![
        record("printer", StaticData::Address("192.0.2.9".parse().unwrap())),
        record("printer", StaticData::Text("third floor".parse().unwrap())),
        record("both", StaticData::Address("192.0.2.8".parse().unwrap())),
        alias("www", "web1.shop.internal"),
        alias("far", "db.corp.example"),
        alias("twice", "far.shop.internal"),
        alias("lost", "none.shop.internal"),
        alias("round", "about.shop.internal"),
        alias("about", "round.shop.internal"),
        alias("any", "far.shop.internal"),
    ];
    let shop =
        network("shop", "shop.internal", &["10.1.0.0/24"], &["10.1.0.1", "fd00::1"], vec![web1, web2, wild, named]);
    ZonesBuilder::new(fixture::SERIAL).network(Network { records, ..shop }).build()
}

/// What is heard of the name that a name leads to, and the names on the way.
fn followed(name: &str, kind: Kind) -> String {
    let zones = shop();
    let view = View::new(&zones, &listener(&["shop"]), "10.1.0.7".parse().unwrap()).unwrap();
    let name = QuestionName::from_labels(name.split('.').map(str::as_bytes)).unwrap();
    let (aliases, _, answer) = view.follow(&Question { name, kind });
    let aliases = aliases.into_iter().map(|alias| text(&Answer::Records(vec![alias])) + ", ");
    aliases.chain([text(&answer)]).collect()
}

fn check(table: &[(&str, Kind, &str)]) {
    Asker { zones: &shop(), listener: &["shop"], source: "10.1.0.7" }.check(table);
}

#[test]
fn a_port_is_found_under_each_name_of_its_containers() {
    let both = "port 80 of web1.shop.internal for 3, port 8080 of web2.shop.internal for 3";
    check(&[
        ("_http._tcp.web", SRV, both),
        ("_HTTP._tcp.web.shop.internal", SRV, both),
        ("_http._tcp.web2", SRV, "port 8080 of web2.shop.internal for 3"),
        ("_5353._udp.web", SRV, "port 5353 of web1.shop.internal for 5"),
        ("_http._tcp.any.shop.internal", SRV, "port 80 of any.shop.internal for 5"),
        ("_http._udp.web.shop.internal", SRV, "no name in shop.internal"),
        ("_https._tcp.web.shop.internal", SRV, "no name in shop.internal"),
        ("_http._tcp.web", Kind::A, "no data in ."),
        ("_tcp.web.shop.internal", SRV, "no data in shop.internal"),
        ("_tcp.web", SRV, "no data in ."),
        ("web", SRV, "no data in ."),
    ]);
}

#[test]
fn what_is_said_of_a_container_stands_at_its_own_name() {
    check(&[
        ("web1", TXT, "Text(\"tier=front\") for 5, Text(\"version=7\") for 5"),
        ("web2", TXT, "no data in ."),
        ("web", TXT, "no data in ."),
        ("7.0.1.10.in-addr.arpa", Kind::PTR, "web1.shop.internal for 5"),
        ("8.0.1.10.in-addr.arpa", Kind::PTR, "web2.shop.internal for 3"),
        ("9.0.1.10.in-addr.arpa", Kind::PTR, "any.shop.internal for 5"),
    ]);
}

#[test]
fn where_others_bear_all_its_names_the_first_is_a_containers_own() {
    let pair = |container, address| attachment(container, &[address], &["*.db", "db", "sql"], 5);
    let attachments = vec![pair("c1", "10.9.0.7"), pair("c2", "10.9.0.8")];
    let zones = ZonesBuilder::new(1).network(network("n", "n.internal", &["10.9.0.0/24"], &[], attachments)).build();
    let asker = Asker { zones: &zones, listener: &["n"], source: "10.9.0.7" };
    asker.check(&[("8.0.9.10.in-addr.arpa", Kind::PTR, "db.n.internal for 5")]);
}

#[test]
fn records_of_the_network_stand_beside_its_containers() {
    check(&[
        ("printer", Kind::A, "192.0.2.9 for 60"),
        ("printer.shop.internal", TXT, "Text(\"third floor\") for 60"),
        ("printer", Kind::AAAA, "no data in ."),
        ("both", Kind::A, "10.1.0.10 for 5, 192.0.2.8 for 5"),
        ("www", Kind::CNAME, "alias of web1.shop.internal for 60"),
    ]);
}

#[test]
fn an_alias_is_followed_here_and_outside() {
    let to_far = "alias of far.shop.internal for 60, alias of db.corp.example for 60, forward to Host";
    for (name, kind, expected) in [
        ("www", Kind::A, "alias of web1.shop.internal for 60, 10.1.0.7 for 5"),
        ("www.shop.internal", Kind::AAAA, "alias of web1.shop.internal for 60, fd00::7 for 5"),
        ("www", Kind::SRV, "alias of web1.shop.internal for 60, no data in shop.internal"),
        ("far", Kind::A, "alias of db.corp.example for 60, forward to Host"),
        ("twice", Kind::A, to_far),
        ("lost", Kind::A, "alias of none.shop.internal for 60, no name in shop.internal"),
        // A container bears it.
        ("any", Kind::A, "10.1.0.9 for 5"),
    ] {
        assert_eq!(followed(name, kind), expected, "{name} {kind:?}");
    }
    let round = followed("round", Kind::A);
    assert!(round.matches("alias").count() == MOST_ALIASES && round.ends_with("no data in ."), "{round}");
}

#[test]
fn names_of_swarm_and_compose_lead_to_the_containers() {
    let both = "10.1.0.7 for 3, 10.1.0.8 for 3";
    check(&[
        ("tasks.web", Kind::A, both),
        ("tasks.web.shop.internal", Kind::A, both),
        ("tasks.none.shop.internal", Kind::A, "no name in shop.internal"),
        ("web1.web", Kind::A, "10.1.0.7 for 3"),
        ("web1.web.shop.internal", Kind::AAAA, "fd00::7 for 3"),
        ("web2.web.shop.internal", Kind::AAAA, "no data in shop.internal"),
        ("any.web.shop.internal", Kind::A, "no name in shop.internal"),
        ("tasks", Kind::A, "10.1.0.10 for 5"),
        ("host.db", Kind::A, "10.1.0.10 for 5"),
    ]);
}

#[test]
fn a_wildcard_stands_for_names_below_it_that_nobody_bears() {
    check(&[
        ("x.any.shop.internal", Kind::A, "10.1.0.9 for 5"),
        ("x.y.any.shop.internal", Kind::A, "10.1.0.9 for 5"),
        ("x.any", Kind::AAAA, "no data in ."),
        ("*.any.shop.internal", Kind::A, "10.1.0.9 for 5"),
        ("any.shop.internal", Kind::A, "10.1.0.9 for 5"),
        // A name that exists keeps the wildcard from what is below it (RFC 4592 2.2.1).
        ("x.a.any.shop.internal", Kind::A, "no name in shop.internal"),
        ("a.any.shop.internal", Kind::A, "no data in shop.internal"),
        ("x.web.shop.internal", Kind::A, "no name in shop.internal"),
        ("9.0.1.10.in-addr.arpa", Kind::PTR, "any.shop.internal for 5"),
    ]);
}

#[test]
fn the_host_has_the_names_that_other_runtimes_gave_it() {
    for name in ["host.docker.internal", "host.containers.internal", "host.shop.internal"] {
        check(&[(name, Kind::A, "10.1.0.1 for 5"), (name, Kind::AAAA, "fd00::1 for 5")]);
    }
    check(&[
        ("host.docker.internal", TXT, "no data in ."),
        ("x.host.docker.internal", Kind::A, "no name in ."),
        ("docker.internal", Kind::A, "no data in ."),
        ("internal", Kind::A, "no data in ."),
    ]);
}

#[test]
fn with_a_service_come_the_addresses_of_its_containers() {
    let zones = shop();
    let view = View::new(&zones, &listener(&["shop"]), "10.1.0.7".parse().unwrap()).unwrap();
    let labels = [&b"_http"[..], b"_tcp", b"web"].into_iter();
    let question = Question { name: QuestionName::from_labels(labels).unwrap(), kind: SRV };
    let Answer::Records(answers) = view.decide(&question).1 else { panic!("there are two") };
    let additional = view.additional(&answers);
    let shown: Vec<_> =
        additional.iter().map(|(owner, it)| format!("{owner} {}", text(&Answer::Records(vec![it.clone()])))).collect();
    let expected =
        ["web1.shop.internal 10.1.0.7 for 5", "web1.shop.internal fd00::7 for 5", "web2.shop.internal 10.1.0.8 for 3"];
    assert_eq!(shown, expected);
}
