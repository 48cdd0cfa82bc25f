//! The keys of the sbr plugin. A [`Config`] that exists is valid.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use crate::cni::{Error, Request};

/// What the configuration asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    /// The table of all addresses, which somebody else fills.
    pub(super) table: Option<u32>,
    /// In place of the gateway of each address of IPv4.
    pub(super) gateway4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub(super) gateway6: Option<Ipv6Addr>,
    /// Whether the ways to the subnets stay in the main table as well.
    pub(super) keeps_subnets: bool,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    table: Option<u32>,
    gateways: Vec<String>,
    add_source_hints: bool,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        if keys.gateways.len() > 2 {
            return Err(Error::config("gateways list cannot contain more than 2 entries (one IPv4, one IPv6)"));
        }
        let mut config = Self { table: keys.table, keeps_subnets: keys.add_source_hints, ..Self::default() };
        if keys.table == Some(0) {
            return Err(Error::config("table: 0 is no routing table"));
        }
        for text in &keys.gateways {
            let shown: String = text.chars().take(64).collect();
            let twice = |family: &str, first: &dyn std::fmt::Display| {
                Err(Error::config(format!("gateways list contains multiple {family} addresses: {first} and {shown}")))
            };
            match (text.parse(), config.gateway4, config.gateway6) {
                (Ok(IpAddr::V4(_)), Some(first), _) => return twice("IPv4", &first),
                (Ok(IpAddr::V6(_)), _, Some(first)) => return twice("IPv6", &first),
                (Ok(IpAddr::V4(gateway)), None, _) => config.gateway4 = Some(gateway),
                (Ok(IpAddr::V6(gateway)), _, None) => config.gateway6 = Some(gateway),
                (Err(_), ..) => {
                    let text = format!("invalid static gateway IP address: {shown}");
                    return Err(Error::config(text).with_details("key \"gateways\""));
                }
            }
        }
        Ok(config)
    }
}
