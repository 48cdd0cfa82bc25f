//! Where things are in the store.
//!
//! ```text
//! /netd/<cluster>/v1/networks/<network>                   a network of all hosts
//! /netd/<cluster>/v1/hosts/<host>                         who has this name
//! /netd/<cluster>/v1/vteps/<address>                      who has this VTEP address
//! /netd/<cluster>/v1/alive/<host>                         there while its netd lives, see `cluster.ttl`
//! /netd/<cluster>/v1/refused/<identity>                   what a host claims that is another's
//! /netd/<cluster>/v1/of/<network>/hosts/<host>            what a host has of a network
//! /netd/<cluster>/v1/of/<network>/subnets/<address>-<n>   who has this part of it
//! /netd/<cluster>/v1/of/<network>/names/<host>/<shard>    names of its containers
//! ```

use std::{fmt, net::IpAddr, str::FromStr};

use ipnetwork::IpNetwork;
use netd_model::name::{HostName, NetworkName};

/// Before all keys of a cluster.
pub(super) fn prefix(cluster: &str) -> String {
    format!("/netd/{cluster}/v1/")
}

/// A key, without the [`prefix`]. In their order networks are first, and what is alike stands together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// A network.
    Network(NetworkName),
    /// A host's name.
    Host(HostName),
    /// The address where a host is reached.
    Vtep(IpAddr),
    /// A sign of life.
    Alive(HostName),
    /// What a host cannot have, by its identity.
    Refused(String),
    /// What a host has of a network.
    Member(NetworkName, HostName),
    /// A part of a network.
    Subnet(NetworkName, IpNetwork),
    /// Some of the names of a host.
    Names(NetworkName, HostName, u16),
}

impl Key {
    /// The host that the key is about, where its name says that.
    pub(super) fn host(&self) -> Option<&HostName> {
        match self {
            Self::Host(host) | Self::Alive(host) | Self::Member(_, host) | Self::Names(_, host, _) => Some(host),
            Self::Network(_) | Self::Vtep(_) | Self::Refused(_) | Self::Subnet(..) => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => write!(f, "networks/{network}"),
            Self::Host(host) => write!(f, "hosts/{host}"),
            Self::Vtep(address) => write!(f, "vteps/{address}"),
            Self::Alive(host) => write!(f, "alive/{host}"),
            Self::Refused(identity) => write!(f, "refused/{identity}"),
            Self::Member(network, host) => write!(f, "of/{network}/hosts/{host}"),
            Self::Subnet(network, subnet) => {
                write!(f, "of/{network}/subnets/{}-{}", subnet.network(), subnet.prefix())
            }
            Self::Names(network, host, shard) => write!(f, "of/{network}/names/{host}/{shard}"),
        }
    }
}

/// Something that stands in the store and is no key of this form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownKey;

impl FromStr for Key {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, UnknownKey> {
        fn parsed<T: FromStr>(text: &str) -> Result<T, UnknownKey> {
            text.parse().map_err(|_| UnknownKey)
        }
        let parts: Vec<&str> = text.splitn(6, '/').collect();
        let key = match *parts.as_slice() {
            ["networks", network] => Self::Network(parsed(network)?),
            ["hosts", host] => Self::Host(parsed(host)?),
            ["vteps", address] => Self::Vtep(parsed(address)?),
            ["alive", host] => Self::Alive(parsed(host)?),
            ["refused", identity] => Self::Refused(identity.to_owned()),
            ["of", network, "hosts", host] => Self::Member(parsed(network)?, parsed(host)?),
            ["of", network, "subnets", subnet] => {
                let (address, prefix) = subnet.split_once('-').ok_or(UnknownKey)?;
                let subnet = IpNetwork::new(parsed(address)?, parsed(prefix)?).map_err(|_| UnknownKey)?;
                Self::Subnet(parsed(network)?, subnet)
            }
            ["of", network, "names", host, shard] => Self::Names(parsed(network)?, parsed(host)?, parsed(shard)?),
            _ => return Err(UnknownKey),
        };
        // One text for each key, or a host could have something twice.
        if key.to_string() == text { Ok(key) } else { Err(UnknownKey) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_as_it_is_written() {
        for text in [
            "networks/lab",
            "hosts/h1.example",
            "vteps/192.0.2.1",
            "vteps/2001:db8::1",
            "alive/h1",
            "refused/0011",
            "of/lab/hosts/h1",
            "of/lab/subnets/10.40.1.0-24",
            "of/lab/subnets/fd40:0:0:1::-64",
            "of/lab/names/h1/3",
        ] {
            assert_eq!(text.parse::<Key>().map(|key| key.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in [
            "",
            "networks",
            "networks/",
            "networks/a/b",
            "networks/..",
            "hosts/H1",
            "vteps/h1",
            "vteps/192.0.2.01",
            "of/lab",
            "of/lab/subnets/10.40.1.0",
            "of/lab/subnets/10.40.1.5-24",
            "of/lab/subnets/10.40.1.0-33",
            "of/lab/names/h1/03",
            "of/lab/names/h1/65536",
            "of/lab/names/h1/3/4",
            "of/lab/others/h1",
        ] {
            assert_eq!(text.parse::<Key>(), Err(UnknownKey), "{text}");
        }
    }
}
