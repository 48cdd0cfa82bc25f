//! Routes, with the defaults that the kernel fills in.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::{Key, Side};
use crate::name::LinkName;

/// What IPv6 takes for a priority of 0 (`IP6_RT_PRIO_USER`).
const IPV6_PRIORITY: u32 = 1024;

/// A route: ip-route(8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The namespace.
    pub side: Side,
    /// The interface that packets leave by.
    pub link: LinkName,
    /// Where packets go.
    pub destination: IpNetwork,
    /// The next router; none where the destination is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Whether the next router is on the link although no address of the interface says so: `onlink`. Not compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub onlink: bool,
    /// The routing table; 254 (main) where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The metric, the lower the better; 0 where nothing is said, for IPv6 1024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// 0 global, 253 link, 254 host. IPv6 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
    /// The largest packet in bytes on this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The largest TCP segment in bytes to announce on this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
}

impl Route {
    /// The routing table that routes are in when nothing else is said (`RT_TABLE_MAIN`).
    pub const MAIN: u32 = 254;

    /// The table with its default.
    pub fn table(&self) -> u32 {
        self.table.filter(|table| *table != 0).unwrap_or(Self::MAIN)
    }

    /// The priority as the kernel keeps it.
    pub fn priority(&self) -> u32 {
        match self.priority {
            None | Some(0) if self.destination.is_ipv6() => IPV6_PRIORITY,
            priority => priority.unwrap_or(0),
        }
    }

    /// Whether `found`, which has the same key, has every attribute that this one says.
    pub fn is_met_by(&self, found: &Self) -> bool {
        let met = |wanted: Option<u32>, found: Option<u32>| wanted.is_none_or(|wanted| found == Some(wanted));
        // IPv6 has no scopes (`rtm_scope` is ignored).
        let scope = self.destination.is_ipv6() || met(self.scope.map(u32::from), found.scope.map(u32::from));
        scope && met(self.mtu, found.mtu) && met(self.advmss, found.advmss)
    }

    pub(super) fn key(&self) -> Key {
        Key::Route(self.side, self.link.clone(), self.destination, self.gateway, self.table(), self.priority())
    }
}
