use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use super::*;
use crate::bench::{Bench, id};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[test]
fn a_lock_is_held_by_one_and_its_file_goes_with_it() {
    let bench = Bench::new();
    let (a, b) = (id("web", "a"), id("web", "b"));
    let lock = bench.store.lock_attachment(&a.container, &a.ifname, soon()).unwrap();
    assert!(bench.store.try_lock_attachment(&a.container, &a.ifname).unwrap().is_none());
    assert!(bench.store.try_lock_attachment(&b.container, &b.ifname).unwrap().is_some());
    assert!(bench.store.try_lock_shared().unwrap().is_some());
    assert_eq!(bench.files().len(), 1);
    drop(lock);
    assert!(bench.store.try_lock_attachment(&a.container, &a.ifname).unwrap().is_some());
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn a_lock_that_is_not_free_in_time_is_a_typed_error() {
    let bench = Bench::new();
    let _lock = bench.store.lock_shared(soon()).unwrap();
    for patience in [0, 30] {
        let start = Instant::now();
        let error = bench.store.lock_shared(start + Duration::from_millis(patience)).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        assert_eq!(error.path(), bench.path("locks/shared"));
        assert!(start.elapsed() >= Duration::from_millis(patience));
    }
    let (past, other) = (Instant::now(), id("web", "a"));
    assert!(bench.store.lock_attachment(&other.container, &other.ifname, past).is_ok());
}

#[test]
fn what_a_killed_holder_left_is_no_lock() {
    let bench = Bench::new();
    bench.put("locks/shared", "");
    drop(bench.store.try_lock_shared().unwrap().unwrap());
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn a_lock_whose_file_is_gone_excludes_nobody_who_comes_later() {
    let bench = Bench::new();
    let lock = bench.store.lock_shared(soon()).unwrap();
    fs::remove_dir_all(bench.path("locks")).unwrap();
    let later = bench.store.lock_shared(soon()).unwrap();
    assert!(bench.store.try_lock_shared().unwrap().is_none());
    drop((lock, later));
}

#[test]
fn many_waiters_get_a_lock_one_after_the_other() {
    let bench = Bench::new();
    let (inside, turns) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let lock = bench.store.lock_shared(soon()).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    turns.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
            });
        }
    });
    assert_eq!(turns.into_inner(), 400);
    assert_eq!(bench.files(), [""; 0]);
}
