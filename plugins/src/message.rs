//! One question and one answer on a socket of type `SOCK_SEQPACKET`, until a deadline.

use std::{path::Path, time::Instant};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, Result},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send, socket_with,
    },
};

/// Asks whoever listens at `path`; the answer, of which there is no more than fits.
///
/// # Errors
/// Nobody listens, or there is no answer in time (`EAGAIN`), or one that has no end (`EMSGSIZE`).
pub(crate) fn ask<'a>(path: &Path, question: &[u8], deadline: Instant, answer: &'a mut [u8]) -> Result<&'a [u8]> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    connect(&socket, &address)?;
    send(&socket, question, SendFlags::NOSIGNAL)?;
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
    poll(&mut [PollFd::new(&socket, PollFlags::IN)], Some(&left))?;
    let (_, length) = recv(&socket, &mut *answer, RecvFlags::TRUNC)?;
    answer.get(..length).ok_or(Errno::MSGSIZE)
}
