//! A bridge of an overlay network: the host's part of a network of many hosts. What it takes and leaves: README.md.
//!
//! netd holds the host's lease and makes what leads to other hosts; the plugin needs netd to have run once on this host,
//! and not while it works.

mod config;

#[cfg(test)]
mod tests;

use netd_model::{
    object::State,
    overlay::{HostLease, Mode, l2},
};
use netd_store::Store;

use crate::{
    bridge::{self, Earlier, Variant},
    cni::{About, CniResult, Error, Kind, Request, Target, Valid, Version},
    host::{self, Host},
    host_local, ipam,
    verb::Plugin,
};
use config::Config;

/// The plugin.
pub(crate) const PLUGIN: Plugin = Plugin {
    about: About { name: "overlay", oldest: Version::V0_1_0, capabilities: Some(&["mac", "ips"]) },
    config: |request| Config::of(request).map(drop),
    add,
    check,
    del,
    gc,
    status,
};

fn add(request: &Request, target: &Target) -> Result<CniResult, Error> {
    let config = Config::of(request)?;
    let lease = lease(request).map_err(|missing| missing.error(Kind::TryAgain))?;
    bridge::attach(&variant(&lease), &request.with_config(config.of_bridge(request, &lease)?), target)
}

fn check(request: &Request, target: &Target) -> Result<(), Error> {
    let config = Config::of(request)?;
    let lease = lease(request).map_err(|missing| missing.error(Kind::TryAgain))?;
    bridge::compare(&variant(&lease), &request.with_config(config.of_bridge(request, &lease)?), target)
}

/// Needs no lease: the document says what is there.
fn del(request: &Request, target: &Target) -> Result<(), Error> {
    let request = &request.with_config(config::of_host_local(request));
    let mut host = Host::open(request, target)?;
    let _lock = host.lock(&target.id)?;
    let removed = host.remove_all(target, request.prev_result.as_ref());
    let freed = host_local::free(request, target, &host.store);
    Error::collect([removed, freed].into_iter().filter_map(Result::err))
}

fn gc(request: &Request, valid: &Valid) -> Result<(), Error> {
    let request = &request.with_config(config::of_host_local(request));
    let mut host = Host::open_without_container(request)?;
    let removed = host.collect(&request.network, valid);
    Error::collect([removed, ipam::gc(request, valid, &mut host)].into_iter().filter_map(Result::err))
}

fn status(request: &Request) -> Result<(), Error> {
    host::lacks_nothing()?;
    let config = Config::of(request)?;
    let lease = lease(request).map_err(|missing| missing.error(Kind::Unavailable))?;
    let request = request.with_config(config.of_bridge(request, &lease)?);
    ipam::status(&request, &mut Host::open_without_container(&request)?)
}

/// In mode `l2` the bridge is netd's, and other hosts' containers are on it; otherwise they are beyond the VXLAN device.
fn variant(lease: &HostLease) -> Variant {
    let HostLease { overlay, subnets, mac, .. } = lease;
    let (elsewhere, kept) = match overlay.mode {
        Mode::Routed => (vec![overlay.device()], State::default()),
        Mode::L2 => {
            let kept = l2::bridge(overlay, &l2::shares(overlay, subnets), *mac, netd_kernel::has_ipv6());
            (Vec::new(), kept.into())
        }
    };
    let (plugin, lease) = (PLUGIN.about.name, Some(lease.clone()));
    Variant { plugin, elsewhere, earlier: Earlier::Kept, sizes_bridge: false, kept, lease }
}

/// Why there is no lease to work with.
struct Missing {
    text: String,
    details: String,
}

impl Missing {
    fn error(self, kind: Kind) -> Error {
        Error::new(kind, self.text).with_details(self.details)
    }
}

/// The host's lease in the network.
fn lease(request: &Request) -> Result<HostLease, Missing> {
    let network = &request.network;
    let missing = |text: String, details: String| Err(Missing { text, details });
    match Store::open(&request.run_dir).host_lease(network) {
        Ok(Some(lease)) if config::is_whole(&lease) => Ok(lease),
        Ok(Some(_)) => {
            let details = format!("netd writes it below {} again", request.run_dir.display());
            missing(format!("the lease of this host in overlay network {network} has no subnet of it"), details)
        }
        Ok(None) => {
            let text = format!("this host has no lease in overlay network {network} yet");
            let run_dir = request.run_dir.display();
            let details = format!("netd writes it to {run_dir}/overlays once it runs with a [[network]] of that name");
            missing(text, details)
        }
        Err(error) => missing(format!("the lease of this host in overlay network {network}"), error.to_string()),
    }
}
