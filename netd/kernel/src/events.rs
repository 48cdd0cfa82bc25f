//! What the kernel tells everybody, so that netd looks again.

use std::{io, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    time::Timespec,
};

use crate::{
    error::Error,
    kernel::Kernel,
    nft,
    rtnetlink::{self, devices::Devices},
    wire::{Notices, Protocol},
};

const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_NEIGH: u32 = 3;
const RTNLGRP_TC: u32 = 4;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV6_ROUTE: u32 = 11;
const NFNLGRP_NFTABLES: u32 = 7;

/// What was heard. It does not say what changed: whoever hears it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Something that was subscribed to changed.
    Changed,
    /// More happened than could be heard.
    Overrun,
}

/// A subscription in the namespace in which it was opened.
pub struct Events {
    route: Notices,
    netfilter: Notices,
    about: About,
}

/// What is worth an event.
enum About {
    /// Interfaces, addresses, queues and our tables.
    Links,
    /// What makes overlay networks, on these devices.
    Overlays(Devices),
}

impl Events {
    /// Subscribes to changes of interfaces, addresses, queues and our tables. From now on nothing is missed without
    /// [`Event::Overrun`].
    pub fn open() -> Result<Self, Error> {
        Self::subscribe(&[RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR], About::Links)
    }

    /// Subscribes to what breaks overlay networks: a VXLAN device of ours changed; an address, neighbour or forwarding
    /// entry on one went; a route went or was replaced; what lets packets in went. What is added is no event.
    pub fn of_overlays() -> Result<Self, Error> {
        const GROUPS: [u32; 6] = [
            RTNLGRP_LINK,
            RTNLGRP_NEIGH,
            RTNLGRP_IPV4_IFADDR,
            RTNLGRP_IPV4_ROUTE,
            RTNLGRP_IPV6_IFADDR,
            RTNLGRP_IPV6_ROUTE,
        ];
        let mut events = Self::subscribe(&GROUPS, About::Links)?;
        // Those that come meanwhile are told.
        events.about = About::Overlays(Devices::of(&Kernel::open(None).found_links()?));
        Ok(events)
    }

    fn subscribe(groups: &[u32], about: About) -> Result<Self, Error> {
        let failed = |source| Error::Io { attempt: "subscribe to changes of the kernel".to_owned(), source };
        Ok(Self {
            route: Notices::open(Protocol::Route, groups).map_err(failed)?,
            netfilter: Notices::open(Protocol::Netfilter, &[NFNLGRP_NFTABLES]).map_err(failed)?,
            about,
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
            let (mut changed, about) = (false, &mut self.about);
            let whole = self.route.read(|kind, flags, body| changed |= about.link(kind, flags, body))?;
            let whole = self.netfilter.read(|kind, _, body| changed |= about.rule(kind, body))? && whole;
            match (whole, changed) {
                (false, _) => return Ok(Some(Event::Overrun)),
                (true, true) => return Ok(Some(Event::Changed)),
                (true, false) => {}
            }
        }
    }
}

impl About {
    /// Whether a notice of rtnetlink is worth an event.
    fn link(&mut self, kind: u16, flags: u16, body: &[u8]) -> bool {
        match self {
            Self::Links => rtnetlink::matters(kind, body),
            Self::Overlays(devices) => devices.matters(kind, flags, body),
        }
    }

    /// Whether a notice of nftables is.
    fn rule(&self, kind: u16, body: &[u8]) -> bool {
        match self {
            Self::Links => nft::matters(kind, body),
            Self::Overlays(_) => nft::matters_to_overlays(kind, body),
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
