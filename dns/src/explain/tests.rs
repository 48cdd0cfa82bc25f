use super::*;
use crate::{SplitDomain, Upstream, ZonesBuilder, fixture};

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
    assert_eq!((said.rule, said.status), (Rule::AboveDomain, Some("NOERROR")));
}

#[test]
fn a_split_domain_is_told_from_other_upstreams() {
    let upstreams = std::sync::Arc::from([Upstream::from(std::net::SocketAddr::from(([192, 0, 2, 53], 53)))]);
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
