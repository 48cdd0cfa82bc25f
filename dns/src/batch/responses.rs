//! The responses of a batch, on their way out. To send a datagram costs most of what an answer costs, and the kernel takes
//! several for one client as one, which it divides where they arrive (`UDP_SEGMENT`, udp(7)): a resolver asks for A and
//! AAAA at once, and who asks for much has many questions under way.

use std::cmp::Reverse;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use rustix::net::addr::SocketAddrArg;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg, sendto};
use smallvec::SmallVec;

use super::{SIZE, boxed};
use crate::usual::LONGEST;

/// Memory for the responses of a batch.
pub(super) struct Responses {
    octets: Box<[[u8; LONGEST]; SIZE]>,
    answered: Few<Answered>,
}

/// As many as a batch has, without allocation.
type Few<T> = SmallVec<[T; SIZE]>;

/// Which octets one response has, and who gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answered {
    place: usize,
    length: usize,
    client: SocketAddr,
}

impl Responses {
    pub(super) fn new() -> Self {
        Self { octets: boxed(), answered: Few::new() }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.answered.len()
    }

    /// Room for the next one.
    pub(super) fn room(&mut self) -> Option<&mut [u8; LONGEST]> {
        self.octets.get_mut(self.answered.len())
    }

    /// The first octets of the room are the next one.
    pub(super) fn push(&mut self, length: usize, client: SocketAddr) {
        self.answered.push(Answered { place: self.answered.len(), length, client });
    }

    /// Sends them without waiting, and has none then.
    pub(super) fn send(&mut self, socket: &UdpSocket) {
        self.answered.sort_unstable_by_key(|response| (response.client, Reverse(response.length)));
        let mut alone = Few::new();
        for message in Messages(&self.answered) {
            match message {
                &[response] => alone.push(response),
                several if self.send_together(socket, several) => {}
                several => alone.extend_from_slice(several),
            }
        }
        self.send_each(socket, &alone);
        self.answered.clear();
    }

    /// Whether the kernel was able to: not where a device on the way wants the checksum of each, or where one is longer than
    /// a packet there.
    fn send_together(&self, socket: &UdpSocket, several: &[Answered]) -> bool {
        let Some(Answered { length, client, .. }) = several.first() else { return true };
        let Ok(segment) = u16::try_from(*length) else { return false };
        let slices: Few<_> = several.iter().map(|response| IoSlice::new(self.octets(response))).collect();
        let (control, to) = ([ControlMessage::UdpGsoSegments(&segment)], SockaddrStorage::from(*client));
        match sendmsg(socket.as_raw_fd(), &slices, &control, MsgFlags::MSG_DONTWAIT, Some(&to)) {
            Err(Errno::EAGAIN) => not_sent(*client, &Errno::EAGAIN.into()),
            Err(_) => return false,
            Ok(_) => {}
        }
        true
    }

    fn send_each(&self, socket: &UdpSocket, alone: &[Answered]) {
        if let [response] = alone {
            return send(socket, self.octets(response), response.client);
        }
        let clients: Few<_> = alone.iter().map(|response| response.client.as_any()).collect();
        let slices: Few<_> = alone.iter().map(|response| [IoSlice::new(self.octets(response))]).collect();
        let mut controls: Few<_> = alone.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let messages = clients.iter().zip(&slices).zip(&mut controls);
        let mut messages: Few<_> =
            messages.map(|((client, slice), control)| MMsgHdr::new_with_addr(client, slice, control)).collect();
        let mut rest = messages.as_mut_slice();
        while !rest.is_empty() {
            // An error is that of the first one, which is passed over.
            let sent = sendmmsg(socket, rest, SendFlags::DONTWAIT).unwrap_or_else(|error| {
                let place = alone.len() - rest.len();
                alone.get(place).inspect(|response| not_sent(response.client, &error.into()));
                1
            });
            rest = rest.get_mut(sent.max(1)..).unwrap_or_default();
        }
    }

    fn octets(&self, response: &Answered) -> &[u8] {
        self.octets.get(response.place).and_then(|octets| octets.get(..response.length)).unwrap_or_default()
    }
}

/// Divides responses, those of one client side by side and the longest of them first, into messages: all of one are as long
/// as its first, only the last may be shorter.
struct Messages<'a>(&'a [Answered]);

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [Answered];

    fn next(&mut self) -> Option<&'a [Answered]> {
        let first = self.0.first()?;
        let of_client = self.0.iter().take_while(|response| response.client == first.client);
        let equal = of_client.clone().take_while(|response| response.length == first.length).count();
        let (message, rest) = self.0.split_at_checked(of_client.take(equal + 1).count())?;
        self.0 = rest;
        Some(message)
    }
}

/// Sends one without waiting: a client that cannot be reached must not keep the others waiting, and asks again.
pub(crate) fn send(socket: &UdpSocket, response: &[u8], client: SocketAddr) {
    if let Err(error) = sendto(socket, response, SendFlags::DONTWAIT, &client) {
        not_sent(client, &error.into());
    }
}

fn not_sent(client: SocketAddr, error: &io::Error) {
    if error.kind() == io::ErrorKind::WouldBlock {
        tracing::debug!(%client, "answer dropped, the socket's buffer is full");
    } else {
        tracing::debug!(%client, %error, "answer not sent");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::sys::socket::setsockopt;
    use nix::{libc, setsockopt_impl, sockopt_impl};
    use proptest::prelude::*;

    use super::*;

    sockopt_impl!(NoChecksum, SetOnly, libc::SOL_SOCKET, libc::SO_NO_CHECK, bool);

    fn loopback() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("it is a time");
        socket
    }

    /// What clients receive who get responses of these lengths, each full of its number.
    fn received(server: &UdpSocket, lengths: [&[usize]; 3]) -> [Vec<Vec<u8>>; 3] {
        let clients = [loopback(), loopback(), loopback()];
        let mut responses = Responses::new();
        let most = lengths.iter().map(|lengths| lengths.len()).max().unwrap_or_default();
        for turn in 0..most {
            for (client, lengths) in clients.iter().zip(lengths) {
                let Some(&length) = lengths.get(turn) else { continue };
                let number = u8::try_from(turn).expect("there are few");
                responses.room().expect("there are few")[..length].fill(number);
                responses.push(length, client.local_addr().expect("it is bound"));
            }
        }
        responses.send(server);
        assert_eq!(responses.count(), 0);
        let mut lengths = lengths.into_iter();
        clients.map(|client| {
            let receive = |_| {
                let mut octets = [0; LONGEST];
                let length = client.recv(&mut octets).expect("a response");
                octets[..length].to_vec()
            };
            let mut received: Vec<_> = (0..lengths.next().unwrap_or_default().len()).map(receive).collect();
            received.sort_unstable();
            client.set_nonblocking(true).expect("it is a socket");
            client.recv(&mut [0]).expect_err("no more");
            received
        })
    }

    fn expected(lengths: &[usize]) -> Vec<Vec<u8>> {
        (0_u8..).zip(lengths).map(|(number, &length)| vec![number; length]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_client_gets_each_of_its_responses(
            lengths in prop::array::uniform3(prop::collection::vec(prop::sample::select(vec![12, 40, 48, 512, LONGEST]), 0..10)),
            is_able in any::<bool>(),
        ) {
            let server = loopback();
            if !is_able {
                // The kernel divides no message of a socket that writes no checksums.
                setsockopt(&server, NoChecksum, &true).expect("it is a socket of UDP");
            }
            let lengths = lengths.each_ref().map(Vec::as_slice);
            prop_assert_eq!(received(&server, lengths), lengths.map(expected));
        }
    }

    #[test]
    fn what_one_client_gets_goes_together() {
        let responses = |lengths: &[(u16, usize)]| {
            let answered = |&(port, length)| Answered { place: 0, length, client: ([127, 0, 0, 1], port).into() };
            lengths.iter().map(answered).collect::<Vec<_>>()
        };
        let divided = |lengths: &[(u16, usize)]| Messages(&responses(lengths)).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(divided(&[]), [0; 0]);
        assert_eq!(divided(&[(1, 60)]), [1]);
        assert_eq!(divided(&[(1, 60), (2, 60)]), [1, 1]);
        assert_eq!(divided(&[(1, 60), (1, 60), (2, 60)]), [2, 1]);
        assert_eq!(divided(&[(1, 60), (1, 48), (2, 48)]), [2, 1], "A and AAAA");
        assert_eq!(divided(&[(1, 60), (1, 60), (1, 48), (1, 48), (1, 40), (1, 12)]), [3, 2, 1]);
    }
}
