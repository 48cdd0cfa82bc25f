//! This host, and the cluster that it is one of.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use netd_model::name::{HostName, LinkName};

use super::written;

/// The peers file when nothing else is said.
const PEERS: &str = "/etc/netd/peers.toml";

/// Where hosts ask each other for names when nothing else is said.
const SYNC_PORT: u16 = 7790;

/// How long a host may be silent before its names are withdrawn, in seconds, when nothing else is said.
const TTL: u16 = 15;

/// How long a host's parts of networks stay its own while it is not there, in seconds, when nothing else is said.
const LEASE_RETENTION: u32 = 24 * 60 * 60;

/// The longest key.
const LONGEST_KEY: usize = 256;

/// This host as others know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its name: by default that of the machine.
    pub(crate) name: HostName,
    /// Where others reach it; by default whatever the store says.
    pub(crate) place: Option<Place>,
    /// Whether the network card computes checksums of what is in VXLAN; by default where that is sound.
    pub(crate) checksum_offload: Option<bool>,
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
    /// In etcd.
    Etcd(Etcd),
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

/// A cluster whose hosts publish what they have in etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Etcd {
    /// Its members; one is enough, another is asked when it does not answer.
    pub(crate) endpoints: Vec<SocketAddr>,
    /// Whether they speak TLS, and with what files.
    pub(crate) tls: Option<Tls>,
    /// Who netd is there.
    pub(crate) user: Option<(String, Key)>,
    /// How long a host may be silent before its names are withdrawn.
    pub(crate) ttl: Duration,
    /// How long a host's parts of networks stay its own while it is not there.
    pub(crate) lease_retention: Duration,
}

/// Files of PEM text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Who signs the certificates of etcd.
    pub(crate) ca: Option<PathBuf>,
    /// The certificate of this host and its key.
    pub(crate) own: Option<(PathBuf, PathBuf)>,
}

/// A secret that hosts share: 1 to 256 visible characters of ASCII. It is in no log line.
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
            (None, Err(error), Store::Static(_) | Store::Etcd(_)) => {
                return Err(format!("host.name is not there, and the machine's name is of no use: {error}"));
            }
        };
        Ok(Self { name, place, checksum_offload: written.checksum_offload })
    }
}

impl Cluster {
    pub(super) fn resolve(written: written::Cluster) -> Result<Self, String> {
        let name = written.name.clone().unwrap_or_else(|| "default".to_owned());
        let store = match written.store {
            written::Store::None => Store::None,
            written::Store::Static => Store::Static(Static::resolve(written)?),
            written::Store::Etcd => Store::Etcd(Etcd::resolve(written)?),
        };
        Ok(Self { name, store })
    }
}

impl Static {
    fn resolve(written: written::Cluster) -> Result<Self, String> {
        Ok(Self {
            peers: written.peers.unwrap_or_else(|| PEERS.into()),
            key: written.key.map(|key| Key::parse("key", key)).transpose()?,
            sync_port: written.sync_port.unwrap_or(SYNC_PORT),
            ttl: ttl(written.ttl),
        })
    }
}

impl Etcd {
    fn resolve(written: written::Cluster) -> Result<Self, String> {
        let endpoints = written.endpoints.unwrap_or_default();
        let Some(first) = endpoints.first() else {
            return Err("cluster.endpoints names no member of etcd, as in [\"http://192.0.2.9:2379\"]".to_owned());
        };
        let is_tls = first.is_tls;
        if endpoints.iter().any(|endpoint| endpoint.is_tls != is_tls) {
            return Err("cluster.endpoints has http:// and https://: all members speak one of them".to_owned());
        }
        let own = match (written.cert_file, written.key_file) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => return Err("cluster.cert_file and cluster.key_file go together".to_owned()),
        };
        let tls = Tls { ca: written.ca_file, own };
        if !is_tls && tls != Tls::default() {
            return Err("cluster.ca_file, cert_file and key_file are for endpoints of https://".to_owned());
        }
        let user = match (written.user, written.password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user, Key::parse("password", password)?)),
            _ => return Err("cluster.user and cluster.password go together".to_owned()),
        };
        let ttl = ttl(written.ttl);
        let lease_retention = Duration::from_secs(written.lease_retention.unwrap_or(LEASE_RETENTION).into());
        if lease_retention < ttl {
            return Err("cluster.lease_retention is below cluster.ttl".to_owned());
        }
        let endpoints = endpoints.into_iter().map(|endpoint| endpoint.address).collect();
        Ok(Self { endpoints, tls: is_tls.then_some(tls), user, ttl, lease_retention })
    }
}

fn ttl(written: Option<u16>) -> Duration {
    Duration::from_secs(written.unwrap_or(TTL).into())
}

impl Key {
    /// The value of a setting.
    pub(crate) fn parse(setting: &str, text: String) -> Result<Self, String> {
        if !(1..=LONGEST_KEY).contains(&text.len()) {
            return Err(format!("cluster.{setting} has {} bytes, not 1 to {LONGEST_KEY}", text.len()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("cluster.{setting} has a character that is not a visible one of ASCII"));
        }
        Ok(Self(text))
    }

    /// The key, for who sends or compares it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
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
