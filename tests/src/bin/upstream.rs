//! A name server for the outside of a lab: `upstream ADDRESS ANSWER`.
//!
//! It answers every question with one A record, `ANSWER`, or with SERVFAIL where `ANSWER` is no address.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, UdpSocket};

const HEADER: usize = 12;
const RESPONSE: u8 = 0x84; // QR, AA
const RECURSION: u8 = 0x80; // RA
const SERVFAIL: u8 = 2;

fn main() {
    let mut words = std::env::args().skip(1);
    let socket = UdpSocket::bind((words.next().unwrap(), 53)).unwrap();
    let answer: Option<Ipv4Addr> = words.next().unwrap().parse().ok();
    let mut query = [0; 512];
    loop {
        let (length, client) = socket.recv_from(&mut query).unwrap();
        if let Some(reply) = reply(&query[..length], answer) {
            socket.send_to(&reply, client).unwrap();
        }
    }
}

/// RFC 1035 4.1: the question again, and the record with a pointer to its name.
fn reply(query: &[u8], answer: Option<Ipv4Addr>) -> Option<Vec<u8>> {
    let name = query.get(HEADER..)?.iter().position(|byte| *byte == 0)?;
    let question = query.get(..HEADER + name + 5)?;
    let mut reply = question.to_vec();
    reply[2] = RESPONSE | (query[2] & 1);
    reply[3] = RECURSION | if answer.is_some() { 0 } else { SERVFAIL };
    reply[4..HEADER].copy_from_slice(&[0, 1, 0, u8::from(answer.is_some()), 0, 0, 0, 0]);
    if let Some(address) = answer {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}
