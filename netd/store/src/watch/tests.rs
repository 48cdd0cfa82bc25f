use std::{
    fs,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::{
    NetworkSettings, Reader,
    bench::{Bench, attachment, id},
};

/// Waits for the watch, for at most some seconds; whether it says that anything changed.
fn changes(watch: &mut Watch) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        poll(&mut [PollFd::new(&*watch, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 50_000_000 })).unwrap();
        if watch.changed().unwrap() {
            return true;
        }
    }
    false
}

#[test]
fn every_kind_of_change_is_seen_once() {
    let bench = Bench::new();
    let mut watch = Watch::open(&bench.store).unwrap();
    assert!(!watch.changed().unwrap());
    let network = "web".parse().unwrap();
    let settings = NetworkSettings { paused: true, ..NetworkSettings::default() };
    let acts: [(&str, &dyn Fn()); 8] = [
        ("the first of a network", &|| bench.store.write(&attachment("web", "a")).unwrap()),
        ("the second", &|| bench.store.write(&attachment("web", "b")).unwrap()),
        ("one replaced", &|| bench.store.write(&attachment("web", "b")).unwrap()),
        ("one removed", &|| assert!(bench.store.remove(&id("web", "a")).unwrap())),
        ("the last removed", &|| assert!(bench.store.remove(&id("web", "b")).unwrap())),
        ("the network forgotten", &|| bench.store.forget(&network)),
        ("the network again", &|| bench.store.write(&attachment("web", "a")).unwrap()),
        ("settings", &|| bench.store.write_network(&network, &settings).unwrap()),
    ];
    for (what, act) in acts {
        act();
        assert!(changes(&mut watch), "{what}");
        // What was set up anew in between has nothing more to say.
        assert!(!watch.changed().unwrap(), "{what}");
    }
}

#[test]
fn locks_and_files_that_are_being_written_are_no_change() {
    let bench = Bench::new();
    bench.store.write(&attachment("web", "a")).unwrap();
    let mut watch = Watch::open(&bench.store).unwrap();
    let id = id("web", "a");
    drop(bench.store.lock_attachment(&id.container, &id.ifname, Instant::now()).unwrap());
    bench.put(&format!("attachments/web/{}.tmp", id.hash()), "{");
    assert!(!watch.changed().unwrap());
}

#[test]
fn a_run_directory_that_is_wiped_is_watched_again() {
    let bench = Bench::new();
    let mut watch = Watch::open(&bench.store).unwrap();
    fs::remove_dir_all(bench.store.run_dir()).unwrap();
    assert!(changes(&mut watch));
    bench.store.write(&attachment("web", "a")).unwrap();
    assert!(changes(&mut watch));
}

#[test]
fn nothing_is_lost_when_the_kernel_drops_events() {
    let bench = Bench::new();
    bench.store.write(&attachment("web", "a")).unwrap();
    let mut watch = Watch::open(&bench.store).unwrap();
    // More events than the kernel queues (`fs.inotify.max_queued_events`, by default 16,384).
    let queued: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let [one, other] = ["attachments/web/one.tmp", "attachments/web/other.tmp"].map(|name| bench.path(name));
    fs::write(&one, "").unwrap();
    for _ in 0..=queued / 4 {
        fs::rename(&one, &other).unwrap();
        fs::rename(&other, &one).unwrap();
    }
    // These events are among the lost ones.
    bench.store.write(&attachment("late", "a")).unwrap();
    assert!(watch.changed().unwrap());
    assert_eq!(Reader::new(bench.store.clone()).read().attachments.len(), 2);
    assert!(!watch.changed().unwrap());
    bench.store.write(&attachment("late", "b")).unwrap();
    assert!(changes(&mut watch));
}
