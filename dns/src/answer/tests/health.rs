//! Containers that are not healthy: their names are there, and lead to others or, for a moment, nowhere.

use super::*;
use crate::{Attachment, Port, Protocol, StaticData, StaticRecord};

/// `web` on two containers, `db` on one; those named are not healthy.
fn shop(sick: &[&str]) -> Zones {
    let of = |container: &str, at: &[&str], names: &[&str]| Attachment {
        ports: vec![Port { name: "http".parse().unwrap(), protocol: Protocol::Tcp, number: 80 }],
        texts: vec!["version=7".parse().unwrap()],
        is_healthy: !sick.contains(&container),
        ..attachment(container, at, names, 5)
    };
    let attachments = vec![
        of("c1", &["10.1.0.7", "fd00::7"], &["web1", "web"]),
        of("c2", &["10.1.0.8"], &["web2", "web"]),
        of("c3", &["10.1.0.9"], &["db", "*.db"]),
    ];
    let alias = StaticData::Alias("elsewhere.example".parse().unwrap());
    let records = vec![StaticRecord { name: "web1".parse().unwrap(), data: alias, ttl: 5 }];
    let shop = network("shop", "shop.internal", &["10.1.0.0/24", "fd00::/64"], &["10.1.0.1"], attachments);
    ZonesBuilder::new(fixture::SERIAL).network(Network { records, ..shop }).build()
}

fn check(sick: &[&str], table: &[(&str, Kind, &str)]) {
    Asker { zones: &shop(sick), listener: &["shop"], source: "10.1.0.7" }.check(table);
}

#[test]
fn who_is_not_healthy_leaves_the_answers_and_the_others_stay() {
    check(
        &["c1"],
        &[
            ("web", Kind::A, "10.1.0.8 for 5"),
            ("tasks.web", Kind::A, "10.1.0.8 for 5"),
            ("web2.web.shop.internal", Kind::A, "10.1.0.8 for 5"),
            ("_http._tcp.web", Kind::SRV, "port 80 of web2.shop.internal for 5"),
            ("web1", TXT, "Text(\"version=7\") for 5"),
            ("7.0.1.10.in-addr.arpa", Kind::PTR, "web1.shop.internal for 5"),
        ],
    );
}

#[test]
fn a_name_that_nobody_healthy_bears_is_there_and_asked_for_again_soon() {
    check(
        &["c1", "c2", "c3"],
        &[
            ("web", Kind::A, "no data in . for 1"),
            ("web.shop.internal", Kind::AAAA, "no data in shop.internal for 1"),
            ("web1.web", Kind::A, "no data in . for 1"),
            ("tasks.web", Kind::A, "no data in . for 1"),
            ("_http._tcp.web", Kind::SRV, "no data in . for 1"),
            ("x.db", Kind::A, "no data in . for 1"),
            // Nor does an alias take the place of a container that comes back.
            ("web1", Kind::A, "no data in . for 1"),
            // Of what they never had, nothing changes.
            ("web2", Kind::AAAA, "no data in ."),
            ("web", MX, "no data in ."),
            ("web", Kind::SRV, "no data in ."),
            ("none.shop.internal", Kind::A, "no name in shop.internal"),
            ("web2.web1", Kind::A, "forward to Host"),
        ],
    );
    // There is an address of the other family, and one of this one may come back.
    check(&["c1"], &[("web", Kind::AAAA, "no data in . for 1"), ("web1.web2.shop.internal", Kind::A, NO_NAME)]);
}

const NO_NAME: &str = "no name in shop.internal";

#[test]
fn who_is_not_healthy_may_still_ask() {
    let zones = shop(&["c1"]);
    let asker = Asker { zones: &zones, listener: &["shop"], source: "10.1.0.7" };
    assert_eq!(asker.hears("db", Kind::A), "10.1.0.9 for 5");
}
