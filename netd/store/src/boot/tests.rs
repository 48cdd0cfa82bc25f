use std::thread;

use super::*;
use crate::bench::Bench;

/// What the file says: the boot, and when it began.
fn seen(bench: &Bench) -> (String, u64) {
    let seen: Seen = file::read(&bench.path("boot.json")).unwrap().unwrap();
    (seen.boot, seen.began)
}

fn put(bench: &Bench, boot: &str, began: u64) {
    bench.put("boot.json", serde_json::to_vec(&Seen { version: VERSION, boot: boot.to_owned(), began }).unwrap());
}

#[test]
fn the_boot_is_the_kernels_and_began_before_now() {
    let bench = Bench::new();
    let boot = bench.store.boot().unwrap();
    assert_eq!(boot.id, std::fs::read_to_string(BOOT_ID).unwrap().trim());
    assert_eq!(boot.id.len(), 36);
    assert!(boot.began < SystemTime::now());
    assert_eq!(seen(&bench), (boot.id.clone(), since_1970(boot.began).as_secs()));
    assert_eq!(bench.files(), ["boot.json"]);
}

#[test]
fn a_clock_that_was_set_forward_since_does_not_move_the_boot() {
    let bench = Bench::new();
    let boot = bench.store.boot().unwrap();
    let earlier = since_1970(boot.began).as_secs() - 10 * 24 * 3600;
    put(&bench, &boot.id, earlier);
    assert_eq!(since_1970(bench.store.boot().unwrap().began).as_secs(), earlier);
    assert_eq!(seen(&bench), (boot.id, earlier));
}

#[test]
fn a_clock_that_was_set_back_since_moves_the_boot_back() {
    let bench = Bench::new();
    let boot = bench.store.boot().unwrap();
    let now = since_1970(boot.began).as_secs();
    put(&bench, &boot.id, now + 10 * 24 * 3600);
    assert!(since_1970(bench.store.boot().unwrap().began).as_secs() <= now + 1);
    assert!(seen(&bench).1 <= now + 1);
}

#[test]
fn another_boot_and_a_file_that_cannot_be_read_are_written_anew() {
    let bench = Bench::new();
    let boot = bench.store.boot().unwrap();
    put(&bench, "another", 12);
    assert_eq!(bench.store.boot().unwrap().id, boot.id);
    assert_eq!(seen(&bench).0, boot.id);
    for text in ["", "{", r#"{"version": 9}"#] {
        bench.put("boot.json", text);
        assert_eq!(bench.store.boot().unwrap().id, boot.id, "{text}");
        assert_eq!(seen(&bench).0, boot.id, "{text}");
    }
}

#[test]
fn many_may_see_a_boot_for_the_first_time() {
    let bench = Bench::new();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| bench.store.boot().unwrap());
        }
    });
    assert_eq!(bench.files(), ["boot.json"]);
    assert_eq!(seen(&bench).0, bench.store.boot().unwrap().id);
}
