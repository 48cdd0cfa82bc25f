//! The keys of the tap plugin. A [`Config`] that exists is valid.

use netd_model::{
    addr::{Mac, Mtu},
    name::LinkName,
};
use serde::Deserialize;

use crate::{
    cni::{Error, Request, result::Dns},
    ipam,
    keys::{self, Wishes},
};

/// What the configuration asks for.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) multi_queue: bool,
    pub(super) mtu: Option<Mtu>,
    pub(super) mac: Option<Mac>,
    /// The user who may hold the other end.
    pub(super) owner: Option<u32>,
    /// The group who may.
    pub(super) group: Option<u32>,
    /// The `SELinux` context that it is made in.
    pub(super) context: Option<String>,
    /// A bridge in the container's namespace.
    pub(super) bridge: Option<LinkName>,
    /// The result's `dns`.
    pub(super) dns: Dns,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    multi_queue: bool,
    mtu: i64,
    mac: String,
    owner: Option<u32>,
    group: Option<u32>,
    selinux_context: String,
    bridge: String,
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
        ipam::refuse_by_link(request)?;
        let of_arguments = request.target().map_or(Ok(""), keys::mac_of_arguments)?;
        let context = keys.selinux_context;
        if context.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Error::config(format!("selinuxContext: {context:?} is no context")));
        }
        Ok(Self {
            multi_queue: keys.multi_queue,
            mtu: keys::mtu(keys.mtu)?,
            mac: keys::mac([&*keys.runtime_config.mac, of_arguments, &*keys.mac])?,
            owner: keys.owner,
            group: keys.group,
            context: Some(context).filter(|context| !context.is_empty()),
            bridge: keys::link("bridge", &keys.bridge)?,
            dns: keys.dns,
        })
    }
}
