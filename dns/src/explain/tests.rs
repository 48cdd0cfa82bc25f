use std::sync::Arc;

use super::*;
use crate::{Network, Port, Protocol, SplitDomain, StaticData, StaticRecord, Upstream, ZonesBuilder, fixture};

fn explain(name: &str, kind: &str) -> Explanation {
    let (zones, listener) = (fixture::zones(), fixture::listener(&["web"]));
    let inquiry = Inquiry { listener: &listener, source: "10.1.0.9".parse().unwrap(), name, kind };
    zones.explain(inquiry).unwrap()
}

#[test]
fn each_rule_says_that_it_decided() {
    for (name, kind, rule, status, records) in [
        ("localhost", "A", Rule::Special, "NOERROR", "localhost 5 A 127.0.0.1"),
        ("web2.web.internal", "a", Rule::Domain, "NOERROR", "web2.web.internal 3 A 10.1.0.8"),
        ("WEB2.", "A", Rule::Bare, "NOERROR", "web2 3 A 10.1.0.8"),
        ("web2", "AAAA", Rule::Bare, "NOERROR", ""),
        ("none.web.internal", "A", Rule::Domain, "NXDOMAIN", ""),
        ("secret.twin.internal", "A", Rule::Domain, "NXDOMAIN", ""),
        ("host.docker.internal", "TYPE28", Rule::Host, "NOERROR", "host.docker.internal 5 AAAA fd00:1::1"),
        ("8.0.1.10.in-addr.arpa", "PTR", Rule::Reverse, "NOERROR", "8.0.1.10.in-addr.arpa 3 PTR web2.web.internal"),
        ("internal", "A", Rule::Host, "NOERROR", ""),
        ("example.com", "MX", Rule::Forward, "", ""),
        ("printer.local", "A", Rule::Nowhere, "NXDOMAIN", ""),
    ] {
        let said = explain(name, kind);
        let found = (said.rule, said.status.unwrap_or_default(), said.records.join(", "));
        assert_eq!(found, (rule, status, records.to_owned()), "{name} {kind}");
        assert_eq!(said.upstreams.is_some(), rule == Rule::Forward, "{name}");
        // A container of two networks sees both.
        assert_eq!(said.networks, fixture::listener(&["web", "back"]));
    }
    let (zones, listener) = (fixture::zones(), fixture::listener(&["dev"]));
    let inquiry = Inquiry { listener: &listener, source: "10.3.0.7".parse().unwrap(), name: "example", kind: "A" };
    let said = zones.explain(inquiry).unwrap();
    assert_eq!((said.rule, said.status), (Rule::Above, Some("NOERROR")));
}

#[test]
fn a_split_domain_is_told_from_other_upstreams() {
    let upstreams = Arc::from([Upstream::from(std::net::SocketAddr::from(([192, 0, 2, 53], 53)))]);
    let split = SplitDomain { domain: "corp.example".parse().unwrap(), upstreams };
    let zones = ZonesBuilder::new(1).split_domains(vec![split.clone()]).network(fixture::web()).build();
    let listener = fixture::listener(&["web"]);
    for (name, rule, upstreams) in [
        ("db.corp.example", Rule::Split, Upstreams::Own(split.upstreams)),
        ("corp.example.org", Rule::Forward, Upstreams::Host),
    ] {
        let inquiry = Inquiry { listener: &listener, source: "10.1.0.7".parse().unwrap(), name, kind: "A" };
        let said = zones.explain(inquiry).unwrap();
        assert_eq!((said.rule, said.upstreams), (rule, Some(upstreams)), "{name}");
    }
}

#[test]
fn a_stranger_is_told_from_a_container() {
    let (zones, listener) = (fixture::zones(), fixture::listener(&["web"]));
    let inquiry = Inquiry { listener: &listener, source: "192.0.2.7".parse().unwrap(), name: "web1", kind: "A" };
    let said = zones.explain(inquiry).unwrap();
    assert_eq!((said.rule, said.status, said.networks.len()), (Rule::Stranger, Some("REFUSED"), 0));
}

#[test]
fn what_is_no_question_is_refused() {
    let zones = fixture::zones();
    for (name, kind, refusal) in [
        ("a..b", "A", "\"a..b\" is no name that can be asked for: labels of 1 to 63 bytes, 253 in all"),
        ("a", "axfr", "\"AXFR\" is no type of a record, like A, AAAA, SRV or TYPE65"),
        ("a", "addr", "\"ADDR\" is no type of a record, like A, AAAA, SRV or TYPE65"),
        ("a", "TYPE70000", "\"TYPE70000\" is no type of a record, like A, AAAA, SRV or TYPE65"),
    ] {
        let inquiry = Inquiry { listener: &[], source: "10.1.0.7".parse().unwrap(), name, kind };
        assert_eq!(zones.explain(inquiry).unwrap_err().to_string(), refusal);
    }
}

/// Networks as those of the other tests, and `web` with a service, a wildcard, records and a split domain.
fn zones() -> Zones {
    let record = |name: &str, data| StaticRecord { name: name.parse().unwrap(), data, ttl: 5 };
    let split = |domain: &str| SplitDomain { domain: domain.parse().unwrap(), upstreams: Arc::default() };
    let mut web = fixture::web();
    let port = Port { name: "http".parse().unwrap(), protocol: Protocol::Tcp, number: 80 };
    web.attachments[0].ports.push(port);
    web.attachments[0].names.push("*.api".parse().unwrap());
    web.records = vec![
        record("printer", StaticData::Address([192, 0, 2, 9].into())),
        record("web2", StaticData::Address([192, 0, 2, 8].into())),
        record("shop", StaticData::Alias("web1.web.internal".parse().unwrap())),
        record("far", StaticData::Alias("www.example.com".parse().unwrap())),
    ];
    web.split_domains = vec![split("old.example")];
    let zones = ZonesBuilder::after(&fixture::zones(), 2).network(web);
    zones.split_domains(vec![split("old.example"), split("all.example")]).build()
}

#[test]
fn what_says_what_is_heard_is_named_with_its_network() {
    let (zones, listener) = (zones(), fixture::listener(&["web"]));
    for (name, kind, expected) in [
        ("localhost", "A", "special localhost"),
        ("1.0.0.127.in-addr.arpa", "PTR", "special 127.0.0.1/32"),
        ("web1.web.internal", "A", "container web1.web.internal of web"),
        ("WEB1", "MX", "container web1.web.internal of web"),
        ("db", "A", "container db.web.internal of web, container db.back.internal of back"),
        ("cache.back.internal", "A", "container cache.back.internal of back"),
        ("tasks.web", "A", "container tasks.web.web.internal of web"),
        ("_http._tcp.web.web.internal", "SRV", "container _http._tcp.web.web.internal of web"),
        ("x.y.api.web.internal", "A", "wildcard *.api.web.internal of web"),
        ("api", "A", "below api.web.internal of web"),
        ("printer", "A", "record printer.web.internal of web"),
        ("web2", "A", "container web2.web.internal of web, record web2.web.internal of web"),
        ("shop", "A", "record shop.web.internal of web, container web1.web.internal of web"),
        ("far", "A", "record far.web.internal of web"),
        ("host.web.internal", "A", "host host.web.internal of web"),
        ("web.internal", "SOA", "domain web.internal of web"),
        ("none.web.internal", "A", "domain web.internal of web"),
        ("secret.twin.internal", "A", "domain twin.internal of twin"),
        ("host.docker.internal", "A", "host host.docker.internal"),
        ("8.0.1.10.in-addr.arpa", "PTR", "subnet 10.1.0.0/24 of web"),
        ("99.0.1.10.in-addr.arpa", "PTR", "subnet 10.1.0.0/24 of web"),
        ("9.0.3.10.in-addr.arpa", "PTR", "subnet 10.3.0.0/20 of dev"),
        ("db.old.example", "A", "split-domain old.example of web"),
        ("db.all.example", "A", "split-domain all.example"),
        ("printer.local", "A", "special local"),
        ("nobody", "A", ""),
        ("example.com", "A", ""),
    ] {
        let inquiry = Inquiry { listener: &listener, source: "10.1.0.9".parse().unwrap(), name, kind };
        let said = zones.explain(inquiry).unwrap().found.into_iter().map(|Found { what, name, network }| {
            format!("{what} {name}{}", network.map(|network| format!(" of {network}")).unwrap_or_default())
        });
        assert_eq!(said.collect::<Vec<_>>().join(", "), expected, "{name} {kind}");
    }
    for (listener, source, name, found) in [
        ("dev", "10.3.0.7", "example", [(What::Domain, "dev.example")]),
        ("back", "10.2.0.10", "2.10.in-addr.arpa", [(What::Subnet, "10.2.0.0/24")]),
        ("shut", "10.4.0.7", "b.example.com", [(What::Below, "b.example.com.shut.internal")]),
    ] {
        let attachments = vec![fixture::attachment("shut", &["10.4.0.7"], &["a.b.example.com"], 5)];
        let shut = fixture::network("shut", "shut.internal", &["10.4.0.0/24"], &[], attachments);
        let shut = Network { upstreams: Upstreams::None, ..shut };
        let zones = ZonesBuilder::after(&zones, 3).network(shut).build();
        let networks = fixture::listener(&[listener]);
        let inquiry = Inquiry { listener: &networks, source: source.parse().unwrap(), name, kind: "A" };
        let expected = found.map(|(what, name)| Found { what, name: name.to_owned(), network: Some(listener.into()) });
        assert_eq!(zones.explain(inquiry).unwrap().found, expected, "{name}");
    }
}
