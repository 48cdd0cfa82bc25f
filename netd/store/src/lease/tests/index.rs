//! The index is believed only while it is true, and made anew otherwise.

use std::os::unix::fs::FileExt;

use super::*;

type Change = (&'static str, fn(&Bench));
type Damage = (&'static str, fn(&Path));

#[test]
fn our_own_changes_keep_the_index_valid() {
    let bench = Bench::new();
    let set = set("10.0.0.0/24");
    for name in ["a", "b", "c"] {
        bench.take(&set, name).unwrap();
        assert!(bench.index_is_valid());
    }
    bench.release("b");
    assert!(bench.index_is_valid());
    bench.reclaim(&["a"]);
    assert!(bench.index_is_valid());
    assert_eq!(bench.held_by("c"), ["10.0.0.4"]);
    assert!(bench.index_is_valid());
}

#[test]
fn any_change_of_others_makes_the_index_invalid_even_in_the_same_moment() {
    let changes: [Change; 4] = [
        ("a lease more", |bench| bench.put("10.0.0.9", "x\r\neth0")),
        ("a lease less", |bench| fs::remove_file(bench.path().join("10.0.0.2")).unwrap()),
        ("another name", |bench| fs::rename(bench.path().join("10.0.0.2"), bench.path().join("10.0.0.3")).unwrap()),
        ("an old time put back", |bench| {
            let before = fs::metadata(bench.path()).unwrap().modified().unwrap();
            bench.put("10.0.0.9", "x\r\neth0");
            File::open(bench.path()).unwrap().set_modified(before).unwrap();
        }),
    ];
    for (what, change) in changes {
        let bench = Bench::new();
        bench.take(&set("10.0.0.0/24"), "a").unwrap();
        assert!(bench.index_is_valid(), "before {what}");
        change(&bench);
        assert!(!bench.index_is_valid(), "after {what}");
    }
}

#[test]
fn what_others_changed_is_known_to_the_next_session() {
    let bench = Bench::new();
    let set = set("10.0.0.0/24");
    bench.take(&set, "a").unwrap();
    bench.put("10.0.0.3", "foreign\r\neth0");
    assert_eq!(bench.held_by("foreign"), ["10.0.0.3"]);
    assert_eq!(bench.take(&set, "b").unwrap(), "10.0.0.4");
    fs::remove_file(bench.path().join("10.0.0.2")).unwrap();
    assert_eq!(bench.held_by("a"), [""; 0]);
}

#[test]
fn an_index_that_is_damaged_or_gone_is_made_anew() {
    let damages: [Damage; 7] = [
        ("gone", |index| fs::remove_file(index).unwrap()),
        ("empty", |index| fs::write(index, "").unwrap()),
        ("short", |index| fs::OpenOptions::new().write(true).open(index).unwrap().set_len(5000).unwrap()),
        ("another form", |index| overwrite(index, 0, &[0xff; 8])),
        ("another size", |index| overwrite(index, 8, &[0x7f; 16])),
        ("a directory", |index| {
            fs::remove_file(index).unwrap();
            fs::create_dir(index).unwrap();
        }),
        ("full of garbage", |index| {
            let length = usize::try_from(fs::metadata(index).unwrap().len()).unwrap();
            overwrite(index, 4096, &vec![0xa5; length - 4096]);
        }),
    ];
    for (what, damage) in damages {
        let bench = Bench::new();
        let set = set("10.0.0.0/24");
        for name in ["a", "b"] {
            bench.take(&set, name).unwrap();
        }
        damage(&bench.index());
        assert!(bench.has_room(&set), "{what}");
        assert_eq!(bench.held_by("a"), ["10.0.0.2"], "{what}");
        assert_eq!(bench.take(&set, "c").unwrap(), "10.0.0.4", "{what}");
        assert_eq!(bench.release("b"), ["10.0.0.3"], "{what}");
    }
}

fn overwrite(file: &Path, offset: u64, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(file).unwrap().write_all_at(bytes, offset).unwrap();
}

#[test]
fn an_index_that_claims_too_much_is_not_believed_over_the_leases() {
    let bench = Bench::new();
    let set = set("10.0.0.0/29");
    bench.take(&set, "a").unwrap();
    let pool = bench.pool();
    let mut session = pool.lock(soon()).unwrap();
    let liar = Holder::Attachment(owner("liar"));
    session.index.add(&liar, ip("10.0.0.2")).unwrap();
    session.index.add(&liar, ip("10.0.0.5")).unwrap();
    session.index.set_taken(ip("10.0.0.2"), false).unwrap();
    assert_eq!(session.held_by(&owner("liar")).unwrap(), []);
    assert_eq!(session.release(&owner("liar")).unwrap(), []);
    drop(session);
    bench.put("last_reserved_ip.0", "10.0.0.6");
    assert_eq!(bench.take(&set, "b").unwrap(), "10.0.0.3");
    assert_eq!(bench.text("10.0.0.2").unwrap(), "a\r\neth0");
}

#[test]
fn nothing_of_ours_is_below_the_data_directory_and_no_index_is_kept_for_ever() {
    let bench = Bench::new();
    let set = set("10.0.0.0/24");
    let forgotten = bench.store.indexes().join("1-2");
    fs::create_dir_all(bench.store.indexes()).unwrap();
    fs::write(&forgotten, "").unwrap();
    let month = Duration::from_hours(31 * 24);
    File::options().write(true).open(&forgotten).unwrap().set_modified(SystemTime::now() - month).unwrap();
    let recent = bench.store.indexes().join("1-3");
    fs::write(&recent, "").unwrap();
    bench.take(&set, "a").unwrap();
    assert!(!forgotten.exists() && recent.exists());
}

#[test]
fn without_a_place_for_the_index_everything_works() {
    let bench = Bench::new();
    let set = set("10.0.0.0/29");
    fs::create_dir_all(bench.store.run_dir()).unwrap();
    fs::write(bench.store.indexes(), "no directory").unwrap();
    assert_eq!(bench.take(&set, "a").unwrap(), "10.0.0.2");
    assert_eq!(bench.take(&set, "b").unwrap(), "10.0.0.3");
    assert_eq!(bench.release("a"), ["10.0.0.2"]);
    assert!(bench.has_room(&set));
}

#[test]
fn a_pool_of_many_leases_is_searched_without_reading_them() {
    let bench = Bench::new();
    let set = set("10.0.0.0/15");
    let pool = bench.pool();
    let mut session = pool.lock(soon()).unwrap();
    let name = |number: u32| format!("c{number}");
    for number in 0..5_000 {
        session.take(&set, 0, &owner(&name(number))).unwrap();
    }
    drop(session);
    assert!(bench.index_is_valid());
    // Unreadable leases prove that nobody reads them.
    for number in 2..5_002_u32 {
        let address = from_number(number::to_number(ip("10.0.0.0")) + u128::from(number));
        fs::write(bench.path().join(address.to_string()), "").unwrap();
    }
    bench.put("last_reserved_ip.0", "10.0.0.1");
    assert_eq!(bench.take(&set, "next").unwrap(), "10.0.19.138");
    assert_eq!(bench.held_by("next"), ["10.0.19.138"]);
}
