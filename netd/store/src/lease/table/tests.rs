use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What a test does to a table and to the model beside it.
#[derive(Debug, Clone)]
enum Act {
    Insert(u128, u128),
    Remove(u128, u128),
    Set(u128, u128),
    Reopen,
}

/// Keys that crowd: few homes, neighbours, and the two ends of the number.
fn key() -> impl Strategy<Value = u128> {
    prop_oneof![1..40_u128, (1..40_u128).prop_map(|low| u128::MAX - low), any::<u128>().prop_map(|key| key | 1)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (key(), 1..5_u128).prop_map(|(key, value)| Act::Insert(key, value)),
        3 => (key(), 1..5_u128).prop_map(|(key, value)| Act::Remove(key, value)),
        1 => Just(Act::Reopen),
    ]
}

fn sets() -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(prop_oneof![(key(), 0..3_u128).prop_map(|(key, value)| Act::Set(key, value))], 0..300)
}

/// A table in a file, saved and opened again as sessions do.
fn reopen(mut table: Table, file: &File) -> Table {
    let new = table.file().is_none().then(|| file.try_clone().unwrap());
    table.save(new).unwrap();
    let (slots, used) = table.numbers();
    Table::open(file.try_clone().unwrap(), slots, used).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_table_remembers_what_a_map_remembers(acts in prop::collection::vec(act(), 0..400)) {
        let file = tempfile::tempfile().unwrap();
        let mut table = Table::new();
        let mut model: BTreeMap<u128, BTreeSet<u128>> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Insert(key, value) => {
                    table.insert(key, value).unwrap();
                    model.entry(key).or_default().insert(value);
                }
                Act::Remove(key, value) => {
                    table.remove(key, value).unwrap();
                    model.entry(key).or_default().remove(&value);
                }
                Act::Set(key, value) => table.set(key, value).unwrap(),
                Act::Reopen => table = reopen(table, &file),
            }
        }
        let used: usize = model.values().map(BTreeSet::len).sum();
        prop_assert_eq!(table.numbers().1, u64::try_from(used).unwrap());
        for (key, values) in model {
            let mut found = table.values(key).unwrap();
            found.sort_unstable();
            prop_assert_eq!(found, Vec::from_iter(values));
        }
    }

    #[test]
    fn a_key_that_is_set_has_its_last_value(acts in sets()) {
        let mut table = Table::new();
        let mut model = BTreeMap::new();
        for act in acts {
            let Act::Set(key, value) = act else { continue };
            table.set(key, value).unwrap();
            model.insert(key, value);
        }
        for (key, value) in model {
            prop_assert_eq!(table.value(key).unwrap(), value);
        }
    }
}

#[test]
fn a_table_grows_and_goes_to_a_new_file() {
    let file = tempfile::tempfile().unwrap();
    let mut table = Table::new();
    for number in 1..=10_000_u128 {
        table.insert(number << 70 | number, number).unwrap();
        if number == 1000 {
            table = reopen(table, &file);
        }
    }
    assert!(table.file().is_none());
    assert_eq!(table.numbers(), (32_768, 10_000));
    let other = tempfile::tempfile().unwrap();
    let mut table = reopen(table, &other);
    for number in 1..=10_000_u128 {
        assert_eq!(table.values(number << 70 | number).unwrap(), [number]);
    }
}

#[test]
fn a_file_of_another_size_or_without_room_is_refused() {
    let file = tempfile::tempfile().unwrap();
    let open =
        |slots, used| Table::open(file.try_clone().unwrap(), slots, used).map(drop).map_err(|error| error.kind());
    let refused = Err(io::ErrorKind::InvalidData);
    assert_eq!(open(SMALLEST, 0), refused);
    file.set_len(file_size(SMALLEST)).unwrap();
    assert_eq!(open(SMALLEST, 0), Ok(()));
    for (slots, used) in [(0, 0), (1, 0), (SMALLEST + 1, 0), (SMALLEST * 2, 0), (u64::MAX, 0), (SMALLEST, SMALLEST)] {
        assert_eq!(open(slots, used), refused, "{slots} {used}");
    }
}

#[test]
fn a_file_full_of_garbage_is_found_damaged_and_not_searched_for_ever() {
    let file = tempfile::tempfile().unwrap();
    let size = file_size(SMALLEST);
    file.write_all_at(&vec![0x5a; usize::try_from(size).unwrap()], 0).unwrap();
    let mut table = Table::open(file, SMALLEST, 0).unwrap();
    assert_eq!(table.values(1).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(table.insert(1, 1).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(table.remove(1, 1).unwrap_err().kind(), io::ErrorKind::InvalidData);
}
