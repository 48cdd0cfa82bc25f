//! Packets that ping(8) does not send: `packet answer ADDRESS:PORT`, `packet ask tcp|udp ADDRESS:PORT`, the same as
//! `packet answer-sctp ADDRESS:PORT`, `packet ask sctp ADDRESS:PORT`, by UDP alone `packet answer-udp ADDRESS:PORT`,
//! `packet ask udp ADDRESS:PORT FROM:PORT`, `packet asks tcp ADDRESS:PORT`, `packet turns ADDRESS:PORT COUNT`,
//! `packet send PROTOCOL ADDRESS [FIRST]`, `packet serve ADDRESS:PORT`, `packet get|put ADDRESS:PORT BYTES`.
//!
//! Who answers sends back what came, by TCP and UDP; who asks fails where no answer comes within two seconds; who asks
//! again and again, until its input ends, at the first that does not come. Who takes turns sends one byte by UDP, again when it is back, and says how many
//! microseconds a turn takes. What is sent is one packet of an IP protocol, of which the first byte may be said: in ICMP it
//! is the type. Who gets so many bytes from one who serves, or puts them there, says how many milliseconds that took.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, Protocol, SendFlags, SocketType, bind, connect, ipproto, listen, sendto, socket, sockopt,
};

const PATIENCE: Duration = Duration::from_secs(2);
const WORD: &[u8] = b"word";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        // More words tell a reader of the process table something.
        ["answer", at, ..] => answer(at.parse().unwrap()),
        ["answer-udp", at] => answer_datagrams(&UdpSocket::bind(at).unwrap()),
        ["answer-sctp", at] => answer_sctp(at.parse().unwrap()),
        ["ask", "sctp", at] => ask_sctp(at.parse().unwrap()),
        ["ask", "tcp", at] => ask_tcp(at.parse().unwrap()),
        ["asks", "tcp", at] => ask_tcp_until_told(at.parse().unwrap()),
        ["ask", "udp", at] => ask_udp(at.parse().unwrap(), None),
        ["ask", "udp", at, from] => ask_udp(at.parse().unwrap(), Some(from.parse().unwrap())),
        ["turns", at, count] => turns(at.parse().unwrap(), count.parse().unwrap()),
        ["serve", at] => serve(at.parse().unwrap()),
        [way @ ("get" | "put"), at, count] => carry(*way == "get", at.parse().unwrap(), count.parse().unwrap()),
        ["send", protocol, to] => send(protocol.parse().unwrap(), to.parse().unwrap(), 0),
        ["send", protocol, to, first] => {
            send(protocol.parse().unwrap(), to.parse().unwrap(), first.parse().unwrap());
        }
        other => panic!("{other:?}"),
    }
}

fn ask_tcp_until_told(at: SocketAddr) {
    let input = std::io::stdin();
    let pause = Timespec { tv_sec: 0, tv_nsec: 100_000 };
    while poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&pause)).unwrap() == 0 {
        ask_tcp(at);
    }
}

fn answer(at: SocketAddr) {
    let (udp, tcp) = (UdpSocket::bind(at).unwrap(), TcpListener::bind(at).unwrap());
    std::thread::spawn(move || answer_datagrams(&udp));
    answer_streams(&tcp);
}

fn answer_datagrams(socket: &UdpSocket) {
    loop {
        let mut bytes = [0; WORD.len()];
        let (length, asker) = socket.recv_from(&mut bytes).unwrap();
        socket.send_to(&bytes[..length], asker).unwrap();
    }
}

fn answer_streams(listener: &TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut bytes = [0; WORD.len()];
        // Who gave up asking is none to fail for.
        let _ = stream.read_exact(&mut bytes).and_then(|()| stream.write_all(&bytes));
    }
}

/// With SCTP's one-to-one sockets, which are used as TCP's.
fn sctp(at: SocketAddr) -> OwnedFd {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    socket(family, SocketType::STREAM, Some(ipproto::SCTP)).unwrap()
}

fn answer_sctp(at: SocketAddr) {
    let socket = sctp(at);
    bind(&socket, &at).unwrap();
    listen(&socket, 8).unwrap();
    answer_streams(&socket.into());
}

fn ask_sctp(at: SocketAddr) {
    let stream = TcpStream::from(sctp(at));
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    connect(&stream, &at).unwrap();
    ask_stream(stream);
}

fn ask_tcp(at: SocketAddr) {
    ask_stream(TcpStream::connect_timeout(&at, PATIENCE).unwrap());
}

fn ask_stream(mut stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(WORD).unwrap();
    let mut bytes = [0; WORD.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, WORD);
}

/// Gives or takes as many bytes as each who comes says.
fn serve(at: SocketAddr) {
    for stream in TcpListener::bind(at).unwrap().incoming() {
        let mut stream = stream.unwrap();
        let (mut way, mut count) = ([0], [0; 8]);
        let told = stream.read_exact(&mut way).and_then(|()| stream.read_exact(&mut count));
        let count = u64::from_be_bytes(count);
        let carried = told.and_then(|()| match way {
            [0] => std::io::copy(&mut std::io::repeat(0).take(count), &mut stream),
            _ => std::io::copy(&mut (&mut stream).take(count), &mut std::io::sink()),
        });
        // That all is there. Who gave up is none to fail for.
        let _ = carried.and_then(|_| stream.write_all(&way));
    }
}

#[expect(clippy::print_stdout, reason = "what it was asked for")]
fn carry(gets: bool, at: SocketAddr, count: u64) {
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE).unwrap();
    let begin = Instant::now();
    stream.write_all(&[u8::from(!gets)]).unwrap();
    stream.write_all(&count.to_be_bytes()).unwrap();
    let carried = if gets {
        std::io::copy(&mut (&mut stream).take(count), &mut std::io::sink())
    } else {
        std::io::copy(&mut std::io::repeat(0).take(count), &mut stream)
    };
    assert_eq!(carried.unwrap(), count);
    stream.read_exact(&mut [0]).unwrap();
    println!("{}", begin.elapsed().as_millis());
}

#[expect(clippy::print_stdout, reason = "what it was asked for")]
fn turns(at: SocketAddr, count: u32) {
    let any = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(at).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let begin = Instant::now();
    for _ in 0..count {
        socket.send(&WORD[..1]).unwrap();
        socket.recv(&mut [0]).unwrap();
    }
    let turn = begin.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    println!("{turn:.3}");
}

fn ask_udp(at: SocketAddr, from: Option<SocketAddr>) {
    let any = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from.unwrap_or(any.parse().unwrap())).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(WORD, at).unwrap();
    let mut bytes = [0; WORD.len()];
    let (length, answerer) = socket.recv_from(&mut bytes).unwrap();
    assert_eq!((&bytes[..length], answerer), (WORD, at));
}

/// As UDP it would be from and to port 9, `discard`.
fn send(protocol: u32, to: IpAddr, first: u8) {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let protocol = Protocol::from_raw(protocol.try_into().unwrap());
    let socket = socket(family, SocketType::RAW, Some(protocol)).unwrap();
    sockopt::set_socket_broadcast(&socket, true).unwrap();
    let packet = [first, 9, 0, 9, 0, 12, 0, 0, 0, 0, 0, 0];
    sendto(&socket, &packet, SendFlags::empty(), &SocketAddr::new(to, 0)).unwrap();
}
