//! A process that dies between any two steps costs no address, and the next one goes on.

use super::*;

/// What a process that died in the middle of an ADD or DEL of container `dead` left.
type Death = (&'static str, fn(&Bench, &RangeSet));

const DEATHS: [Death; 11] = [
    ("before a change", |bench, _| drop(bench.pool().lock(soon()).unwrap())),
    ("while a temporary file is empty", |bench, _| bench.put(".lease", "")),
    ("while a temporary file is there", |bench, _| bench.put(".lease", "dead\r\neth0")),
    ("after the reference plugin's open", |bench, _| bench.put("10.0.0.2", "")),
    ("after the lease", |bench, set| {
        without_index(bench, |bench| drop(bench.take(set, "dead")));
        fs::remove_file(bench.path().join("last_reserved_ip.0")).unwrap();
    }),
    ("while the last address is empty", |bench, set| {
        without_index(bench, |bench| drop(bench.take(set, "dead")));
        bench.put("last_reserved_ip.0", "");
    }),
    ("before the index", |bench, set| without_index(bench, |bench| drop(bench.take(set, "dead")))),
    ("after the index, before its record", |bench, set| {
        bench.take(set, "dead").unwrap();
        let index = bench.index();
        let mut bytes = fs::read(&index).unwrap();
        bytes[..4096].fill(0);
        fs::write(index, bytes).unwrap();
    }),
    ("after a part of the index", |bench, set| {
        let half = |bench: &Bench| fs::read(bench.index()).unwrap();
        bench.take(set, "other").unwrap();
        let before = half(bench);
        bench.take(set, "dead").unwrap();
        let mut after = half(bench);
        after[..4096].copy_from_slice(&before[..4096]);
        let middle = after.len() / 2;
        after[middle..].copy_from_slice(&before[middle..]);
        fs::write(bench.index(), after).unwrap();
        bench.release("other");
    }),
    ("while a new index is written", |bench, set| {
        bench.take(set, "dead").unwrap();
        let index = bench.index();
        fs::rename(&index, index.with_extension("tmp")).unwrap();
    }),
    ("in the middle of a release", |bench, set| {
        bench.take(set, "dead").unwrap();
        without_index(bench, |bench| drop(bench.release("dead")));
    }),
];

/// Does something whose index is lost: the file is as before.
fn without_index(bench: &Bench, act: impl FnOnce(&Bench)) {
    drop(bench.pool().lock(soon()).unwrap());
    let index = bench.index();
    let before = fs::read(&index).unwrap();
    act(bench);
    fs::write(&index, before).unwrap();
}

#[test]
fn a_death_between_any_two_steps_costs_no_address() {
    let set = set("10.0.0.0/29");
    for (when, die) in DEATHS {
        let bench = Bench::new();
        die(&bench, &set);
        bench.release("dead");
        assert_eq!(bench.held_by("dead"), [""; 0], "{when}");
        let names = ["a", "b", "c", "d", "e"];
        let given: BTreeSet<String> = names.iter().filter_map(|name| bench.take(&set, name)).collect();
        assert_eq!(given.len(), 5, "{when}: {given:?}");
        assert_eq!(bench.take(&set, "f"), None, "{when}");
        for name in names {
            assert_eq!(bench.release(name).len(), 1, "{when}");
        }
        assert_eq!(bench.addresses(), BTreeSet::new(), "{when}");
    }
}

#[test]
fn an_address_is_never_given_twice_after_a_death() {
    let set = set("10.0.0.0/29");
    for (when, die) in DEATHS {
        let bench = Bench::new();
        die(&bench, &set);
        let dead = bench.held_by("dead");
        let given: Vec<String> = ["a", "b", "c", "d", "e"].iter().filter_map(|name| bench.take(&set, name)).collect();
        assert_eq!(given.len() + dead.len(), 5, "{when}: {given:?} {dead:?}");
        assert!(dead.iter().all(|address| !given.contains(address)), "{when}: {given:?} {dead:?}");
    }
}

#[test]
fn what_a_killed_writer_left_does_not_stay() {
    let bench = Bench::new();
    bench.put(".lease", "dead\r\neth0");
    bench.take(&set("10.0.0.0/29"), "a").unwrap();
    bench.release("dead");
    let hidden = fs::read_dir(bench.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}
