//! What the server is told: networks, and the containers attached to them.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnetwork::IpNetwork;

use crate::{ContainerId, Name, NetworkId};

/// A network: one domain, served to the containers attached to it and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its key; [`Listener::networks`](crate::Listener::networks) names it by this.
    pub id: NetworkId,
    /// The domain that its names are below, such as `web.internal`.
    pub domain: Name,
    /// Its subnets. A source in none of them, and known as no attachment, gets no answer.
    pub subnets: Vec<IpNetwork>,
    /// Addresses of the host in this network; `host.<domain>` has them.
    pub gateways: Vec<IpAddr>,
    /// Subnets that are near: in an answer their addresses come before others.
    pub near: Vec<IpNetwork>,
    /// Who is asked for names that are not ours.
    pub upstreams: Upstreams,
    /// Whether names of one label that nobody bears are asked of the upstreams.
    pub forward_single_label: bool,
    /// The containers on it.
    pub attachments: Vec<Attachment>,
}

/// One container in one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The container; it sees the names of all networks where an attachment has this key.
    pub container: ContainerId,
    /// Its addresses in this network.
    pub addresses: Vec<IpAddr>,
    /// Its names relative to the network's domain, such as `db`; the first is its own and stands in PTR records.
    /// They resolve bare too. Several containers may bear one name.
    pub names: Vec<Name>,
    /// Time to live of its records in seconds. Low: a dead container's address must not live on in caches.
    pub ttl: u32,
}

/// Where a network's forwarded questions go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstreams {
    /// Nowhere: the network is internal, and names that are not ours do not exist. A container that is on another
    /// network too forwards through that, whichever gateway it asks.
    None,
    /// To the host's own, see [`Server::set_upstreams`](crate::Server::set_upstreams).
    Host,
    /// To these, tried in order.
    Own(Arc<[SocketAddr]>),
}
