//! A server that is asked for names that are not ours.

use std::fmt;
use std::net::SocketAddr;

use tokio_rustls::rustls::pki_types::ServerName;

/// A server, and how it is asked. Equal ones are asked over one connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    /// For whom its certificate must be, if it is asked over TLS (RFC 7858), and then in no other way.
    pub tls: Option<ServerName<'static>>,
}

impl From<SocketAddr> for Upstream {
    /// One that is asked over UDP and TCP.
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tls {
            None => write!(f, "{}", self.address),
            Some(name) => write!(f, "tls://{}#{}", self.address, name.to_str()),
        }
    }
}
