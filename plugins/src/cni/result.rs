//! What ADD made, in the form of version 1.1.0 (CNI 1.1 section 5, Success), read from and written as any version.

#[cfg(test)]
mod tests;
mod wire;

use std::{net::IpAddr, path::PathBuf};

use ipnetwork::IpNetwork;
use netd_model::{addr::Mac, name::LinkName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, Version, decode::find};

/// What ADD made.
///
/// ```json
/// {"interfaces": [{"name": "eth0", "mac": "02:00:0a:01:00:07", "sandbox": "/run/netns/c1"}],
///  "ips": [{"interface": 0, "address": "10.1.0.7/24", "gateway": "10.1.0.1"}],
///  "routes": [{"dst": "0.0.0.0/0"}], "dns": {"nameservers": ["10.1.0.1"]}}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniResult {
    /// Interfaces, on the host and in the container.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub ips: Vec<Ip>,
    /// Routes in the container.
    pub routes: Vec<Route>,
    /// How the container finds names.
    pub dns: Dns,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: LinkName,
    /// Its hardware address as text, because there are others than Ethernet's (InfiniBand has 20 bytes).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Its MTU, for what cannot find it out by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The namespace that it is in; none for the host's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wire::path")]
    pub sandbox: Option<PathBuf>,
    /// The socket of a virtual interface in user space.
    #[serde(rename = "socketPath", default, skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// The PCI address of a device that was moved as a whole.
    #[serde(rename = "pciID", default, skip_serializing_if = "String::is_empty")]
    pub pci_id: String,
}

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// The index of its interface in [`CniResult::interfaces`]; none where the plugin does not know it (IPAM).
    pub interface: Option<usize>,
    /// The address and the length of its prefix.
    pub address: IpNetwork,
    /// The router of its subnet.
    pub gateway: Option<IpAddr>,
}

/// A route in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where packets go.
    #[serde(deserialize_with = "wire::network")]
    pub dst: IpNetwork,
    /// The next router; without it, the gateway of the address of the same family.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wire::address")]
    pub gw: Option<IpAddr>,
    /// The largest packet in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wire::mtu")]
    pub mtu: Option<u32>,
    /// The largest TCP segment in bytes to announce.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wire::advmss")]
    pub advmss: Option<u32>,
    /// The metric, the lower the better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// The routing table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// 0 global, 253 link, 254 host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

/// How names are found: resolv.conf(5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// Servers in the order in which they are asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The domain of the container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Domains that short names are looked up in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl CniResult {
    /// Reads `prevResult` of a configuration of `version`.
    ///
    /// # Errors
    /// It says a version of another form, or a key of it does not fit.
    pub fn previous(value: &Value, version: Version) -> Result<Self, Error> {
        let failed = |error: Error| error.context("could not parse prevResult");
        let said = find(value, "cniVersion");
        let text = said.map_or(Some(version.as_str()), Value::as_str);
        if let Some(said) = text.and_then(Version::find).filter(|said| said.form() == version.form()) {
            return wire::read(value, said).and_then(Self::whole).map_err(failed);
        }
        let alike = Version::ALL.into_iter().filter(|other| other.form() == version.form());
        let alike: Vec<&str> = alike.map(Version::as_str).collect();
        let shown: String = said.map(Value::to_string).unwrap_or_default().chars().take(64).collect();
        let msg = format!("result type supports [{}] but unmarshalled CNIVersion is {shown}", alike.join(" "));
        Err(failed(Error::config(msg)))
    }

    /// Each address is of no interface, or of one that is told: of any other, no plugin would do anything for it.
    fn whole(self) -> Result<Self, Error> {
        let is_untold = |ip: &Ip| ip.interface.is_some_and(|index| index >= self.interfaces.len());
        let untold = self.ips.iter().enumerate().find(|(_, ip)| is_untold(ip));
        match untold.and_then(|(number, ip)| Some((number, ip.interface?))) {
            None => Ok(self),
            Some((number, index)) => {
                let length = self.interfaces.len();
                Err(Error::config(format!("key \"ips[{number}].interface\": {index} is none of {length} interfaces")))
            }
        }
    }

    /// Reads what another plugin printed when it was given a configuration of `version`.
    ///
    /// # Errors
    /// It says a version that does not exist, or a key of it does not fit.
    pub fn of_plugin(value: &Value, version: Version) -> Result<Self, Error> {
        let said = match find(value, "cniVersion") {
            None => return wire::read(value, version),
            Some(said) => said.as_str().unwrap_or("not a string"),
        };
        let unknown = || Error::config(format!("unsupported CNI result version {said:?}"));
        wire::read(value, Version::find(said).ok_or_else(unknown)?)
    }

    /// The document that a runtime is given, in the form of `version`.
    ///
    /// # Errors
    /// The version has no room for what is in it: see [`Version::carries`].
    pub fn document(&self, version: Version) -> Result<impl Serialize, Error> {
        let ipv4 = self.ips.iter().filter(|ip| ip.address.is_ipv4()).count();
        version.carries(ipv4.min(1), (self.ips.len() - ipv4).min(1))?;
        Ok(wire::Document::of(self, version))
    }

    /// The interface of an address.
    pub fn interface_of(&self, ip: &Ip) -> Option<&Interface> {
        self.interfaces.get(ip.interface?)
    }

    /// The addresses of a container's interface; one of no interface is taken for one of this, as plugins older than
    /// 0.3.0 do not say.
    pub fn ips_inside(&self, ifname: &LinkName) -> impl Iterator<Item = &Ip> {
        let is_inside = |interface: &Interface| interface.sandbox.is_some() && interface.name == *ifname;
        self.ips.iter().filter(move |ip| ip.interface.is_none() || self.interface_of(ip).is_some_and(is_inside))
    }
}

impl Interface {
    /// An interface of the host.
    pub fn on_host(name: LinkName, mac: Option<Mac>) -> Self {
        let mac = mac.map(String::from).unwrap_or_default();
        Self { name, mac, mtu: None, sandbox: None, socket_path: String::new(), pci_id: String::new() }
    }

    /// An interface of the container whose namespace is at `netns`.
    pub fn in_container(name: LinkName, mac: Option<Mac>, netns: impl Into<PathBuf>) -> Self {
        Self { sandbox: Some(netns.into()), ..Self::on_host(name, mac) }
    }

    /// Its hardware address, if it is one of Ethernet.
    pub fn ethernet(&self) -> Option<Mac> {
        self.mac.parse().ok()
    }
}

impl Route {
    /// A route of which only the destination and the router are said.
    pub fn new(dst: IpNetwork, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

impl Dns {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
