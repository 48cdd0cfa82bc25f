//! Descriptors that tokio has no type for: inotify, `SOCK_SEQPACKET`.

use std::{io, os::fd::OwnedFd};

use tokio::io::unix::AsyncFd;

/// Lets the runtime watch a descriptor that does not block.
#[allow(unsafe_code, reason = "tokio's only door for descriptors of other kinds")]
pub(crate) fn register(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and the same until it is dropped, and `AsyncFd` owns it from here.
    Ok(unsafe { AsyncFd::register(descriptor) }?)
}
