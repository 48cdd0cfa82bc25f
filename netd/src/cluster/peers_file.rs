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
//! A host that is known already goes before all others, and while anything in the file is wrong it stays as it was: a
//! slip of the pen must not cut a path that works.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    net::IpAddr,
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
    /// By name; addresses and subnets are each there once, too.
    pub(super) hosts: BTreeMap<HostName, Host>,
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

/// What hosts have that no other may have.
#[derive(Debug, Default)]
struct Taken {
    addresses: BTreeMap<IpAddr, HostName>,
    /// Parts of networks by their first addresses, and whose they are. None overlaps another.
    parts: BTreeMap<IpAddr, (IpNetwork, String)>,
}

/// An entry as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(deserialize_with = "name")]
    name: HostName,
    #[serde(deserialize_with = "address")]
    address: IpAddr,
    #[serde(default)]
    subnets: BTreeMap<String, Vec<String>>,
}

/// An entry, and where its text begins.
type Entry = (usize, Result<Written, String>);

impl Peers {
    /// The hosts of `text`, beside what was known before.
    ///
    /// # Errors
    /// It is no TOML, or has something other than peers.
    pub(super) fn parse(text: &str, known: &Self) -> Result<Self, String> {
        let entries = entries(text)?;
        let (old, new): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|(_, entry)| known.has(entry));
        let (mut peers, mut taken) = (Self::default(), Taken::default());
        for (at, entry) in old.into_iter().chain(new) {
            match entry {
                Ok(written) => peers.add(written, || line(text, at), &mut taken),
                Err(error) => peers.errors.push(error),
            }
        }
        if !peers.errors.is_empty() {
            peers.keep(known, &mut taken);
        }
        Ok(peers)
    }

    /// These hosts, and those of `known` that are not among them.
    pub(super) fn and_those_of(mut self, known: &Self) -> Self {
        let mut taken = Taken::default();
        for host in self.hosts.values() {
            taken.addresses.insert(host.address, host.name.clone());
            for (network, parts) in &host.subnets {
                // They are there once already.
                let _ = taken.take(&host.name, network, parts);
            }
        }
        self.keep(known, &mut taken);
        self
    }

    /// Whether a host of `known` is gone, or out of a network.
    pub(super) fn lacks_any_of(&self, known: &Self) -> bool {
        known.hosts.values().any(|old| {
            let host = self.hosts.get(&old.name);
            host.is_none_or(|host| old.subnets.keys().any(|network| !host.subnets.contains_key(network)))
        })
    }

    /// Whether the entry says of a host what is known of it.
    fn has(&self, entry: &Result<Written, String>) -> bool {
        let Ok(Written { name, address, .. }) = entry else { return false };
        self.hosts.get(name).is_some_and(|host| host.address == *address)
    }

    /// Puts back what is known and not there, as far as nobody else has it now.
    fn keep(&mut self, known: &Self, taken: &mut Taken) {
        for old in known.hosts.values() {
            let is_free = !taken.addresses.contains_key(&old.address);
            let host = match self.hosts.entry(old.name.clone()) {
                btree_map::Entry::Occupied(there) if there.get().address == old.address => there.into_mut(),
                btree_map::Entry::Vacant(place) if is_free => {
                    taken.addresses.insert(old.address, old.name.clone());
                    place.insert(Host { subnets: BTreeMap::new(), ..old.clone() })
                }
                btree_map::Entry::Occupied(_) | btree_map::Entry::Vacant(_) => continue,
            };
            for (network, parts) in &old.subnets {
                if !host.subnets.contains_key(network) && taken.take(&old.name, network, parts).is_ok() {
                    host.subnets.insert(network.clone(), parts.clone());
                }
            }
        }
    }

    /// One more host, but for what others have.
    fn add(&mut self, written: Written, line: impl Fn() -> usize, taken: &mut Taken) {
        let Written { name, address, subnets } = written;
        let peer = || format!("line {}: peer {name}", line());
        if let Some(rule) = unusable(address) {
            return self.errors.push(format!("{}: address \"{address}\" {rule}", peer()));
        }
        if self.hosts.contains_key(&name) {
            return self.errors.push(format!("{}: name \"{name}\" is taken by another peer", peer()));
        }
        if let Some(other) = taken.addresses.get(&address) {
            return self.errors.push(format!("{}: address \"{address}\" is that of peer {other}", peer()));
        }
        let mut host = Host { name: name.clone(), address, subnets: BTreeMap::new() };
        for (network, written) in subnets {
            let parts = parts(&network, &written);
            let free = parts.and_then(|(network, parts)| {
                taken.take(&host.name, &network, &parts)?;
                Ok((network, parts))
            });
            match free {
                Ok((network, parts)) => drop(host.subnets.insert(network, parts)),
                Err(error) => self.errors.push(format!("{}: subnets of {network:?}: {error}", peer())),
            }
        }
        taken.addresses.insert(address, name);
        self.hosts.insert(host.name.clone(), host);
    }
}

/// The entries of a file; an error of one names its line.
fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let document = DeTable::parse(text).map_err(|error| error.to_string())?.into_inner();
    let mut entries = Vec::new();
    for (key, value) in document {
        let at = key.span().start;
        match value.into_inner() {
            DeValue::Array(written) if key.get_ref() == "peer" => entries.extend(written.into_iter().map(|entry| {
                let at = entry.span().start;
                let written = Written::deserialize(ValueDeserializer::from(entry)).map_err(|error| {
                    format!("line {}: {}", line(text, error.span().map_or(at, |span| span.start)), error.message())
                });
                (at, written)
            })),
            _ => {
                let line = line(text, at);
                return Err(format!("line {line}: {:?} is there, where only [[peer]] is known", key.get_ref()));
            }
        }
    }
    Ok(entries)
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
        self.parts.extend(parts.iter().map(|part| (part.network(), (*part, of.clone()))));
        Ok(())
    }

    /// What has an address in common: the last that begins before it, or the first that begins in it.
    fn overlapping(&self, part: &IpNetwork) -> Option<&(IpNetwork, String)> {
        let before = self.parts.range(..=part.network()).next_back();
        let within = self.parts.range(part.network()..=part.broadcast()).next();
        [before, within].into_iter().flatten().map(|(_, taken)| taken).find(|(theirs, _)| overlap(part, theirs))
    }
}

/// The number of the line where something begins.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn name<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<HostName, D::Error> {
    HostName::written(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn address<'de, D: de::Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| de::Error::custom(format!("address {text:?} is no IP address")))
}

#[cfg(test)]
mod tests;
