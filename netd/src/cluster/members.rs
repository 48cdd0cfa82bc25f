//! Who is in which network: what the peers file says, as far as it goes together with the settings of this host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnetwork::IpNetwork;
use netd_model::{
    addr::Mac,
    name::{HostName, NetworkName},
    overlay::{Member, Overlay, VERSION},
};

use super::peers_file::{Host, Peers};
use crate::settings::{
    Settings,
    cluster::Place,
    network::{Network, Networks, family, longest_prefix},
};

#[cfg(test)]
mod tests;

/// All that the file and the settings say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Members {
    /// Where this host is reached; none where the two do not agree, and then it takes no part.
    pub(super) own: Option<IpAddr>,
    /// Where the others are.
    pub(super) others: BTreeMap<HostName, IpAddr>,
    /// Who is in each network of the settings.
    pub(super) networks: BTreeMap<NetworkName, OfNetwork>,
    /// What does not go together, one line each.
    pub(super) errors: Vec<String>,
}

/// The members of one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OfNetwork {
    /// This host.
    pub(super) own: Option<Member>,
    /// The others.
    pub(super) others: BTreeMap<HostName, Member>,
}

impl Members {
    /// The members of the settings' networks.
    ///
    /// One whose parts do not fit any more keeps those that it has in `old`: a slip must not cut a path that works.
    pub(super) fn new(settings: &Settings, peers: &Peers, old: &Self) -> Self {
        let networks = settings.networks.usable.iter().map(|it| (it.overlay.name.clone(), OfNetwork::default()));
        let mut members = Self { networks: networks.collect(), errors: peers.errors.clone(), ..Self::default() };
        let own = peers.hosts.get(&settings.host.name);
        match own.map_or_else(|| Err(absent(settings)), |host| agree(host, settings).map(|()| host)) {
            Ok(host) => members.add_own(host, settings, old),
            Err(error) => members.errors.push(error),
        }
        for host in peers.hosts.values().filter(|host| host.name != settings.host.name) {
            match reachable(host, members.own, &settings.networks.usable) {
                Ok(()) => members.add_other(host, settings, old),
                Err(error) => members.errors.push(error),
            }
        }
        members.errors.extend(unknown(settings, peers));
        members
    }

    fn add_own(&mut self, host: &Host, settings: &Settings, old: &Self) {
        if let Err(error) = reachable(host, None, &settings.networks.usable) {
            return self.errors.push(error);
        }
        self.own = Some(host.address);
        for network in &settings.networks.usable {
            let name = &network.overlay.name;
            if !host.subnets.contains_key(name) {
                self.errors
                    .push(format!("network {name}: the peers file has no subnet of it for this host, {}", host.name));
            }
        }
        for member in self.members(host, settings, old) {
            if let Some(network) = self.networks.get_mut(&member.network) {
                network.own = Some(member);
            }
        }
    }

    fn add_other(&mut self, host: &Host, settings: &Settings, old: &Self) {
        self.others.insert(host.name.clone(), host.address);
        for member in self.members(host, settings, old) {
            if let Some(network) = self.networks.get_mut(&member.network) {
                network.others.insert(host.name.clone(), member);
            }
        }
    }

    /// The host as a member of each network that it can be in.
    fn members(&mut self, host: &Host, settings: &Settings, old: &Self) -> Vec<Member> {
        let mut members = Vec::new();
        for network in &settings.networks.usable {
            let name = &network.overlay.name;
            let Some(subnets) = host.subnets.get(name) else { continue };
            if let Some(wrong) = subnets.iter().find_map(|subnet| misfit(subnet, &network.overlay)) {
                self.errors.push(format!("peer {}: {wrong}", host.name));
                let fits = |was: &&Member| was.subnets.iter().all(|it| misfit(it, &network.overlay).is_none());
                members.extend(old.member(host, name).filter(fits).cloned());
                continue;
            }
            members.push(Member {
                mtu: None,
                version: VERSION,
                host: host.name.clone(),
                network: name.clone(),
                vtep: host.address,
                mac: Mac::derived(&["vtep", &settings.cluster.name, name.as_str(), host.name.as_str()]),
                subnets: subnets.clone(),
            });
        }
        members
    }

    /// What the host has of a network, if it is where it was.
    fn member(&self, host: &Host, network: &NetworkName) -> Option<&Member> {
        let network = self.networks.get(network)?;
        let own = network.own.as_ref().filter(|own| own.host == host.name);
        own.or_else(|| network.others.get(&host.name)).filter(|member| member.vtep == host.address)
    }
}

/// Networks that only the peers file has, each with one host in it. What the settings refuse they say themselves.
fn unknown(settings: &Settings, peers: &Peers) -> Vec<String> {
    let Networks { usable, refused } = &settings.networks;
    let usable = usable.iter().map(|network| &network.overlay.name);
    let known: BTreeSet<&NetworkName> = usable.chain(refused.iter().map(|refused| &refused.network)).collect();
    let mut unknown = BTreeMap::new();
    for host in peers.hosts.values() {
        for name in host.subnets.keys().filter(|name| !known.contains(name)) {
            unknown.entry(name).or_insert(&host.name);
        }
    }
    let line =
        |(name, host)| format!("network {name}: the peers file has it, of peer {host}, and the settings have not");
    unknown.into_iter().map(line).collect()
}

fn absent(settings: &Settings) -> String {
    format!("the peers file has no peer {}, which is this host", settings.host.name)
}

/// Whether file and settings say the same of this host.
fn agree(host: &Host, settings: &Settings) -> Result<(), String> {
    match settings.host.place {
        Some(Place::Address(address)) if address != host.address => Err(format!(
            "peer {}: address \"{}\" of this host is not host.address, \"{address}\"",
            host.name, host.address
        )),
        _ => Ok(()),
    }
}

/// Whether packets to a host can be sent from `own`, and not into the network that they are to carry.
fn reachable(host: &Host, own: Option<IpAddr>, networks: &[Network]) -> Result<(), String> {
    let peer = format!("peer {}: address \"{}\"", host.name, host.address);
    if let Some(own) = own.filter(|own| own.is_ipv4() != host.address.is_ipv4()) {
        return Err(format!("{peer} is of {}, that of this host of {}", family(host.address), family(own)));
    }
    let mut subnets = networks.iter().flat_map(|it| it.overlay.subnets.iter().map(|subnet| (&it.overlay.name, subnet)));
    match subnets.find(|(_, subnet)| subnet.contains(host.address)) {
        Some((name, subnet)) => Err(format!("{peer} is in \"{subnet}\", a subnet of network {name}")),
        None => Ok(()),
    }
}

/// Why a host cannot have this part of a network.
fn misfit(part: &IpNetwork, Overlay { name, mode, subnets, .. }: &Overlay) -> Option<String> {
    let subnet = format!("subnet \"{part}\" of network {name}");
    if !subnets.iter().any(|whole| whole.prefix() <= part.prefix() && whole.contains(part.network())) {
        let whole: Vec<String> = subnets.iter().map(ToString::to_string).collect();
        return Some(format!("{subnet} is no part of {}", whole.join(", ")));
    }
    let longest = longest_prefix(part, *mode);
    (part.prefix() > longest).then(|| format!("{subnet} has no room: its prefix is above {longest}"))
}
