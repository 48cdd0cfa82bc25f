//! The configuration: no keys of its own.

use crate::{
    cni::{Error, Request},
    ipam,
};

/// The proof that somebody gives addresses.
#[derive(Debug)]
pub(super) struct Config;

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Nobody gives addresses.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        ipam::refuse_by_link(request)?;
        if ipam::configured(request)? {
            return Ok(Self);
        }
        Err(Error::config("dummy interface requires an IPAM configuration"))
    }
}
