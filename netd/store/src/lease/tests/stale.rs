//! Which leases are taken back: never a living one, whatever the clock says.

use std::collections::BTreeMap;

use netd_model::attachment::{Attachment, AttachmentId, Progress, VERSION};

use super::*;
use crate::Boot;

const DAY: Duration = Duration::from_hours(24);

fn boot(began: SystemTime) -> Boot {
    Boot { id: "now".to_owned(), began }
}

fn attach(store: &Store, network: &str, container: &str, boot: &str) {
    let Owner { container, ifname } = owner(container);
    let id = AttachmentId { network: network.parse().unwrap(), container, ifname };
    let (progress, boot) = (Progress::Ready, boot.to_owned());
    store.write(&Attachment { version: VERSION, id, progress, boot, netns: None, sections: BTreeMap::new() }).unwrap();
}

#[test]
fn a_lease_with_a_document_is_judged_by_it_and_not_by_time() {
    let bench = Bench::new();
    attach(&bench.store, "web", "old", "before");
    attach(&bench.store, "renamed", "lives", "now");
    attach(&bench.store, "web", "dead", "now");
    attach(&bench.store, "web", "both", "before");
    attach(&bench.store, "other", "both", "now");
    let began = SystemTime::now();
    for (container, expected) in [("old", true), ("lives", false), ("dead", true), ("both", false)] {
        for written in [began - 400 * DAY, began, began + 400 * DAY] {
            let held = Held { address: ip("10.0.0.2"), holder: Holder::Attachment(owner(container)), written };
            let dead = |attachment: &Attachment| attachment.id.container.as_str() == "dead";
            assert_eq!(bench.store.is_stale(&held, None, &boot(began), dead), expected, "{container}");
        }
    }
}

#[test]
fn a_lease_without_a_document_is_stale_when_it_is_more_than_a_day_older_than_the_boot() {
    let bench = Bench::new();
    let began = SystemTime::now();
    let minute = Duration::from_mins(1);
    for holder in [Holder::Attachment(owner("a")), Holder::Container("a".parse().unwrap())] {
        for (written, expected) in
            [(began - DAY - minute, true), (began - DAY + minute, false), (began, false), (began + DAY * 999, false)]
        {
            let held = Held { address: ip("10.0.0.2"), holder: holder.clone(), written };
            assert_eq!(bench.store.is_stale(&held, None, &boot(began), |_| true), expected, "{holder:?}");
        }
    }
    let held = Held { address: ip("10.0.0.2"), holder: Holder::Unknown, written: SystemTime::UNIX_EPOCH };
    assert!(!bench.store.is_stale(&held, None, &boot(began), |_| true));
}

#[test]
fn who_asks_anew_finds_its_own_lease_stale_when_it_is_older_than_the_boot_and_no_document_says_more() {
    let bench = Bench::new();
    let began = SystemTime::now();
    let second = Duration::from_secs(1);
    let asker = owner("a");
    let other_interface = Owner { ifname: "eth9".parse().unwrap(), ..asker.clone() };
    let is_stale = |holder: &Holder, written| {
        let held = Held { address: ip("10.0.0.2"), holder: holder.clone(), written };
        bench.store.is_stale(&held, Some(&asker), &boot(began), |_| false)
    };
    let own = Holder::Attachment(asker.clone());
    for holder in [&own, &Holder::Container("a".parse().unwrap())] {
        assert!(is_stale(holder, began - second) && !is_stale(holder, began), "{holder:?}");
    }
    for others in [Holder::Attachment(owner("b")), Holder::Attachment(other_interface), Holder::Unknown] {
        assert!(!is_stale(&others, began - second), "{others:?}");
    }
    attach(&bench.store, "web", "a", "now");
    assert!(!is_stale(&own, began - DAY * 999), "it lives");
}

#[test]
fn a_document_that_cannot_be_read_protects_its_lease() {
    let bench = Bench::new();
    attach(&bench.store, "web", "a", "before");
    let held =
        Held { address: ip("10.0.0.2"), holder: Holder::Attachment(owner("a")), written: SystemTime::UNIX_EPOCH };
    assert!(bench.store.is_stale(&held, None, &boot(SystemTime::now()), |_| true));
    let Owner { container, ifname } = owner("a");
    let name = netd_model::attachment::document(&container, &ifname);
    fs::write(bench.store.run_dir().join(format!("attachments/web/{name}.json")), "{").unwrap();
    assert!(!bench.store.is_stale(&held, None, &boot(SystemTime::now()), |_| true));
}

#[test]
fn reclaiming_frees_what_is_stale_and_says_what() {
    let bench = Bench::new();
    let set = set("10.0.0.0/29");
    for name in ["a", "b", "c"] {
        bench.take(&set, name).unwrap();
    }
    bench.put("10.0.0.6", "");
    assert_eq!(bench.reclaim(&["a", "c"]), ["10.0.0.2", "10.0.0.4"]);
    assert_eq!(bench.addresses(), BTreeSet::from([ip("10.0.0.3")]));
    assert_eq!(bench.held_by("b"), ["10.0.0.3"]);
    assert_eq!(bench.take(&set, "d").unwrap(), "10.0.0.5");
}
