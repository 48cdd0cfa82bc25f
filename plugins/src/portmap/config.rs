//! The keys of the portmap plugin. A [`Config`] that exists is valid.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use netd_model::element::Transport;
use serde::Deserialize;

use super::conditions::{self, Syntax};
use crate::cni::{Error, Request};

/// How many ports one mapping may have.
const MOST_OF_A_MAPPING: i64 = 1024;

/// How many ports a container may have: its document has a line for each.
const MOST: usize = 4096;

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// Whether the host answers for those whom the container would answer by itself, or not at all.
    pub(super) snat: bool,
    /// Whether it does so for everybody.
    pub(super) masquerade_all: bool,
    /// What must hold of a packet of IPv4, as nft(8) reads it.
    pub(super) conditions4: Option<String>,
    /// The same for IPv6.
    pub(super) conditions6: Option<String>,
    /// Ports of the host, each with the port of the container.
    pub(super) ports: BTreeMap<Port, u16>,
}

/// A port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    pub(super) transport: Transport,
    /// An address of the host; unspecified for all of its family.
    pub(super) at: IpAddr,
    pub(super) number: u16,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    backend: Option<String>,
    snat: Option<bool>,
    masq_all: bool,
    mark_masq_bit: Option<i64>,
    external_set_mark_chain: Option<String>,
    conditions_v4: Option<Vec<String>>,
    conditions_v6: Option<Vec<String>>,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RuntimeConfig {
    port_mappings: Vec<Mapping>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Mapping {
    host_port: i64,
    container_port: i64,
    protocol: String,
    #[serde(rename = "hostIP")]
    host_ip: String,
    range: i64,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        marks(&keys)?;
        let conditions = [("conditionsV4", &keys.conditions_v4), ("conditionsV6", &keys.conditions_v6)];
        backend(&keys, &conditions)?;
        let [conditions4, conditions6] = conditions.map(|(key, tokens)| conditions::rule(key, tokens.as_deref()));
        Ok(Self {
            snat: keys.snat.unwrap_or(true),
            masquerade_all: keys.masq_all,
            conditions4: conditions4?,
            conditions6: conditions6?,
            ports: ports(&keys.runtime_config.port_mappings)?,
        })
    }
}

/// Two ways to mark packets, of which the reference takes one. Here none is needed.
fn marks(keys: &Keys) -> Result<(), Error> {
    match (keys.mark_masq_bit, &keys.external_set_mark_chain) {
        (Some(_), Some(_)) => Err(Error::config("Cannot specify externalSetMarkChain and markMasqBit")),
        (Some(bit), None) if !(0..=31).contains(&bit) => {
            Err(Error::config(format!("MasqMarkBit must be between 0 and 31, markMasqBit is {bit}")))
        }
        _ => Ok(()),
    }
}

/// Both backends are the same here; what one of them would not take is refused as the reference refuses it.
fn backend(keys: &Keys, conditions: &[(&str, &Option<Vec<String>>)]) -> Result<(), Error> {
    let backend = match keys.backend.as_deref() {
        None => return Ok(()),
        Some(backend @ ("iptables" | "nftables")) => backend,
        Some(other) => return Err(Error::config(format!("unrecognized backend {other:?}"))),
    };
    let (other, syntax) =
        if backend == "iptables" { ("nftables", Syntax::Nft) } else { ("iptables", Syntax::Iptables) };
    let of_mark = keys.external_set_mark_chain.as_ref().filter(|_| other == "iptables");
    let wrong = conditions.iter().filter(|(_, tokens)| Syntax::of(tokens.as_deref()) == Some(syntax));
    let wrong: Vec<&str> =
        of_mark.map(|_| "externalSetMarkChain").into_iter().chain(wrong.map(|(key, _)| *key)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong = wrong.join(" ");
    Err(Error::config(format!(
        "{backend} backend was requested but configuration contains {other}-specific options [{wrong}]"
    )))
}

/// Every port of every mapping.
fn ports(mappings: &[Mapping]) -> Result<BTreeMap<Port, u16>, Error> {
    let mut ports = BTreeMap::new();
    let (mut of_ipv4, mut of_ipv6) = (0_usize, 0_usize);
    for (index, mapping) in mappings.iter().enumerate() {
        let refused = |why: &dyn std::fmt::Display| {
            Err(Error::config(format!("key \"runtimeConfig.portMappings[{index}]\": {why}")))
        };
        let transport: Transport = match mapping.protocol.parse() {
            Ok(transport) => transport,
            Err(why) => return refused(&why),
        };
        let Some(hosts) = hosts(&mapping.host_ip) else {
            let shown: String = mapping.host_ip.chars().take(64).collect();
            return refused(&format!("hostIP {shown:?} is no address"));
        };
        for (number, container) in mapping.numbers(index)? {
            for at in &hosts {
                let port = Port { transport, at: *at, number };
                match ports.insert(port, container) {
                    None if at.is_ipv4() => of_ipv4 += 1,
                    None => of_ipv6 += 1,
                    Some(earlier) if earlier == container => {}
                    Some(earlier) => {
                        return refused(&format!("{port} is mapped to port {earlier} of the container already"));
                    }
                }
            }
        }
        if of_ipv4.max(of_ipv6) > MOST {
            return refused(&format!("a container has at most {MOST} ports"));
        }
    }
    Ok(ports)
}

impl Mapping {
    /// Its ports: of the host, and of the container.
    fn numbers(&self, index: usize) -> Result<Vec<(u16, u16)>, Error> {
        let refused = |why: &str| Error::config(format!("key \"runtimeConfig.portMappings[{index}]\": {why}"));
        // Who says no range says one port; Podman says 0 or 1.
        let count = if self.range == 0 { 1 } else { self.range };
        if !(1..=MOST_OF_A_MAPPING).contains(&count) {
            return Err(refused(&format!("range {count}: a mapping has 1 to {MOST_OF_A_MAPPING} ports")));
        }
        let numbers = |what: &str, first: i64| {
            let end = first.saturating_add(count);
            let key = format!("key \"runtimeConfig.portMappings[{index}].{what}Port\"");
            match (u16::try_from(first), u16::try_from(end - 1)) {
                (Err(_) | Ok(0), _) => {
                    Err(Error::config(format!("Invalid {what} port number: {first}")).with_details(key))
                }
                (_, Err(_)) => Err(refused(&format!("{what} ports {first} to {} end after 65535", end - 1))),
                (Ok(first), Ok(last)) => Ok(first..=last),
            }
        };
        Ok(numbers("host", self.host_port)?.zip(numbers("container", self.container_port)?).collect())
    }
}

/// The addresses of the host that a mapping is for: where none is said, all of both families.
fn hosts(text: &str) -> Option<Vec<IpAddr>> {
    if text.is_empty() {
        return Some(vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]);
    }
    text.parse().ok().map(|address: IpAddr| vec![address.to_canonical()])
}

/// As people write it: `8080/tcp`, `192.0.2.1:8080/tcp`.
impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.at {
            at if at.is_unspecified() => {}
            IpAddr::V4(at) => write!(f, "{at}:")?,
            IpAddr::V6(at) => write!(f, "[{at}]:")?,
        }
        write!(f, "{}/{}", self.number, self.transport)
    }
}
