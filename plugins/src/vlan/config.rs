//! The keys of the vlan plugin. A [`Config`] that exists is valid.

use netd_model::name::LinkName;
use serde::Deserialize;

use crate::{
    cni::{Error, Request, result::Dns},
    ipam, keys,
};

/// What the configuration asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// The interface below.
    pub(super) master: LinkName,
    /// 0 to 4094, IEEE 802.1Q 9.6.
    pub(super) id: u16,
    /// In bytes; 0 is that of the interface below, which is the most.
    pub(super) mtu: i64,
    /// Whether the interface below is in the container.
    pub(super) in_container: bool,
    /// The result's `dns`.
    pub(super) dns: Dns,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    master: String,
    vlan_id: i64,
    mtu: i64,
    link_in_container: bool,
    dns: Dns,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        let text = "\"master\" field is required. It specifies the host interface name to create the VLAN for";
        let master = keys::link("master", &keys.master)?.ok_or_else(|| Error::config(text))?;
        let id = u16::try_from(keys.vlan_id).ok().filter(|id| *id <= 4094);
        let text = || format!("invalid VLAN ID {} (must be between 0 and 4095 inclusive)", keys.vlan_id);
        let id = id.ok_or_else(|| Error::config(text()).with_details("key \"vlanId\" is at most 4094"))?;
        if !ipam::configured(request)? {
            return Err(Error::config("failed to execute IPAM delegate: no plugin name provided"));
        }
        let mtu = keys::mtu_above(keys.mtu)?;
        Ok(Self { master, id, mtu, in_container: keys.link_in_container, dns: keys.dns })
    }
}
