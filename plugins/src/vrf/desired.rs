//! What the vrf plugin wants in the kernel: a function of what is there.

use std::collections::BTreeSet;

use netd_model::{
    IpNetwork,
    attachment::Section,
    name::LinkName,
    object::{Address, GROUP, Link, LinkKind, Object, Port, Route, Side},
};

use super::config::Config;

/// What is there before.
#[derive(Debug)]
pub(super) struct Facts {
    /// The VRF, if there is one.
    pub(super) vrf: Option<Link>,
    /// Its table, or the one that it is to have.
    pub(super) table: u32,
    /// The interface.
    pub(super) ifname: LinkName,
    /// What it is.
    pub(super) kind: LinkKind,
    /// Its addresses.
    pub(super) addresses: Vec<IpNetwork>,
    /// Its routes.
    pub(super) routes: Vec<Route>,
}

/// The VRF, the interface in it, and what the interface loses on its way: addresses of IPv6, and routes, which are in the
/// VRF's table from then on.
pub(super) fn section(config: &Config, facts: &Facts) -> Section {
    let mut section = Section::default();
    let kind = LinkKind::Vrf { table: Some(facts.table) };
    let vrf = Link::new(Side::Container, config.vrf.clone(), kind);
    section.shared.insert(Object::Link(match &facts.vrf {
        Some(_) => vrf,
        None => Link { group: Some(GROUP), up: Some(true), ..vrf },
    }));
    let port = Some(Port { bridge: config.vrf.clone(), hairpin: None, isolated: None });
    let inside = Link { port, ..Link::new(Side::Container, facts.ifname.clone(), facts.kind.bare()) };
    section.changed.insert(Object::Link(inside));
    let global = facts
        .addresses
        .iter()
        .filter(|address| matches!(address, IpNetwork::V6(v6) if !v6.ip().is_unicast_link_local()));
    section.changed.extend(global.map(|address| {
        Object::Address(Address {
            side: Side::Container,
            link: facts.ifname.clone(),
            address: *address,
            detect_duplicates: false,
            deprecated: false,
        })
    }));
    for route in facts.routes.iter().filter(|route| route.table() == Route::MAIN) {
        section.own.insert(Object::Route(Route { table: Some(facts.table), ..route.clone() }));
        section.before.insert(Object::Route(route.clone()));
    }
    section
}

/// The VRF that a section is about.
pub(super) fn recorded_vrf(section: &Section) -> Option<LinkName> {
    section.shared.iter().find_map(|object| match object {
        Object::Link(Link { name, kind: LinkKind::Vrf { .. }, .. }) => Some(name.clone()),
        _ => None,
    })
}

/// The first table that no VRF of the namespace has.
pub(super) fn free_table(links: &[Link]) -> u32 {
    let taken: BTreeSet<u32> = links
        .iter()
        .filter_map(|link| match link.kind {
            LinkKind::Vrf { table } => table,
            _ => None,
        })
        .collect();
    (1..=u32::MAX).find(|table| !taken.contains(table)).unwrap_or(1)
}
