//! Who is asked for names that are not ours, and whose certificates are good.

use std::net::SocketAddr;

use super::Daemon;
use crate::{logs::chain, zones};

impl Daemon {
    /// Takes up the settings' upstreams, else those of the host.
    pub(super) fn choose_upstreams(&mut self, of_host: &[SocketAddr]) {
        if self.upstreams.is_none() {
            self.choose_authorities();
        }
        let own = zones::asked(&self.settings.upstreams);
        let of_host = || of_host.iter().copied().map(dns::Upstream::from).collect();
        let upstreams = if self.settings.upstreams.is_empty() { of_host() } else { own };
        if self.upstreams.as_ref() != Some(&upstreams) {
            self.server.set_upstreams(upstreams.to_vec());
            self.upstreams = Some(upstreams);
        }
    }

    /// Takes up whose certificates are good. The file is large, and read when the settings are.
    fn choose_authorities(&self) {
        let path = &self.settings.upstream_ca_file;
        let error = match std::fs::read(path) {
            Ok(authorities) => match self.server.set_authorities(Some(&authorities)) {
                Ok(()) => return,
                Err(error) => chain(&error),
            },
            Err(error) => chain(&error),
        };
        let is_wanted = self.settings.upstreams.iter().any(|upstream| upstream.tls.is_some());
        if is_wanted {
            tracing::error!(path = %path.display(), error, "no upstream is asked over TLS, see upstream_ca_file");
        } else {
            tracing::debug!(path = %path.display(), error, "no upstream can be asked over TLS");
        }
    }
}
