//! Results as JSON, in the three forms of [`Form`]. Fields of 1.1.0 stay in 1.0.0, as in the reference.

use std::{net::IpAddr, path::PathBuf};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::{CniResult, Dns, Interface, Ip, Route};
use crate::cni::{Error, Version, decode::decode, version::Form};

/// The largest `mtu` that the kernel keeps of a route; what is larger becomes this (`ip_metrics_convert`).
const MOST_MTU: u32 = 65_535 - 15;

/// The same of `advmss`.
const MOST_ADVMSS: u32 = 65_535 - 40;

/// A result in the form of its version.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Document {
    First(First),
    Listed(Listed),
}

/// The form of 0.1.0 and 0.2.0.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(super) struct First {
    #[serde(rename = "cniVersion", skip_deserializing)]
    version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<Family>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<Family>,
    dns: Dns,
}

/// The one address of a family in [`First`].
#[derive(Serialize, Deserialize)]
struct Family {
    #[serde(deserialize_with = "network")]
    ip: IpNetwork,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "address")]
    gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

/// The form of 0.3.0 and later.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Listed {
    #[serde(rename = "cniVersion", skip_deserializing)]
    version: Version,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<Interface>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<Listing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<Dns>,
}

/// An address in [`Listed`].
#[derive(Serialize, Deserialize)]
struct Listing {
    /// "4" or "6", before 1.0.0.
    #[serde(rename = "version", skip_serializing_if = "Option::is_none", skip_deserializing)]
    family: Option<&'static str>,
    /// Old plugins say -1 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interface: Option<i64>,
    #[serde(deserialize_with = "network")]
    address: IpNetwork,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "self::address")]
    gateway: Option<IpAddr>,
}

pub(super) fn read(value: &Value, version: Version) -> Result<CniResult, Error> {
    if version.form() != Form::First {
        let listed: Listed = decode(value)?;
        let ips = listed.ips.into_iter().map(Ip::from).collect();
        let dns = listed.dns.unwrap_or_default();
        return Ok(CniResult { interfaces: listed.interfaces, ips, routes: listed.routes, dns });
    }
    let first: First = decode(value)?;
    let mut result = CniResult { dns: first.dns, ..CniResult::default() };
    for family in [first.ip4, first.ip6].into_iter().flatten() {
        result.ips.push(Ip { interface: None, address: family.ip, gateway: family.gateway });
        result.routes.extend(family.routes);
    }
    Ok(result)
}

impl Document {
    pub(super) fn of(result: &CniResult, version: Version) -> Self {
        if version.form() == Form::First {
            let family = |is: fn(&IpNetwork) -> bool| {
                let ip = result.ips.iter().find(|ip| is(&ip.address))?;
                let routes = result.routes.iter().filter(|route| is(&route.dst));
                let routes = routes.map(|route| Route::new(route.dst, route.gw)).collect();
                Some(Family { ip: ip.address, gateway: ip.gateway, routes })
            };
            let (ip4, ip6) = (family(IpNetwork::is_ipv4), family(IpNetwork::is_ipv6));
            return Self::First(First { version, ip4, ip6, dns: result.dns.clone() });
        }
        let modern = version.form() == Form::Modern;
        let mut interfaces = result.interfaces.clone();
        if !modern {
            for interface in &mut interfaces {
                interface.mtu = None;
                interface.socket_path.clear();
                interface.pci_id.clear();
            }
        }
        let listing = |ip: &Ip| Listing {
            family: (!modern).then_some(if ip.address.is_ipv4() { "4" } else { "6" }),
            interface: ip.interface.and_then(|index| i64::try_from(index).ok()),
            address: ip.address,
            gateway: ip.gateway,
        };
        let dns = Some(result.dns.clone()).filter(|dns| !modern || !dns.is_empty());
        let ips = result.ips.iter().map(listing).collect();
        Self::Listed(Listed { version, interfaces, ips, routes: result.routes.clone(), dns })
    }
}

impl Default for First {
    fn default() -> Self {
        Self { version: Version::V0_2_0, ip4: None, ip6: None, dns: Dns::default() }
    }
}

impl Default for Listed {
    fn default() -> Self {
        let version = Version::CURRENT;
        Self { version, interfaces: Vec::new(), ips: Vec::new(), routes: Vec::new(), dns: None }
    }
}

impl From<Listing> for Ip {
    fn from(listing: Listing) -> Self {
        let interface = listing.interface.and_then(|index| usize::try_from(index).ok());
        Self { interface, address: listing.address, gateway: listing.gateway }
    }
}

/// An address with its prefix; without one it is refused, as in the reference.
pub(super) fn network<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNetwork, D::Error> {
    let text = String::deserialize(deserializer)?;
    let invalid = || D::Error::custom(format!("invalid CIDR address: {text:?}"));
    let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
    let prefix = prefix.parse().map_err(|_| invalid())?;
    IpNetwork::new(address.parse().map_err(|_| invalid())?, prefix).map_err(|_| invalid())
}

/// An address; the empty text is none, as in the reference.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| D::Error::custom(format!("invalid IP address: {text:?}"))),
    }
}

/// A path; the empty text is none.
pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(PathBuf::from))
}

/// The `mtu` of a route; 0 is none, as in iproute2 and the reference.
pub(super) fn mtu<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    bytes(deserializer, MOST_MTU)
}

/// The `advmss` of a route; 0 is none.
pub(super) fn advmss<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    bytes(deserializer, MOST_ADVMSS)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D, most: u32) -> Result<Option<u32>, D::Error> {
    match Option::<u32>::deserialize(deserializer)? {
        Some(bytes) if bytes > most => Err(D::Error::custom(format!("{bytes} is more than {most} bytes"))),
        bytes => Ok(bytes.filter(|bytes| *bytes > 0)),
    }
}
