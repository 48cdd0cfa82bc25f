//! Files: their size, their first words, their names, and what must not be in them.

use std::path::Path;

use super::{Tracked, none, rust_files, tracked};

const LINES: usize = 600;
const LINES_WITHOUT_TESTS: usize = 400;
const LINES_OF_TESTS_WITHIN: usize = 100;
const FORBIDDEN_NAMES: [&str; 10] =
    ["common", "constants", "helper", "helpers", "manager", "misc", "types", "util", "utils", "shared"];

/// The lines up to the module of tests, and those of it.
fn split_at_tests(file: &Tracked) -> (usize, usize) {
    let lines: Vec<&str> = file.text.lines().collect();
    let start = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {"));
    (start.unwrap_or(lines.len()), lines.len() - start.unwrap_or(lines.len()))
}

fn is_test(file: &Tracked) -> bool {
    file.path.starts_with("tests/tests/") || file.path.ends_with("/tests.rs") || file.path.contains("/tests/")
}

/// Paths of the machine someone worked on; the parts are apart so that this file has none of them.
fn machine_paths() -> [String; 4] {
    [("/wo", "rk/"), ("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/")].map(|(a, b)| [a, b].concat())
}

#[test]
fn files_are_small() {
    none(rust_files().into_iter().filter_map(|file| {
        let (code, tests) = split_at_tests(&file);
        let path = &file.path;
        if code + tests > LINES {
            return Some(format!("{path} has {} lines, {LINES} are allowed", code + tests));
        }
        if code > LINES_WITHOUT_TESTS && !is_test(&file) {
            return Some(format!("{path} has {code} lines without tests, {LINES_WITHOUT_TESTS} are allowed"));
        }
        (tests > LINES_OF_TESTS_WITHIN).then(|| format!("{path} has {tests} lines of tests: move them to their file"))
    }));
}

#[test]
fn files_say_what_they_are() {
    // What a file of tests within a crate is about, the file above it says.
    let of_tests = |path: &str| path.ends_with("/tests.rs") || path.contains("src/") && path.contains("/tests/");
    let files = rust_files().into_iter().filter(|file| !of_tests(&file.path) || file.path.starts_with("tests/"));
    none(files.filter(|file| !file.text.starts_with("//! ")).map(|file| format!("{}: no `//!`", file.path)));
}

#[test]
fn crates_say_what_they_own() {
    let roots = ["dns/src/lib.rs", "plugins/src/lib.rs", "tests/src/lib.rs", "netd/src/main.rs"].into_iter();
    let roots = roots.chain(["netd/kernel/src/lib.rs", "netd/model/src/lib.rs", "netd/store/src/lib.rs"]);
    none(roots.filter_map(|root| {
        let text = super::read(root).unwrap_or_default();
        let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let says = |start: &str| header.iter().any(|line| line.starts_with(start));
        let both = says("//! Owns: ") && says("//! Never: ");
        (!both).then(|| format!("{root} does not say `//! Owns: ..` and `//! Never: ..`"))
    }));
}

#[test]
fn no_module_is_a_drawer() {
    none(rust_files().into_iter().filter_map(|file| {
        let parts = Path::new(&file.path).with_extension("");
        let found = parts.iter().find(|part| FORBIDDEN_NAMES.iter().any(|name| name == part))?;
        Some(format!("{}: {} says nothing", file.path, found.display()))
    }));
}

#[test]
fn no_file_names_a_machine() {
    let machine = machine_paths();
    none(tracked().into_iter().flat_map(|file| {
        let found = machine.iter().filter(|path| file.text.contains(*path));
        found.map(|path| format!("{} has {path}", file.path)).collect::<Vec<_>>()
    }));
}

#[test]
fn crates_come_from_the_public_index() {
    let lock = super::read("Cargo.lock").unwrap();
    let sources = lock.lines().filter(|line| line.starts_with("source = "));
    let foreign = sources.filter(|line| *line != r#"source = "registry+https://github.com/rust-lang/crates.io-index""#);
    none(foreign.map(str::to_owned));
    let config = super::read(".cargo/config.toml").unwrap_or_default();
    none(
        ["[source", "[registr"].iter().filter(|table| config.contains(**table)).map(|table| format!("{table} is set")),
    );
}

#[test]
fn tests_wait_for_conditions_and_are_never_left_out() {
    let ignore = ["#[ig", "nore"].concat();
    none(rust_files().into_iter().flat_map(|file| {
        // A clock that is stopped costs no time.
        let free = file.path == "tests/src/eventually.rs" || file.text.contains("start_paused = true");
        let may_sleep = free || !is_test(&file) && !file.path.starts_with("tests/");
        let sleeps = !may_sleep && ["thread::sle", "time::sle"].iter().any(|s| file.text.contains(&format!("{s}ep(")));
        let faults = [(sleeps, "sleeps"), (file.text.contains(&ignore), "ignores a test")];
        let found = faults.into_iter().filter(|(is, _)| *is);
        found.map(|(_, fault)| format!("{} {fault}", file.path)).collect::<Vec<_>>()
    }));
}
