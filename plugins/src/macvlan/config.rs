//! The keys of the macvlan plugin. A [`Config`] that exists is valid.

use netd_model::{addr::Mac, name::LinkName, object::MacvlanMode};
use serde::Deserialize;

use crate::{
    cni::{Error, Request, result::Dns},
    keys::{self, Wishes},
};

/// What the configuration asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// The interface below; that of the default route where none is named.
    pub(super) master: Option<LinkName>,
    pub(super) mode: MacvlanMode,
    /// In bytes; 0 is that of the interface below, which is the most.
    pub(super) mtu: i64,
    pub(super) mac: Option<Mac>,
    /// Whether the interface below is in the container.
    pub(super) in_container: bool,
    /// How many broadcast and multicast packets wait to be copied.
    pub(super) queue: Option<u32>,
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
    mac: String,
    link_in_container: bool,
    bcqueuelen: u32,
    dns: Dns,
    runtime_config: Wishes,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        let of_arguments = request.target().map_or(Ok(""), keys::mac_of_arguments)?;
        Ok(Self {
            master: keys::link("master", &keys.master)?,
            mode: mode(&keys.mode)?,
            mtu: keys::mtu_above(keys.mtu)?,
            mac: keys::mac([&*keys.runtime_config.mac, of_arguments, &*keys.mac])?,
            in_container: keys.link_in_container,
            queue: Some(keys.bcqueuelen).filter(|length| *length != 0),
            dns: keys.dns,
        })
    }
}

fn mode(text: &str) -> Result<MacvlanMode, Error> {
    match text {
        "" | "bridge" => Ok(MacvlanMode::Bridge),
        "private" => Ok(MacvlanMode::Private),
        "vepa" => Ok(MacvlanMode::Vepa),
        "passthru" => Ok(MacvlanMode::Passthru),
        other => Err(Error::config(format!("unknown macvlan mode: {other:?}"))),
    }
}
