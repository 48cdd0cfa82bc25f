//! One question and its answer, as little of RFC 1035 as a bench needs.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const HEADER: usize = 12;
/// How long one question waits for its answer, and so how exactly it is known when there is one.
const WAIT: Duration = Duration::from_millis(10);

/// A question for the A record of a name.
pub(crate) fn question(id: u16, name: &str) -> Vec<u8> {
    let mut octets = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        octets.push(u8::try_from(label.len()).expect("invariant: a label of the bench is short"));
        octets.extend(label.bytes());
    }
    octets.extend([0, 0, 1, 0, 1]);
    octets
}

/// Asks until the server says that the name has exactly this address; how long that took.
pub(crate) fn until(socket: &UdpSocket, name: &str, address: Ipv4Addr, patience: Duration) -> Result<Duration> {
    let started = Instant::now();
    let mut id = 0_u16;
    socket.set_read_timeout(Some(WAIT))?;
    while started.elapsed() < patience {
        id = id.wrapping_add(1);
        match ask(socket, &question(id, name)) {
            Ok(Some(found)) if found == address => return Ok(started.elapsed()),
            // Nobody listens there yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::thread::yield_now(),
            Ok(_) => std::thread::yield_now(),
            Err(error) => return Err(error.into()),
        }
    }
    bail!("{name} was not {address} within {} s", patience.as_secs())
}

/// The address at the end of the answer, if it has one record.
pub(crate) fn ask(socket: &UdpSocket, question: &[u8]) -> io::Result<Option<Ipv4Addr>> {
    socket.send(question)?;
    let mut buffer = [0; 1_500];
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let answer = &buffer[..length];
                if length > HEADER && answer[..2] == question[..2] {
                    let one = answer[6..8] == [0, 1] && answer[3].trailing_zeros() >= 4 && answer[8..12] == [0; 4];
                    let address = answer.last_chunk().copied().filter(|_| one);
                    return Ok(address.map(<[u8; 4]>::into));
                }
            }
            Err(error) if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind()) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
}
