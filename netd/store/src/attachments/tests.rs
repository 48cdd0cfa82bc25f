use std::{
    os::unix::fs::{PermissionsExt, symlink},
    thread,
};

use netd_model::attachment::Progress;

use super::*;
use crate::bench::{Bench, attachment, id, told};

/// The path of a document within the run directory.
fn path_of(network: &str, container: &str) -> String {
    format!("attachments/{network}/{}.json", id(network, container).hash())
}

#[test]
fn a_document_is_read_as_it_was_written_and_leaves_nothing_when_it_goes() {
    let bench = Bench::new();
    let mut written = attachment("web", "a");
    assert_eq!(bench.store.read(&written.id).unwrap(), None);
    for progress in [Progress::Adding, Progress::Ready, Progress::Deleting] {
        written.progress = progress;
        bench.store.write(&written).unwrap();
        assert_eq!(bench.store.read(&written.id).unwrap().as_ref(), Some(&written));
        assert_eq!(bench.files(), [path_of("web", "a")]);
    }
    let mode = fs::metadata(bench.path(path_of("web", "a"))).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(bench.store.remove(&written.id).unwrap());
    assert!(!bench.store.remove(&written.id).unwrap());
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn the_directory_of_a_network_is_forgotten_when_it_is_empty() {
    let bench = Bench::new();
    let network = "web".parse().unwrap();
    bench.store.forget(&network);
    bench.store.write(&attachment("web", "a")).unwrap();
    bench.store.forget(&network);
    assert_eq!(bench.files().len(), 1);
    bench.store.remove(&id("web", "a")).unwrap();
    bench.store.forget(&network);
    assert!(!bench.path("attachments/web").exists());
}

#[test]
fn reading_a_store_that_is_not_there_makes_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.store.read(&id("web", "a")).unwrap(), None);
    assert_eq!(told(bench.store.list()), []);
    assert_eq!(told(bench.store.list_network(&"web".parse().unwrap())), []);
    assert!(!bench.store.remove(&id("web", "a")).unwrap());
    assert!(!bench.store.run_dir().exists());
}

#[test]
fn a_document_is_found_in_every_network() {
    let bench = Bench::new();
    for (network, container) in [("web", "a"), ("renamed", "a"), ("web", "b")] {
        bench.store.write(&attachment(network, container)).unwrap();
    }
    let id = id("gone", "a");
    assert_eq!(told(bench.store.find(&id.container, &id.ifname)), [Ok("renamed/a".into()), Ok("web/a".into())]);
    assert_eq!(told(bench.store.find(&id.container, &"eth1".parse().unwrap())), []);
    assert_eq!(told(bench.store.list_network(&"web".parse().unwrap())), [Ok("web/a".into()), Ok("web/b".into())]);
    assert_eq!(told(bench.store.list()).len(), 3);
}

#[test]
fn a_document_that_cannot_be_read_is_an_error_with_its_path_and_hides_no_other() {
    let newer = r#"{"version": 99, "future": true}"#;
    let newer_in_our_form = serde_json::to_vec(&Attachment { version: 2, ..attachment("web", "a") }).unwrap();
    let valid = serde_json::to_vec(&attachment("web", "a")).unwrap();
    let other = serde_json::to_vec(&attachment("web", "other")).unwrap();
    let mut unknown: serde_json::Value = serde_json::from_slice(&valid).unwrap();
    unknown["surprise"] = true.into();
    let mut nasty: serde_json::Value = serde_json::from_slice(&valid).unwrap();
    nasty["attachment"]["network"] = "../../etc".into();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "EOF while parsing"),
        ("torn", valid[..valid.len() / 2].to_vec(), "EOF while parsing"),
        ("no JSON", b"\xff\xfe\0".to_vec(), "expected value"),
        ("another shape", b"[1, 2]".to_vec(), "invalid type"),
        ("an unknown field", unknown.to_string().into(), "unknown field `surprise`"),
        ("a name that is none", nasty.to_string().into(), "network name \"../../etc\" does not start"),
        ("too large", vec![b' '; (8 << 20) + 1], "it has more than 8388608 bytes"),
        ("deep", b"[".repeat(100_000), "invalid type: sequence"),
        ("newer", newer.into(), "has version 99, this program knows 1"),
        ("newer in our form", newer_in_our_form, "has version 2, this program knows 1"),
        ("of another attachment", other, "it is the document of web/other/eth0"),
    ];
    for (what, text, expected) in cases {
        let bench = Bench::new();
        bench.store.write(&attachment("web", "b")).unwrap();
        let path = path_of("web", "a");
        bench.put(&path, &text);
        let list = told(bench.store.list());
        assert_eq!(list[0], Ok("web/b".to_owned()), "{what}");
        let error = list[1].clone().unwrap_err();
        assert!(error.contains(expected) && error.contains(&path), "{what}: {error}");
        assert_eq!(bench.store.read(&id("web", "a")).unwrap_err().to_string(), error, "{what}");
        let id = id("web", "a");
        assert_eq!(told(bench.store.find(&id.container, &id.ifname)), [Err(error)], "{what}");
        assert_eq!(fs::read(bench.path(&path)).unwrap(), text, "{what}: nothing is lost");
        bench.store.write(&attachment("web", "a")).unwrap();
        assert_eq!(told(bench.store.list()).len(), 2, "{what}: a new one takes its place");
    }
}

#[test]
fn what_is_no_file_is_an_error_and_does_not_block() {
    let bench = Bench::new();
    let path = bench.path(path_of("web", "a"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let read = || bench.store.read(&id("web", "a")).unwrap_err().to_string();
    let expected = format!("cannot read {}", path.display());
    fs::create_dir(&path).unwrap();
    assert_eq!(read(), expected);
    fs::remove_dir(&path).unwrap();
    symlink("/etc/hostname", &path).unwrap();
    assert_eq!(read(), expected);
    fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    assert_eq!(read(), expected);
}

#[test]
fn files_and_folders_that_are_not_ours_are_left_alone() {
    let bench = Bench::new();
    bench.put("attachments/web/notes.txt", "x");
    bench.put("attachments/web/.hidden", "x");
    bench.put("attachments/stray.json", "{}");
    bench.put("attachments/..odd/a.json", "{}");
    bench.store.write(&attachment("web", "a")).unwrap();
    bench.store.remove(&id("web", "a")).unwrap();
    // A plain file where a network's directory would be is told.
    let told = told(bench.store.list());
    assert_eq!(told, [Err(format!("cannot list {}", bench.path("attachments/stray.json").display()))]);
    assert_eq!(bench.files().len(), 4);
}

#[test]
fn what_a_killed_writer_left_is_no_document_and_goes_with_the_next_writer() {
    let bench = Bench::new();
    let temporary = path_of("web", "a").replace(".json", ".tmp");
    bench.put(&temporary, "{\"vers");
    assert_eq!(told(bench.store.list()), []);
    bench.store.write(&attachment("web", "a")).unwrap();
    assert_eq!(bench.files(), [path_of("web", "a")]);
    bench.put(&temporary, "{\"vers");
    bench.store.remove(&id("web", "a")).unwrap();
    assert_eq!(bench.files(), [""; 0]);
    bench.put(&temporary, "{\"vers");
    assert!(!bench.store.remove(&id("web", "a")).unwrap());
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn writers_and_removers_of_one_network_do_not_disturb_each_other() {
    let bench = Bench::new();
    thread::scope(|scope| {
        for worker in 0..8 {
            let store = &bench.store;
            scope.spawn(move || {
                for turn in 0..50 {
                    let attachment = attachment("web", &format!("c{worker}-{turn}"));
                    store.write(&attachment).unwrap();
                    assert_eq!(store.read(&attachment.id).unwrap().as_ref(), Some(&attachment));
                    assert!(store.remove(&attachment.id).unwrap());
                    store.forget(&attachment.id.network);
                }
            });
        }
    });
    assert_eq!(bench.files(), [""; 0]);
    assert!(!bench.path("attachments/web").exists());
}

#[test]
fn a_reader_never_sees_half_a_document() {
    let bench = Bench::new();
    let (mut short, mut long) = (attachment("web", "a"), attachment("web", "a"));
    (short.boot, long.boot) = ("s".repeat(10), "l".repeat(100_000));
    bench.store.write(&short).unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..200 {
                bench.store.write(&long).unwrap();
                bench.store.write(&short).unwrap();
            }
        });
        while !writer.is_finished() {
            let read = bench.store.read(&short.id).unwrap().expect("the document is always there");
            assert!(read == short || read == long);
        }
    });
}
