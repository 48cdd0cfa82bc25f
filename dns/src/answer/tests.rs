//! What each source hears, in one line of text per question; the networks are those of [`crate::fixture`].

use std::fmt::Write as _;

use crate::fixture::{self, attachment, listener, network};
use crate::name::QuestionName;
use crate::{Network, SplitDomain, ZonesBuilder};

use super::*;

mod health;
mod kubernetes;
mod services;

/// Asks a listener of these networks, from this source.
struct Asker<'a> {
    zones: &'a Zones,
    listener: &'a [&'a str],
    source: &'a str,
}

impl Asker<'_> {
    fn hears(&self, name: &str, kind: Kind) -> String {
        let labels = name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
        let question = Question { name: QuestionName::from_labels(labels).unwrap(), kind };
        let view = View::new(self.zones, &listener(self.listener), self.source.parse().unwrap());
        view.map_or("nothing".to_owned(), |view| text(&view.decide(&question).1))
    }

    fn check(&self, table: &[(&str, Kind, &str)]) {
        for &(name, kind, expected) in table {
            assert_eq!(self.hears(name, kind), expected, "{name} {kind:?} from {}", self.source);
        }
    }
}

fn text(answer: &Answer) -> String {
    match answer {
        Answer::Records(records) => records.iter().fold(String::new(), |mut line, Record { ttl, data }| {
            let separator = if line.is_empty() { "" } else { ", " };
            match data {
                Data::A(v4) => write!(line, "{separator}{v4} for {ttl}"),
                Data::Aaaa(v6) => write!(line, "{separator}{v6} for {ttl}"),
                Data::Ptr(name) => write!(line, "{separator}{name} for {ttl}"),
                Data::Cname(name) => write!(line, "{separator}alias of {name} for {ttl}"),
                Data::Srv(srv) => write!(line, "{separator}port {} of {} for {ttl}", srv.port, srv.target),
                Data::Txt(text) => write!(line, "{separator}{text:?} for {ttl}"),
                Data::Soa(soa) => write!(line, "{separator}soa {} {}", soa.owner, soa.serial),
                Data::NotAny => write!(line, "{separator}not any for {ttl}"),
            }
            .unwrap();
            line
        }),
        Answer::NoData(Soa { ttl, owner, .. }) if *ttl != TTL => format!("no data in {owner} for {ttl}"),
        Answer::NoData(soa) => format!("no data in {}", soa.owner),
        Answer::NxDomain(soa) => format!("no name in {}", soa.owner),
        Answer::Alias(alias) => format!("alias of {:?} for {}", alias.data, alias.ttl),
        Answer::Forward(upstreams) => format!("forward to {upstreams:?}"),
    }
}

fn check(listener: &[&str], source: &str, table: &[(&str, Kind, &str)]) {
    Asker { zones: &fixture::zones(), listener, source }.check(table);
}

const HTTPS: Kind = Kind(65);
const TXT: Kind = Kind(16);
const NS: Kind = Kind(2);
const MX: Kind = Kind(15);

#[test]
fn names_resolve_bare_and_qualified_in_any_case() {
    check(
        &["web"],
        "10.1.0.7",
        &[
            ("web2", Kind::A, "10.1.0.8 for 3"),
            ("web2.web.internal", Kind::A, "10.1.0.8 for 3"),
            ("WEB2.Web.Internal", Kind::A, "10.1.0.8 for 3"),
            ("web1", Kind::AAAA, "fd00:1::7 for 5"),
            ("web1.web.internal", Kind::AAAA, "fd00:1::7 for 5"),
        ],
    );
    check(&["back"], "10.2.0.10", &[("a.cluster", Kind::A, "10.2.0.10 for 5")]);
    check(&["back"], "10.2.0.10", &[("a.cluster.back.internal", Kind::A, "10.2.0.10 for 5")]);
}

#[test]
fn a_name_of_several_containers_has_all_their_addresses_under_the_lowest_ttl() {
    check(&["web"], "10.1.0.7", &[("web", Kind::A, "10.1.0.7 for 3, 10.1.0.8 for 3")]);
}

#[test]
fn an_address_given_twice_is_answered_once() {
    let twice = |container| attachment(container, &["10.9.0.7", "fd09::7", "10.9.0.7"], &["a", "a"], 5);
    let network = network("n", "n.internal", &["10.9.0.0/24"], &[], vec![twice("c1"), twice("c2")]);
    let zones = ZonesBuilder::new(1).network(network).build();
    let asker = Asker { zones: &zones, listener: &["n"], source: "10.9.0.7" };
    asker.check(&[("a", Kind::A, "10.9.0.7 for 5"), ("a", Kind::AAAA, "fd09::7 for 5")]);
}

#[test]
fn an_existing_name_without_such_a_record_is_no_data_and_never_leaves() {
    check(
        &["web"],
        "10.1.0.7",
        &[
            ("web2", Kind::AAAA, "no data in ."),
            ("web2.web.internal", Kind::AAAA, "no data in web.internal"),
            ("web2.web.internal", HTTPS, "no data in web.internal"),
            ("web2.web.internal", TXT, "no data in web.internal"),
            ("web2", MX, "no data in ."),
            ("web2.web.internal", Kind::SOA, "no data in web.internal"),
            ("web.internal", NS, "no data in web.internal"),
            ("web.internal", Kind::A, "no data in web.internal"),
            ("web2.web.internal", Kind::ANY, "not any for 8482"),
        ],
    );
}

#[test]
fn the_apex_has_the_soa_with_the_generation_as_serial() {
    check(&["web"], "10.1.0.7", &[("web.internal", Kind::SOA, "soa web.internal 42")]);
}

#[test]
fn an_absent_name_below_the_domain_does_not_exist() {
    check(
        &["web"],
        "10.1.0.7",
        &[
            ("nobody.web.internal", Kind::A, "no name in web.internal"),
            ("x.web2.web.internal", Kind::A, "no name in web.internal"),
            ("_http._tcp.web.internal", Kind(33), "no name in web.internal"),
            ("www.example.com.web.internal", Kind::A, "no name in web.internal"),
            ("nobody.web.internal", Kind::ANY, "no name in web.internal"),
        ],
    );
}

#[test]
fn a_name_above_an_existing_one_exists() {
    check(
        &["back"],
        "10.2.0.10",
        &[
            ("cluster.back.internal", Kind::A, "no data in back.internal"),
            ("cluster", Kind::A, "no data in ."),
            ("internal", Kind::A, "no data in ."),
        ],
    );
    check(&["dev"], "10.3.0.7", &[("example", Kind::A, "no data in .")]);
}

/// RFC 8020: who hears that there is no such name believes that there is nothing below it either.
#[test]
fn where_nobody_else_is_asked_a_name_above_one_of_ours_is_there() {
    let internal = |id, domain, subnet, at, name| Network {
        upstreams: Upstreams::None,
        ..network(id, domain, &[subnet], &[], vec![attachment("c1", &[at], &["c1", name], 5)])
    };
    let own = internal("own", "web.corp.example", "10.2.0.0/20", "10.2.0.7", "x.a.cluster");
    let nested = internal("nested", "x.b.web.corp.example", "fd00:2::/64", "fd00:2::7", "y");
    let hidden = network("hidden", "z.d.web.corp.example", &["10.3.0.0/24"], &[], Vec::new());
    let zones = ZonesBuilder::new(1).network(own).network(nested).network(hidden).build();
    let asker = Asker { zones: &zones, listener: &["own"], source: "10.2.0.7" };
    for above in
        ["", "example", "corp.example", "a.cluster", "cluster", "2.10.in-addr.arpa", "arpa", "2.0.0.0.0.0.d.f.ip6.arpa"]
    {
        asker.check(&[(above, NS, "no data in ."), (above, Kind::A, "no data in .")]);
    }
    asker.check(&[
        ("b.web.corp.example", Kind::A, "no data in web.corp.example"),
        ("d.web.corp.example", Kind::A, "no name in web.corp.example"),
        ("web.example", Kind::A, "no name in ."),
        ("b.cluster", Kind::A, "no name in ."),
        ("3.10.in-addr.arpa", Kind::PTR, "no name in ."),
    ]);
}

#[test]
fn a_split_domain_of_nobodys_is_there_where_ours_is_below_it() {
    let split = |domain: &str| SplitDomain { domain: domain.parse().unwrap(), upstreams: Arc::from([]) };
    let web =
        network("web", "web.corp.example", &["10.1.0.0/24"], &[], vec![attachment("c1", &["10.1.0.7"], &["c1"], 5)]);
    let web = Network { split_domains: vec![split("example")], ..web };
    let zones = ZonesBuilder::new(1).network(web).build();
    let asker = Asker { zones: &zones, listener: &["web"], source: "10.1.0.7" };
    asker.check(&[("corp.example", Kind::A, "no data in ."), ("old.example", Kind::A, "no name in .")]);
}

#[test]
fn a_bare_name_of_many_labels_says_nothing_about_the_names_around_it() {
    let forward = "forward to Own([192.0.2.53:53])";
    check(
        &["dev"],
        "10.3.0.7",
        &[
            ("db.example.com", Kind::A, "10.3.0.7 for 5"),
            ("db.example.com", Kind::AAAA, "no data in ."),
            ("example.com", Kind::A, forward),
            ("x.db.example.com", Kind::A, forward),
            ("x.tool", Kind::A, forward),
        ],
    );
}

#[test]
fn a_container_sees_all_its_networks_and_no_other() {
    // `db` is on web and back, whichever gateway it asks.
    for (listener, source) in [("web", "10.1.0.9"), ("back", "10.2.0.9")] {
        check(
            &[listener],
            source,
            &[
                ("web1.web.internal", Kind::A, "10.1.0.7 for 5"),
                ("cache.back.internal", Kind::A, "10.2.0.10 for 5"),
                ("cache", Kind::A, "10.2.0.10 for 5"),
                ("db", Kind::A, "10.1.0.9 for 2, 10.2.0.9 for 2"),
                ("secret", Kind::A, "no name in ."),
                ("tool.dev.example", Kind::A, "no name in ."),
            ],
        );
    }
    check(
        &["web"],
        "10.1.0.7",
        &[
            ("db", Kind::A, "10.1.0.9 for 5"),
            ("store", Kind::A, "no name in ."),
            ("store.back.internal", Kind::A, "no name in ."),
        ],
    );
}

#[test]
fn a_hidden_name_is_answered_as_an_absent_one() {
    let hidden = ["db.back.internal", "back.internal", "9.0.2.10.in-addr.arpa"];
    let absent = ["db.nowhere.internal", "nowhere.internal", "99.0.2.10.in-addr.arpa"];
    let zones = fixture::zones();
    let asker = Asker { zones: &zones, listener: &["web"], source: "10.1.0.7" };
    for (hidden, absent) in hidden.into_iter().zip(absent) {
        for kind in [Kind::A, Kind::SOA, Kind::PTR, Kind::ANY] {
            assert_eq!(asker.hears(hidden, kind), asker.hears(absent, kind), "{hidden}");
            assert_eq!(asker.hears(hidden, kind), "no name in .", "{hidden}");
        }
    }
}

#[test]
fn equal_addresses_on_two_bridges_are_two_containers() {
    check(
        &["twin"],
        "10.1.0.7",
        &[
            ("secret", Kind::A, "10.1.0.7 for 5"),
            ("web1", Kind::A, "no name in ."),
            ("7.0.1.10.in-addr.arpa", Kind::PTR, "secret.twin.internal for 5"),
        ],
    );
    check(&["web"], "10.1.0.7", &[("7.0.1.10.in-addr.arpa", Kind::PTR, "web1.web.internal for 5")]);
}

#[test]
fn an_unknown_source_on_the_subnet_sees_the_network_of_the_listener() {
    for source in ["10.1.0.77", "10.1.0.1", "fd00:1::99", "fe80::1"] {
        check(
            &["web"],
            source,
            &[
                ("db", Kind::A, "10.1.0.9 for 5"),
                ("store", Kind::A, "no name in ."),
                ("secret", Kind::A, "no name in ."),
            ],
        );
    }
}

#[test]
fn a_source_of_no_network_hears_nothing() {
    for (listener, source) in [("web", "10.2.0.9"), ("web", "192.0.2.1"), ("web", "fd00:2::1"), ("absent", "10.1.0.7")]
    {
        check(&[listener], source, &[("db", Kind::A, "nothing"), ("example.com", Kind::A, "nothing")]);
    }
}

#[test]
fn a_container_on_a_shared_bridge_sees_only_its_own_network() {
    // One listener for both networks; they share the subnet too.
    check(&["web", "twin"], "10.1.0.8", &[("db", Kind::A, "10.1.0.9 for 5"), ("secret", Kind::A, "no name in .")]);
}

#[test]
fn addresses_have_the_own_name_of_their_container() {
    check(
        &["web"],
        "10.1.0.9",
        &[
            ("7.0.1.10.in-addr.arpa", Kind::PTR, "web1.web.internal for 5"),
            ("8.0.1.10.in-addr.arpa", Kind::PTR, "web2.web.internal for 3"),
            ("9.0.2.10.in-addr.arpa", Kind::PTR, "db.back.internal for 2"),
            ("7.0.1.10.in-addr.arpa", Kind::A, "no data in 0.1.10.in-addr.arpa"),
            ("7.0.1.10.in-addr.arpa", Kind::ANY, "not any for 8482"),
        ],
    );
    let v6 = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa";
    check(&["web"], "10.1.0.9", &[(v6, Kind::PTR, "web1.web.internal for 5")]);
}

#[test]
fn the_gateway_is_host_below_the_domain_unless_a_container_is() {
    check(
        &["web"],
        "10.1.0.7",
        &[
            ("1.0.1.10.in-addr.arpa", Kind::PTR, "host.web.internal for 5"),
            ("host.web.internal", Kind::A, "10.1.0.1 for 5"),
            ("host.web.internal", Kind::AAAA, "fd00:1::1 for 5"),
            ("host", Kind::A, "no name in ."),
        ],
    );
    let attachments = vec![attachment("c1", &["10.9.0.7"], &["host"], 5)];
    let network = network("own", "own.internal", &["10.9.0.0/24"], &["10.9.0.1"], attachments);
    let zones = ZonesBuilder::new(1).network(network).build();
    let asker = Asker { zones: &zones, listener: &["own"], source: "10.9.0.7" };
    asker.check(&[("host.own.internal", Kind::A, "10.9.0.7 for 5"), ("host", Kind::A, "10.9.0.7 for 5")]);
}

#[test]
fn other_addresses_of_our_subnets_have_no_name_and_are_not_asked_about() {
    check(
        &["web"],
        "10.1.0.7",
        &[
            ("77.0.1.10.in-addr.arpa", Kind::PTR, "no name in 0.1.10.in-addr.arpa"),
            ("0.1.10.in-addr.arpa", Kind::PTR, "no data in 0.1.10.in-addr.arpa"),
            ("x.7.0.1.10.in-addr.arpa", Kind::PTR, "no name in 0.1.10.in-addr.arpa"),
            ("007.0.1.10.in-addr.arpa", Kind::PTR, "no name in 0.1.10.in-addr.arpa"),
            ("9.0.2.10.in-addr.arpa", Kind::PTR, "no name in ."),
            ("1.10.in-addr.arpa", Kind::PTR, "forward to Host"),
            ("8.8.8.8.in-addr.arpa", Kind::PTR, "forward to Host"),
        ],
    );
    check(&["dev"], "10.3.0.7", &[("1.15.3.10.in-addr.arpa", Kind::PTR, "no name in 3.10.in-addr.arpa")]);
    check(&["dev"], "10.3.0.7", &[("1.16.3.10.in-addr.arpa", Kind::PTR, "forward to Own([192.0.2.53:53])")]);
}

#[test]
fn other_names_are_forwarded_whatever_their_type() {
    for kind in [Kind::A, Kind::AAAA, HTTPS, TXT, Kind::ANY, Kind(65_280)] {
        check(&["web"], "10.1.0.7", &[("www.example.com", kind, "forward to Host")]);
    }
    check(&["web"], "10.1.0.7", &[("", NS, "forward to Host"), ("build.test", Kind::A, "forward to Host")]);
}

#[test]
fn single_labels_are_forwarded_only_where_the_network_says_so() {
    check(&["web"], "10.1.0.7", &[("printer", Kind::A, "no name in .")]);
    check(
        &["dev"],
        "10.3.0.7",
        &[
            ("printer", Kind::A, "forward to Own([192.0.2.53:53])"),
            ("tool", MX, "no data in ."),
            ("nobody.dev.example", Kind::A, "no name in dev.example"),
        ],
    );
}

fn split(domain: &str, upstreams: &[&str]) -> SplitDomain {
    SplitDomain { domain: domain.parse().unwrap(), upstreams: fixture::upstreams(upstreams) }
}

#[test]
fn names_in_a_split_domain_are_asked_of_its_upstreams_and_the_longest_domain_counts() {
    let dev = fixture::zones().zone(&"dev".into()).unwrap().network.clone();
    let split_domains =
        vec![split("example", &["192.0.2.1:53"]), split("lan", &["192.0.2.2:53"]), split("void.example", &[])];
    let of_host = vec![
        split("example", &["192.0.2.3:53"]),
        split("Corp.Example", &["192.0.2.4:53"]),
        split("local", &["192.0.2.5:53"]),
        split("in-addr.arpa", &["192.0.2.6:53"]),
        split("internal", &["192.0.2.7:53"]),
    ];
    let zones = ZonesBuilder::new(1).network(Network { split_domains, ..Network::clone(&dev) }).network(fixture::web());
    let zones = zones.network(fixture::back()).split_domains(of_host).build();
    Asker { zones: &zones, listener: &["dev"], source: "10.3.0.7" }.check(&[
        ("www.example", Kind::A, "forward to Own([192.0.2.1:53])"),
        ("example", Kind::A, "no data in ."),
        ("Db.CORP.example", Kind::A, "forward to Own([192.0.2.4:53])"),
        ("corp.example", HTTPS, "forward to Own([192.0.2.4:53])"),
        ("xcorp.example", Kind::A, "forward to Own([192.0.2.1:53])"),
        ("x.void.example", Kind::A, "no name in ."),
        ("printer.lan", Kind::A, "forward to Own([192.0.2.2:53])"),
        ("lan", Kind::A, "forward to Own([192.0.2.2:53])"),
        ("www.example.com", Kind::A, "forward to Own([192.0.2.53:53])"),
        // What an operator says of a domain goes before what everybody holds of it.
        ("printer.local", Kind::A, "forward to Own([192.0.2.5:53])"),
        ("x.onion", Kind::A, "no name in ."),
        ("8.8.8.8.in-addr.arpa", Kind::PTR, "forward to Own([192.0.2.6:53])"),
        // But what is ours stays here.
        ("tool.dev.example", Kind::A, "10.3.0.7 for 5"),
        ("nobody.dev.example", Kind::A, "no name in dev.example"),
        ("db.web.internal", Kind::A, "no name in ."),
        ("other.internal", Kind::A, "forward to Own([192.0.2.7:53])"),
        ("9.0.2.10.in-addr.arpa", Kind::PTR, "no name in ."),
        ("1.0.0.127.in-addr.arpa", Kind::PTR, "localhost for 5"),
        ("x.localhost", Kind::A, "127.0.0.1 for 5"),
    ]);
    let web = Asker { zones: &zones, listener: &["web"], source: "10.1.0.7" };
    web.check(&[
        ("www.example", Kind::A, "forward to Own([192.0.2.3:53])"),
        ("printer.lan", Kind::A, "forward to Host"),
    ]);
    let back = Asker { zones: &zones, listener: &["back"], source: "10.2.0.10" };
    back.check(&[("db.corp.example", Kind::A, "no name in ."), ("printer.local", Kind::A, "no name in .")]);
}

#[test]
fn a_container_with_upstreams_of_its_own_asks_those_and_its_neighbours_do_not() {
    let mut web = fixture::web();
    web.attachments[0].upstreams = Some(fixture::upstreams(&["192.0.2.9:53"]));
    web.split_domains = vec![split("corp.example", &["192.0.2.4:53"])];
    let mut back = fixture::back();
    back.attachments[1].upstreams = Some(fixture::upstreams(&["192.0.2.9:53"]));
    let zones = ZonesBuilder::new(1).network(web).network(back).build();
    for (listener, source, expected) in [
        ("web", "10.1.0.7", "forward to Own([192.0.2.9:53])"),
        ("web", "fd00:1::7", "forward to Own([192.0.2.9:53])"),
        ("web", "10.1.0.8", "forward to Host"),
        ("web", "10.1.0.77", "forward to Host"),
        ("back", "10.2.0.10", "no name in ."),
    ] {
        Asker { zones: &zones, listener: &[listener], source }.check(&[("www.example.com", Kind::A, expected)]);
    }
    let c1 = Asker { zones: &zones, listener: &["web"], source: "10.1.0.7" };
    c1.check(&[("db.corp.example", Kind::A, "forward to Own([192.0.2.4:53])")]);
}

#[test]
fn an_internal_network_forwards_nothing() {
    check(
        &["back"],
        "10.2.0.10",
        &[
            ("www.example.com", Kind::A, "no name in ."),
            ("printer", Kind::A, "no name in ."),
            ("8.8.8.8.in-addr.arpa", Kind::PTR, "no name in ."),
        ],
    );
}

#[test]
fn a_container_that_is_on_another_network_too_forwards_through_that() {
    check(&["back"], "10.2.0.9", &[("www.example.com", Kind::A, "forward to Host")]);
}

/// RFC 6761, RFC 6762, RFC 7686, RFC 6303.
#[test]
fn special_names_are_answered_here() {
    for (listener, source) in [("web", "10.1.0.7"), ("back", "10.2.0.10"), ("dev", "10.3.0.7")] {
        check(
            &[listener],
            source,
            &[
                ("localhost", Kind::A, "127.0.0.1 for 5"),
                ("LocalHost", Kind::AAAA, "::1 for 5"),
                ("db.localhost", Kind::A, "127.0.0.1 for 5"),
                ("localhost", MX, "no data in ."),
                ("1.0.0.127.in-addr.arpa", Kind::PTR, "localhost for 5"),
                ("2.0.0.127.in-addr.arpa", Kind::PTR, "no name in ."),
                ("127.in-addr.arpa", Kind::SOA, "no data in ."),
                ("0.0.0.0.in-addr.arpa", Kind::PTR, "no name in ."),
                ("255.255.255.255.in-addr.arpa", Kind::PTR, "no name in ."),
                ("invalid", Kind::A, "no name in ."),
                ("x.invalid", Kind::A, "no name in ."),
                ("abc.onion", Kind::A, "no name in ."),
                ("printer.local", Kind::A, "no name in ."),
                ("metadata.google.internal", Kind::A, "no name in ."),
            ],
        );
        let v6 = format!("1.{}.ip6.arpa", ["0"; 31].join("."));
        check(&[listener], source, &[(&v6, Kind::PTR, "localhost for 5")]);
    }
}

#[test]
fn names_that_the_hosts_own_resolver_may_serve_are_forwarded() {
    for name in ["test", "home.arpa"] {
        let below = format!("x.{name}");
        check(&["web"], "10.1.0.7", &[(&below, Kind::A, "forward to Host")]);
        check(&["back"], "10.2.0.10", &[(&below, Kind::A, "no name in .")]);
    }
}

#[test]
fn no_container_can_take_a_special_name() {
    let attachments = vec![attachment("c1", &["10.9.0.7"], &["localhost", "db.other.internal"], 5)];
    let mine = network("mine", "mine.internal", &["10.9.0.0/24"], &[], attachments);
    let theirs = vec![attachment("c2", &["10.8.0.7"], &["db"], 5), attachment("c1", &["10.8.0.8"], &["c1"], 5)];
    let other = network("other", "other.internal", &["10.8.0.0/24"], &[], theirs);
    let zones = ZonesBuilder::new(1).network(mine).network(other).build();
    let asker = Asker { zones: &zones, listener: &["mine"], source: "10.9.0.7" };
    asker.check(&[("localhost", Kind::A, "127.0.0.1 for 5"), ("db.other.internal", Kind::A, "10.8.0.7 for 5")]);
    let stranger = Asker { zones: &zones, listener: &["mine"], source: "10.9.0.99" };
    stranger.check(&[("db.other.internal", Kind::A, "no name in .")]);
}

#[test]
fn a_domain_below_a_special_name_is_served() {
    let attachments = vec![attachment("c1", &["10.9.0.7"], &["c1"], 5)];
    let cluster = network("cluster", "svc.cluster.local", &["10.9.0.0/24"], &[], attachments);
    let zones = ZonesBuilder::new(1).network(cluster).build();
    let asker = Asker { zones: &zones, listener: &["cluster"], source: "10.9.0.7" };
    asker.check(&[
        ("c1.svc.cluster.local", Kind::A, "10.9.0.7 for 5"),
        ("x.svc.cluster.local", Kind::A, "no name in svc.cluster.local"),
        ("cluster.local", Kind::A, "no data in ."),
        ("local", Kind::A, "no data in ."),
        ("x.cluster.local", Kind::A, "no name in ."),
    ]);
}

#[test]
fn networks_may_be_nested_or_share_a_domain() {
    let member = |id: &str, domain: &str, at: &str, other: &str| -> Network {
        let attachments = vec![attachment("c1", &[at], &["c1"], 5), attachment(id, &[other], &[id], 5)];
        network(id, domain, &[], &[], attachments)
    };
    let zones = ZonesBuilder::new(1)
        .network(member("a", "corp.internal", "10.9.0.7", "10.9.0.8"))
        .network(member("b", "b.corp.internal", "10.8.0.7", "10.8.0.8"))
        .network(member("c", "corp.internal", "10.7.0.7", "10.7.0.8"))
        .build();
    let asker = Asker { zones: &zones, listener: &["a"], source: "10.9.0.7" };
    asker.check(&[
        ("a.corp.internal", Kind::A, "10.9.0.8 for 5"),
        ("c.corp.internal", Kind::A, "10.7.0.8 for 5"),
        ("b.b.corp.internal", Kind::A, "10.8.0.8 for 5"),
        ("b.corp.internal", Kind::A, "no data in b.corp.internal"),
        ("x.b.corp.internal", Kind::A, "no name in b.corp.internal"),
        ("c1.corp.internal", Kind::A, "10.7.0.7 for 5, 10.9.0.7 for 5"),
        ("b", Kind::A, "10.8.0.8 for 5"),
    ]);
}
