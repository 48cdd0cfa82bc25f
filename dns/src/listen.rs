//! Where the server listens, and how such sockets are opened.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::NetworkId;
use crate::inherit::Inherited;
use crate::worker::LONGEST_WAIT;

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 128;

/// Octets that the kernel keeps for each connection and direction. By itself it would keep megabytes for clients that
/// do not read.
const TCP_BUFFER: usize = 64 * 1024;

/// One address to answer on, over UDP and TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The bridge that questions must come over; none = any device.
    pub device: Option<Device>,
    /// The address of the host in the network: questions come to it and answers come from it.
    pub address: IpAddr,
    /// The port of UDP and TCP: 53, but where another program has that.
    pub port: u16,
    /// The networks that are served here; two may share a bridge and a gateway address.
    pub networks: Vec<NetworkId>,
}

/// A network device. A device made anew under the same name has another index, and sockets bound to the old one are
/// deaf.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// Its name, such as `br-web`.
    pub name: String,
    /// Its index.
    pub index: u32,
}

/// A listener that could not be opened.
#[derive(Debug, Error)]
#[error("listen for DNS on {}{}", .listener.address, on_device(.listener))]
pub struct BindError {
    /// The listener.
    pub listener: Listener,
    /// What the kernel said.
    pub source: io::Error,
}

/// The two sockets of a listener.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) udp: Arc<UdpSocket>,
    pub(crate) tcp: Arc<TcpListener>,
}

impl Listener {
    /// Where it listens.
    pub(crate) fn socket_address(&self) -> SocketAddr {
        match self.address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                let scope = self.device.as_ref().map_or(0, |device| device.index);
                SocketAddrV6::new(v6, self.port, 0, scope).into()
            }
            address => (address, self.port).into(),
        }
    }

    /// Its sockets, of those that were inherited where they are there, and another descriptor of that of UDP: there may be none
    /// when it is needed.
    pub(crate) fn open(&self, inherited: &mut Inherited) -> io::Result<(Sockets, UdpSocket)> {
        let udp = inherited.take(self, Type::DGRAM).map_or_else(|| self.bind(Type::DGRAM), Ok)?;
        udp.set_read_timeout(Some(LONGEST_WAIT))?;
        let tcp = inherited.take(self, Type::STREAM).map_or_else(|| self.listen(), Ok)?;
        let udp = UdpSocket::from(udp);
        let spare = udp.try_clone()?;
        Ok((Sockets { udp: Arc::new(udp), tcp: Arc::new(TcpListener::from_std(tcp.into())?) }, spare))
    }

    fn listen(&self) -> io::Result<Socket> {
        let tcp = self.bind(Type::STREAM)?;
        // Accepted connections inherit these.
        tcp.set_send_buffer_size(TCP_BUFFER)?;
        tcp.set_recv_buffer_size(TCP_BUFFER)?;
        tcp.listen(BACKLOG)?;
        Ok(tcp)
    }

    fn bind(&self, kind: Type) -> io::Result<Socket> {
        let address = self.socket_address();
        let socket = Socket::new(Domain::for_address(address), kind, None)?;
        socket.set_nonblocking(true)?;
        // The address may come to the bridge after us, or be in duplicate address detection.
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
        } else {
            socket.set_freebind_v4(true)?;
        }
        // Connections of an earlier process in TIME_WAIT must not keep us out. Not for UDP: there it would let two
        // servers share the port, and one of them go deaf without an error.
        socket.set_reuse_address(kind == Type::STREAM)?;
        // Before the address: two bridges may have the same one, and that is a conflict only on one device.
        socket.bind_device(self.device.as_ref().map(|device| device.name.as_bytes()))?;
        socket.bind(&address.into())?;
        Ok(socket)
    }
}

impl BindError {
    /// Whether another program has the port.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

impl Sockets {
    /// The same once more, for who keeps them open: UDP, then TCP.
    pub(crate) fn again(&self) -> io::Result<[OwnedFd; 2]> {
        Ok([self.udp.as_fd().try_clone_to_owned()?, self.tcp.as_fd().try_clone_to_owned()?])
    }
}

fn on_device(listener: &Listener) -> String {
    listener.device.as_ref().map(|device| format!(" on {:?}", device.name)).unwrap_or_default()
}
