//! Networks that span hosts. One that cannot be is left out with the reason; those above it in the file go on.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use ipnetwork::IpNetwork;
use netd_model::{
    addr::Mtu,
    name::NetworkName,
    overlay::{Mode, Overlay, PORT, Vni},
};
use serde::{Deserialize, Serialize};

use super::{
    cluster::{Host, Place},
    written,
};

/// The smallest MTU of a link with IPv6 (RFC 8200 5).
pub(crate) const SMALLEST_IPV6_MTU: u32 = 1280;

/// A network as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Network {
    /// What all hosts agree on.
    pub(crate) overlay: Overlay,
    /// How long the prefix of a host's part is, for each subnet.
    pub(crate) host_prefix: Vec<u8>,
    /// The largest packet, in bytes; by default what the way to other hosts leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mtu: Option<Mtu>,
    /// Whether packets to hosts on the same link go without VXLAN.
    #[serde(default, skip_serializing_if = "is_no")]
    pub(crate) direct: bool,
    /// Whether a host's own containers come first in answers.
    #[serde(default, skip_serializing_if = "is_no")]
    pub(crate) prefer_local: bool,
}

/// A network that stands in the settings and cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its name.
    pub(crate) network: NetworkName,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// The networks, and those that are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Networks {
    /// In the order of the file.
    pub(crate) usable: Vec<Network>,
    /// Why the others are not among them.
    pub(crate) refused: Vec<Refused>,
}

impl Networks {
    pub(super) fn resolve(written: Vec<written::Network>, cluster: &str, host: &Host) -> Self {
        let resolved = written.into_iter().map(|written| (written.name.clone(), Network::resolve(written, cluster)));
        Self::sorted_out(resolved, host)
    }

    /// Those that can be, side by side and on this host. Of two that do not go together the first is one.
    pub(crate) fn sorted_out(
        candidates: impl IntoIterator<Item = (NetworkName, Result<Network, String>)>,
        host: &Host,
    ) -> Self {
        let mut networks = Self::default();
        for (name, network) in candidates {
            match network.and_then(|network| networks.clash(&network, host).map_or(Ok(network), Err)) {
                Ok(network) => networks.usable.push(network),
                Err(reason) => networks.refused.push(Refused { network: name, reason }),
            }
        }
        networks
    }

    /// What stands against one more network beside those that are there.
    fn clash(&self, network: &Network, host: &Host) -> Option<String> {
        let Overlay { name, subnets, vni, .. } = &network.overlay;
        let of_host = subnets.iter().find_map(|subnet| match host.place {
            Some(Place::Address(address)) if subnet.contains(address) => Some((subnet, address)),
            _ => None,
        });
        if let Some((subnet, address)) = of_host {
            return Some(format!("subnet \"{subnet}\" holds host.address, \"{address}\""));
        }
        self.usable.iter().map(|other| &other.overlay).find_map(|other| {
            if other.name == *name {
                return Some(format!("name \"{name}\" is taken by a network above"));
            }
            if other.vni == *vni {
                return Some(format!("vni {vni} is that of network {}: choose another", other.name));
            }
            let mut pairs = subnets.iter().flat_map(|own| other.subnets.iter().map(move |other| (own, other)));
            let (own, of_other) = pairs.find(|(own, other)| overlap(own, other))?;
            Some(format!("subnet \"{own}\" overlaps \"{of_other}\" of network {}", other.name))
        })
    }
}

impl Network {
    /// The network of these keys.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn resolve(written: written::Network, cluster: &str) -> Result<Self, String> {
        let by_default = |subnet: &IpNetwork| subnet.prefix().max(if subnet.is_ipv6() { 64 } else { 24 });
        let host_prefix = written.host_prefix.unwrap_or_else(|| written.subnet.iter().map(by_default).collect());
        let vni = written.vni.unwrap_or_else(|| Vni::of_network(cluster, written.name.as_str()));
        let overlay = Overlay {
            name: written.name,
            mode: written.mode,
            subnets: written.subnet,
            vni,
            port: written.port.unwrap_or(PORT),
            masquerade: written.masquerade.unwrap_or(true),
            domain: written.domain,
            internal: written.internal.unwrap_or(false),
        };
        let (direct, prefer_local) = (written.direct.unwrap_or(false), written.prefer_local.unwrap_or(false));
        let network = Self { overlay, host_prefix, mtu: written.mtu, direct, prefer_local };
        network.check()?;
        Ok(network)
    }

    /// How many hosts can have a part of it.
    pub(crate) fn room(&self) -> usize {
        let parts = self.overlay.subnets.iter().zip(&self.host_prefix).map(|(whole, prefix)| {
            1_usize.checked_shl(prefix.saturating_sub(whole.prefix()).into()).unwrap_or(usize::MAX)
        });
        parts.min().unwrap_or(0)
    }

    /// Whether it can be, by itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Overlay { subnets, mode, .. } = &self.overlay;
        check_subnets(subnets, *mode)?;
        check_host_prefixes(subnets, &self.host_prefix, *mode)?;
        if self.direct && *mode == Mode::L2 {
            return Err("direct is for mode \"routed\": on one link there are no routes".to_owned());
        }
        let is_ipv6 = subnets.iter().any(IpNetwork::is_ipv6);
        match self.mtu.filter(|mtu| is_ipv6 && u32::from(*mtu) < SMALLEST_IPV6_MTU) {
            Some(mtu) => Err(format!("mtu {mtu} is below {SMALLEST_IPV6_MTU}, which IPv6 needs")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "network {}: {}", self.network, self.reason)
    }
}

/// Whether two networks have an address in common.
pub(crate) fn overlap(one: &IpNetwork, other: &IpNetwork) -> bool {
    one.contains(other.network()) || other.contains(one.network())
}

/// The network where bits of a host are set, as in 10.40.1.5/24, or which is not one of hosts.
pub(crate) fn malformed(subnet: &IpNetwork) -> Option<String> {
    if subnet.ip() != subnet.network() {
        let network =
            IpNetwork::new(subnet.network(), subnet.prefix()).map_or_else(|_| String::new(), |it| it.to_string());
        return Some(format!("subnet \"{subnet}\" is an address in a subnet: \"{network}\" is meant"));
    }
    let first = subnet.network();
    let is_of_hosts = !first.is_unspecified() && !first.is_multicast() && !first.is_loopback();
    (!is_of_hosts).then(|| format!("subnet \"{subnet}\" has no addresses of hosts"))
}

/// The longest prefix that leaves a bridge and containers an address; in mode `l2` a bridge may have two.
pub(crate) fn longest_prefix(subnet: &IpNetwork, mode: Mode) -> u8 {
    match (subnet.is_ipv6(), mode) {
        (true, Mode::Routed) => 126,
        (true, Mode::L2) => 125,
        (false, Mode::Routed) => 30,
        (false, Mode::L2) => 29,
    }
}

fn check_subnets(subnets: &[IpNetwork], mode: Mode) -> Result<(), String> {
    if subnets.is_empty() {
        return Err("subnet = [] names none".to_owned());
    }
    let mut families = BTreeSet::new();
    for subnet in subnets {
        if let Some(wrong) = malformed(subnet) {
            return Err(wrong);
        }
        if !families.insert(subnet.is_ipv6()) {
            return Err(format!("subnet \"{subnet}\" is the second of {}, one is allowed", family(subnet.network())));
        }
        let longest = longest_prefix(subnet, mode);
        if subnet.prefix() > longest {
            return Err(format!("subnet \"{subnet}\" has no room: its prefix is above {longest}"));
        }
    }
    Ok(())
}

fn check_host_prefixes(subnets: &[IpNetwork], prefixes: &[u8], mode: Mode) -> Result<(), String> {
    if prefixes.len() != subnets.len() {
        return Err(format!(
            "host_prefix = {prefixes:?} is not one number for each subnet, of which are {}",
            subnets.len()
        ));
    }
    for (prefix, subnet) in prefixes.iter().zip(subnets) {
        let range = subnet.prefix()..=longest_prefix(subnet, mode);
        if !range.contains(prefix) {
            return Err(format!("host_prefix {prefix} is not {} to {} for \"{subnet}\"", range.start(), range.end()));
        }
    }
    Ok(())
}

/// What is so by default is not written: who does not know the key yet reads the network too.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_no(value: &bool) -> bool {
    !value
}

/// IPv4 or IPv6, as people say it.
pub(crate) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv6() { "IPv6" } else { "IPv4" }
}
