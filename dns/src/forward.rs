//! Asks others: a request is relayed octet by octet, and so is the response. Only the id is ours on the way, so that
//! types, options and flags that this server has never heard of keep working.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use crate::frame::{self, Frames};
use crate::limit::{Limit, Permit};
use crate::message::Transport;
use crate::network::Upstreams;
use crate::packet::Forward;
use crate::response::{MAX_UDP_RESPONSE, Reply, Response, with_id};

/// From the request to the answer, whatever happens: clients give up, or ask again, after 5 s.
const DEADLINE: Duration = Duration::from_secs(4);
/// Upstreams that are tried, as many as a resolver reads from resolv.conf(5).
const MAX_UPSTREAMS: usize = 3;
/// Requests in flight, each with a socket.
const MAX_IN_FLIGHT: usize = 512;
const MAX_IN_FLIGHT_PER_SOURCE: usize = 128;

/// Relays requests to upstreams.
#[derive(Debug)]
pub(crate) struct Forwarder {
    host: ArcSwap<Vec<SocketAddr>>,
    /// Where we listen ourselves. To ask there would be a loop.
    ours: ArcSwap<HashSet<SocketAddr>>,
    in_flight: Arc<Limit>,
}

impl Default for Forwarder {
    fn default() -> Self {
        Self {
            host: ArcSwap::default(),
            ours: ArcSwap::default(),
            in_flight: Limit::new(MAX_IN_FLIGHT, MAX_IN_FLIGHT_PER_SOURCE),
        }
    }
}

impl Forwarder {
    pub(crate) fn set_host_upstreams(&self, upstreams: Vec<SocketAddr>) {
        self.host.store(Arc::new(upstreams));
    }

    pub(crate) fn set_our_addresses(&self, ours: HashSet<SocketAddr>) {
        self.ours.store(Arc::new(ours));
    }

    /// The right to ask once; none when too many requests are in flight.
    pub(crate) fn admit(&self, source: IpAddr) -> Option<Permit> {
        self.in_flight.admit(source)
    }

    /// The response of the first upstream that has one; none if none has, within [`DEADLINE`].
    pub(crate) async fn ask(&self, forward: &Forward, transport: Transport, _permit: Permit) -> Option<Vec<u8>> {
        let deadline = Instant::now() + DEADLINE;
        let mut servers = self.servers(&forward.upstreams);
        if let [only] = servers[..] {
            // A datagram may be lost; then the second try is the same server's.
            servers.push(only);
        }
        let mut failure = None;
        for (tried, &server) in servers.iter().enumerate() {
            let now = Instant::now();
            let left = u32::try_from(servers.len() - tried).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(now) / left;
            match timeout_at(now + share, exchange(forward, server, transport)).await {
                Ok(Ok(Reply::Usable(response))) => return Some(response),
                Ok(Ok(Reply::ServerFailure(response))) => failure = failure.or(Some(response)),
                Ok(Ok(Reply::Refused)) => tracing::debug!(addr = %server, "upstream refused"),
                Ok(Err(error)) => tracing::debug!(addr = %server, %error, "upstream gave no answer"),
                Err(_) => tracing::debug!(addr = %server, "upstream gave no answer in time"),
            }
        }
        failure
    }

    /// The upstreams to try, in order.
    fn servers(&self, upstreams: &Upstreams) -> Vec<SocketAddr> {
        let host = self.host.load();
        let servers: &[SocketAddr] = match upstreams {
            Upstreams::None => &[],
            Upstreams::Host => &host,
            Upstreams::Own(own) => own,
        };
        let ours = self.ours.load();
        let is_other = |server: &&SocketAddr| !ours.contains(*server);
        servers.iter().filter(is_other).take(MAX_UPSTREAMS).copied().collect()
    }
}

/// One request and its response. A response that is cut is asked for again over TCP, if the client came by TCP.
async fn exchange(forward: &Forward, server: SocketAddr, transport: Transport) -> io::Result<Reply> {
    let mut response = over_udp(forward, server).await?;
    if transport == Transport::Tcp && response.is_truncated() {
        response = over_tcp(forward, server).await?;
    }
    Ok(response.relay(forward))
}

/// A socket of its own, so that the kernel chooses a port that cannot be guessed (RFC 5452 9.2), connected, so that it
/// takes datagrams of this server only and hears when nobody listens there.
async fn over_udp(forward: &Forward, server: SocketAddr) -> io::Result<Response> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let id = fresh_id()?;
    socket.send(&with_id(&forward.request, id)).await?;
    let mut buffer = vec![0; MAX_UDP_RESPONSE + 1];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let octets = buffer.get(..length).unwrap_or_default();
        // What does not match is forged, or late: the next one may be it.
        if let Some(response) = Response::matching(octets, id, forward) {
            return Ok(response);
        }
    }
}

async fn over_tcp(forward: &Forward, server: SocketAddr) -> io::Result<Response> {
    let mut stream = TcpStream::connect(server).await?;
    let id = fresh_id()?;
    frame::write(&mut stream, &with_id(&forward.request, id)).await?;
    let octets = Frames::new(usize::from(u16::MAX)).next(&mut stream).await?;
    let octets = octets.ok_or(io::ErrorKind::UnexpectedEof)?;
    Response::matching(&octets, id, forward).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn fresh_id() -> io::Result<[u8; 2]> {
    let mut id = [0; 2];
    getrandom(&mut id, GetRandomFlags::empty())?;
    Ok(id)
}
