//! The keys of the vrf plugin. A [`Config`] that exists is valid.

use netd_model::name::LinkName;
use serde::Deserialize;

use crate::{
    cni::{Error, Request},
    keys,
};

/// What the configuration asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    /// The VRF; made if it is not there.
    pub(super) vrf: LinkName,
    /// Its routing table.
    pub(super) table: Option<u32>,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    vrfname: String,
    table: u32,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        let missing = || Error::config("configuration is expected to have a valid vrf name");
        let vrf = keys::link("vrfname", &keys.vrfname)?.ok_or_else(missing)?;
        Ok(Self { vrf, table: Some(keys.table).filter(|table| *table != 0) })
    }
}
