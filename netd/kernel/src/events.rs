//! What the kernel tells everybody, so that netd looks again.

use std::{io, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    time::Timespec,
};

use crate::{
    error::Error,
    nft, rtnetlink,
    wire::{Notices, Protocol},
};

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const NFNLGRP_NFTABLES: u32 = 7;

/// What was heard. It does not say what changed: whoever hears it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An interface changed; an address or something of our tables went; a chain of anybody's came to a hook.
    Changed,
    /// More happened than could be heard.
    Overrun,
}

/// A subscription to changes of interfaces, addresses and our tables in the namespace in which it was opened.
pub struct Events {
    route: Notices,
    netfilter: Notices,
}

impl Events {
    /// Subscribes. From now on nothing is missed without [`Event::Overrun`].
    pub fn open() -> Result<Self, Error> {
        let failed = |source| Error::Io { attempt: "subscribe to changes of the kernel".to_owned(), source };
        let groups = [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR];
        Ok(Self {
            route: Notices::open(Protocol::Route, &groups).map_err(failed)?,
            netfilter: Notices::open(Protocol::Netfilter, &[NFNLGRP_NFTABLES]).map_err(failed)?,
        })
    }

    /// The next event, or none within `timeout`. All that is there already is one event.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event>, Error> {
        self.wait(timeout).map_err(|source| Error::Io { attempt: "hear changes of the kernel".to_owned(), source })
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<Option<Event>> {
        let deadline = std::time::Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if !ready(&[&self.route, &self.netfilter], left)? {
                return Ok(None);
            }
            let mut changed = false;
            let whole = self.route.read(|kind, body| changed |= rtnetlink::matters(kind, body))?;
            let whole = self.netfilter.read(|kind, body| changed |= nft::matters(kind, body))? && whole;
            match (whole, changed) {
                (false, _) => return Ok(Some(Event::Overrun)),
                (true, true) => return Ok(Some(Event::Changed)),
                (true, false) => {}
            }
        }
    }
}

/// Whether one of the sockets has something within `timeout`.
pub(crate) fn ready(notices: &[&Notices], timeout: Duration) -> io::Result<bool> {
    let mut fds: Vec<PollFd<'_>> =
        notices.iter().map(|notices| PollFd::new(notices.descriptor(), PollFlags::IN)).collect();
    let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
    match poll(&mut fds, Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        // A signal: whoever waits looks at the clock.
        Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}
