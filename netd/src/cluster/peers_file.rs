//! The peers file: all hosts of a cluster, the same file on each of them.
//!
//! ```toml
//! [[peer]]
//! name = "h1"
//! address = "192.168.50.1"
//! subnets = { lab = ["10.40.1.0/24"] }
//! ```
//!
//! An entry that cannot be is left out with the reason, and so is what a later entry has in common with an earlier one.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::Range,
};

use ipnetwork::IpNetwork;
use netd_model::name::{HostName, NetworkName};
use serde::{Deserialize, de};
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::settings::{
    cluster::unusable,
    network::{family, malformed, overlap},
};

/// The hosts that stand in a file, and what in it is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Peers {
    /// In the order of the file; names, addresses and subnets are each there once.
    pub(super) hosts: Vec<Host>,
    /// One line each.
    pub(super) errors: Vec<String>,
}

/// A host of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// Its name.
    pub(super) name: HostName,
    /// Where the others reach it.
    pub(super) address: IpAddr,
    /// Its parts of networks, one of IPv4, one of IPv6, or both.
    pub(super) subnets: BTreeMap<NetworkName, Vec<IpNetwork>>,
}

/// Parts of networks that a host has, by their first addresses, and whose they are. None overlaps another.
#[derive(Debug, Default)]
struct Taken(BTreeMap<IpAddr, (IpNetwork, String)>);

/// An entry as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(deserialize_with = "name")]
    name: HostName,
    address: IpAddr,
    #[serde(default)]
    subnets: BTreeMap<String, Vec<String>>,
}

impl Peers {
    /// The hosts of `text`.
    ///
    /// # Errors
    /// It is no TOML, or has something other than peers.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document = DeTable::parse(text).map_err(|error| error.to_string())?.into_inner();
        let (mut peers, mut taken) = (Self::default(), Taken::default());
        for (key, value) in document {
            let at = line(text, &key.span());
            match value.into_inner() {
                DeValue::Array(entries) if key.get_ref() == "peer" => {
                    for entry in entries {
                        let at = line(text, &entry.span());
                        let written = Written::deserialize(ValueDeserializer::from(entry));
                        let host = written.map_err(|error| {
                            format!("line {}: {}", error.span().map_or(at, |span| line(text, &span)), error.message())
                        });
                        match host {
                            Ok(written) => peers.add(written, at, &mut taken),
                            Err(error) => peers.errors.push(error),
                        }
                    }
                }
                _ => return Err(format!("line {at}: {:?} is there, where only [[peer]] is known", key.get_ref())),
            }
        }
        Ok(peers)
    }

    /// One more host, but for what earlier ones have.
    fn add(&mut self, written: Written, line: usize, taken: &mut Taken) {
        let Written { name, address, subnets } = written;
        let peer = format!("line {line}: peer {name}");
        if let Some(rule) = unusable(address) {
            return self.errors.push(format!("{peer}: address \"{address}\" {rule}"));
        }
        if self.hosts.iter().any(|host| host.name == name) {
            return self.errors.push(format!("{peer}: name \"{name}\" is taken by an earlier peer"));
        }
        if let Some(host) = self.hosts.iter().find(|host| host.address == address) {
            return self.errors.push(format!("{peer}: address \"{address}\" is that of peer {}", host.name));
        }
        let mut host = Host { name, address, subnets: BTreeMap::new() };
        for (network, written) in subnets {
            let parts = parts(&network, &written);
            let free = parts.and_then(|(network, parts)| {
                taken.take(&host.name, &network, &parts)?;
                Ok((network, parts))
            });
            match free {
                Ok((network, parts)) => drop(host.subnets.insert(network, parts)),
                Err(error) => self.errors.push(format!("{peer}: subnets of {network:?}: {error}")),
            }
        }
        self.hosts.push(host);
    }
}

/// A host's parts of one network.
fn parts(network: &str, written: &[String]) -> Result<(NetworkName, Vec<IpNetwork>), String> {
    let network = network.parse().map_err(|error| format!("{error}"))?;
    let mut families = BTreeSet::new();
    let mut parts = Vec::new();
    for text in written {
        // With its prefix: an address alone is not meant as a subnet of one.
        let parsed = Some(text).filter(|text| text.contains('/')).and_then(|text| text.parse::<IpNetwork>().ok());
        let part = parsed.ok_or_else(|| format!("{text:?} is not a subnet, as in \"10.40.1.0/24\""))?;
        if let Some(wrong) = malformed(&part) {
            return Err(wrong);
        }
        if !families.insert(part.is_ipv6()) {
            return Err(format!("\"{part}\" is the second of {}, one is allowed", family(part.network())));
        }
        parts.push(part);
    }
    if parts.is_empty() { Err("[] names none".to_owned()) } else { Ok((network, parts)) }
}

impl Taken {
    /// Takes the parts for a host, unless another one has some of them.
    fn take(&mut self, host: &HostName, network: &NetworkName, parts: &[IpNetwork]) -> Result<(), String> {
        if let Some((part, (theirs, of))) = parts.iter().find_map(|part| Some((part, self.overlapping(part)?))) {
            return Err(format!("\"{part}\" overlaps \"{theirs}\" of {of}"));
        }
        let of = format!("peer {host} in network {network}");
        self.0.extend(parts.iter().map(|part| (part.network(), (*part, of.clone()))));
        Ok(())
    }

    /// What has an address in common: the last that begins before it, or the first that begins in it.
    fn overlapping(&self, part: &IpNetwork) -> Option<&(IpNetwork, String)> {
        let before = self.0.range(..=part.network()).next_back();
        let within = self.0.range(part.network()..=part.broadcast()).next();
        [before, within].into_iter().flatten().map(|(_, taken)| taken).find(|(theirs, _)| overlap(part, theirs))
    }
}

/// The number of the line where something begins.
fn line(text: &str, span: &Range<usize>) -> usize {
    text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
}

fn name<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<HostName, D::Error> {
    HostName::written(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests;
