//! `host-local` beside the reference plugin: the same history gives the same addresses, words and files, whoever acts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use serde_json::{Value, json};
use tests::{Host, Lab};

use super::host_local::Pool;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_of<'a, T>(&mut self, things: &'a [T; 4]) -> &'a T {
        let number = self.below(4);
        things.iter().zip(0..).find(|(_, index)| *index == number).unwrap().0
    }
}

/// One folder of leases, and both plugins on it.
struct Side {
    ours: Pool,
    theirs: Pool,
}

impl Side {
    fn new([ours, theirs]: &[Host; 2], folder: &Path, ipam: &Value) -> Self {
        let mut ipam = ipam.clone();
        ipam["dataDir"] = json!(folder);
        let pool = |host| Pool::named(host, "mynet", "0.4.0", &ipam);
        Self { ours: pool(ours), theirs: pool(theirs) }
    }

    fn pool(&self, ours: bool) -> &Pool {
        if ours { &self.ours } else { &self.theirs }
    }
}

/// Addresses and routes, or the words of a refusal.
fn run(pool: &Pool, command: &str, container: &str, requested: Option<&str>) -> Result<Value, String> {
    let ips: Vec<&str> = requested.into_iter().collect();
    let answer = pool.with(&json!({"args": {"cni": {"ips": ips}}})).run(command, container);
    answer.map_err(|refusal| refusal.msg)
}

/// Every file of the folder with its text, but the lock, which the reference makes even to free nothing.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder.join("mynet")).into_iter().flatten().flatten();
    let file = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        (entry.file_name().into_string().unwrap(), text)
    };
    entries.map(file).filter(|(name, _)| name != "lock").collect()
}

/// Acts on two folders: on one only the reference plugin, on the other whom `ours` says.
#[track_caller]
fn same_history(ipam: &Value, asked: &[&str; 4], seed: u64, ours: impl Fn(&mut Numbers) -> bool) {
    let labs = [Lab::new(), Lab::with_plugins(tests::REFERENCE)];
    let hosts = [labs[0].host("a"), labs[1].host("b")];
    let folders = ["reference", "mixed"].map(|name| labs[0].folder().join(name));
    let [reference, mixed] = [0, 1].map(|index| Side::new(&hosts, &folders[index], ipam));
    let mut numbers = Numbers(seed);
    let mut holders = BTreeSet::new();
    for step in 0..40 {
        let container = format!("c{}", numbers.below(7));
        let (command, requested) = match numbers.below(8) {
            0..3 => ("DEL", None),
            // The reference forgets to look for a duplicate when an address is asked for.
            3 if !holders.contains(&container) => ("ADD", Some(*numbers.one_of(asked))),
            4 => ("CHECK", None),
            _ => ("ADD", None),
        };
        let actor = ours(&mut numbers);
        let expected = run(reference.pool(false), command, &container, requested);
        let answer = run(mixed.pool(actor), command, &container, requested);
        let context = format!("seed {seed}, step {step}: {command} {container} {requested:?}, by us: {actor}");
        assert_eq!(answer, expected, "{context}");
        assert_eq!(files(&folders[1]), files(&folders[0]), "{context}");
        match (command, answer.is_ok()) {
            ("ADD", true) => drop(holders.insert(container)),
            ("DEL", true) => drop(holders.remove(&container)),
            _ => {}
        }
    }
}

#[test]
fn the_same_history_leaves_the_same_addresses_words_and_files() {
    let two_sets = json!({
        "ranges": [[{"subnet": "10.1.2.0/29"}, {"subnet": "10.1.3.0/30"}], [{"subnet": "fd00::/125", "gateway": "fd00::3"}]],
        "routes": [{"dst": "0.0.0.0/0"}]
    });
    let asked = ["10.1.2.4", "fd00::5", "10.1.3.2", "10.9.9.9"];
    same_history(&two_sets, &asked, 7, |_| true);
    same_history(&two_sets, &asked, 11, |numbers| numbers.below(2) == 0);
    let part = json!({"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.126", "rangeEnd": "10.1.2.130"});
    let asked = ["10.1.2.126", "10.1.2.129", "10.1.2.1", "10.1.2.131"];
    same_history(&part, &asked, 13, |_| true);
    same_history(&part, &asked, 17, |numbers| numbers.below(2) == 0);
}

#[test]
fn both_at_once_never_give_an_address_twice() {
    let labs = [Lab::new(), Lab::with_plugins(tests::REFERENCE)];
    let hosts = [labs[0].host("a"), labs[1].host("b")];
    let folder = labs[0].folder().join("leases");
    let side = Side::new(&hosts, &folder, &json!({"subnet": "10.1.0.0/24"}));
    let given: Vec<String> = thread::scope(|scope| {
        let workers = (0..8).map(|worker| {
            let side = &side;
            let work =
                move || (0..6).flat_map(|turn| side.pool(turn % 2 == 0).add(&format!("c{worker}-{turn}"))).collect();
            scope.spawn::<_, Vec<String>>(work)
        });
        let workers: Vec<_> = workers.collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!((given.len(), BTreeSet::from_iter(&given).len()), (48, 48));
    thread::scope(|scope| {
        for worker in 0..8 {
            let side = &side;
            scope.spawn(move || (0..6).for_each(|turn| side.pool(turn % 2 == 1).del(&format!("c{worker}-{turn}"))));
        }
    });
    let left: Vec<String> = files(&folder).into_keys().collect();
    assert_eq!(left, ["last_reserved_ip.0"]);
}
