//! A server that does nothing but answer: the floor below all others. It repeats the question with one record.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

/// Packets of one system call.
const BATCH: usize = 30;
const LONGEST: usize = 512;
/// The owner is the name in the question; A, IN, 5 s, 4 octets.
const RECORD: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 1, 0, 2];

/// Answers for ever.
pub(crate) fn serve(address: SocketAddrV4) -> Result<()> {
    let socket = UdpSocket::bind(address)?;
    let descriptor = socket.as_raw_fd();
    let mut received = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut sent = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let mut packets = [[0_u8; LONGEST + RECORD.len()]; BATCH];
    loop {
        let mut lengths = [0; BATCH];
        let mut clients = [None; BATCH];
        let mut count = 0;
        let mut slices = packets.each_mut().map(|packet| [IoSliceMut::new(&mut packet[..LONGEST])]);
        for message in recvmmsg(descriptor, &mut received, slices.iter_mut(), MsgFlags::MSG_WAITFORONE, None)? {
            (lengths[count], clients[count]) = (message.bytes, message.address);
            count += 1;
        }
        for (packet, length) in packets.iter_mut().zip(&mut lengths).take(count) {
            packet[2] |= 0x84; // a response, with authority
            packet[7] = 1; // answers
            packet[*length..][..RECORD.len()].copy_from_slice(&RECORD);
            *length += RECORD.len();
        }
        let slices: [_; BATCH] = std::array::from_fn(|index| [IoSlice::new(&packets[index][..lengths[index]])]);
        match sendmmsg(descriptor, &mut sent, &slices[..count], &clients[..count], [], MsgFlags::empty()) {
            Ok(_) | Err(Errno::ECONNREFUSED) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
