//! Who started us, as far as that is systemd.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    pipe::{PipeFlags, pipe_with},
};
use sd_notify::NotifyState;

/// How long [`wait_for_it`] waits at most.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Tells it how we are.
pub(crate) fn notify(states: &[NotifyState]) {
    is_told(sd_notify::notify(states));
}

/// The same with descriptors for it to keep; whether it was told.
pub(crate) fn notify_with(states: &[NotifyState], descriptors: &[BorrowedFd<'_>]) -> bool {
    is_told(sd_notify::notify_with_fds(states, descriptors))
}

/// Returns when it has done what it was told before (`sd_notify_barrier(3)`), or after a moment.
pub(crate) fn wait_for_it() {
    let Ok((ours, its)) = pipe_with(PipeFlags::CLOEXEC) else { return };
    if notify_with(&[NotifyState::Custom("BARRIER=1")], &[its.as_fd()]) {
        drop(its);
        // It has an end when nobody else holds the other.
        if let Err(error) = poll(&mut [PollFd::new(&ours, PollFlags::empty())], Some(&MOMENT)) {
            tracing::debug!(%error, "service manager not waited for");
        }
    }
}

fn is_told(told: io::Result<()>) -> bool {
    told.inspect_err(|error| tracing::debug!(%error, "service manager not notified")).is_ok()
}

/// The descriptors that it gave us, with their names.
pub(crate) fn given() -> Vec<(OwnedFd, String)> {
    let refused = |error: io::Error| {
        tracing::warn!(%error, "descriptors of the service manager not taken");
        Vec::new()
    };
    let given = sd_notify::listen_fds_with_names().map_or_else(refused, Iterator::collect);
    given.into_iter().map(|(number, name)| (own(number), name)).collect()
}

#[allow(unsafe_code, reason = "their numbers are the service manager's word")]
fn own(number: RawFd) -> OwnedFd {
    // SAFETY: it is open, since a flag of it was just set, and nobody else knows of it.
    unsafe { OwnedFd::from_raw_fd(number) }
}
