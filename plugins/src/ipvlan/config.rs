//! The keys of the ipvlan plugin. A [`Config`] that exists is valid.

use netd_model::{name::LinkName, object::IpvlanMode};
use serde::Deserialize;

use crate::{
    cni::{Error, Request, result::Dns},
    ipam, keys,
};

/// What the configuration asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// The interface below.
    pub(super) master: Option<LinkName>,
    pub(super) mode: IpvlanMode,
    /// In bytes; 0 is that of the interface below, which is the most.
    pub(super) mtu: i64,
    /// Whether the interface below is in the container.
    pub(super) in_container: bool,
    /// Whether somebody gives addresses for this plugin alone.
    pub(super) has_ipam: bool,
    /// The result's `dns`.
    pub(super) dns: Dns,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    master: String,
    mode: String,
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
        let mode = match keys.mode.as_str() {
            "" | "l2" => IpvlanMode::L2,
            "l3" => IpvlanMode::L3,
            "l3s" => IpvlanMode::L3s,
            other => return Err(Error::config(format!("unknown ipvlan mode: {other:?}"))),
        };
        Ok(Self {
            master: keys::link("master", &keys.master)?,
            mode,
            mtu: keys::mtu_above(keys.mtu)?,
            in_container: keys.link_in_container,
            has_ipam: ipam::configured(request)?,
            dns: keys.dns,
        })
    }
}
