//! What plugins choose among: an interface to stand on or to take, a routing table that is free.

use std::collections::BTreeSet;

use netd_model::{
    addr::Mac,
    name::LinkName,
    object::{Link, LinkKind, Route, Rule, Side},
};

use super::ELSEWHERE;
use crate::{
    error::Error,
    kernel::Kernel,
    rtnetlink::{link, route},
    wire::Requests,
};

impl Kernel {
    /// The interface by which packets leave for elsewhere: of IPv4, else of IPv6. None where there is no way out.
    pub fn default_link(&mut self, side: Side) -> Result<Option<LinkName>, Error> {
        let space = self.space(side);
        if !space.exists() {
            return Ok(None);
        }
        let mut requests = Requests::new();
        for address in ELSEWHERE {
            route::get_to(&mut requests, address);
        }
        let ways = space.socket()?.get(&mut requests, |_, body| route::Way::read(body));
        let ways = ways.map_err(|fault| Error::at(fault, |_| "ip route get".to_owned()))?;
        match ways.into_iter().flatten().next() {
            Some(way) => space.name_of(way.index),
            None => Ok(None),
        }
    }

    /// The end on the host of a pair whose other end the container has under this name.
    pub fn host_end(&mut self, name: &LinkName) -> Result<Option<Link>, Error> {
        let Some(inside) = self.container.links([name])?.pop() else { return Ok(None) };
        let (Some((index, Some(netns))), LinkKind::Veth { .. }) = (inside.peer, &inside.link.kind) else {
            return Ok(None);
        };
        if self.host_number()? != Some(netns) {
            return Ok(None);
        }
        let found = self.host.by_number(index)?;
        let is_other_end = |peer: Option<(u32, Option<i32>)>| peer.is_some_and(|(index, _)| index == inside.index);
        Ok(found.filter(|found| is_other_end(found.peer)).map(|found| found.link))
    }

    /// The interface of the host with this hardware address. To find it, all are looked at.
    pub fn link_with_mac(&mut self, mac: Mac) -> Result<Option<Link>, Error> {
        Ok(self.found_links()?.into_iter().map(|found| found.link).find(|link| link.mac == Some(mac)))
    }

    /// The routes of the main table that leave by an interface of the container, the kernel's own included.
    pub fn routes_inside(&mut self, name: &LinkName) -> Result<Vec<Route>, Error> {
        let space = &mut self.container;
        let Some(link::Found { index, .. }) = space.links([name])?.pop() else { return Ok(vec![]) };
        let mut routes = Vec::new();
        for is_ipv6 in [false, true] {
            let mut requests = Requests::new();
            route::get_of(&mut requests, is_ipv6, index);
            let read = |body: &[u8]| route::read_any(Side::Container, name, index, body);
            let found = space.socket()?.dump(&mut requests, read);
            routes.extend(found.map_err(|fault| Error::at(fault, |_| format!("ip route show dev {name}")))?);
        }
        routes.retain(|route| route.table() == Route::MAIN);
        Ok(routes)
    }

    /// All interfaces of the container.
    pub fn links_inside(&mut self) -> Result<Vec<Link>, Error> {
        let mut requests = Requests::new();
        link::get_all(&mut requests);
        let read = |body: &[u8]| link::Found::read(Side::Container, body);
        let found = self.container.socket()?.dump(&mut requests, read);
        self.container.named(found.map_err(|fault| Error::at(fault, |_| "ip link show".to_owned()))?)
    }

    /// The rules of the container.
    pub fn rules_inside(&mut self) -> Result<Vec<Rule>, Error> {
        Ok([self.container.rules(false)?, self.container.rules(true)?].concat())
    }

    /// The routing tables of the container that have a route, or that a rule leads to.
    pub fn tables_inside(&mut self) -> Result<BTreeSet<u32>, Error> {
        let mut tables: BTreeSet<u32> = self.rules_inside()?.into_iter().map(|rule| rule.table).collect();
        let space = &mut self.container;
        for is_ipv6 in [false, true] {
            let mut requests = Requests::new();
            route::get_all(&mut requests, is_ipv6);
            let found = space.socket()?.dump(&mut requests, route::table_of);
            tables.extend(found.map_err(|fault| Error::at(fault, |_| "ip route show table all".to_owned()))?);
        }
        Ok(tables)
    }
}
