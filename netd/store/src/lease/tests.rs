use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, time::Duration};

use super::*;

mod crash;
mod index;
mod model;
mod parallel;
mod range;
mod stale;

/// A store, a pool and what tests do with them.
struct Bench {
    root: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("run"));
        Self { root, store }
    }

    fn path(&self) -> PathBuf {
        folder(&self.root.path().join("data"), &"web".parse().unwrap())
    }

    fn pool(&self) -> Pool {
        Pool::create(&self.store, &self.path()).unwrap()
    }

    /// Puts a file into the folder as somebody else would.
    fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path()).unwrap();
        fs::write(self.path().join(name), text).unwrap();
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path().join(name)).ok()
    }

    fn take(&self, set: &RangeSet, container: &str) -> Option<String> {
        let address = self.pool().lock(soon()).unwrap().take(set, 0, &owner(container)).unwrap();
        address.map(|address| address.to_string())
    }

    fn take_this(&self, address: &str, container: &str) -> bool {
        self.pool().lock(soon()).unwrap().take_this(ip(address), 0, &owner(container)).unwrap()
    }

    fn release(&self, container: &str) -> Vec<String> {
        texts(&self.pool().lock(soon()).unwrap().release(&owner(container)).unwrap())
    }

    fn held_by(&self, container: &str) -> Vec<String> {
        texts(&self.pool().lock(soon()).unwrap().held_by(&owner(container)).unwrap())
    }

    fn reclaim(&self, stale: &[&str]) -> Vec<String> {
        let is_stale = |held: &Held| held.holder.container().is_some_and(|id| stale.contains(&id.as_str()));
        texts(&self.pool().lock(soon()).unwrap().reclaim(is_stale).unwrap())
    }

    fn has_room(&self, set: &RangeSet) -> bool {
        self.pool().has_room(set, |_| false).unwrap()
    }

    /// The addresses that have a file.
    fn addresses(&self) -> BTreeSet<IpAddr> {
        self.pool().folder.addresses().unwrap().into_iter().collect()
    }

    /// Whether the next session would believe the index.
    fn index_is_valid(&self) -> bool {
        let pool = self.pool();
        Index::peek(&pool.indexes, &pool.folder, |_| Ok(())).is_some()
    }

    /// The file of the index.
    fn index(&self) -> PathBuf {
        let files = crate::attachments::entries(&self.store.indexes()).unwrap();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn owner(container: &str) -> Owner {
    Owner { container: container.parse().unwrap(), ifname: "eth0".parse().unwrap() }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn texts(leases: &[Held]) -> Vec<String> {
    let mut addresses: Vec<IpAddr> = leases.iter().map(|held| held.address).collect();
    addresses.sort();
    addresses.iter().map(IpAddr::to_string).collect()
}

/// `10.1.0.0/29` or `10.1.0.0/24 10.1.0.5-10.1.0.9`; several with commas.
fn set(text: &str) -> RangeSet {
    let range = |text: &str| {
        let (subnet, ends) = text.split_once(' ').unwrap_or((text, ""));
        let (start, end) = ends.split_once('-').unwrap_or_default();
        Range::new(subnet.parse().unwrap(), start.parse().ok(), end.parse().ok(), None).unwrap()
    };
    RangeSet::new(text.split(',').map(range).collect()).unwrap()
}

#[test]
fn addresses_are_given_in_turn_and_a_freed_one_comes_last() {
    let bench = Bench::new();
    let set = set("10.0.0.0/29");
    let given: Vec<_> = ["a", "b", "c"].iter().map(|name| bench.take(&set, name).unwrap()).collect();
    assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.4"]);
    assert_eq!(bench.release("b"), ["10.0.0.3"]);
    let given: Vec<_> = ["d", "e", "f", "g"].iter().map(|name| bench.take(&set, name)).collect();
    assert_eq!(given, [Some("10.0.0.5".into()), Some("10.0.0.6".into()), Some("10.0.0.3".into()), None]);
    assert_eq!(bench.text("10.0.0.3").unwrap(), "f\r\neth0");
    assert_eq!(bench.text("last_reserved_ip.0").unwrap(), "10.0.0.3");
}

#[test]
fn a_lease_is_private_and_nothing_else_is_left_in_the_folder() {
    let bench = Bench::new();
    bench.take(&set("10.0.0.0/29"), "a").unwrap();
    let files: BTreeSet<String> =
        fs::read_dir(bench.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(Vec::from_iter(files), ["10.0.0.2", "last_reserved_ip.0", "lock"]);
    for file in ["10.0.0.2", "last_reserved_ip.0"] {
        let mode = fs::metadata(bench.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn an_attachment_has_its_own_leases_and_those_of_its_container_alone() {
    let bench = Bench::new();
    bench.put("10.0.0.3", "a\r\neth0");
    bench.put("10.0.0.4", "a");
    bench.put("10.0.0.5", "a\r\neth1");
    bench.put("10.0.0.6", " \n a\r\neth0\n");
    assert_eq!(bench.held_by("a"), ["10.0.0.3", "10.0.0.4", "10.0.0.6"]);
    assert_eq!(bench.release("a"), ["10.0.0.3", "10.0.0.6"]);
    assert_eq!(bench.release("a"), ["10.0.0.4"]);
    assert_eq!(bench.release("a"), [""; 0]);
    assert_eq!(bench.addresses(), BTreeSet::from([ip("10.0.0.5")]));
}

#[test]
fn an_address_that_is_asked_for_is_given_once() {
    let bench = Bench::new();
    assert!(bench.take_this("10.0.0.5", "a"));
    assert!(!bench.take_this("10.0.0.5", "b"));
    assert!(!bench.take_this("10.0.0.5", "a"));
    assert_eq!(bench.text("10.0.0.5").unwrap(), "a\r\neth0");
    assert_eq!(bench.take(&set("10.0.0.0/29"), "c").unwrap(), "10.0.0.6");
}

#[test]
fn only_the_address_that_is_the_holders_is_released() {
    let bench = Bench::new();
    bench.put("10.0.0.3", "a\r\neth0");
    let release = |container: &str| {
        let holder = Holder::Attachment(owner(container));
        bench.pool().lock(soon()).unwrap().release_this(ip("10.0.0.3"), &holder).unwrap();
        bench.addresses().len()
    };
    assert_eq!((release("b"), release("a"), release("a")), (1, 0, 0));
}

#[test]
fn the_text_of_a_lease_says_who_has_it() {
    let (a, eth0) = ("a".parse().unwrap(), "eth0".parse().unwrap());
    let attachment = Some(Holder::Attachment(Owner { container: a, ifname: eth0 }));
    let container = Some(Holder::Container("a".parse().unwrap()));
    let long = "a".repeat(300);
    for (text, holder) in [
        (&b"a\r\neth0"[..], attachment.clone()),
        (b" a\r\neth0\n", attachment),
        (b"a", container.clone()),
        (b"\na \n", container),
        (b"not for containers", Some(Holder::Unknown)),
        (b"a\r\neth0/../x", Some(Holder::Unknown)),
        (b"../a\r\neth0", Some(Holder::Unknown)),
        (b"a\neth0", Some(Holder::Unknown)),
        (long.as_bytes(), Some(Holder::Unknown)),
        (b"", None),
        (b" \r\n ", None),
        (b"a\r", None),
        (b"a\r\n", None),
        (&[0; 12], None),
        (b"a\r\neth0\0\0\0", None),
        (b"\xff\xfe", None),
    ] {
        assert_eq!(Holder::parse(text), holder, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn an_empty_or_torn_file_is_a_free_address() {
    let bench = Bench::new();
    let set = set("10.0.0.0/29");
    bench.put("10.0.0.2", "");
    bench.put("10.0.0.3", "a\r\n");
    bench.put("10.0.0.4", [0; 10]);
    bench.put("10.0.0.5", "somebody\r\neth0");
    assert!(bench.has_room(&set));
    let given: Vec<_> = ["b", "c", "d", "e"].iter().map(|name| bench.take(&set, name).unwrap()).collect();
    assert_eq!(given, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6"]);
    assert_eq!(bench.take(&set, "f"), None);
    // A file that is torn after the index was made.
    let folder = bench.pool();
    let session = folder.lock(soon()).unwrap();
    bench.put("10.0.0.4", "");
    drop(session);
    assert!(bench.has_room(&set));
    assert_eq!(bench.reclaim(&[]), [""; 0]);
    assert_eq!(bench.take(&set, "g").unwrap(), "10.0.0.4");
}

#[test]
fn what_is_no_plugins_file_keeps_its_address() {
    let bench = Bench::new();
    let set = set("10.0.0.0/29");
    bench.put("10.0.0.2", "for the printer");
    fs::create_dir(bench.path().join("10.0.0.3")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", bench.path().join("10.0.0.4")).unwrap();
    bench.put("10.0.0.5", "a".repeat(1 << 20));
    let given: Vec<_> = ["a", "b"].iter().map(|name| bench.take(&set, name)).collect();
    assert_eq!(given, [Some("10.0.0.6".into()), None]);
    let everything = bench.pool().lock(soon()).unwrap().reclaim(|_| true).unwrap();
    assert_eq!(texts(&everything), ["10.0.0.6"]);
    assert_eq!(bench.addresses().len(), 4);
}

#[test]
fn names_that_no_plugin_gives_a_lease_are_left_alone() {
    let bench = Bench::new();
    for name in ["010.0.0.2", "FD00::2", "fd00:0::2", "::ffff:10.0.0.2", "10.0.0.2 ", "notes"] {
        bench.put(name, "a\r\neth0");
    }
    assert_eq!(bench.addresses(), BTreeSet::new());
    assert_eq!(bench.release("a"), [""; 0]);
    assert_eq!(bench.take(&set("10.0.0.0/29"), "b").unwrap(), "10.0.0.2");
}

#[test]
fn a_last_address_that_cannot_be_read_or_is_elsewhere_starts_the_turn_anew() {
    for last in ["", "10.0.0", "10.9.9.9", "fd00::1", "\u{0}", "10.0.0.4\n"] {
        let bench = Bench::new();
        bench.put("last_reserved_ip.0", last);
        assert_eq!(bench.take(&set("10.0.0.0/29"), "a").unwrap(), "10.0.0.2", "{last:?}");
    }
}

#[test]
fn a_full_set_has_no_room_and_a_freed_address_makes_some() {
    let bench = Bench::new();
    let small = set("10.0.0.0/30");
    assert_eq!(bench.take(&small, "a").unwrap(), "10.0.0.2");
    assert!(!bench.has_room(&small));
    assert!(bench.has_room(&set("10.0.0.0/29")));
    assert!(bench.pool().has_room(&small, |held| held.holder.container().unwrap().as_str() == "a").unwrap());
    bench.release("a");
    assert!(bench.has_room(&small));
}

/// What is asked every few seconds costs the same with a full pool of any size, which is when the answer counts.
#[test]
fn of_a_full_set_a_few_leases_are_looked_at_others_each_time() {
    let bench = Bench::new();
    let large = set("10.0.0.0/24");
    while bench.take(&large, "a").is_some() {}
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let mut looks = 0;
        let look = |held: &Held| {
            looks += 1;
            seen.insert(held.address);
            false
        };
        assert!(!bench.pool().has_room(&large, look).unwrap());
        assert!((LOOKS - 1..=LOOKS).contains(&looks), "one is the gateway's: {looks}");
    }
    assert_eq!(seen.len(), 253);
}

#[test]
fn asking_for_room_waits_for_nobody_and_changes_nothing() {
    let bench = Bench::new();
    let pool = bench.pool();
    bench.take(&set("10.0.0.0/29"), "a").unwrap();
    bench.put("10.0.0.3", "b\r\neth0");
    let _session = pool.lock(soon()).unwrap();
    let before = fs::metadata(bench.path()).unwrap().modified().unwrap();
    assert!(bench.has_room(&set("10.0.0.0/29")));
    assert!(!bench.has_room(&set("10.0.0.0/24 10.0.0.2-10.0.0.3")));
    assert_eq!(fs::metadata(bench.path()).unwrap().modified().unwrap(), before);
}

#[test]
fn ipv6_ranges_of_any_size_give_their_first_addresses() {
    let bench = Bench::new();
    let huge = set("fd00::/8");
    assert_eq!(bench.take(&huge, "a").unwrap(), "fd00::2");
    assert_eq!(bench.take(&huge, "b").unwrap(), "fd00::3");
    bench.put("last_reserved_ip.0", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_eq!(bench.take(&huge, "c").unwrap(), "fd00::4");
    bench.put("last_reserved_ip.0", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    assert_eq!(bench.take(&huge, "d").unwrap(), "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_eq!(bench.release("a"), ["fd00::2"]);
}
