//! Owns: UDP and TCP port 53.
//! Never: kernel objects, files, our other crates.
//!
//! Data flows one way: [`Network`]s -> [`ZonesBuilder`] -> [`Zones`] (an immutable snapshot) -> [`respond`] -> socket.
//! Everything before the socket is pure; [`Server`] swaps one snapshot for the next and never changes one.

mod answer;
mod batch;
mod counters;
mod durations;
mod explain;
mod figures;
#[cfg(test)]
mod fixture;
mod forward;
mod frame;
mod handler;
mod header;
mod id;
mod inherit;
mod limit;
mod listen;
mod message;
mod name;
mod network;
mod notes;
mod options;
mod packet;
mod rate;
mod record;
mod response;
mod reverse;
mod server;
mod service;
mod snapshot;
mod special;
mod tcp;
mod udp;
mod upstream;
mod usual;
mod worker;
mod zone;

pub use counters::{CountedKind, Outcome};
pub use durations::Durations;
pub use explain::{Explanation, Found, Inquiry, InquiryError, Rule, What};
pub use figures::{Figures, Kept};
pub use forward::AuthoritiesError;
pub use id::{ContainerId, NetworkId};
pub use listen::{BindError, Device, Listener};
pub use message::Transport;
pub use name::{Name, NameError};
pub use network::{
    Attachment, Network, Port, Protocol, SplitDomain, StaticData, StaticRecord, Text, TextError, Upstreams,
};
pub use notes::{Note, Notes};
pub use packet::{Action, Forward, Origin, respond};
pub use server::Server;
pub use snapshot::{Zones, ZonesBuilder};
pub use upstream::Upstream;
pub use usual::{LONGEST as LONGEST_USUAL, respond_usual};
