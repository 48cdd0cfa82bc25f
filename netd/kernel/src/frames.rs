//! Sockets in a container's namespace that need no address of it: Ethernet frames of one interface, and UDP over IPv6
//! between neighbours. Who speaks DHCP uses them; they are made here, because only here a thread enters a namespace.
//!
//! An open socket keeps its namespace alive: whoever has one lets go of it as soon as nothing is to be heard.

use std::{
    io,
    net::{Ipv6Addr, SocketAddrV6, UdpSocket},
    os::fd::OwnedFd,
};

use netd_model::{attachment::Namespace, name::LinkName};
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType,
    addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque},
    bind, send, socket_with,
};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::{error::Error, facts::link_index, netns::Netns};

const ETH_P_IP: u16 = 0x0800;

/// `struct sockaddr_ll`, packet(7), as far as bind(2) reads it.
#[repr(C)]
struct LinkAddress {
    family: u16,
    /// In the order of the network.
    protocol: u16,
    index: i32,
    kind: u16,
    packet_type: u8,
    length: u8,
    address: [u8; 8],
}

#[expect(unsafe_code, reason = "rustix has no address of a link for bind(2)")]
// SAFETY: the pointer and the length are those of a whole `struct sockaddr_ll`, which lives during the call.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(&self, f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R) -> R {
        let length = const { size_of::<Self>() };
        f((&raw const *self).cast(), SocketAddrLen::try_from(length).unwrap_or_default())
    }
}

impl Netns {
    /// A socket, which does not block, for the frames of an interface: sends any, receives those with UDP over IPv4 to
    /// this port, or without a port none.
    ///
    /// # Errors
    /// There is no such interface, or the right is missing (`CAP_NET_RAW`, and `CAP_SYS_ADMIN` to enter).
    pub fn frames(&self, link: &LinkName, port: Option<u16>) -> Result<OwnedFd, Error> {
        self.inside(link, |index| {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            // Without a protocol nothing is received before filter and interface are there.
            let mut socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
            if let Some(port) = port {
                let filtered = Socket::from(socket);
                filtered.attach_filter(&udp_to(port))?;
                socket = filtered.into();
            }
            bind(&socket, &address(index, port.map_or(0, |_| ETH_P_IP)))?;
            Ok(socket)
        })
    }

    /// Sends a frame by an interface.
    ///
    /// # Errors
    /// As [`Netns::frames`], or the interface is down.
    fn send_frame(&self, link: &LinkName, frame: &[u8]) -> Result<(), Error> {
        let socket = self.frames(link, None)?;
        let attempt = || format!("send a frame by {link}");
        send(&socket, frame, SendFlags::empty())
            .map(drop)
            .map_err(|errno| Error::Io { attempt: attempt(), source: errno.into() })
    }

    /// A socket, which does not block, for UDP over IPv6 from this port of an interface to a neighbour or a group there.
    ///
    /// # Errors
    /// As [`Netns::frames`]; also while the interface has no address of its own there yet.
    pub fn neighbours(&self, link: &LinkName, port: u16, to: (Ipv6Addr, u16)) -> Result<Talk, Error> {
        self.inside(link, |index| {
            let socket = Socket::new(Domain::IPV6, Type::DGRAM.cloexec().nonblocking(), Some(Protocol::UDP))?;
            socket.set_only_v6(true)?;
            // Other interfaces of the container have the port as well.
            socket.set_reuse_address(true)?;
            socket.bind_device(Some(link.as_str().as_bytes()))?;
            socket.bind(&SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0).into())?;
            let to = SocketAddrV6::new(to.0, to.1, 0, index);
            // Which of its addresses the interface sends from, only a socket that is connected says.
            let probe = Socket::new(Domain::IPV6, Type::DGRAM.cloexec(), Some(Protocol::UDP))?;
            probe.connect(&to.into())?;
            let own = probe.local_addr()?.as_socket_ipv6().map_or(Ipv6Addr::UNSPECIFIED, |own| *own.ip());
            Ok(Talk { socket: socket.into(), own, to })
        })
    }

    fn inside<T>(&self, link: &LinkName, work: impl FnOnce(u32) -> io::Result<T>) -> Result<T, Error> {
        let attempt = || format!("open a socket on {link} of the container");
        let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no such interface");
        let done = self.within(|| work(link_index(link).ok_or_else(missing)?));
        done.flatten().map_err(|source| Error::Io { attempt: attempt(), source })
    }
}

/// Sends a frame by an interface of a container, if its namespace is still there; whether it is.
///
/// # Errors
/// There is no such interface, it is down, or a right is missing.
pub fn send_frame_in(netns: &Namespace, link: &LinkName, frame: &[u8]) -> Result<bool, Error> {
    let is_same = |found: &Netns| found.identity() == netns;
    match Netns::open(&netns.path)?.filter(is_same) {
        Some(netns) => netns.send_frame(link, frame).map(|()| true),
        None => Ok(false),
    }
}

/// A socket for UDP over IPv6, and between whom.
#[derive(Debug)]
pub struct Talk {
    /// The socket, not connected: an answer comes from another address than the question went to.
    pub socket: UdpSocket,
    /// The interface's own address.
    pub own: Ipv6Addr,
    /// Where to send.
    pub to: SocketAddrV6,
}

fn address(index: u32, protocol: u16) -> LinkAddress {
    let family = AddressFamily::PACKET.as_raw();
    let (kind, packet_type, length, address) = (0, 0, 0, [0; 8]);
    LinkAddress { family, protocol: protocol.to_be(), index: index.cast_signed(), kind, packet_type, length, address }
}

/// Frames with UDP over IPv4 to `port`, whole or the first fragment: tcpdump's `udp dst port`.
fn udp_to(port: u16) -> [SockFilter; 11] {
    const UDP: u32 = 17;
    let (load_half, load_byte, load_half_at, header_length) = (0x28, 0x30, 0x48, 0xb1);
    let (is_equal, has_bits, end) = (0x15, 0x45, 0x06);
    [
        SockFilter::new(load_half, 0, 0, 12),
        SockFilter::new(is_equal, 0, 8, ETH_P_IP.into()),
        SockFilter::new(load_byte, 0, 0, 23),
        SockFilter::new(is_equal, 0, 6, UDP),
        SockFilter::new(load_half, 0, 0, 20),
        SockFilter::new(has_bits, 4, 0, 0x1fff),
        SockFilter::new(header_length, 0, 0, 14),
        SockFilter::new(load_half_at, 0, 0, 16),
        SockFilter::new(is_equal, 0, 1, port.into()),
        SockFilter::new(end, 0, 0, 0xffff),
        SockFilter::new(end, 0, 0, 0),
    ]
}
