//! A skipped test names what is missing; `NETNS_TESTS=required` makes it a failure, and where a kernel has everything,
//! `KERNEL_TESTS=required` does so with what a kernel lacks (`make test-vm`).
//!
//! The test harness of Rust cannot skip at run time. Under nextest each test is a process of its own, so the skip
//! ends the process; under `cargo test`, where that would end other tests too, the test fails with the reason.

use std::path::Path;

/// Ends this test, because of `reason`, which the caller has measured.
pub fn skip(reason: &str) -> ! {
    let required = std::env::var("NETNS_TESTS").is_ok_and(|value| value == "required");
    let alone = std::env::var("NEXTEST_EXECUTION_MODE").is_ok_and(|value| value == "process-per-test");
    assert!(alone && !required, "cannot run here: {reason}");
    eprintln!("skipped: {reason}");
    std::process::exit(0)
}

/// Whether the kernel has `feature`: `refusal` is what it said to somebody who used it. A test that needs it returns at
/// once where it has not; it has then passed, with the reason in its output.
pub fn has(feature: &str, refusal: Option<&str>) -> bool {
    let Some(refusal) = refusal else { return true };
    let required = std::env::var("KERNEL_TESTS").is_ok_and(|value| value == "required");
    assert!(!required, "this kernel lacks {feature}: {refusal}");
    eprintln!("skipped: this kernel lacks {feature}: {refusal}");
    false
}

/// Skips unless `path`, which comes with the Debian package `package`, is there.
pub fn need(path: &str, package: &str) {
    if !Path::new(path).exists() {
        skip(&format!("{path} does not exist: install the package {package}"));
    }
}
