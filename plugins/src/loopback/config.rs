//! The configuration: no keys of its own.

use crate::cni::{CniResult, Request};

/// What the plugin was told.
#[derive(Debug)]
pub(super) struct Config {
    /// What the plugins before it made, which it passes on.
    pub previous: Option<CniResult>,
}

impl Config {
    /// The configuration of a request.
    pub(super) fn of(request: &Request) -> Self {
        Self { previous: request.prev_result.clone() }
    }
}
