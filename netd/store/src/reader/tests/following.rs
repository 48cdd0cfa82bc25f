//! Whatever happens to the store, who follows what the watch says has the snapshot of who reads all of it.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::Watch;

const NETWORKS: [&str; 3] = ["a", "b", "c"];
const CONTAINERS: [&str; 3] = ["1", "2", "3"];

/// A document: of which network and container.
type Place = (usize, usize);

#[derive(Debug, Clone)]
enum Act {
    Write(Place),
    Remove(Place),
    /// Its directory goes, if there is nothing in it.
    Forget(usize),
    /// A document that nobody can read, written where it stands.
    Tear(Place),
    /// What a killed writer left.
    Begin(Place),
    /// A document gets the place of another one.
    Move(Place, Place),
    /// A directory that is called like a document.
    MakeDirectory(Place),
    /// A directory of a network with all that is in it.
    MoveFolder(usize, usize),
    MoveOut(usize),
    MoveIn(usize),
    RemoveFolder(usize),
    /// A file where the directory of a network should be.
    PutFile(usize),
    Pause(usize, bool),
    TearSettings(usize),
    RemoveAll,
    Follow,
}

fn act() -> impl Strategy<Value = Act> {
    let network = || 0..NETWORKS.len();
    let place = || (network(), 0..CONTAINERS.len());
    prop_oneof![
        12 => place().prop_map(Act::Write),
        6 => place().prop_map(Act::Remove),
        2 => network().prop_map(Act::Forget),
        2 => place().prop_map(Act::Tear),
        2 => place().prop_map(Act::Begin),
        3 => (place(), place()).prop_map(|(from, to)| Act::Move(from, to)),
        1 => place().prop_map(Act::MakeDirectory),
        2 => (network(), network()).prop_map(|(from, to)| Act::MoveFolder(from, to)),
        1 => network().prop_map(Act::MoveOut),
        1 => network().prop_map(Act::MoveIn),
        1 => network().prop_map(Act::RemoveFolder),
        1 => network().prop_map(Act::PutFile),
        2 => (network(), any::<bool>()).prop_map(|(network, paused)| Act::Pause(network, paused)),
        1 => network().prop_map(Act::TearSettings),
        1 => Just(Act::RemoveAll),
        12 => Just(Act::Follow),
    ]
}

/// Acts on the store; what is not possible now does not happen.
fn perform(bench: &Bench, act: &Act) {
    let folder = |network: &usize| bench.path(format!("attachments/{}", NETWORKS[*network]));
    let outside = |network: &usize| bench.path(format!("outside-{}", NETWORKS[*network]));
    let document = |(network, container): &Place| {
        folder(network).join(format!("{}.json", id(NETWORKS[*network], CONTAINERS[*container]).hash()))
    };
    let done = match act {
        Act::Write((network, container)) => {
            bench.store.write(&attachment(NETWORKS[*network], CONTAINERS[*container])).ok()
        }
        Act::Remove((network, container)) => {
            bench.store.remove(&id(NETWORKS[*network], CONTAINERS[*container])).ok().map(drop)
        }
        Act::Forget(network) => {
            bench.store.forget(&NETWORKS[*network].parse().unwrap());
            None
        }
        Act::Tear(place) => fs::write(document(place), "{").ok(),
        Act::Begin(place) => fs::write(document(place).with_extension("tmp"), "{").ok(),
        Act::Move(from, to) => fs::rename(document(from), document(to)).ok(),
        Act::MakeDirectory(place) => fs::create_dir(document(place)).ok(),
        Act::MoveFolder(from, to) => fs::rename(folder(from), folder(to)).ok(),
        Act::MoveOut(network) => fs::rename(folder(network), outside(network)).ok(),
        Act::MoveIn(network) => fs::rename(outside(network), folder(network)).ok(),
        Act::RemoveFolder(network) => fs::remove_dir_all(folder(network)).ok(),
        Act::PutFile(network) => fs::write(folder(network), "").ok(),
        Act::Pause(network, paused) => {
            let settings = NetworkSettings { paused: *paused, ..NetworkSettings::default() };
            bench.store.write_network(&NETWORKS[*network].parse().unwrap(), &settings).ok()
        }
        Act::TearSettings(network) => fs::write(bench.path(format!("networks/{}.json", NETWORKS[*network])), "{").ok(),
        Act::RemoveAll => fs::remove_dir_all(bench.store.run_dir()).ok(),
        Act::Follow => None,
    };
    // What is not possible is no act.
    let _ = done;
}

/// A snapshot, but for its generation.
fn said(snapshot: &Snapshot) -> (Vec<Attachment>, Vec<(String, bool)>, Vec<String>) {
    let attachments = snapshot.attachments.values().map(|attachment| Attachment::clone(attachment)).collect();
    let networks = snapshot.networks.iter().map(|(network, settings)| (network.to_string(), settings.paused));
    let broken = snapshot.broken.iter().map(ToString::to_string);
    (attachments, networks.collect(), broken.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_follows_knows_what_who_reads_all_knows(acts in prop::collection::vec(act(), 1..60)) {
        let bench = Bench::new();
        let mut watch = Watch::open(&bench.store).unwrap();
        let mut reader = Reader::new(bench.store.clone());
        reader.read();
        let mut generation = 1;
        for act in acts.iter().chain([&Act::Follow]) {
            perform(&bench, act);
            if !matches!(act, Act::Follow) {
                continue;
            }
            let (followed, whole) = (reader.follow(&watch.changes().unwrap()), Reader::new(bench.store.clone()).read());
            prop_assert_eq!(said(&followed), said(&whole));
            let again = reader.follow(&watch.changes().unwrap());
            prop_assert_eq!(again.generation, followed.generation, "nothing happened in between");
            prop_assert!(followed.generation >= generation);
            generation = followed.generation;
        }
        let followed = reader.follow(&Changes::default());
        prop_assert_eq!(said(&reader.read()), said(&followed));
    }
}
