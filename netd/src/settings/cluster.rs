//! This host, and the cluster that it is one of.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use netd_model::name::{HostName, LinkName};

use super::written;

/// The peers file when nothing else is said.
const PEERS: &str = "/etc/netd/peers.toml";

/// Where hosts ask each other for names when nothing else is said.
const SYNC_PORT: u16 = 7790;

/// How long a host may be silent before its names are withdrawn, in seconds, when nothing else is said.
const TTL: u16 = 15;

/// The longest key.
const LONGEST_KEY: usize = 256;

/// This host as others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its name: by default that of the machine.
    pub(crate) name: HostName,
    /// Where others reach it; by default whatever the store says.
    pub(crate) place: Option<Place>,
}

/// Where a host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At this address.
    Address(IpAddr),
    /// At an address of this interface.
    Interface(LinkName),
}

/// The cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// Its name, the same on all hosts.
    pub(crate) name: String,
    /// Where its hosts find each other.
    pub(crate) store: Store,
}

/// Where the hosts of a cluster find each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Store {
    /// Nowhere: there is one host.
    None,
    /// In a file that names them all.
    Static(Static),
}

/// A cluster whose hosts stand in a file, and ask each other for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Static {
    /// The file, the same on all hosts.
    pub(crate) peers: PathBuf,
    /// What a host must show to be answered.
    pub(crate) key: Option<Key>,
    /// The TCP port where every host answers.
    pub(crate) sync_port: u16,
    /// How long a host may be silent before its names are withdrawn.
    pub(crate) ttl: Duration,
}

/// A key that all hosts share: 1 to 256 visible characters of ASCII. It is in no log line.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Host {
    /// The host; `machine` is the name that the kernel knows.
    pub(super) fn resolve(written: written::Host, machine: &str, cluster: &Cluster) -> Result<Self, String> {
        let place = match (written.address, written.interface) {
            (Some(_), Some(_)) => {
                return Err("host.address and host.interface are both there, one is enough".to_owned());
            }
            (Some(address), None) => {
                if let Some(rule) = unusable(address) {
                    return Err(format!("host.address = \"{address}\" {rule}"));
                }
                Some(Place::Address(address))
            }
            (None, interface) => interface.map(Place::Interface),
        };
        let name = match (written.name, HostName::written(machine), &cluster.store) {
            (Some(name), ..) | (None, Ok(name), _) => name,
            // Nobody asks for it.
            (None, Err(_), Store::None) => HostName::written("localhost").map_err(|error| error.to_string())?,
            (None, Err(error), Store::Static(_)) => {
                return Err(format!("host.name is not there, and the machine's name is of no use: {error}"));
            }
        };
        Ok(Self { name, place })
    }
}

impl Cluster {
    pub(super) fn resolve(written: written::Cluster) -> Result<Self, String> {
        let of_hosts = Static {
            peers: written.peers.unwrap_or_else(|| PEERS.into()),
            key: written.key.map(Key::try_from).transpose()?,
            sync_port: written.sync_port.unwrap_or(SYNC_PORT),
            ttl: Duration::from_secs(written.ttl.unwrap_or(TTL).into()),
        };
        let store = match written.store {
            written::Store::None => Store::None,
            written::Store::Static => Store::Static(of_hosts),
        };
        Ok(Self { name: written.name.unwrap_or_else(|| "default".to_owned()), store })
    }
}

impl Key {
    /// The key, for who sends or compares it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if !(1..=LONGEST_KEY).contains(&text.len()) {
            return Err(format!("cluster.key has {} bytes, not 1 to {LONGEST_KEY}", text.len()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("cluster.key has a character that is not a visible one of ASCII".to_owned());
        }
        Ok(Self(text))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why no host of a cluster can be reached at an address, if that is so.
pub(crate) fn unusable(address: IpAddr) -> Option<&'static str> {
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || is_broadcast {
        Some("is not the address of one host")
    } else if is_link_local {
        Some("is link-local: it means another host on every link")
    } else if address.to_canonical() != address {
        Some("is an IPv4 address: write it as one")
    } else {
        None
    }
}
