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
        if !watch.changes().unwrap().is_empty() {
            return true;
        }
    }
    false
}

#[test]
fn every_kind_of_change_is_seen_once() {
    let bench = Bench::new();
    let mut watch = Watch::open(&bench.store).unwrap();
    assert!(watch.changes().unwrap().is_empty());
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
        assert!(watch.changes().unwrap().is_empty(), "{what}");
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
    assert!(watch.changes().unwrap().is_empty());
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
    assert_eq!(watch.changes().unwrap(), Changes::Everything);
    assert_eq!(Reader::new(bench.store.clone()).read().attachments.len(), 2);
    assert!(watch.changes().unwrap().is_empty());
    bench.store.write(&attachment("late", "b")).unwrap();
    assert!(changes(&mut watch));
}

/// What the watch says, in the run directory.
fn said(bench: &Bench, watch: &mut Watch) -> Vec<String> {
    match watch.changes().unwrap() {
        Changes::These(paths) => {
            let below = |path: &PathBuf| path.strip_prefix(bench.store.run_dir()).unwrap().display().to_string();
            paths.iter().map(below).collect()
        }
        Changes::Everything => vec!["everything".to_owned()],
    }
}

#[test]
fn what_changed_is_named_and_a_directory_that_moves_is_doubt() {
    let bench = Bench::new();
    bench.store.write(&attachment("web", "a")).unwrap();
    let mut watch = Watch::open(&bench.store).unwrap();
    let document = format!("attachments/web/{}.json", id("web", "a").hash());
    let acts: [(&dyn Fn(), &[&str]); 8] = [
        (&|| bench.store.write(&attachment("web", "a")).unwrap(), &[&document]),
        (&|| bench.put(&document, "edited in place"), &[&document]),
        (&|| fs::create_dir(bench.path("attachments/new")).unwrap(), &["attachments/new"]),
        (&|| bench.put("attachments/new/x.json", "{"), &["attachments/new/x.json"]),
        (
            &|| fs::remove_dir_all(bench.path("attachments/new")).unwrap(),
            &["attachments/new", "attachments/new/x.json"],
        ),
        (&|| fs::rename(bench.path("attachments/web"), bench.path("attachments/moved")).unwrap(), &["everything"]),
        (&|| bench.put("attachments/moved/y.json", "{"), &["attachments/moved/y.json"]),
        (&|| bench.put("networks/web.json", "{"), &["networks/web.json"]),
    ];
    for (act, expected) in acts {
        act();
        assert_eq!(said(&bench, &mut watch), expected);
        assert_eq!(said(&bench, &mut watch), [""; 0], "{expected:?} once");
    }
}

#[test]
fn a_directory_that_left_the_store_is_not_watched_any_more() {
    let bench = Bench::new();
    bench.store.write(&attachment("web", "a")).unwrap();
    let mut watch = Watch::open(&bench.store).unwrap();
    fs::rename(bench.path("attachments/web"), bench.path("elsewhere")).unwrap();
    assert_eq!(said(&bench, &mut watch), ["everything"]);
    bench.put("elsewhere/x.json", "{");
    assert_eq!(said(&bench, &mut watch), [""; 0]);
}

#[test]
fn what_cannot_be_watched_is_an_error_until_it_can() {
    let bench = Bench::new();
    bench.put("networks", "no directory");
    let mut watch = Watch::open(&bench.store).unwrap();
    for _ in 0..2 {
        assert!(watch.changes().is_err());
    }
    fs::remove_file(bench.path("networks")).unwrap();
    assert_eq!(said(&bench, &mut watch), ["everything"]);
    bench.store.write(&attachment("web", "a")).unwrap();
    assert_eq!(said(&bench, &mut watch), ["attachments/web"]);
}
