//! What the sbr plugin wants in the kernel: a function of the addresses, and of the routes that are there.

use std::{collections::BTreeSet, net::IpAddr};

use netd_model::{
    IpNetwork,
    attachment::Section,
    name::LinkName,
    object::{Object, Route, Rule, Side},
    plan::{Plan, Step},
};

use super::config::Config;
use crate::{
    cni::{CniResult, Error, Target, result::Ip},
    host::Host,
};

/// The first table that is chosen, if it is free.
const FIRST_TABLE: u32 = 100;

/// A rule for each address, to one table.
pub(super) fn of_table(addresses: &[&Ip], table: u32) -> Section {
    Section { own: addresses.iter().map(|ip| Object::Rule(rule(ip, table))).collect(), ..Section::default() }
}

/// A rule and a table for each address. The interface's routes are there, and in the main table no more.
pub(super) fn of_routes(
    config: &Config,
    ifname: &LinkName,
    addresses: &[&Ip],
    routes: &[Route],
    taken: &BTreeSet<u32>,
) -> Section {
    let mut section = Section::default();
    let mut free = (FIRST_TABLE..).filter(|table| !taken.contains(table));
    // Those of link-local addresses are the way to neighbours, whatever the source.
    let routes: Vec<&Route> = routes.iter().filter(|route| !is_link_local(route.destination)).collect();
    for ip in addresses {
        let Some(table) = free.next() else { break };
        section.own.insert(Object::Rule(rule(ip, table)));
        let own = routes
            .iter()
            .filter(|route| is_for(route, ip))
            .map(|route| Route { table: Some(table), ..(*route).clone() });
        section.own.extend(own.map(Object::Route));
        // It may have been removed by a plugin before this one; and it takes the place of another.
        if let Some(gateway) = gateway(config, ip) {
            let everywhere = default_route(ifname, gateway, table);
            section.own.retain(|object| !is_in_place_of(object, &everywhere));
            section.own.insert(Object::Route(everywhere));
        }
    }
    let stays = |route: &&&Route| config.keeps_subnets && route.gateway.is_none();
    section.before.extend(routes.iter().filter(|route| !stays(route)).map(|route| Object::Route((*route).clone())));
    section
}

/// Without a record, as after the reference plugin: rules from addresses of the interface go, and of its result.
pub(super) fn tidy(target: &Target, previous: Option<&CniResult>, host: &mut Host) -> Result<(), Error> {
    if !host.has_container() {
        return Ok(());
    }
    let ifname = &target.id.ifname;
    let mut addresses = host.addresses(Side::Container, ifname)?;
    addresses.extend(previous.into_iter().flat_map(|previous| previous.ips_inside(ifname)).map(|ip| ip.address));
    let rules = host.kernel.rules_inside()?;
    let is_its_own = |rule: &Rule| addresses.iter().any(|address| IpNetwork::from(address.ip()) == rule.source);
    let steps = rules.into_iter().filter(is_its_own).map(|rule| Step::Delete(Object::Rule(rule))).collect();
    Ok(host.kernel.apply(&Plan { steps })?)
}

fn rule(ip: &Ip, table: u32) -> Rule {
    Rule { side: Side::Container, source: IpNetwork::from(ip.address.ip()), table }
}

/// Whether a route is one of an address: to its subnet, by a router in it, or of no address in particular.
fn is_for(route: &Route, ip: &Ip) -> bool {
    if route.destination.is_ipv4() != ip.address.is_ipv4() {
        return false;
    }
    match route.gateway {
        Some(gateway) => ip.address.contains(gateway),
        None => true,
    }
}

fn gateway(config: &Config, ip: &Ip) -> Option<IpAddr> {
    let configured = match ip.address {
        IpNetwork::V4(_) => config.gateway4.map(IpAddr::from),
        IpNetwork::V6(_) => config.gateway6.map(IpAddr::from),
    };
    configured.or(ip.gateway)
}

fn default_route(ifname: &LinkName, gateway: IpAddr, table: u32) -> Route {
    let unspecified: IpAddr = match gateway {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    Route {
        side: Side::Container,
        link: ifname.clone(),
        destination: IpNetwork::new(unspecified, 0).expect("invariant: 0 is the length of a prefix"),
        gateway: Some(gateway),
        onlink: false,
        table: Some(table),
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
    }
}

/// Whether an object is another route to the same place in the same table.
fn is_in_place_of(object: &Object, wanted: &Route) -> bool {
    let Object::Route(route) = object else { return false };
    (route.table(), route.destination, route.priority()) == (wanted.table(), wanted.destination, wanted.priority())
}

fn is_link_local(destination: IpNetwork) -> bool {
    match destination.ip() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}
