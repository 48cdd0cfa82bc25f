//! Any history of ADD, DEL and interference gives the addresses that the reference's iterator would give.

use std::collections::{BTreeMap, btree_map::Entry};

use proptest::prelude::*;

use super::*;

/// The reference's way through a set (`RangeIter` in `allocator.go`), one address after another, without an index.
fn walk(set: &RangeSet, taken: &BTreeMap<IpAddr, String>, last: Option<IpAddr>) -> Option<IpAddr> {
    let ranges = set.ranges();
    let ends = |index: usize| ranges[index].numbers();
    let position = last.and_then(|last| ranges.iter().position(|range| range.contains(last)));
    let mut at = (position.unwrap_or(0), position.and(last).map(number::to_number));
    let mut start = None;
    loop {
        at = match at {
            (range, None) => (range, Some(ends(range).0)),
            (range, Some(address)) if address == ends(range).1 => {
                let next = (range + 1) % ranges.len();
                (next, Some(ends(next).0))
            }
            (range, Some(address)) => (range, Some(address + 1)),
        };
        if start == at.1 {
            return None;
        }
        start = start.or(at.1);
        let (range, address) = (&ranges[at.0], from_number(at.1?));
        if address != range.gateway() && !range.is_reserved(address) && !taken.contains_key(&address) {
            return Some(address);
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Take(usize),
    TakeThis(usize, usize),
    Release(usize),
    /// Somebody else leases or frees an address without our knowledge.
    Foreign(usize),
    Vanish(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..12_usize).prop_map(Act::Take),
        1 => (0..12_usize, 0..40_usize).prop_map(|(who, which)| Act::TakeThis(who, which)),
        4 => (0..12_usize).prop_map(Act::Release),
        1 => (0..40_usize).prop_map(Act::Foreign),
        1 => (0..40_usize).prop_map(Act::Vanish),
    ]
}

fn sets() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "10.0.0.0/29",
        "10.0.0.0/30",
        "10.0.0.0/28 10.0.0.1-10.0.0.1,10.0.1.0/29",
        "10.0.0.0/24 10.0.0.250-10.0.0.255,10.0.1.0/30",
        "10.0.0.0/24 10.0.0.120-10.0.0.135",
        "fd00::/126,fd00:1::/120 fd00:1::7e-fd00:1::84",
    ])
}

/// A few addresses in and around the set.
fn address(set: &RangeSet, which: usize) -> IpAddr {
    let (low, high) = set.ranges()[which % set.ranges().len()].numbers();
    from_number((low.saturating_sub(2) + u128::try_from(which).unwrap()).min(high + 1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_history_gives_the_addresses_of_the_reference(text in sets(), acts in prop::collection::vec(act(), 0..60)) {
        let (bench, set) = (Bench::new(), set(text));
        let mut taken: BTreeMap<IpAddr, String> = BTreeMap::new();
        let mut last = None;
        for act in acts {
            match act {
                Act::Take(who) => {
                    let expected = walk(&set, &taken, last);
                    let given = bench.take(&set, &format!("c{who}"));
                    prop_assert_eq!(&given, &expected.map(|address| address.to_string()));
                    if let Some(address) = expected {
                        taken.insert(address, format!("c{who}"));
                        last = Some(address);
                    }
                }
                Act::TakeThis(who, which) => {
                    let address = address(&set, which);
                    let free = !taken.contains_key(&address);
                    prop_assert_eq!(bench.take_this(&address.to_string(), &format!("c{who}")), free);
                    if free {
                        taken.insert(address, format!("c{who}"));
                        last = Some(address);
                    }
                }
                Act::Release(who) => {
                    let name = format!("c{who}");
                    let theirs: Vec<IpAddr> = taken.iter().filter(|(_, owner)| **owner == name).map(|(ip, _)| *ip).collect();
                    prop_assert_eq!(bench.release(&name), theirs.iter().map(IpAddr::to_string).collect::<Vec<_>>());
                    taken.retain(|_, owner| *owner != name);
                }
                Act::Foreign(which) => {
                    let address = address(&set, which);
                    if let Entry::Vacant(free) = taken.entry(address) {
                        bench.put(&address.to_string(), "foreign\r\neth9");
                        free.insert("foreign".to_owned());
                    }
                }
                Act::Vanish(which) => {
                    let address = address(&set, which);
                    if taken.remove(&address).is_some() {
                        fs::remove_file(bench.path().join(address.to_string())).unwrap();
                    }
                }
            }
            prop_assert_eq!(bench.addresses(), taken.keys().copied().collect());
            prop_assert_eq!(bench.has_room(&set), walk(&set, &taken, last).is_some());
        }
    }
}
