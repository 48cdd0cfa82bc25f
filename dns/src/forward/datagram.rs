//! A question to an upstream over UDP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;

use super::plain::Query;
use super::spelling::fresh_id;
use crate::response::{MAX_UDP_RESPONSE, Response, with_id};

/// Why there is no response.
#[derive(Debug)]
pub(super) enum Fault {
    /// There is no socket, or no port for it: nothing is known of the upstream.
    Ours(io::Error),
    /// It cannot be reached.
    Theirs(io::Error),
}

/// A socket of its own, so that the kernel chooses a port that cannot be guessed (RFC 5452 9.2), connected, so that it
/// takes datagrams of this server only and hears when nobody listens there.
pub(super) async fn ask(server: SocketAddr, query: &Query) -> Result<Response, Fault> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await.map_err(Fault::Ours)?;
    socket.connect(server).await.map_err(Fault::Theirs)?;
    let id = fresh_id().map_err(Fault::Ours)?;
    socket.send(&with_id(&query.octets, id)).await.map_err(Fault::Theirs)?;
    let mut buffer = vec![0; MAX_UDP_RESPONSE + 1];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(Fault::Theirs)?;
        // What does not match is forged, or late: the next one may be it.
        if let Some(response) = Response::matching(buffer.get(..length).unwrap_or_default(), id, query) {
            return Ok(response);
        }
    }
}
