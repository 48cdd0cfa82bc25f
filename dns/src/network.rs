//! What the server is told: networks, and the containers attached to them.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use thiserror::Error;

use crate::{ContainerId, Name, NetworkId, Upstream};

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
    /// Who is asked for names in certain domains. The longest domain counts.
    pub split_domains: Vec<SplitDomain>,
    /// Whether names of one label that nobody bears are asked of the upstreams.
    pub forward_single_label: bool,
    /// Records that no container has. An alias holds where nobody bears its name.
    pub records: Vec<StaticRecord>,
    /// The containers on it.
    pub attachments: Vec<Attachment>,
}

/// A record of the network's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRecord {
    /// Its name, relative to the network's domain; it resolves bare too.
    pub name: Name,
    /// What it says.
    pub data: StaticData,
    /// Time to live in seconds.
    pub ttl: u32,
}

/// What a [`StaticRecord`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StaticData {
    /// A or AAAA.
    Address(IpAddr),
    /// TXT
    Text(Text),
    /// CNAME, to a whole name, which may be one that upstreams are asked for.
    Alias(Name),
}

/// One container in one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The container; it sees the names of all networks where an attachment has this key.
    pub container: ContainerId,
    /// Its addresses in this network.
    pub addresses: Vec<IpAddr>,
    /// Its names relative to the network's domain, such as `db`; its own, which stands in PTR records, is the first
    /// that no other attachment bears. They resolve bare too. Several containers may bear one name, and one as `*.db`
    /// stands for all below `db` that nobody bears (RFC 4592).
    pub names: Vec<Name>,
    /// Ports that it serves under each of its names: they make SRV records (RFC 2782).
    pub ports: Vec<Port>,
    /// What is said about it at its own name, a TXT record each (RFC 1035 3.3.14).
    pub texts: Vec<Text>,
    /// Whether it is to be found. Of one that is not, everything is there but its addresses and ports.
    pub is_healthy: bool,
    /// Who is asked for names that are not ours on behalf of this container; else the network's.
    pub upstreams: Option<Arc<[Upstream]>>,
    /// Time to live of its records in seconds. Low: a dead container's address must not live on in caches.
    pub ttl: u32,
}

/// A port with the name that it is asked by: `_http._tcp.web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, one label without `_`; those that have none are asked by their number.
    pub name: Name,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The port of the container.
    pub number: u16,
}

/// What a port is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `_tcp`
    Tcp,
    /// `_udp`
    Udp,
    /// `_sctp`
    Sctp,
}

/// A text of at most 255 octets, as one string of a TXT record has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Arc<str>);

/// A text of more than 255 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a text of {0} octets is longer than 255")]
pub struct TextError(usize);

impl Protocol {
    /// The second label of an SRV record's name, without `_`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl Text {
    /// The octets of the string.
    pub(crate) fn octets(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Text {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.len() > usize::from(u8::MAX) {
            return Err(TextError(text.len()));
        }
        Ok(Self(text.into()))
    }
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
    Own(Arc<[Upstream]>),
}

/// A domain whose names certain servers are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitDomain {
    /// The domain, such as `corp.example`.
    pub domain: Name,
    /// Who is asked for it and the names below it, in order. Where there are none, nobody is, and they do not exist.
    pub upstreams: Arc<[Upstream]>,
}
