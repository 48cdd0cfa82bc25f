//! A netlink socket: one write, then all its answers. The kernel answers before the write returns, so nothing waits.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
};

use netlink_sys::{Socket as Netlink, SocketAddr, protocols};
use rustix::{
    buffer::spare_capacity,
    io::Errno,
    net::{RecvFlags, SendFlags, netdevice::name_to_index, recv, send, sockopt::set_socket_recv_buffer_size_force},
};

use super::{
    HEADER, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLM_F_MULTI, NLMSG_DONE, NLMSG_ERROR, Requests, aligned,
    answer::{Attributes, Message, Messages, array, text},
};

/// Room for the largest datagram: the kernel makes those of a dump at most half as large.
const DATAGRAM: usize = 64 * 1024;

/// How many requests go in one write when each is answered: the answers must fit in the socket's receive buffer
/// (`net.core.rmem_default`, 208 KiB), where an interface takes about 8 KiB.
const ANSWERED: usize = 16;

/// How many requests go in one write when only refusals are answered: these take less than 1 KiB each.
const SILENT: usize = 128;

/// Room for notices that nobody has read yet, in bytes: some thousand.
const NOTICES: usize = 4 * 1024 * 1024;

/// A dump that was interrupted so often is given up.
const DUMPS: usize = 5;

/// A netlink socket in the namespace in which it was opened, wherever it is used.
pub(crate) struct Socket {
    netlink: Netlink,
    received: Vec<u8>,
    sequence: u32,
}

/// Whom a socket talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// rtnetlink(7): links, addresses, routes.
    Route,
    /// nfnetlink: `nf_tables`, conntrack.
    Netfilter,
    /// `sock_diag(7)`: sockets.
    Sockets,
}

/// Why the kernel refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errno: Errno,
    /// The kernel's own words (`NLMSGERR_ATTR_MSG`), or nothing.
    pub(crate) said: String,
}

/// Why an exchange failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The request of this index was refused.
    Refused(usize, Refusal),
    /// The socket failed, or what came is no answer.
    Broken(io::Error),
}

/// A socket that only hears what the kernel tells everybody.
pub(crate) struct Notices {
    netlink: Netlink,
    received: Vec<u8>,
}

/// One answer to a request.
enum Answer<'a> {
    Data(&'a [u8]),
    Refused(Refusal),
    Success,
}

impl Socket {
    pub(crate) fn open(protocol: Protocol) -> io::Result<Self> {
        let netlink = Netlink::new(protocol.number())?;
        netlink.set_ext_ack(true)?;
        netlink.set_cap_ack(true)?;
        if protocol == Protocol::Route {
            // Filters in a dump's request are obeyed only with this.
            netlink.set_netlink_get_strict_chk(true)?;
        }
        Ok(Self { netlink, received: Vec::with_capacity(DATAGRAM), sequence: 1 })
    }

    /// The number of an interface in this socket's namespace. This takes none of the kernel's locks (`SIOCGIFINDEX`),
    /// where even a question by rtnetlink waits for all who change interfaces.
    pub(crate) fn index(&self, name: &str) -> io::Result<Option<u32>> {
        match name_to_index(&self.netlink, name) {
            Ok(index) => Ok(Some(index)),
            Err(Errno::NODEV) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The socket, for what ioctl(2) asks of its namespace.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.netlink.as_fd()
    }

    /// Sends requests that change something; none after a failed write is sent. The first refusal is the result.
    pub(crate) fn change(&mut self, requests: &mut Requests) -> Result<(), Fault> {
        for range in ranges(requests.len(), SILENT) {
            let last = range.end - 1;
            requests.acknowledge(last);
            let mut refused = None;
            self.exchange(requests, range, last, |index, answer| match answer {
                Answer::Refused(refusal) if refused.is_none() => refused = Some((index, refusal)),
                _ => {}
            })?;
            if let Some((index, refusal)) = refused {
                return Err(Fault::Refused(index, refusal));
            }
        }
        Ok(())
    }

    /// Sends one transaction of `nf_tables`, first and last message included, and gives every refusal.
    pub(crate) fn transact(&mut self, requests: &mut Requests) -> Result<Vec<(usize, Refusal)>, Fault> {
        // The end of a transaction is answered only by newer kernels.
        let last = requests.len().saturating_sub(2);
        requests.acknowledge(last);
        let mut refused = Vec::new();
        self.exchange(requests, 0..requests.len(), last, |index, answer| {
            if let Answer::Refused(refusal) = answer {
                refused.push((index, refusal));
            }
        })?;
        Ok(refused)
    }

    /// Sends requests that are answered with one message each; nothing for those whose refusal is forgiven.
    pub(crate) fn get<T>(
        &mut self,
        requests: &mut Requests,
        mut read: impl FnMut(usize, &[u8]) -> Option<T>,
    ) -> Result<Vec<Option<T>>, Fault> {
        let mut found: Vec<Option<T>> = Vec::new();
        found.resize_with(requests.len(), || None);
        let mut refused = None;
        for range in ranges(requests.len(), ANSWERED) {
            let last = range.end - 1;
            self.exchange(requests, range, last, |index, answer| match answer {
                Answer::Data(body) => {
                    if let Some(place) = found.get_mut(index) {
                        *place = read(index, body);
                    }
                }
                Answer::Refused(refusal) if refused.is_none() => refused = Some((index, refusal)),
                _ => {}
            })?;
        }
        match refused {
            Some((index, refusal)) => Err(Fault::Refused(index, refusal)),
            None => Ok(found),
        }
    }

    /// Sends one request that is answered with many messages. What was interrupted by a change is asked again.
    pub(crate) fn dump<T>(
        &mut self,
        requests: &mut Requests,
        mut read: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, Fault> {
        for _ in 0..DUMPS {
            let mut found = Vec::new();
            let mut refused = None;
            let whole = self.exchange(requests, 0..1, 0, |_, answer| match answer {
                Answer::Data(body) => found.extend(read(body)),
                Answer::Refused(refusal) => refused = Some(refusal),
                Answer::Success => {}
            })?;
            match refused {
                Some(refusal) => return Err(Fault::Refused(0, refusal)),
                None if whole => return Ok(found),
                None => {}
            }
        }
        Err(Fault::Broken(io::Error::other("changes interrupted every one of five dumps")))
    }

    /// Writes the requests of `range` and reads answers up to the one that ends those to the request `last`, or up to
    /// the refusal of a whole transaction. False where a dump was interrupted.
    fn exchange(
        &mut self,
        requests: &mut Requests,
        range: Range<usize>,
        last: usize,
        mut take: impl FnMut(usize, Answer<'_>),
    ) -> Result<bool, Fault> {
        let first = self.sequence;
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        self.sequence = first.wrapping_add(count);
        let transaction = range.end > last + 1;
        send(&self.netlink, requests.numbered(first, range), SendFlags::empty())?;
        let mut whole = true;
        loop {
            receive(&self.netlink, &mut self.received, RecvFlags::DONTWAIT)?;
            for message in Messages(&self.received) {
                // Answers to earlier requests have other numbers.
                let number = message.sequence.wrapping_sub(first);
                let Some(index) = usize::try_from(number).ok().filter(|_| number < count) else { continue };
                whole &= message.flags & NLM_F_DUMP_INTR == 0;
                let ends =
                    message.kind == NLMSG_ERROR || message.kind == NLMSG_DONE || message.flags & NLM_F_MULTI == 0;
                let answer = match Answer::of(&message)? {
                    Answer::Refused(refusal) if requests.forgives(index, refusal.errno) => Answer::Success,
                    answer => answer,
                };
                let all = transaction && index == 0 && matches!(answer, Answer::Refused(_));
                take(index, answer);
                if ends && index == last || all {
                    return Ok(whole);
                }
            }
        }
    }
}

impl Notices {
    /// Hears the multicast groups of these numbers.
    pub(crate) fn open(protocol: Protocol, groups: &[u32]) -> io::Result<Self> {
        let mut netlink = Netlink::new(protocol.number())?;
        netlink.bind(&SocketAddr::new(0, 0))?;
        groups.iter().try_for_each(|group| netlink.add_membership(*group))?;
        // Where more than the default is not allowed, more is lost, and that is told.
        let _ = set_socket_recv_buffer_size_force(&netlink, NOTICES);
        Ok(Self { netlink, received: Vec::with_capacity(DATAGRAM) })
    }

    /// For poll(2).
    pub(crate) fn descriptor(&self) -> &Netlink {
        &self.netlink
    }

    /// Gives each message that is there to `hear`, as kind, flags and body. False where some were lost.
    pub(crate) fn read(&mut self, mut hear: impl FnMut(u16, u16, &[u8])) -> io::Result<bool> {
        loop {
            match receive(&self.netlink, &mut self.received, RecvFlags::DONTWAIT) {
                Ok(()) => Messages(&self.received).for_each(|message| hear(message.kind, message.flags, message.body)),
                Err(Errno::AGAIN) => return Ok(true),
                Err(Errno::NOBUFS) => return Ok(false),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Protocol {
    fn number(self) -> isize {
        match self {
            Self::Route => protocols::NETLINK_ROUTE,
            Self::Netfilter => protocols::NETLINK_NETFILTER,
            Self::Sockets => protocols::NETLINK_SOCK_DIAG,
        }
    }
}

impl<'a> Answer<'a> {
    fn of(message: &Message<'a>) -> io::Result<Self> {
        match message.kind {
            NLMSG_ERROR | NLMSG_DONE => {
                // The end of a dump may say nothing; a refusal says at least its number.
                let code = array(message.body).map_or(0, i32::from_ne_bytes);
                match code {
                    0 => Ok(Self::Success),
                    1.. => Err(io::Error::other("the answer to a request has a positive error number")),
                    _ => Ok(Self::Refused(Refusal::of(code, message))),
                }
            }
            _ => Ok(Self::Data(message.body)),
        }
    }
}

impl Refusal {
    pub(super) fn of(code: i32, message: &Message<'_>) -> Self {
        const NLMSGERR_ATTR_MSG: u16 = 1;
        let errno = Errno::from_raw_os_error(code.saturating_neg());
        let refused = match message.kind {
            NLMSG_ERROR if message.flags & NLM_F_CAPPED == 0 => {
                let length = message.body.get(4..).and_then(super::u32_of).unwrap_or_default();
                aligned(usize::try_from(length).unwrap_or(usize::MAX / 2))
            }
            NLMSG_ERROR => HEADER,
            _ => 0,
        };
        let has_words = message.flags & NLM_F_ACK_TLVS != 0;
        let attributes = has_words.then(|| Attributes::after(message.body, 4 + refused));
        let said = attributes.and_then(|attributes| attributes.find(NLMSGERR_ATTR_MSG)).and_then(text);
        Self { errno, said: said.unwrap_or_default().to_owned() }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::Broken(errno.into())
    }
}

/// Reads one datagram, whole.
fn receive(netlink: &Netlink, received: &mut Vec<u8>, flags: RecvFlags) -> Result<(), Errno> {
    received.clear();
    let (_, length) = recv(netlink, spare_capacity(received), flags | RecvFlags::TRUNC)?;
    if length > received.len() { Err(Errno::MSGSIZE) } else { Ok(()) }
}

/// `0..count` in parts of at most `size`.
fn ranges(count: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(size).map(move |start| start..count.min(start + size))
}
