//! The keys of static. A [`Config`] that exists is valid.
//!
//! Order of the checks and their words are the reference's.

use std::net::IpAddr;

use netd_model::IpNetwork;
use serde::Deserialize;

use crate::cni::{
    Error, Kind, Request,
    address::{Address, Cidr},
    result::{Dns, Ip, Route},
};

/// More addresses than any interface has.
const MOST: usize = 1000;

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// The addresses with their gateways.
    pub(super) ips: Vec<Ip>,
    /// For the result.
    pub(super) routes: Vec<Route>,
    /// For the result.
    pub(super) dns: Dns,
}

/// The keys as they are written.
#[derive(Debug, Deserialize)]
struct Keys {
    #[serde(default)]
    ipam: Option<Ipam>,
    #[serde(rename = "runtimeConfig", default)]
    runtime_config: Wishes,
    #[serde(default)]
    args: Args,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ipam {
    addresses: Vec<Entry>,
    routes: Vec<Route>,
    dns: Dns,
}

/// An entry of `addresses`.
#[derive(Debug, Deserialize)]
struct Entry {
    address: String,
    #[serde(default)]
    gateway: Address,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: Wishes,
}

/// Addresses for one container, in place of those for all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wishes {
    ips: Vec<String>,
}

impl Config {
    /// Reads the configuration of a request.
    ///
    /// # Errors
    /// Names the address that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        let Keys { ipam, runtime_config, args } = request.config()?;
        let ipam = ipam.ok_or_else(|| Error::config("IPAM config missing 'ipam' key"))?;
        let mut ips = Vec::new();
        for Entry { address, gateway } in ipam.addresses {
            ips.push(Ip { gateway: gateway.0, ..ip(&address, "the 'address' field is expected to be")? });
        }
        of_arguments(request, &mut ips)?;
        for wishes in [args.cni.ips, runtime_config.ips].into_iter().filter(|wishes| !wishes.is_empty()) {
            let read = |wish: &String| ip(wish, "an entry in the 'ips' field is NOT");
            ips = wishes.iter().map(read).collect::<Result<_, _>>()?;
        }
        if ips.len() > MOST {
            return Err(Error::config(format!("more than {MOST} addresses")));
        }
        let ipv4 = ips.iter().filter(|ip| ip.address.is_ipv4()).count();
        if !ips.is_empty() {
            request.version.carries(ipv4, ips.len() - ipv4)?;
        }
        Ok(Self { ips, routes: ipam.routes, dns: ipam.dns })
    }
}

/// Adds the addresses of `IP` in `CNI_ARGS`, and gives those of `GATEWAY` to the addresses whose subnet they are in.
fn of_arguments(request: &Request, ips: &mut Vec<Ip>) -> Result<(), Error> {
    let Some(target) = request.target() else { return Ok(()) };
    // The other key is for the plugin that calls this one.
    let values = target.args.values(&["IP", "GATEWAY", "MAC"])?;
    let list = |key: &str| {
        let text = values.get(key).copied().unwrap_or_default();
        text.split(',').filter(|_| !text.is_empty()).map(str::trim).collect::<Vec<_>>()
    };
    for text in list("IP") {
        let of_environment = |error: Error| Error { kind: Kind::Environment, ..error };
        ips.push(ip(text, "the 'ip' field is expected to be").map_err(of_environment)?);
    }
    for text in list("GATEWAY") {
        let invalid = |_| Error::new(Kind::Environment, format!("invalid gateway address: {text}"));
        let gateway: IpAddr = text.parse().map_err(invalid)?;
        ips.iter_mut().filter(|ip| ip.address.contains(gateway)).for_each(|ip| ip.gateway = Some(gateway));
    }
    Ok(())
}

/// An address with its prefix; `what` begins the sentence about a text that is none.
fn ip(text: &str, what: &str) -> Result<Ip, Error> {
    let shown: String = text.chars().take(64).collect();
    let refused = |_| Error::config(format!("{what} in CIDR notation, got: '{shown}'"));
    let Cidr(address) = Cidr::try_from(text.to_owned()).map_err(refused)?;
    let canonical = IpNetwork::new(address.ip().to_canonical(), address.prefix());
    Ok(Ip { interface: None, address: canonical.unwrap_or(address), gateway: None })
}
