//! Which crate may know which: the drawing in README and the manifests are the same thing.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use tests::{run, workspace};

use super::{none, read};

/// Effects that belong to one crate: name of a dependency, and who may have it.
const OWNED: [(&str, &[&str]); 11] = [
    ("hickory-proto", &["dns", "netd", "fuzz"]),
    ("hickory-server", &["dns"]),
    ("hyper", &["netd"]),
    ("hyper-util", &["netd"]),
    ("netlink-packet-core", &["netd-kernel"]),
    ("netlink-packet-route", &["netd-kernel"]),
    ("netlink-sys", &["netd-kernel"]),
    ("nftables", &["netd-kernel"]),
    ("rtnetlink", &["netd-kernel"]),
    ("sd-notify", &["netd"]),
    ("tokio", &["dns", "netd"]),
];

/// Besides, in tests alone: name of a dependency, and who. The crate rtnetlink is a witness there, and needs a runtime.
const IN_TESTS: [(&str, &str); 1] = [("tokio", "netd-kernel")];

type Arrows = BTreeMap<String, BTreeSet<String>>;

fn packages() -> Vec<Value> {
    let words = ["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"];
    let metadata = run(Command::new(env!("CARGO")).args(words).current_dir(workspace()), b"").json();
    metadata["packages"].as_array().unwrap().clone()
}

fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"].as_array().unwrap().iter().map(|dependency| dependency["name"].as_str().unwrap())
}

fn of_manifests() -> Arrows {
    let packages = packages();
    let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    let arrows = packages.iter().map(|package| {
        let ours = dependencies(package).filter(|dependency| members.contains(*dependency)).map(str::to_owned);
        (name(package), ours.collect::<BTreeSet<_>>())
    });
    arrows.filter(|(_, ours)| !ours.is_empty()).collect()
}

/// Lines of the form `plugins -> netd-model, netd-kernel`; words after `#` are a comment.
fn of_readme() -> Arrows {
    let text = read("README.md").unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(" -> "));
    let arrows = lines.filter(|(from, _)| !from.trim().contains([' ', '`', '|'])).map(|(from, to)| {
        let to = to.split('#').next().unwrap_or_default().split(',');
        (from.trim().to_owned(), to.map(|name| name.trim().to_owned()).collect())
    });
    arrows.collect()
}

#[test]
fn arrows_of_readme_are_those_of_the_manifests() {
    assert_eq!(of_readme(), of_manifests());
}

#[test]
fn an_effect_is_in_the_crate_that_owns_it() {
    let packages = packages();
    let faults = packages.iter().flat_map(|package| {
        let name = package["name"].as_str().unwrap();
        let is_in_tests = move |dependency: &Value| {
            let is_allowed = IN_TESTS.iter().any(|(owned, by)| dependency["name"] == *owned && name == *by);
            is_allowed && dependency["kind"] == "dev"
        };
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies
            .filter(move |dependency| !is_in_tests(dependency))
            .map(|dependency| dependency["name"].as_str().unwrap())
            .filter(move |dependency| OWNED.iter().any(|(owned, by)| owned == dependency && !by.contains(&name)))
            .map(move |dependency| format!("{name} depends on {dependency}"))
    });
    none(faults);
}

#[test]
fn the_model_knows_no_effect() {
    let forbidden = ["std::fs", "std::env", "std::process", "std::thread", "std::time::SystemTime", "Instant::now"];
    let of_model = super::rust_files().into_iter().filter(|file| file.path.starts_with("netd/model/src/"));
    none(of_model.flat_map(|file| {
        let found = forbidden.iter().filter(move |word| file.text.contains(**word));
        found.map(|word| format!("netd/model uses {word}")).collect::<Vec<_>>()
    }));
}

#[test]
fn every_dependency_stands_in_the_one_table() {
    let manifests = super::tracked().into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    none(manifests.flat_map(|file| {
        let own_version = |line: &&str| line.contains("version = \"") || line.contains("path = \"..");
        file.text.lines().filter(own_version).map(|line| format!("{}: {line}", file.path)).collect::<Vec<_>>()
    }));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let manifests = super::tracked().into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    none(
        manifests
            .filter(|file| !file.text.contains("[lints]\nworkspace = true"))
            .map(|file| format!("{} does not", file.path)),
    );
    // Functions of at most 60 lines: clippy counts them.
    assert!(read(".clippy.toml").unwrap().contains("too-many-lines-threshold = 60"));
}
