//! `host-local`: which address comes next, and which ranges are none.

use serde_json::{Value, json};
use tests::{Host, Lab};

use super::{
    config::{VERSIONS, addresses, since},
    host_local::Pool,
};

/// Starting with `taken` leases and the note that `last` came last, ADD gives `next`.
#[track_caller]
fn comes_next(pool: (&Host, &str), subnets: &[&str], taken: &[&str], last: &str, next: Result<&str, &str>) {
    let (host, version) = pool;
    let range: Vec<Value> = subnets.iter().map(|subnet| json!({"subnet": subnet})).collect();
    let pool = Pool::new(host, version, &json!({"ranges": [range]}));
    let _none = std::fs::remove_dir_all(pool.file(""));
    std::fs::create_dir_all(pool.file("")).unwrap();
    for address in taken {
        std::fs::write(pool.file(address), "taken\r\neth0").unwrap();
    }
    if !last.is_empty() {
        std::fs::write(pool.file("last_reserved_ip.0"), last).unwrap();
    }
    match (pool.run("ADD", "c1"), next) {
        (Ok(result), Ok(next)) => {
            let given = addresses(&result).pop().unwrap();
            assert_eq!(given.split('/').next().unwrap(), next, "{subnets:?} {taken:?} after {last:?}");
        }
        (Err(refusal), Err(start)) => assert!(refusal.msg.contains(start), "{refusal:?}"),
        (answer, expected) => panic!("{answer:?} instead of {expected:?}"),
    }
    pool.del("c1");
    pool.del("taken");
}

#[test]
fn addresses_are_given_in_turn() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let pool = (&host, version);
        let small = &["10.0.0.0/29"];
        comes_next(pool, small, &[], "", Ok("10.0.0.2"));
        comes_next(pool, small, &[], "10.0.0.5", Ok("10.0.0.6"));
        comes_next(pool, small, &[], "10.0.0.6", Ok("10.0.0.2"));
        comes_next(pool, small, &["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"], "10.0.0.3", Ok("10.0.0.3"));
        comes_next(pool, small, &["10.0.0.4", "10.0.0.5"], "10.0.0.3", Ok("10.0.0.6"));
        comes_next(pool, small, &["10.0.0.2", "10.0.0.3"], "10.0.0.6", Ok("10.0.0.4"));
        comes_next(pool, small, &[], "128.0.0.1", Ok("10.0.0.2"));
        let all = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"];
        comes_next(pool, small, &all, "", Err("no IP addresses available in range set: 10.0.0.1-10.0.0.6"));
    }
}

#[test]
fn a_set_of_ranges_is_one_circle() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let pool = (&host, version);
        let two = &["10.0.0.0/30", "10.0.1.0/30"];
        comes_next(pool, two, &["10.0.0.2"], "10.0.0.2", Ok("10.0.1.2"));
        comes_next(pool, two, &[], "10.0.1.2", Ok("10.0.0.2"));
        comes_next(pool, two, &["10.0.0.2", "10.0.1.2"], "", Err("no IP addresses available in range set"));
    }
}

#[test]
fn a_freed_address_is_the_last_to_come_again() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let pool = Pool::new(&host, version, &json!({"subnet": "10.0.0.0/29"}));
        let mut given = Vec::new();
        for _ in 0..6 {
            given.extend(pool.add("c1"));
            pool.del("c1");
        }
        assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"]);
    }
}

#[test]
fn the_end_of_a_range_is_given_and_the_broadcast_address_is_not() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        let range = json!({"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.10", "rangeEnd": "10.0.0.11"});
        let pool = Pool::named(&host, &format!("ends-{version}"), version, &json!({"ranges": [[range]]}));
        assert_eq!((pool.add("c1"), pool.add("c2")), (vec!["10.0.0.10".to_owned()], vec!["10.0.0.11".to_owned()]));
        assert!(pool.run("ADD", "c3").is_err());
        let last = json!({"subnet": "10.0.0.0/30"});
        let small = Pool::named(&host, &format!("small-{version}"), version, &last);
        assert_eq!(small.add("c1"), ["10.0.0.2"]);
        assert!(small.run("ADD", "c2").is_err(), "10.0.0.3 is the broadcast address");
        for (pool, name) in [(&pool, "c1"), (&pool, "c2"), (&small, "c1")] {
            pool.del(name);
        }
    }
}

#[test]
fn old_new_and_runtime_ranges_follow_each_other() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS.into_iter().filter(|version| since(version, "0.3.0")) {
        let ipam = json!({"subnet": "10.2.0.0/24", "ranges": [[{"subnet": "10.3.0.0/24"}]]});
        let runtime = json!({"runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/24"}]]}});
        let pool = Pool::new(&host, version, &ipam).with(&runtime);
        assert_eq!(pool.add("c1"), ["10.1.0.2", "10.2.0.2", "10.3.0.2"]);
        pool.del("c1");
    }
}

#[test]
fn ranges_that_make_no_sense_are_named() {
    let lab = Lab::new();
    let host = lab.host("a");
    for version in VERSIONS {
        for (ipam, msg) in [
            (json!({}), "no IP ranges specified"),
            (json!({"ranges": []}), "no IP ranges specified"),
            (json!({"subnet": "10.1.2.5/24"}), "Network has host bits set"),
            (json!({"subnet": "10.1.2.0/31"}), "too small"),
            (json!({"subnet": "10.1.2.0/32"}), "too small"),
            (json!({"subnet": "2001:db8::/127"}), "too small"),
            (json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.3.1"}), "10.1.3.1"),
            (json!({"subnet": "10.1.2.0/24", "rangeEnd": "10.1.3.1"}), "10.1.3.1"),
            (json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.3"}), "10.1.2.9"),
            (
                json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.1.2.128/25"}]]}),
                "range set 0 overlaps with 1",
            ),
            (json!({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.2.0/25"}]]}), "overlap"),
            (json!({"ranges": [[{"subnet": "10.1.2.0/24"}, {"subnet": "2001:db8::/64"}]]}), "mixed address families"),
            (json!({"ranges": [[]]}), "empty range set"),
            (json!({"subnet": "10.1.2.0/24", "gateway": "no address"}), "no address"),
            (json!({"subnet": "10.1.2.0/240"}), "10.1.2.0/240"),
        ] {
            if msg.contains("overlaps with") && !since(version, "0.3.0") {
                // Two sets of a family are more than such a result can hold.
                continue;
            }
            let refusal = Pool::new(&host, version, &ipam).run("ADD", "c1").unwrap_err();
            assert!(refusal.msg.contains(msg) || refusal.details.contains(msg), "{ipam}: {refusal:?}");
        }
        assert!(!host.leases(&format!("net-{version}")).join("lock").exists(), "nothing was touched");
    }
}

#[test]
fn old_versions_give_one_address_of_a_family() {
    let lab = Lab::new();
    let ipam = json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "10.2.2.0/24"}]]});
    for version in ["0.1.0", "0.2.0"] {
        let pool = Pool::named(&lab.host("a"), "mynet", version, &ipam);
        let msg = format!("CNI version {version} does not support more than 1 address per family");
        assert_eq!(pool.run("ADD", "c1").unwrap_err().msg, msg);
    }
}
