//! The settings: a TOML file, read at the start and again at SIGHUP.

pub(crate) mod cluster;
pub(crate) mod network;
pub(crate) mod written;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use netd_model::{name::HostName, upstream::Upstream};
use thiserror::Error;

use self::{
    cluster::{Cluster, Host},
    network::Networks,
    written::{Filter, Written},
};

pub(crate) use written::QueryLog;

/// Where the settings are when nothing else is said; it need not exist.
const FILE: &str = "/etc/netd/netd.toml";

/// Where the run directory is when nothing else is said.
const RUN_DIR: &str = "/run/netd";

/// The authorities that the host believes, as Debian has them.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A settings file is a few lines.
const MAX_BYTES: u64 = 1 << 16;

/// What an operator may choose.
///
/// ```toml
/// run_dir = "/run/netd"          # as the plugins' `runDir`; else NETD_RUN_DIR
/// state_dir = "/var/lib/netd"
/// upstreams = ["192.0.2.53", "[2001:db8::53]:5353"]  # instead of those of /etc/resolv.conf
/// upstream_ca_file = "/etc/ssl/certs/ca-certificates.crt"  # who signs the certificates of tls://192.0.2.53#dns.example
/// log = "info"                   # tracing-subscriber's EnvFilter
/// gc = true                      # take back what dead containers left
/// cni_conf_dir = "/etc/cni/net.d"  # write a configuration for each overlay network there; else none is
/// dhcp_socket = "/run/cni/dhcp.sock"  # where `netd dhcp` listens; a plugin's `daemonSocketPath`
///
/// [split_domains]                # who is asked for the names in a domain
/// "corp.example" = ["10.0.0.53"]
///
/// [query_log]                    # what containers ask, one line of JSON each; else nothing is written
/// file = "/var/log/netd/queries.log"
/// sample = 100                   # one question in so many, by chance; 1 where nothing is said
///
/// [host]
/// name = "h1"                    # else the machine's
/// address = "192.168.50.1"       # where other hosts reach it; or interface = "eth0"
/// checksum_offload = true        # false: the network card computes no checksums of what is in VXLAN
///
/// [cluster]
/// name = "default"
/// store = "static"               # or "none", or "etcd"
/// ttl = 15                       # seconds of silence after which a host's names are withdrawn
/// # static
/// peers = "/etc/netd/peers.toml" # the hosts
/// key = "..."                    # what a host must show to be answered
/// sync_port = 7790               # where a host answers
/// # etcd
/// endpoints = ["http://192.0.2.9:2379"]
/// user = "netd"
/// password = "..."
/// ca_file = "/etc/netd/ca.pem"   # for https://; cert_file and key_file for a certificate of this host
/// lease_retention = 86400        # seconds that a host's parts of networks stay its own while it is not there
///
/// [[network]]
/// name = "lab"
/// driver = "overlay"
/// subnet = ["10.40.0.0/16"]      # one of IPv4, one of IPv6, or both
/// host_prefix = [24]             # the size of a host's part of each
/// mode = "routed"                # or "l2": all hosts are one link
/// vni = 77                       # else a function of the names of cluster and network
/// port = 4789
/// masquerade = true
/// domain = "lab.internal"
/// internal = false
/// direct = false                 # true: no VXLAN between hosts on one link
/// prefer_local = false           # true: in answers a host's own containers come first
/// mtu = 1450
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where plugins and netd meet.
    pub(crate) run_dir: PathBuf,
    /// What netd itself must remember over a reboot.
    pub(crate) state_dir: PathBuf,
    /// Who is asked for names that are not ours; the host's resolvers where there are none.
    pub(crate) upstreams: Vec<Upstream>,
    /// Who signs the certificates of those that are asked over TLS, in PEM.
    pub(crate) upstream_ca_file: PathBuf,
    /// Who is asked for the names in certain domains, whatever the network.
    pub(crate) split_domains: BTreeMap<HostName, Vec<Upstream>>,
    /// What is logged.
    pub(crate) log: String,
    /// Where what containers ask is logged, if at all.
    pub(crate) query_log: Option<QueryLog>,
    /// Whether what dead containers left is taken back without being asked.
    pub(crate) gc: bool,
    /// Where configurations of overlay networks are written for the runtime, if at all.
    pub(crate) cni_conf_dir: Option<PathBuf>,
    /// Where the keeper of DHCP leases listens.
    pub(crate) dhcp_socket: PathBuf,
    /// This host.
    pub(crate) host: Host,
    /// The hosts that it is one of.
    pub(crate) cluster: Cluster,
    /// Networks that span hosts.
    pub(crate) networks: Networks,
}

/// Why there are no settings.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("read settings {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file says something that is no setting.
    #[error("settings {path}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What, and on which line.
        source: Box<toml::de::Error>,
    },
    /// Two settings of the file do not go together.
    #[error("settings {path}: {reason}")]
    Conflict {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        reason: String,
    },
}

impl Settings {
    /// The settings in `file`, or in the default one where there is one; `environment` is `NETD_RUN_DIR`.
    pub(crate) fn read(file: Option<&Path>, environment: Option<OsString>) -> Result<Self, Error> {
        let path = file.unwrap_or(Path::new(FILE));
        let written = match bounded_text(path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|source| Error::Parse { path: path.to_owned(), source: source.into() })?
            }
            Err(source) if file.is_none() && source.kind() == io::ErrorKind::NotFound => Written::default(),
            Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self::resolve(written, environment, &machine)
            .map_err(|reason| Error::Conflict { path: path.to_owned(), reason })
    }

    fn resolve(written: Written, environment: Option<OsString>, machine: &str) -> Result<Self, String> {
        let environment = environment.filter(|value| !value.is_empty()).map(PathBuf::from);
        let cluster = Cluster::resolve(written.cluster)?;
        let host = Host::resolve(written.host, machine, &cluster)?;
        let networks = Networks::resolve(written.networks, &cluster.name, &host);
        Ok(Self {
            run_dir: written.run_dir.or(environment).unwrap_or_else(|| RUN_DIR.into()),
            state_dir: written.state_dir.unwrap_or_else(|| "/var/lib/netd".into()),
            upstreams: written.upstreams,
            upstream_ca_file: written.upstream_ca_file.unwrap_or_else(|| AUTHORITIES.into()),
            split_domains: written.split_domains,
            log: written.log.map_or_else(|| "info".to_owned(), |Filter(filter)| filter),
            query_log: written.query_log,
            gc: written.gc.unwrap_or(true),
            cni_conf_dir: written.cni_conf_dir,
            dhcp_socket: written.dhcp_socket.unwrap_or_else(|| netd_model::dhcp::SOCKET.into()),
            host,
            cluster,
            networks,
        })
    }
}

#[cfg(test)]
impl Settings {
    /// The settings of a file with this text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::resolve(toml::from_str(text).map_err(|error| error.to_string())?, None, "m")
    }
}

fn bounded_text(path: &Path) -> io::Result<String> {
    use io::Read;
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(io::Error::other(format!("is larger than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
