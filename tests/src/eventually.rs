//! Waiting for a level to be reached; the one place in the tests where time passes by itself.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold within `deadline`.
#[track_caller]
pub fn eventually(deadline: Duration, condition: impl FnMut() -> bool) {
    assert!(holds_within(deadline, condition), "not reached within {deadline:?}");
}

/// Whether `condition` comes to hold within `deadline`.
pub fn holds_within(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + deadline;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Watches for `time` that `condition` holds all the while.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn throughout(time: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert!(condition(), "it did not stay so for {time:?}");
        std::thread::sleep(PAUSE);
    }
}
