//! Sockets that an earlier server listened with. What each is, the kernel says: whoever kept them may have lost its notes.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use socket2::{Socket, Type};

use crate::Listener;

/// Sockets that no listener uses yet.
#[derive(Debug, Default)]
pub(crate) struct Inherited(Vec<One>);

#[derive(Debug)]
struct One {
    socket: Socket,
    kind: Type,
    address: SocketAddr,
    /// The name of the device that it is bound to.
    device: Option<Vec<u8>>,
}

impl Inherited {
    /// Takes the one of this kind that a listener would open.
    pub(crate) fn take(&mut self, listener: &Listener, kind: Type) -> Option<Socket> {
        let device = listener.device.as_ref().map(|device| device.name.as_bytes());
        let is_it =
            |one: &One| one.kind == kind && one.address == listener.socket_address() && one.device.as_deref() == device;
        let place = self.0.iter().position(is_it)?;
        Some(self.0.swap_remove(place).socket)
    }
}

/// Closes those that cannot be a listener's.
impl FromIterator<OwnedFd> for Inherited {
    fn from_iter<I: IntoIterator<Item = OwnedFd>>(sockets: I) -> Self {
        Self(sockets.into_iter().filter_map(|socket| One::of(socket.into())).collect())
    }
}

impl One {
    fn of(socket: Socket) -> Option<Self> {
        let kind = socket.r#type().ok()?;
        let address = socket.local_addr().ok()?.as_socket()?;
        // An error says that the device is gone: one that is made anew under its name is another, and the socket deaf.
        let device = socket.device().ok()?;
        let listens = kind == Type::DGRAM || socket.is_listener().ok()?;
        socket.set_nonblocking(true).ok()?;
        listens.then_some(Self { socket, kind, address, device })
    }
}
