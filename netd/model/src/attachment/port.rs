//! Ports of the host that lead elsewhere.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use crate::{
    element::{Data, Element, Part, Set, Transport},
    object::Object,
};

/// A port of the host and where it leads: to a container, or to another port of the host for who comes over a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedPort {
    /// The address and port of the host; an unspecified address is all of its family.
    pub at: SocketAddr,
    /// The protocol.
    pub transport: Transport,
    /// The address and port there.
    pub to: SocketAddr,
}

impl PublishedPort {
    /// The port that this element publishes or redirects, if it is one of that kind.
    pub fn of(object: &Object) -> Option<Self> {
        let Object::Element(Element { key, data: Some(Data::To(address, container)), .. }) = object else {
            return None;
        };
        let all: IpAddr = match key.set {
            Set::Published4 => Ipv4Addr::UNSPECIFIED.into(),
            _ => Ipv6Addr::UNSPECIFIED.into(),
        };
        let (at, transport, port) = match *key.parts.as_slice() {
            [Part::Transport(transport), Part::Port(port)] => (all, transport, port),
            [Part::Ipv4(at), Part::Transport(transport), Part::Port(port)]
            | [Part::Link(_), Part::Ipv4(at), Part::Transport(transport), Part::Port(port)] => {
                (at.into(), transport, port)
            }
            [Part::Ipv6(at), Part::Transport(transport), Part::Port(port)]
            | [Part::Link(_), Part::Ipv6(at), Part::Transport(transport), Part::Port(port)] => {
                (at.into(), transport, port)
            }
            _ => return None,
        };
        Some(Self { at: SocketAddr::new(at, port), transport, to: SocketAddr::new(*address, *container) })
    }
}

/// `0.0.0.0:8080/tcp -> 10.1.0.7:80`.
impl fmt::Display for PublishedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} -> {}", self.at, self.transport, self.to)
    }
}
