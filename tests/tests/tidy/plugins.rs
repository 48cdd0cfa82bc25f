//! Plugins look alike: who has read one knows where everything of the next is.

use std::collections::{BTreeMap, BTreeSet};

use super::{none, read, tracked};

/// Every folder of a plugin has these, and may have more.
const FILES: [&str; 3] = ["README.md", "config.rs", "tests.rs"];

/// The sections of each plugin's README, in this order.
const SECTIONS: [&str; 6] =
    ["What it does", "Config table", "Example config", "Result", "What it leaves in the kernel", "Limits"];

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
