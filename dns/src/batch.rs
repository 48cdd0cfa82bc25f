//! Many datagrams with one system call, in and out, from memory that is there once for each thread, but for the octets that
//! tell the kernel where one of several responses ends.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use fastrand::Rng;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg};

use self::responses::Responses;
pub(crate) use self::responses::send;
use crate::counters::Run;
use crate::message::Transport;
use crate::service::{Arrival, Handled, Later, MAX_REQUEST, Service, Since};
use crate::usual::{Usual, Written};

mod responses;

/// Datagrams of one system call: with more, what each of them costs hardly falls, and the last waits longer.
pub(crate) const SIZE: usize = 32;
/// One batch of so many is timed: to read a clock costs as much as to look for a name.
const TIMED: u32 = 8;

/// How long a request is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// What is there is taken.
    Never,
    /// Until there is one, or the time of the socket is over.
    ForOne,
}

/// An answer that others must give, and whom it is for.
pub(crate) type Pending = (Later, SocketAddr);

/// Memory for as many datagrams as go into one batch.
struct Batch<A> {
    /// Addresses of one family: the kernel cuts the place of a longer one to that of a shorter one that was there before.
    headers: MultiHeaders<A>,
    requests: Box<[[u8; MAX_REQUEST]; SIZE]>,
    /// Octets of each request, and who sent it.
    received: [(usize, SocketAddr); SIZE],
    responses: Responses,
    /// How many batches there were.
    turns: u32,
    rng: Rng,
}

thread_local! {
    static V4: RefCell<Batch<SockaddrIn>> = RefCell::new(Batch::new());
    static V6: RefCell<Batch<SockaddrIn6>> = RefCell::new(Batch::new());
}

/// Takes a batch of requests from a socket and answers them; those that others must answer go into `pending`. How many there
/// were: fewer than [`SIZE`] were all.
///
/// # Errors
/// What the kernel says to receiving, [`io::ErrorKind::WouldBlock`] where nothing is there.
pub(crate) fn answer(
    socket: &UdpSocket,
    is_ipv4: bool,
    service: &Service,
    wait: Wait,
    pending: &mut Vec<Pending>,
) -> io::Result<usize> {
    if is_ipv4 {
        V4.with_borrow_mut(|batch| batch.answer(socket, |v4| SocketAddr::V4(v4.into()), service, wait, pending))
    } else {
        V6.with_borrow_mut(|batch| batch.answer(socket, |v6| SocketAddr::V6(v6.into()), service, wait, pending))
    }
}

impl<A: Copy + SockaddrLike> Batch<A> {
    fn new() -> Self {
        let nobody = (0, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Self {
            headers: MultiHeaders::preallocate(SIZE, None),
            requests: boxed(),
            received: [nobody; SIZE],
            responses: Responses::new(),
            turns: 0,
            rng: Rng::new(),
        }
    }

    fn answer(
        &mut self,
        socket: &UdpSocket,
        client: fn(A) -> SocketAddr,
        service: &Service,
        wait: Wait,
        pending: &mut Vec<Pending>,
    ) -> io::Result<usize> {
        let count = self.receive(socket, wait, client)?;
        self.turns = self.turns.wrapping_add(1);
        let is_timed = self.turns.is_multiple_of(TIMED);
        let since = if is_timed || service.takes_notes() { Since::now() } else { Since::default() };
        self.respond(count, socket, service, &since, pending);
        let responses = self.responses.count();
        self.responses.send(socket);
        if is_timed && responses > 0 {
            service.took(&since, responses);
        }
        Ok(count)
    }

    fn receive(&mut self, socket: &UdpSocket, wait: Wait, client: fn(A) -> SocketAddr) -> io::Result<usize> {
        let mut slices = self.requests.each_mut().map(|request| [IoSliceMut::new(request)]);
        let flags = match wait {
            Wait::Never => MsgFlags::MSG_DONTWAIT,
            Wait::ForOne => MsgFlags::MSG_WAITFORONE,
        };
        let messages = recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None)?;
        let mut count = 0;
        for (message, place) in messages.zip(&mut self.received) {
            // None has what a socket shows that reads no more.
            let Some(address) = message.address else { break };
            *place = (message.bytes, client(address));
            count += 1;
        }
        Ok(count)
    }

    /// Answers the first `count` requests.
    fn respond(
        &mut self,
        count: usize,
        socket: &UdpSocket,
        service: &Service,
        since: &Since,
        pending: &mut Vec<Pending>,
    ) {
        let snapshot = service.snapshot();
        let usual = Usual::new(&snapshot.zones, &snapshot.networks);
        let mut run = Run::default();
        for (request, &(length, client)) in self.requests.iter().zip(&self.received).take(count) {
            let Some(response) = self.responses.room() else { break };
            let (octets, rng) = (request.get(..length).unwrap_or_default(), &mut self.rng);
            let arrival = Arrival { octets, source: client.ip(), transport: Transport::Udp, since };
            let written = match usual.as_ref().and_then(|usual| usual.answer(octets, client.ip(), rng, response)) {
                Some(Written { length, kind, tally }) => {
                    run.add(tally, kind);
                    service.note(&snapshot, arrival, response.get(..length), rng);
                    Some(length)
                }
                None => match service.handle(arrival, rng) {
                    Handled::Silence => None,
                    Handled::Later(later) => {
                        pending.push((later, client));
                        None
                    }
                    Handled::Response(octets) => {
                        if let Some(room) = response.get_mut(..octets.len()) {
                            room.copy_from_slice(&octets);
                            Some(octets.len())
                        } else {
                            // None should be: what others said is cut to what every path carries.
                            send(socket, &octets, client);
                            None
                        }
                    }
                },
            };
            if let Some(written) = written {
                self.responses.push(written, client);
            }
        }
    }
}

fn boxed<const N: usize>() -> Box<[[u8; N]; SIZE]> {
    let places = vec![[0; N]; SIZE].into_boxed_slice();
    places.try_into().unwrap_or_else(|_| Box::new([[0; N]; SIZE]))
}
