//! A server without file descriptors left keeps answering, and accepts again when there are some. In a process of its
//! own, for the limit is the process's.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dns::{Attachment, Listener, Network, Server, Upstreams, ZonesBuilder};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The A record of `c1` is asked for.
const QUESTION: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x02c1\0\0\x01\0\x01";
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_accept_loop_survives_having_no_file_descriptors() {
    let address: IpAddr = "127.255.53.1".parse().unwrap();
    let port = 10_000 + u16::try_from(std::process::id() % 20_011).unwrap();
    let server = Server::new();
    server.set_zones(Arc::new(ZonesBuilder::new(1).network(network(address)).build()));
    let listener = Listener { device: None, address, port, networks: vec!["web".into()] };
    assert!(server.set_listeners(vec![listener]).await.is_empty());
    tokio::task::spawn_blocking(move || exhaust((address, port).into())).await.unwrap();
    server.stop().await;
}

/// Makes the connection, then takes all descriptors away, so that the server cannot accept it before they are back.
fn exhaust(server: SocketAddr) {
    let udp = UdpSocket::bind((server.ip(), 0)).unwrap();
    udp.connect(server).unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    let free = getrlimit(Resource::Nofile);
    // A connection takes one descriptor here, and there must be none left for the other end.
    let next = udp.as_fd().try_clone_to_owned().unwrap();
    let none_left = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&next)).unwrap() + 1;
    drop(next);
    setrlimit(Resource::Nofile, Rlimit { current: Some(none_left), maximum: free.maximum }).unwrap();
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let length = u16::try_from(QUESTION.len()).unwrap().to_be_bytes();
    let framed = [&length, QUESTION].concat();
    stream.write_all(&framed).unwrap();
    let mut length = [0; 2];
    assert!(stream.read_exact(&mut length).is_err(), "there is no descriptor to accept it with");
    let ask = || udp.send(QUESTION).and_then(|_| udp.recv(&mut [0; 512]));
    let none = Rlimit { current: Some(none_left), maximum: free.maximum };
    let has_thread = || {
        setrlimit(Resource::Nofile, free).unwrap(); // To look takes a descriptor.
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let has =
            tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).any(|it| it == "dns\n");
        setrlimit(Resource::Nofile, none).unwrap();
        has
    };
    let by = Instant::now() + PATIENCE;
    while !has_thread() && Instant::now() < by {
        assert!((0..500).all(|_| ask().is_ok()), "UDP is not concerned");
    }
    assert!(has_thread());
    udp.set_read_timeout(Some(Duration::from_millis(2_500))).unwrap();
    assert!(udp.recv(&mut [0; 512]).is_err(), "nobody asked");
    assert!(!has_thread());
    assert!(ask().is_ok(), "and nothing is lost by that");
    setrlimit(Resource::Nofile, free).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.read_exact(&mut length).expect("accepted when there are descriptors again");
}

fn network(address: IpAddr) -> Network {
    Network {
        id: "web".into(),
        domain: "web.internal".parse().unwrap(),
        subnets: vec![address.into()],
        gateways: vec![address],
        near: vec![],
        upstreams: Upstreams::None,
        split_domains: Vec::new(),
        forward_single_label: false,
        records: vec![],
        attachments: vec![Attachment {
            is_healthy: true,
            container: "c1".into(),
            addresses: vec![address],
            names: vec!["c1".parse().unwrap()],
            ports: vec![],
            texts: vec![],
            upstreams: None,
            ttl: 5,
        }],
    }
}
