//! The server on loopback, with real sockets. Time is tokio's and stands still unless everybody waits, so that a test
//! of a timeout takes none.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use super::*;
use crate::fixture::{attachment, network};
use crate::frame::{self, Frames};
use crate::{CountedKind, Network, Outcome, Upstreams, ZonesBuilder};

use upstream::Upstream;

mod busy;
mod forwarding;
mod handler;
mod kept;
mod listeners;
mod stream;
mod tls;
mod upstream;

/// Longer than any server takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A piece of 127/8 that no other test uses, and a server on its first address.
///
/// | address | who |
/// |---|---|
/// | .1 | the gateway of `web`, domain web.internal |
/// | .7 | `c1`, which asks |
/// | .8 | `c2`, which asks when c1 must not |
/// | .50 and up | upstreams |
struct Host {
    block: [u8; 3],
    port: u16,
    server: Arc<Server>,
}

impl Host {
    /// A server that listens, and forwards to nobody.
    async fn new() -> Self {
        static BLOCKS: AtomicU8 = AtomicU8::new(1);
        let process = std::process::id();
        let [low, ..] = process.to_le_bytes();
        let block = [127, low.max(1), BLOCKS.fetch_add(1, Ordering::Relaxed)];
        // Below the ports that the kernel gives out by itself.
        let port = 10_000 + u16::try_from(process % 20_011).unwrap();
        let host = Self { block, port, server: Arc::new(Server::new()) };
        host.serve(|network| network);
        let errors = host.server.set_listeners(vec![host.listener()]).await;
        assert!(errors.is_empty(), "{errors:?}");
        host
    }

    /// Serves the network `web` as `change` leaves it.
    fn serve(&self, change: impl FnOnce(Network) -> Network) {
        let [a, b, c] = self.block;
        let attachments = vec![
            attachment("c1", &[&format!("{a}.{b}.{c}.7")], &["c1"], 5),
            attachment("c2", &[&format!("{a}.{b}.{c}.8")], &["c2"], 5),
        ];
        let subnet = format!("{a}.{b}.{c}.0/24");
        let network = network("web", "web.internal", &[&subnet], &[&format!("{a}.{b}.{c}.1")], attachments);
        self.server.set_zones(Arc::new(ZonesBuilder::new(1).network(change(network)).build()));
    }

    fn address(&self, last: u8) -> IpAddr {
        let [a, b, c] = self.block;
        IpAddr::from([a, b, c, last])
    }

    fn at(&self, last: u8) -> SocketAddr {
        (self.address(last), self.port).into()
    }

    fn listener(&self) -> Listener {
        Listener { device: None, address: self.address(1), port: self.port, networks: vec!["web".into()] }
    }

    /// An upstream at `.last`, not yet the server's.
    async fn upstream(&self, last: u8, script: upstream::Script) -> Upstream {
        Upstream::start(self.at(last), script).await
    }

    /// The response over UDP to a container's question.
    async fn ask(&self, last: u8, request: &Message) -> Message {
        exchange(self.address(last), self.at(1), request).await
    }

    /// A connection of a container.
    async fn connect(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        // Small, so that one which does not read is soon noticed.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind((self.address(last), 0).into()).unwrap();
        timeout(PATIENCE, socket.connect(self.at(1))).await.unwrap().unwrap()
    }
}

fn servers(addresses: &[SocketAddr]) -> Vec<crate::Upstream> {
    addresses.iter().copied().map(crate::Upstream::from).collect()
}

fn question(name: &str) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message
}

async fn exchange(from: IpAddr, to: SocketAddr, request: &Message) -> Message {
    let socket = UdpSocket::bind((from, 0)).await.unwrap();
    socket.connect(to).await.unwrap();
    socket.send(&request.to_vec().unwrap()).await.unwrap();
    receive(&socket).await
}

async fn receive(socket: &UdpSocket) -> Message {
    let mut buffer = vec![0; 65_535];
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

async fn exchange_over_tcp(stream: &mut TcpStream, request: &Message) -> Message {
    frame::write(stream, &request.to_vec().unwrap()).await.unwrap();
    receive_over_tcp(stream).await
}

async fn receive_over_tcp(stream: &mut TcpStream) -> Message {
    let octets = timeout(PATIENCE, Frames::new(65_535).next(stream)).await.expect("an answer").unwrap();
    Message::from_vec(&octets.expect("an open connection")).unwrap()
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(a) => a.0.into(),
        other => panic!("{other:?}"),
    };
    message.answers.iter().map(|record| address(&record.data)).collect()
}

/// What was counted of the network `web`.
fn counted(server: &Server) -> Vec<(CountedKind, Outcome, u64)> {
    server.figures().networks.remove(&"web".into()).unwrap()
}

fn code(message: &Message) -> ResponseCode {
    message.metadata.response_code
}

/// How long it took.
async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, start.elapsed())
}
