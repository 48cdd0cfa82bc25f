//! Owns: UDP and TCP port 53.
//! Never: kernel objects, files, our other crates.
//!
//! Data flows one way: [`Network`]s -> [`ZonesBuilder`] -> [`Zones`] (an immutable snapshot) -> [`answer`] -> socket.
//! Everything before the socket is pure; [`Server`] swaps one snapshot for the next and never changes one.

mod id;
mod name;
mod network;
mod server;
mod snapshot;
mod zone;

pub use id::{ContainerId, NetworkId};
pub use name::{Name, NameError};
pub use network::{Attachment, Network, Upstreams};
pub use server::{BindError, Device, Listener, Server};
pub use snapshot::{Zones, ZonesBuilder};
