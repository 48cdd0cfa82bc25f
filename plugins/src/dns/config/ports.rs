//! Ports that are found by name: SRV records (RFC 2782).

use netd_model::{
    attachment::NamedPort,
    element::{Transport, UnknownTransport},
    name::HostName,
};
use serde::Deserialize;

use super::bounded;
use crate::cni::Error;

/// The longest name of a service (RFC 6335 5.1).
const LONGEST: usize = 15;

/// An entry of `services`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Service {
    name: String,
    port: i64,
    protocol: Option<String>,
}

/// An entry of `runtimeConfig.portMappings`, as far as it is of use here: the rest is read by the portmap plugin.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Mapping {
    container_port: i64,
    protocol: Option<String>,
    range: i64,
}

/// The ports of the container: those of the configuration by their name, those that are published by their number. Of a
/// range of published ports none is found so.
///
/// # Errors
/// Names the key and the value that cannot be.
pub(super) fn ports(services: &[Service], mappings: &[Mapping]) -> Result<Vec<NamedPort>, Error> {
    bounded("services", services)?;
    bounded("runtimeConfig.portMappings", mappings)?;
    let mut ports: Vec<NamedPort> = Vec::new();
    let mut take = |key: &str, index: usize, port: Result<NamedPort, String>| {
        let port = port.map_err(|why| Error::config(format!("key \"{key}[{index}]\": {why}")))?;
        if !ports.contains(&port) {
            ports.push(port);
        }
        Ok::<(), Error>(())
    };
    for (index, service) in services.iter().enumerate() {
        take("services", index, service.named())?;
    }
    for (index, mapping) in mappings.iter().enumerate().filter(|(_, mapping)| mapping.range <= 1) {
        take("runtimeConfig.portMappings", index, mapping.named())?;
    }
    Ok(ports)
}

impl Service {
    fn named(&self) -> Result<NamedPort, String> {
        let protocol = protocol(self.protocol.as_deref())?;
        Ok(NamedPort { name: name(&self.name)?, protocol, number: number("port", self.port)? })
    }
}

impl Mapping {
    fn named(&self) -> Result<NamedPort, String> {
        let number = number("containerPort", self.container_port)?;
        let name = HostName::written(&number.to_string()).map_err(|why| why.to_string())?;
        Ok(NamedPort { name, protocol: protocol(self.protocol.as_deref())?, number })
    }
}

/// One label, without the `_` that it has in a record's name.
fn name(text: &str) -> Result<HostName, String> {
    let is_one = |name: &HostName| name.as_str().len() <= LONGEST && !name.as_str().contains(['.', '_']);
    HostName::written(text).ok().filter(is_one).ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        format!("{shown:?} is no name of a service: 1 to {LONGEST} letters, digits and - (RFC 6335 5.1)")
    })
}

/// TCP where nothing is said.
fn protocol(text: Option<&str>) -> Result<Transport, String> {
    let said = text.filter(|text| !text.is_empty()).unwrap_or("tcp");
    said.parse().map_err(|why: UnknownTransport| why.to_string())
}

fn number(key: &str, port: i64) -> Result<u16, String> {
    u16::try_from(port).ok().filter(|port| *port != 0).ok_or_else(|| format!("{key} {port} is not 1 to 65535"))
}
