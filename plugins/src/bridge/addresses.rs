//! From what IPAM gave to addresses, gateways and routes of the container, as the reference computes them.

use std::net::IpAddr;

use netd_model::{
    IpNetwork,
    name::LinkName,
    object::{Address, Object, Side},
};

use super::config::Config;
use crate::{
    cni::{CniResult, Error, Kind, result},
    inside::Assigned,
};

/// The addresses, each with its gateway: IPAM's, else the first of the subnet where the host is to be the gateway.
pub(super) fn assigned(config: &Config, ipam: &CniResult) -> Vec<Assigned> {
    let of = |ip: &result::Ip| Assigned {
        address: ip.address,
        gateway: ip.gateway.or_else(|| config.gateway.then(|| first(ip.address)).flatten()),
    };
    ipam.ips.iter().map(of).collect()
}

/// IPAM's routes, and with `isDefaultGateway` one to everywhere for each family that has none with a router.
pub(super) fn routes(config: &Config, ipam: &CniResult, assigned: &[Assigned]) -> Vec<result::Route> {
    let mut routes = ipam.routes.clone();
    for ip in assigned.iter().filter(|_| config.default_gateway) {
        let everywhere = everywhere(ip.address);
        if !routes.iter().any(|route| route.dst == everywhere && route.gw.is_some()) {
            routes.push(result::Route::new(everywhere, ip.gateway));
        }
    }
    routes
}

/// What of the bridge's addresses must go for these gateways: nothing, or with `forceAddress` those in conflict.
///
/// A bridge has one IPv4 address, and IPv6 addresses of subnets that do not overlap.
pub(super) fn in_conflict(
    config: &Config,
    link: &LinkName,
    found: &[IpNetwork],
    assigned: &[Assigned],
) -> Result<Vec<Object>, Error> {
    let gateways: Vec<IpNetwork> = assigned.iter().filter_map(gateway_network).collect();
    let overlap = |a: &IpNetwork, b: &IpNetwork| a.contains(b.ip()) || b.contains(a.ip());
    let mut unwanted = Vec::new();
    for held in found.iter().filter(|held| !gateways.contains(held)) {
        let conflict =
            |gateway: &&IpNetwork| gateway.is_ipv4() == held.is_ipv4() && (gateway.is_ipv4() || overlap(gateway, held));
        let Some(gateway) = gateways.iter().find(conflict) else { continue };
        if !config.force_address {
            let text = format!("\"{link}\" already has an IP address different from {gateway}");
            return Err(Error::new(Kind::Exists, text).with_details(format!("it has {held}; forceAddress replaces it")));
        }
        let address = Address {
            side: Side::Host,
            link: link.clone(),
            address: *held,
            detect_duplicates: false,
            deprecated: false,
        };
        unwanted.push(Object::Address(address));
    }
    Ok(unwanted)
}

/// The gateway with the prefix of the subnet, as the bridge holds it.
pub(super) fn gateway_network(assigned: &Assigned) -> Option<IpNetwork> {
    IpNetwork::new(assigned.gateway?, assigned.address.prefix()).ok()
}

fn everywhere(like: IpNetwork) -> IpNetwork {
    let unspecified: IpAddr = match like {
        IpNetwork::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpNetwork::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    IpNetwork::new(unspecified, 0).expect("invariant: 0 is the length of a prefix")
}

/// The first address of a subnet after the subnet's own.
fn first(network: IpNetwork) -> Option<IpAddr> {
    match network.network() {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}
