use super::*;
use crate::bench::{Bench, attachment, id};

mod following;

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.attachments.keys().map(|id| format!("{}/{}", id.network, id.container)).collect()
}

#[test]
fn the_generation_grows_with_every_change_and_only_then() {
    let bench = Bench::new();
    let mut reader = Reader::new(bench.store.clone());
    let network = "web".parse().unwrap();
    let changes: [(&str, &dyn Fn()); 8] = [
        ("nothing yet", &|| {}),
        ("an attachment", &|| bench.store.write(&attachment("web", "a")).unwrap()),
        ("another", &|| bench.store.write(&attachment("web", "b")).unwrap()),
        ("the same again", &|| bench.store.write(&attachment("web", "b")).unwrap()),
        ("one is gone", &|| assert!(bench.store.remove(&id("web", "a")).unwrap())),
        ("settings", &|| {
            let settings = NetworkSettings { paused: true, ..NetworkSettings::default() };
            bench.store.write_network(&network, &settings).unwrap();
        }),
        ("the default again", &|| bench.store.write_network(&network, &NetworkSettings::default()).unwrap()),
        ("a torn document", &|| bench.put(&format!("attachments/web/{}.json", id("web", "c").hash()), "{")),
    ];
    for (generation, (what, change)) in (1..).zip(changes) {
        change();
        for _ in 0..2 {
            assert_eq!(reader.read().generation, generation, "{what}");
        }
    }
    let last = reader.read();
    assert_eq!(names(&last), ["web/b"]);
    assert_eq!(last.broken.len(), 1);
}

#[test]
fn a_snapshot_holds_attachments_settings_and_what_is_broken() {
    let bench = Bench::new();
    for (network, container) in [("web", "a"), ("db", "a"), ("web", "b")] {
        bench.store.write(&attachment(network, container)).unwrap();
    }
    let (web, dotted) = ("web".parse().unwrap(), "web.json".parse().unwrap());
    let paused = NetworkSettings { paused: true, ..NetworkSettings::default() };
    bench.store.write_network(&dotted, &paused).unwrap();
    bench.put("networks/db.json", r#"{"version": 1, "paused": "yes"}"#);
    bench.put("networks/.json", "{}");
    let snapshot = Reader::new(bench.store.clone()).read();
    assert_eq!(names(&snapshot), ["db/a", "web/a", "web/b"]);
    assert!(snapshot.network(&dotted).paused && !snapshot.network(&web).paused);
    assert!(bench.store.network(&dotted).unwrap().paused && !bench.store.network(&web).unwrap().paused);
    let broken: Vec<&Path> = snapshot.broken.iter().map(|error| error.path()).collect();
    assert_eq!(broken, [bench.path("networks/db.json")]);
    assert!(bench.store.network(&"db".parse().unwrap()).is_err());
}

#[test]
fn what_did_not_change_is_not_parsed_again() {
    let bench = Bench::new();
    for container in ["a", "b"] {
        bench.store.write(&attachment("web", container)).unwrap();
    }
    let mut reader = Reader::new(bench.store.clone());
    let before = reader.read();
    bench.store.write(&attachment("web", "b")).unwrap();
    let after = reader.read();
    let same = |container: &str| {
        Arc::ptr_eq(&before.attachments[&id("web", container)], &after.attachments[&id("web", container)])
    };
    assert!(same("a") && !same("b"));
}

#[test]
fn a_directory_that_cannot_be_listed_is_told_and_the_rest_is_read() {
    let bench = Bench::new();
    bench.store.write(&attachment("web", "a")).unwrap();
    bench.put("networks", "no directory");
    let snapshot = Reader::new(bench.store.clone()).read();
    assert_eq!(names(&snapshot), ["web/a"]);
    assert_eq!(snapshot.broken[0].path(), bench.path("networks"));
}

#[test]
fn a_document_that_is_named_is_read_again_even_if_it_looks_as_it_did() {
    let bench = Bench::new();
    bench.store.write(&attachment("web", "a")).unwrap();
    let mut reader = Reader::new(bench.store.clone());
    let before = reader.read();
    let path = bench.path("attachments/web").join(format!("{}.json", id("web", "a").hash()));
    let after = reader.follow(&Changes::These([path].into()));
    assert_eq!(after.generation, 2);
    assert!(!Arc::ptr_eq(&before.attachments[&id("web", "a")], &after.attachments[&id("web", "a")]));
}

#[test]
fn a_first_snapshot_is_of_everything_whatever_changed() {
    let bench = Bench::new();
    bench.store.write(&attachment("web", "a")).unwrap();
    assert_eq!(names(&Reader::new(bench.store.clone()).follow(&Changes::default())), ["web/a"]);
}
