//! The rules of the repository, as tests: what a reader may rely on without looking.
#![allow(clippy::unwrap_used, reason = "tests")]

mod arrows;
mod files;
mod plugins;

use std::path::PathBuf;
use std::process::Command;

use tests::{run, workspace};

/// A file under version control.
struct Tracked {
    path: String,
    text: String,
}

/// Every tracked file that is text.
fn tracked() -> Vec<Tracked> {
    let listed = run(Command::new("git").arg("-C").arg(workspace()).args(["ls-files", "-z"]), b"").text();
    let paths = listed.split('\0').filter(|path| !path.is_empty());
    paths.filter_map(|path| Some(Tracked { path: path.to_owned(), text: read(path)? })).collect()
}

/// Every tracked file of Rust.
fn rust_files() -> Vec<Tracked> {
    tracked().into_iter().filter(|file| PathBuf::from(&file.path).extension().is_some_and(|e| e == "rs")).collect()
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(workspace().join(path)).ok()
}

/// Fails with all faults at once, one line each.
#[track_caller]
fn none(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
