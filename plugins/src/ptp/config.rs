//! The keys of the ptp plugin. A [`Config`] that exists is valid.

use netd_model::addr::Mtu;
use serde::Deserialize;

use crate::{
    cni::{Error, Request, result::Dns},
    ipam, keys,
};

/// What the configuration asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) masquerade: bool,
    pub(super) mtu: Option<Mtu>,
    /// The result's `dns`, where the configuration says any of it.
    pub(super) dns: Option<Dns>,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    ip_masq: bool,
    ip_masq_backend: Option<String>,
    mtu: i64,
    dns: Option<Dns>,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// A key that does not fit, or nobody who gives addresses.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        keys::masquerade_backend(keys.ip_masq_backend.as_deref())?;
        if !ipam::configured(request)? {
            return Err(Error::config("no plugin name provided").with_details("ptp needs `ipam`"));
        }
        ipam::refuse_by_link(request)?;
        Ok(Self { masquerade: keys.ip_masq, mtu: keys::mtu(keys.mtu)?, dns: keys::dns(request, keys.dns) })
    }
}
