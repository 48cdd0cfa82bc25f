//! The keys of host-local. A [`Config`] that exists is valid.
//!
//! Order of the checks and their words are the reference's (`backend/allocator/config.go`).

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use netd_model::name::NetworkName;
use netd_store::lease::{self, InvalidRange, Range, RangeSet};
use serde::Deserialize;

use super::resolv;
use crate::cni::{
    Error, Kind, Request,
    address::{Address, Cidr},
    decode::find,
    result::{Dns, Route},
};

/// Where leases are unless `dataDir` says otherwise.
const DATA_DIR: &str = "/var/lib/cni/networks";

/// More ranges than anybody has; each is compared with each.
const MOST_RANGES: usize = 1000;

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// The folder of the network's leases.
    pub(super) folder: PathBuf,
    /// An attachment gets one address of each.
    pub(super) sets: Vec<RangeSet>,
    /// Addresses that the runtime or the user asks for, each once.
    pub(super) requested: Vec<IpAddr>,
    /// For the result.
    pub(super) routes: Vec<Route>,
    /// Where `dns` of the result stands; empty where nobody says.
    resolv_conf: PathBuf,
}

/// The keys as they are written.
#[derive(Debug, Deserialize)]
struct Keys {
    #[serde(default)]
    ipam: Option<Ipam>,
    #[serde(rename = "runtimeConfig", default)]
    runtime_config: RuntimeConfig,
    #[serde(default)]
    args: Args,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Ipam {
    subnet: Option<Cidr>,
    range_start: Address,
    range_end: Address,
    gateway: Address,
    ranges: Vec<Vec<RangeKeys>>,
    routes: Vec<Route>,
    resolv_conf: PathBuf,
    data_dir: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RangeKeys {
    subnet: Cidr,
    #[serde(default)]
    range_start: Address,
    #[serde(default)]
    range_end: Address,
    #[serde(default)]
    gateway: Address,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RuntimeConfig {
    ip_ranges: Vec<Vec<RangeKeys>>,
    ips: Vec<Requested>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: CniKeys,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CniKeys {
    ips: Vec<Requested>,
}

/// An address that is asked for; a prefix is allowed and ignored.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Requested(IpAddr);

/// A range set as it is written, and the key that it is written under.
struct Source {
    key: String,
    ranges: Vec<RangeKeys>,
}

impl Config {
    /// Reads the configuration of a request.
    ///
    /// # Errors
    /// Names the key and the value that do not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let Keys { ipam, runtime_config, args } = request.config()?;
        let ipam = ipam.ok_or_else(|| Error::config("IPAM config missing 'ipam' key"))?;
        let requested = requested(request, args.cni.ips, runtime_config.ips)?;
        let one = ipam.subnet.map(|subnet| RangeKeys {
            subnet,
            range_start: ipam.range_start,
            range_end: ipam.range_end,
            gateway: ipam.gateway,
        });
        let sets = sets(sources(runtime_config.ip_ranges, one, ipam.ranges)?)?;
        let ipv4 = sets.iter().filter(|set| set.is_ipv4()).count();
        request.version.carries(ipv4, sets.len() - ipv4)?;
        apart(&sets)?;
        Ok(Self {
            folder: folder(&ipam.data_dir, &request.network)?,
            sets,
            requested,
            routes: ipam.routes,
            resolv_conf: ipam.resolv_conf,
        })
    }

    /// Reads `dns` of the result, which ADD alone needs: DEL and CHECK go on where the file is gone.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn dns(&self) -> Result<Dns, Error> {
        resolv::read(&self.resolv_conf)
    }
}

/// The folder of the network's leases, which is all that DEL and GC need to know.
pub(super) fn folder_of(request: &Request) -> Result<PathBuf, Error> {
    let data_dir = find(request.raw(), "ipam").and_then(|ipam| find(ipam, "dataDir"));
    let data_dir = data_dir.and_then(|value| value.as_str()).unwrap_or_default();
    folder(Path::new(data_dir), &request.network)
}

fn folder(data_dir: &Path, network: &NetworkName) -> Result<PathBuf, Error> {
    let data_dir = if data_dir.as_os_str().is_empty() { Path::new(DATA_DIR) } else { data_dir };
    if data_dir.is_absolute() {
        return Ok(lease::folder(data_dir, network));
    }
    Err(Error::config(format!("key \"ipam.dataDir\": {} is not an absolute path", data_dir.display())))
}

/// `CNI_ARGS`, then `args.cni.ips`, then `runtimeConfig.ips`; each address once.
fn requested(request: &Request, args: Vec<Requested>, runtime: Vec<Requested>) -> Result<Vec<IpAddr>, Error> {
    // The other keys are for the plugin that calls this one.
    let values = request.target().map(|target| target.args.values(&["IP", "GATEWAY", "MAC"])).transpose()?;
    let ip = values.and_then(|values| values.get("IP").copied()).filter(|text| !text.is_empty());
    let ip = ip.map(|text| Requested::try_from(text.to_owned())).transpose();
    let ip = ip.map_err(|error| Error::new(Kind::Environment, format!("ARGS: IP: {error}")))?;
    let mut requested = Vec::new();
    for Requested(address) in ip.into_iter().chain(args).chain(runtime) {
        if !requested.contains(&address) {
            requested.push(address);
        }
    }
    if requested.len() > MOST_RANGES {
        return Err(Error::config(format!("more than {MOST_RANGES} IP addresses requested")));
    }
    Ok(requested)
}

/// The range sets in their order: those of the runtime, the one that is spelled out, those of `ranges`.
fn sources(
    runtime: Vec<Vec<RangeKeys>>,
    one: Option<RangeKeys>,
    ranges: Vec<Vec<RangeKeys>>,
) -> Result<Vec<Source>, Error> {
    let under = |key: &'static str| move |(index, ranges)| Source { key: format!("{key}[{index}]"), ranges };
    let runtime = runtime.into_iter().enumerate().map(under("runtimeConfig.ipRanges"));
    let one = one.map(|range| Source { key: "ipam.subnet".to_owned(), ranges: vec![range] });
    let ranges = ranges.into_iter().enumerate().map(under("ipam.ranges"));
    let sources: Vec<Source> = runtime.chain(one).chain(ranges).collect();
    if sources.is_empty() {
        return Err(Error::config("no IP ranges specified"));
    }
    if sources.iter().map(|source| source.ranges.len().max(1)).sum::<usize>() > MOST_RANGES {
        return Err(Error::config(format!("more than {MOST_RANGES} IP ranges specified")));
    }
    Ok(sources)
}

fn sets(sources: Vec<Source>) -> Result<Vec<RangeSet>, Error> {
    let set = |(index, source): (usize, Source)| {
        let ranges: Vec<String> = source.ranges.iter().take(8).map(ToString::to_string).collect();
        let details = format!("key {:?}: {}", source.key, ranges.join(", "));
        let invalid =
            |error: InvalidRange| Error::config(format!("invalid range set {index}: {error}")).with_details(details);
        let ranges: Result<Vec<Range>, InvalidRange> = source.ranges.into_iter().map(Range::try_from).collect();
        ranges.and_then(RangeSet::new).map_err(invalid)
    };
    sources.into_iter().enumerate().map(set).collect()
}

/// No address is in two sets.
fn apart(sets: &[RangeSet]) -> Result<(), Error> {
    for (index, set) in sets.iter().enumerate() {
        if let Some(other) = (index + 1..).zip(sets.iter().skip(index + 1)).find(|(_, other)| set.overlaps(other)) {
            let text = format!("range set {index} overlaps with {}", other.0);
            return Err(Error::config(text).with_details(format!("{set} and {}", other.1)));
        }
    }
    Ok(())
}

/// `subnet 10.1.0.0/24 (rangeStart 10.1.0.9)`.
impl fmt::Display for RangeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subnet {}", self.subnet.0)?;
        let said = [("rangeStart", self.range_start.0), ("rangeEnd", self.range_end.0)];
        let said = said.into_iter().filter_map(|(key, address)| Some(format!("{key} {}", address?)));
        match said.collect::<Vec<_>>().join(", ") {
            said if said.is_empty() => Ok(()),
            said => write!(f, " ({said})"),
        }
    }
}

impl TryFrom<RangeKeys> for Range {
    type Error = InvalidRange;

    fn try_from(keys: RangeKeys) -> Result<Self, InvalidRange> {
        Self::new(keys.subnet.0, keys.range_start.0, keys.range_end.0, keys.gateway.0)
    }
}

impl TryFrom<String> for Requested {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let invalid = |()| format!("invalid IP address {text:?}");
        let address = if text.contains('/') {
            Cidr::try_from(text.clone()).map(|network| network.0.ip()).map_err(drop)
        } else {
            text.parse().map_err(drop)
        };
        address.map(|address: IpAddr| Self(address.to_canonical())).map_err(invalid)
    }
}
