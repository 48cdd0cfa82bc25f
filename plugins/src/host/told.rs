//! CHECK of what the reference plugins attached: nothing of it is recorded here, and the result alone says what there is.

use netd_model::object::{Route, Side};

use super::Host;
use crate::{
    cni::{CniResult, Error, Kind, Target, result::Interface},
    inside::{self, Assigned},
};

impl Host {
    /// Whether others attached the container: it has the interface, that is not one of ours, and nothing is recorded.
    pub(crate) fn is_of_others(&mut self, target: &Target) -> Result<bool, Error> {
        if self.knows(target) {
            return Ok(false);
        }
        let found = self.link(Side::Container, &target.id.ifname)?;
        Ok(found.is_some_and(|link| !link.is_ours()))
    }

    /// Compares what the result tells with what is. Plugins may have changed it that came later, and do not tell: a route
    /// may be in any table.
    ///
    /// # Errors
    /// Names the first thing that is missing.
    pub(super) fn compare_told(&mut self, target: &Target, told: &CniResult) -> Result<(), Error> {
        for interface in &told.interfaces {
            self.compare_interface(target, interface)?;
        }
        let ifname = &target.id.ifname;
        let drift = |what: String| missing(target, &what);
        let found = self.addresses(Side::Container, ifname)?;
        if let Some(ip) = told.ips_inside(ifname).find(|ip| !found.contains(&ip.address)) {
            return Err(drift(format!("address {} of interface {ifname}", ip.address)));
        }
        let wanted = inside::routes(ifname, &told.routes, &Assigned::all(told));
        let found = self.kernel.routes(Side::Container, ifname)?;
        let is_there = |wanted: &Route| found.iter().any(|found| leads_alike(found, wanted));
        match wanted.iter().find(|wanted| !is_there(wanted)) {
            Some(route) => Err(drift(format!("the route to {} by interface {ifname}", route.destination))),
            None => Ok(()),
        }
    }

    fn compare_interface(&mut self, target: &Target, told: &Interface) -> Result<(), Error> {
        let side = if told.sandbox.is_some() { Side::Container } else { Side::Host };
        if side == Side::Container && told.name != target.id.ifname {
            return Ok(());
        }
        let found = self.link(side, &told.name)?.ok_or_else(|| missing(target, &format!("interface {}", told.name)))?;
        match (told.ethernet(), found.mac) {
            // Of the host, udev may have changed it.
            (Some(mac), Some(now)) if side == Side::Container && mac != now => {
                Err(missing(target, &format!("the address {mac} of interface {}, which has {now}", told.name)))
            }
            _ => Ok(()),
        }
    }
}

fn leads_alike(found: &Route, wanted: &Route) -> bool {
    let by_its_router = wanted.gateway.is_none() || found.gateway == wanted.gateway;
    found.destination == wanted.destination && by_its_router
}

fn missing(target: &Target, what: &str) -> Error {
    let owner = target.id.owner();
    Error::new(Kind::Drift, format!("attachment {owner} is not as ADD left it: missing: {what}"))
}
