//! What is sent and heard on one socket, until an answer or the end of patience. It is closed right after.

use std::{
    io,
    net::SocketAddrV6,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::net::{RecvFlags, SendFlags, recv, send, sendto};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::timeout_at,
};

use crate::ready::register;

/// How long the first answer is waited for before the question is asked again, each time twice as long. RFC 2131 says
/// four seconds, RFC 8415 one; containers are in a hurry, and the link is near.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// Room for any datagram of Ethernet.
const LARGEST: usize = 9216;

/// A socket, and where it leads.
pub(super) struct Line {
    socket: AsyncFd<OwnedFd>,
    /// None for frames, which say so themselves.
    to: Option<SocketAddrV6>,
}

impl Line {
    pub(super) fn new(socket: OwnedFd, to: Option<SocketAddrV6>) -> io::Result<Self> {
        Ok(Self { socket: register(socket)?, to })
    }

    /// Asks, again and again, until something that is heard can be read, or `until`. `question` is told how long it has
    /// been asked.
    ///
    /// # Errors
    /// Says what was the matter if nothing was heard.
    pub(super) async fn ask<T>(
        &self,
        question: impl Fn(Duration) -> Vec<u8>,
        until: Instant,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, String> {
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            // Many containers start at once: their questions are not to come at once for ever.
            let about = pause.mul_f64(0.9 + 0.2 * fastrand::f64());
            let next = Instant::now() + about;
            let sent = self.send(&question(began.elapsed()));
            match timeout_at(next.min(until).into(), self.hear(&read)).await {
                Ok(heard) => return heard.map_err(|error| error.to_string()),
                Err(_) if next < until => pause = (pause * 2).min(LONGEST_PAUSE),
                Err(_) => return Err(sent.map_or_else(|error| error.to_string(), |()| "no server answers".to_owned())),
            }
        }
    }

    fn send(&self, octets: &[u8]) -> io::Result<()> {
        let socket = self.socket.get_ref();
        match &self.to {
            Some(to) => sendto(socket, octets, SendFlags::empty(), to)?,
            None => send(socket, octets, SendFlags::empty())?,
        };
        Ok(())
    }

    async fn hear<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> io::Result<T> {
        let mut octets = vec![0; LARGEST];
        loop {
            let receive = |socket: &OwnedFd| Ok(recv(socket, octets.as_mut_slice(), RecvFlags::empty())?.0);
            let length = self.socket.async_io(Interest::READABLE, receive).await?;
            if let Some(said) = octets.get(..length).and_then(&read) {
                return Ok(said);
            }
        }
    }
}
