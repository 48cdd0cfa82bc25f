//! What a workload of Kubernetes asks (its DNS specification, 1.1.0), in a network of ours in place of a namespace.
//!
//! | there | here |
//! |---|---|
//! | namespace `shop` | network `shop`, domain `shop.internal` |
//! | headless service `web` | a name that `web-0`, `web-1` and the sick `web-2` bear |
//! | service without endpoints `idle` | the name of a container that is not healthy |
//! | service without selector `printer` | a record of the network |
//! | external name `store` | an alias |
//! | another namespace | network `bank`, which the source is not on |

use super::*;
use crate::{Attachment, Port, Protocol, StaticData, StaticRecord};

fn cluster() -> Zones {
    let serves = |number| vec![Port { name: "http".parse().unwrap(), protocol: Protocol::Tcp, number }];
    let pod = |index: u8, at: &[&str]| Attachment {
        ports: serves(80),
        ..attachment(&format!("pod{index}"), at, &[&format!("web-{index}"), "web"], 5)
    };
    let sick = |it| Attachment { is_healthy: false, ..it };
    let attachments = vec![
        pod(0, &["10.1.0.7", "fd00:1::7"]),
        pod(1, &["10.1.0.8"]),
        sick(pod(2, &["10.1.0.9"])),
        sick(Attachment { ports: serves(80), ..attachment("idle", &["10.1.0.10"], &["idle"], 5) }),
    ];
    let record = |name: &str, data| StaticRecord { name: name.parse().unwrap(), data, ttl: 60 };
    let records = vec![
        record("printer", StaticData::Address("192.0.2.9".parse().unwrap())),
        record("store", StaticData::Alias("www.example.com".parse().unwrap())),
    ];
    let subnets = &["10.1.0.0/24", "fd00:1::/64"];
    let shop = Network { records, ..network("shop", "shop.internal", subnets, &["10.1.0.1"], attachments) };
    let vault = vec![attachment("vault", &["10.2.0.7"], &["vault"], 5)];
    let bank = network("bank", "bank.internal", &["10.2.0.0/24"], &["10.2.0.1"], vault);
    ZonesBuilder::new(fixture::SERIAL).network(shop).network(bank).build()
}

fn check(table: &[(&str, Kind, &str)]) {
    Asker { zones: &cluster(), listener: &["shop"], source: "10.1.0.7" }.check(table);
}

#[test]
fn what_is_as_there() {
    check(&[
        // A headless service: those of its endpoints that are ready, by family.
        ("web.shop.internal", Kind::A, "10.1.0.7 for 5, 10.1.0.8 for 5"),
        ("web.shop.internal", Kind::AAAA, "fd00:1::7 for 5"),
        ("WEB.Shop.Internal", Kind::A, "10.1.0.7 for 5, 10.1.0.8 for 5"),
        ("web.shop.internal", TXT, "no data in shop.internal"),
        ("web.shop.internal", MX, "no data in shop.internal"),
        // One endpoint of it, by its host name.
        ("web-1.web.shop.internal", Kind::A, "10.1.0.8 for 5"),
        ("web-1.web.shop.internal", Kind::AAAA, "no data in shop.internal"),
        ("web-9.web.shop.internal", Kind::A, "no name in shop.internal"),
        // Named ports: each endpoint that is ready is a target of its own.
        (
            "_http._tcp.web.shop.internal",
            Kind::SRV,
            "port 80 of web-0.shop.internal for 5, port 80 of web-1.shop.internal for 5",
        ),
        ("_http._udp.web.shop.internal", Kind::SRV, "no name in shop.internal"),
        ("_https._tcp.web.shop.internal", Kind::SRV, "no name in shop.internal"),
        ("_http._tcp.none.shop.internal", Kind::SRV, "no name in shop.internal"),
        ("_http._tcp.web.shop.internal", Kind::A, "no data in shop.internal"),
        // A service whose endpoints are not in the cluster, and one that is only another name.
        ("printer.shop.internal", Kind::A, "192.0.2.9 for 60"),
        ("store.shop.internal", Kind::CNAME, "alias of www.example.com for 60"),
        // Addresses of endpoints, and of nobody.
        ("8.0.1.10.in-addr.arpa", Kind::PTR, "web-1.shop.internal for 5"),
        ("99.0.1.10.in-addr.arpa", Kind::PTR, "no name in 0.1.10.in-addr.arpa"),
        // The zone.
        ("shop.internal", Kind::SOA, "soa shop.internal 42"),
        ("shop.internal", Kind::A, "no data in shop.internal"),
        ("internal", Kind::A, "no data in ."),
        ("none.shop.internal", Kind::A, "no name in shop.internal"),
        // Asterisks were names for anything once; they are labels.
        ("*.shop.internal", Kind::A, "no name in shop.internal"),
        ("_http.*.web.shop.internal", Kind::SRV, "no name in shop.internal"),
        // What a search list makes of a whole name, and names of others.
        ("web.shop.internal.shop.internal", Kind::A, "no name in shop.internal"),
        ("www.example.com.shop.internal", Kind::A, "no name in shop.internal"),
        ("www.example.com", Kind::A, "forward to Host"),
    ]);
}

#[test]
fn what_is_deliberately_different() {
    check(&[
        // There is no address of a service beside those of its endpoints, so no SRV at its name either.
        ("web.shop.internal", Kind::SRV, "no data in shop.internal"),
        // Without endpoints that are ready it exists: they may be ready soon. There, the name may be gone.
        ("idle.shop.internal", Kind::A, "no data in shop.internal for 1"),
        ("_http._tcp.idle.shop.internal", Kind::SRV, "no data in shop.internal for 1"),
        ("web-2.web.shop.internal", Kind::A, "no data in shop.internal for 1"),
        // Who is found by the name of its service has a PTR also while it is not ready.
        ("9.0.1.10.in-addr.arpa", Kind::PTR, "web-2.shop.internal for 5"),
        // Names of pods say who they are, not where: none is made of an address.
        ("10-1-0-8.web.shop.internal", Kind::A, "no name in shop.internal"),
        ("10-1-0-8.shop.pod.shop.internal", Kind::A, "no name in shop.internal"),
        // A protocol alone is a name with nothing, of which there are names below (RFC 8020).
        ("_tcp.web.shop.internal", Kind::SRV, "no data in shop.internal"),
        // Nobody is delegated to, and no version told.
        ("shop.internal", NS, "no data in shop.internal"),
        ("dns-version.shop.internal", TXT, "no name in shop.internal"),
        // Names need no search list, and those of other networks are not there.
        ("web", Kind::A, "10.1.0.7 for 5, 10.1.0.8 for 5"),
        ("web-0.web", Kind::AAAA, "fd00:1::7 for 5"),
        ("vault.bank.internal", Kind::A, "no name in ."),
        ("7.0.2.10.in-addr.arpa", Kind::PTR, "no name in ."),
        // ANY is answered once, with nothing in it (RFC 8482).
        ("web.shop.internal", Kind::ANY, "not any for 8482"),
    ]);
}
