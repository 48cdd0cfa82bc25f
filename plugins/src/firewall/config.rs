//! The keys of the firewall plugin. A [`Config`] that exists is valid.

use netd_model::{
    name::{AdminChain, ZoneName},
    object::{Gate, Way},
};
use serde::Deserialize;

use crate::cni::{Error, Request};

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) policy: Policy,
    /// The chain that an operator fills.
    pub(super) admin: AdminChain,
    /// Of other firewalls, those that may be told to let packets through.
    backend: Backend,
    zone: ZoneName,
}

/// Whom a container hears that did not speak first, besides its host and those who come to a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    /// Containers of this host, and of the network elsewhere.
    Open,
    /// Containers of the network.
    SameBridge,
    /// Nobody.
    Isolated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// Whichever is there.
    Any,
    Iptables,
    Firewalld,
    /// None.
    Nftables,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    backend: String,
    iptables_admin_chain_name: String,
    firewalld_zone: String,
    ingress_policy: String,
}

impl Policy {
    /// As the configuration has it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::SameBridge => "same-bridge",
            Self::Isolated => "isolated",
        }
    }
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let keys: Keys = request.config()?;
        Ok(Self {
            policy: policy(&keys.ingress_policy)?,
            admin: admin(&keys.iptables_admin_chain_name)?,
            backend: backend(&keys.backend)?,
            zone: zone(&keys.firewalld_zone)?,
        })
    }

    /// The gates of other firewalls that are asked, for addresses of these families.
    pub(super) fn gates(&self, ipv4: bool, ipv6: bool) -> Vec<Gate> {
        let may = |backend| matches!(self.backend, Backend::Any) || self.backend == backend;
        let gates = [
            (may(Backend::Iptables) && ipv4, Gate::DockerUser4(Way::From)),
            (may(Backend::Iptables) && ipv4, Gate::DockerUser4(Way::To)),
            (may(Backend::Iptables) && ipv6, Gate::DockerUser6(Way::From)),
            (may(Backend::Iptables) && ipv6, Gate::DockerUser6(Way::To)),
            (may(Backend::Firewalld) && (ipv4 || ipv6), Gate::Firewalld(self.zone.clone())),
        ];
        gates.into_iter().filter(|(is, _)| *is).map(|(_, gate)| gate).collect()
    }
}

fn policy(text: &str) -> Result<Policy, Error> {
    let all = [Policy::Open, Policy::SameBridge, Policy::Isolated];
    match text {
        "" => Ok(Policy::Open),
        text => all.into_iter().find(|policy| policy.word() == text).ok_or_else(|| {
            Error::config(format!("unknown ingress policy: {:?}", shown(text)))
                .with_details("ingressPolicy is open, same-bridge or isolated")
        }),
    }
}

fn backend(text: &str) -> Result<Backend, Error> {
    match text {
        "" => Ok(Backend::Any),
        "iptables" => Ok(Backend::Iptables),
        "firewalld" => Ok(Backend::Firewalld),
        "nftables" => Ok(Backend::Nftables),
        text => Err(Error::config(format!("unrecognized firewall backend: {}", shown(text)))
            .with_details("backend is iptables, firewalld or nftables, and all use nftables")),
    }
}

fn admin(text: &str) -> Result<AdminChain, Error> {
    if text.is_empty() {
        return Ok(AdminChain::usual());
    }
    if netd_kernel::has_chain(text) {
        return Err(Error::config(format!("iptablesAdminChainName: {text:?} is a chain of netd's own")));
    }
    text.parse().map_err(|error| Error::config(format!("iptablesAdminChainName: {error}")))
}

fn zone(text: &str) -> Result<ZoneName, Error> {
    if text.is_empty() {
        return Ok(ZoneName::trusted());
    }
    text.parse().map_err(|error| Error::config(format!("firewalldZone: {error}")))
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}
