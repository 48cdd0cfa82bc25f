//! Plugins look alike: who has read one knows where everything of the next is.

use std::collections::{BTreeMap, BTreeSet};

use super::{none, read, tracked};

/// Every folder of a plugin has these, and may have more.
const FILES: [&str; 3] = ["README.md", "config.rs", "tests.rs"];

/// The sections of each plugin's README, in this order.
const SECTIONS: [&str; 6] =
    ["What it does", "Configuration", "Example", "Result", "What it leaves in the kernel", "Limits"];

/// Keys that every plugin may get, or that go to another plugin: the specification has them, not the table.
const OF_THE_SPECIFICATION: [&str; 3] = ["args", "ipam", "runtimeConfig"];

/// Plugin -> its files: folders of plugins/src that have a configuration.
fn folders() -> BTreeMap<String, BTreeSet<String>> {
    let mut folders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in tracked() {
        if let Some((folder, name)) = file.path.strip_prefix("plugins/src/").and_then(|path| path.split_once('/')) {
            folders.entry(folder.to_owned()).or_default().insert(name.to_owned());
        }
    }
    folders.retain(|_, files| files.contains("config.rs") || files.contains("README.md"));
    folders
}

#[test]
fn every_plugin_has_the_same_files() {
    none(folders().into_iter().flat_map(|(folder, files)| {
        let missing = FILES.iter().filter(move |name| !files.contains(**name));
        missing.map(move |name| format!("plugins/src/{folder}/{name} is missing"))
    }));
}

#[test]
fn every_plugin_is_described_in_the_same_sections() {
    none(folders().into_keys().filter_map(|folder| {
        let text = read(&format!("plugins/src/{folder}/README.md")).unwrap_or_default();
        let titles: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        (titles != SECTIONS).then(|| format!("plugins/src/{folder}/README.md has the sections {titles:?}"))
    }));
}

/// The first column of the table under "Configuration".
fn documented(folder: &str) -> BTreeSet<String> {
    let text = read(&format!("plugins/src/{folder}/README.md")).unwrap_or_default();
    let section = text.split("\n## ").find(|section| section.starts_with("Configuration")).unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let keys = rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned()));
    // `runtimeConfig.mac` and the like belong to the specification's keys.
    keys.filter(|key| !key.contains('.')).collect()
}

/// The keys that serde reads into `struct Keys`, the configuration as it is written; of an IPAM plugin `struct Ipam`.
fn read_by_serde(folder: &str) -> BTreeSet<String> {
    let text = read(&format!("plugins/src/{folder}/config.rs")).unwrap_or_default();
    let after = |start: &str| text.split(start).nth(1).and_then(|rest| rest.split("\n}").next());
    let body = after("struct Ipam {\n").or_else(|| after("struct Keys {\n")).unwrap_or_default();
    let mut rename = None;
    let mut keys = BTreeSet::new();
    for line in body.lines().map(str::trim) {
        if let Some(name) = line.split("rename = \"").nth(1).and_then(|rest| rest.split('"').next()) {
            rename = Some(name.to_owned());
        } else if let Some((field, _)) = line.split_once(':').filter(|_| !line.starts_with(['/', '#'])) {
            keys.insert(rename.take().unwrap_or_else(|| camel_case(field.trim_start_matches("pub(super) "))));
        }
    }
    keys
}

fn camel_case(field: &str) -> String {
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |key, word| key + &word[..1].to_uppercase() + &word[1..])
}

#[test]
fn every_key_is_in_the_table_and_every_row_is_a_key() {
    let faults = folders().into_keys().flat_map(|folder| {
        let (table, keys) = (documented(&folder), read_by_serde(&folder));
        let differing: Vec<String> = table.symmetric_difference(&keys).cloned().collect();
        let unexplained = differing.into_iter().filter(|key| !OF_THE_SPECIFICATION.contains(&key.as_str()));
        unexplained.map(move |key| format!("plugins/src/{folder}: {key} is in config.rs or README.md, not in both"))
    });
    none(faults);
}

/// Plugins are told apart by their names in the one list, and in README's table each has a row without an empty cell.
#[test]
fn every_plugin_is_in_readme_with_all_that_is_asked_of_it() {
    let text = read("README.md").unwrap_or_default();
    let section = text.split("\n## ").find(|section| section.starts_with("The plugins")).unwrap_or_default();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let width = rows.first().map_or(0, Vec::len);
    let incomplete = rows.iter().filter(|row| row.len() != width || row.iter().any(|cell| cell.is_empty()));
    none(incomplete.map(|row| format!("README.md: a cell is missing or empty in {row:?}")));
    let names = rows.iter().skip(2).filter_map(|row| row.first()).flat_map(|cell| cell.split(", "));
    let listed: Vec<&str> = names.map(|name| name.trim_matches('`')).collect();
    assert_eq!(listed, tests::PLUGINS);
}
