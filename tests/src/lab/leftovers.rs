//! What attachments left behind on a host after every one of them was detached.
//!
//! A bridge, its address, sysctls and a static ruleset are shared, and may stay.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::host::Host;
use super::kernel_text::nft_lines;

pub(crate) fn of(host: &Host) -> Vec<String> {
    let mut found = Vec::new();
    let owners: BTreeSet<String> = host.containers().iter().map(|container| container.name().to_owned()).collect();
    for link in host.ip("-d link show").as_array().unwrap() {
        let name = link["ifname"].as_str().unwrap();
        let kind = &link["linkinfo"]["info_kind"];
        if (kind == "veth" || kind == "ifb") && !name.starts_with("to-") {
            found.push(format!("link {name}"));
        }
    }
    for line in nft_lines(&host.run("nft -j list ruleset").json()) {
        if words(&line).any(|word| owners.contains(word)) {
            found.push(line);
        }
    }
    for folder in ["lib", "run"] {
        for file in files(&host.folder().join(folder)) {
            if is_left(&file) {
                found.push(format!("file {}", file.display()));
            }
        }
    }
    found
}

/// A lease (named by its address), a document of an attachment, or a file that never got its name.
fn is_left(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    let lease = name.parse::<IpAddr>().is_ok();
    let document = path.components().any(|part| ["attachments", "dhcp"].map(Some).contains(&part.as_os_str().to_str()));
    let temporary = name.starts_with(['.', '#']) || name.contains("tmp") || name.ends_with('~');
    lease || document || temporary
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
}
