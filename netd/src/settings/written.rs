//! The file as it is written: every key, and what its value alone may be.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
};

use ipnetwork::IpNetwork;
use netd_model::{
    addr::Mtu,
    name::{HostName, LinkName, NetworkName},
    overlay::{Mode, Vni},
    upstream::{Upstream, discord},
};
use serde::{Deserialize, de};

/// The longest name of a cluster: it stands in keys of a store.
const LONGEST_CLUSTER: usize = 63;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default, deserialize_with = "directory")]
    pub(super) run_dir: Option<PathBuf>,
    #[serde(default, deserialize_with = "directory")]
    pub(super) state_dir: Option<PathBuf>,
    #[serde(default, deserialize_with = "upstreams")]
    pub(super) upstreams: Vec<Upstream>,
    #[serde(default, deserialize_with = "directory")]
    pub(super) upstream_ca_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "split_domains")]
    pub(super) split_domains: BTreeMap<HostName, Vec<Upstream>>,
    pub(super) log: Option<Filter>,
    pub(super) query_log: Option<QueryLog>,
    pub(super) gc: Option<bool>,
    #[serde(default, deserialize_with = "directory")]
    pub(super) cni_conf_dir: Option<PathBuf>,
    #[serde(default, deserialize_with = "directory")]
    pub(super) dhcp_socket: Option<PathBuf>,
    #[serde(default)]
    pub(super) host: Host,
    #[serde(default)]
    pub(super) cluster: Cluster,
    #[serde(default, rename = "network")]
    pub(super) networks: Vec<Network>,
}

/// `[query_log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryLog {
    /// Where the lines go.
    #[serde(deserialize_with = "absolute")]
    pub(crate) file: PathBuf,
    /// One question in so many is logged, by chance.
    #[serde(default = "each")]
    pub(crate) sample: NonZeroU32,
}

/// `[host]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    #[serde(default, deserialize_with = "host_name")]
    pub(super) name: Option<HostName>,
    pub(super) address: Option<IpAddr>,
    pub(super) interface: Option<LinkName>,
    pub(super) checksum_offload: Option<bool>,
}

/// `[cluster]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    #[serde(default, deserialize_with = "cluster_name")]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) store: Store,
    #[serde(default, deserialize_with = "directory")]
    pub(super) peers: Option<PathBuf>,
    /// Looked at later: a mistake that is found here is shown with its line, and a key is not to be shown.
    pub(super) key: Option<String>,
    #[serde(default, deserialize_with = "port")]
    pub(super) sync_port: Option<u16>,
    #[serde(default, deserialize_with = "seconds")]
    pub(super) ttl: Option<u16>,
    pub(super) endpoints: Option<Vec<Endpoint>>,
    pub(super) user: Option<String>,
    /// Looked at later, as the key.
    pub(super) password: Option<String>,
    #[serde(default, deserialize_with = "directory")]
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "directory")]
    pub(super) cert_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "directory")]
    pub(super) key_file: Option<PathBuf>,
    pub(super) lease_retention: Option<u32>,
}

/// `http://192.0.2.9:2379`: where a member of etcd is.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Endpoint {
    /// The address.
    pub(super) address: SocketAddr,
    /// Whether it speaks TLS.
    pub(super) is_tls: bool,
}

/// `cluster.store`
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum Store {
    #[default]
    /// There is one host.
    None,
    /// Hosts stand in a file.
    Static,
    /// Hosts find each other in etcd.
    Etcd,
}

/// `[[network]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    pub(crate) name: NetworkName,
    #[serde(rename = "driver")]
    pub(crate) _driver: Driver,
    #[serde(default)]
    pub(crate) mode: Mode,
    pub(crate) subnet: Vec<IpNetwork>,
    pub(crate) host_prefix: Option<Vec<u8>>,
    pub(crate) vni: Option<Vni>,
    #[serde(default, deserialize_with = "port")]
    pub(crate) port: Option<u16>,
    pub(crate) masquerade: Option<bool>,
    #[serde(default, deserialize_with = "host_name")]
    pub(crate) domain: Option<HostName>,
    pub(crate) internal: Option<bool>,
    pub(crate) mtu: Option<Mtu>,
    pub(crate) direct: Option<bool>,
    pub(crate) prefer_local: Option<bool>,
}

/// `network.driver`: how packets of a network go from host to host.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Driver {
    /// In VXLAN.
    Overlay,
}

/// What tracing-subscriber's `EnvFilter` reads.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Filter(pub(super) String);

impl TryFrom<String> for Store {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "none" => Ok(Self::None),
            "static" => Ok(Self::Static),
            "etcd" => Ok(Self::Etcd),
            _ => Err(format!("store {text:?} is not \"none\", \"static\" or \"etcd\"")),
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // An address and no name: who serves names must not need one to begin.
        let wrong = || {
            format!("{text:?} is not where etcd is, as in \"http://192.0.2.9:2379\" or \"https://[2001:db8::9]:2379\"")
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let is_tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let is_name = |host: &str| !host.contains(':') && host.contains(|of_name: char| of_name.is_ascii_alphabetic());
        let address = rest.parse().map_err(|_| match rest.rsplit_once(':') {
            Some((host, _)) if is_name(host) => {
                format!("{text:?} must be an address, not a name, as in \"http://192.0.2.9:2379\"")
            }
            _ => wrong(),
        })?;
        Ok(Self { address, is_tls })
    }
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match tracing_subscriber::EnvFilter::try_new(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(format!("{text:?} is not a log filter, as in \"info,dns=debug\": {error}")),
        }
    }
}

fn each() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// A path that means the same whatever directory a program was started in.
fn absolute<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(de::Error::custom(format!("{} is not an absolute path", path.display())))
    }
}

fn directory<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    absolute(deserializer).map(Some)
}

/// Servers that can be asked one after the other.
fn upstreams<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Vec<Upstream>, D::Error> {
    let upstreams = Vec::deserialize(deserializer)?;
    match discord(&upstreams) {
        None => Ok(upstreams),
        Some(rule) => Err(de::Error::custom(format!("upstreams: {rule}"))),
    }
}

/// Domain -> servers.
fn split_domains<'de, D: de::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<HostName, Vec<Upstream>>, D::Error> {
    let mut domains = BTreeMap::new();
    for (text, upstreams) in BTreeMap::<String, Vec<Upstream>>::deserialize(deserializer)? {
        let domain = HostName::written(&text).map_err(|error| de::Error::custom(format!("split_domains: {error}")))?;
        if let Some(rule) = discord(&upstreams) {
            return Err(de::Error::custom(format!("split_domains: {text:?}: {rule}")));
        }
        if domains.insert(domain, upstreams).is_some() {
            return Err(de::Error::custom(format!("split_domains: {text:?} is there twice")));
        }
    }
    Ok(domains)
}

/// A name as people write it, in any case.
fn host_name<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Option<HostName>, D::Error> {
    HostName::written(&String::deserialize(deserializer)?).map(Some).map_err(de::Error::custom)
}

/// A name that can stand in a key of a store, and in a path.
fn cluster_name<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=LONGEST_CLUSTER).contains(&name.len()) && name.bytes().all(is_good) {
        Ok(Some(name))
    } else {
        let rule = format!("is not 1 to {LONGEST_CLUSTER} letters, digits, - and _");
        Err(de::Error::custom(format!("cluster name {name:?} {rule}")))
    }
}

/// A port that can be sent to.
fn port<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    match u16::deserialize(deserializer)? {
        0 => Err(de::Error::custom("port 0 is not one that can be sent to")),
        port => Ok(Some(port)),
    }
}

/// A time of an hour at most, and not none.
fn seconds<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let seconds = u16::deserialize(deserializer)?;
    if (1..=3600).contains(&seconds) {
        Ok(Some(seconds))
    } else {
        Err(de::Error::custom(format!("{seconds} is not 1 to 3600 seconds")))
    }
}
