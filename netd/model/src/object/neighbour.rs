//! Whom a device sends to: neighbours of IP, and the forwarding table of a VXLAN device.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{addr::Mac, name::LinkName};

/// A permanent neighbour of the host: ip-neighbour(8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// The interface that it is reached by.
    pub link: LinkName,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: Mac,
}

/// A permanent entry of a VXLAN device's forwarding table: `bridge fdb`, bridge(8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fdb {
    /// The VXLAN device.
    pub link: LinkName,
    /// The hardware address that frames go to; none for frames to nobody that is known, and to groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The host that gets them: its VTEP.
    pub destination: IpAddr,
}
