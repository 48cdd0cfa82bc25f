//! CHECK: the plan for what was recorded and what prevResult says must be empty. It repairs nothing.

use netd_model::{
    object::{Link, Object, Side, State},
    plan::{Desired, plan},
};

use super::Host;
use crate::cni::{CniResult, Error, Kind, Target, result::Interface};

impl Host {
    /// Compares what a plugin recorded with what is. Where prevResult says otherwise, a later plugin changed it.
    ///
    /// # Errors
    /// Names the first thing that differs; the details are the script that would mend all of it.
    pub(crate) fn compare(&mut self, target: &Target, plugin: &str, previous: Option<&CniResult>) -> Result<(), Error> {
        let previous = previous.ok_or_else(|| Error::config("Required prevResult missing"))?;
        let id = &target.id;
        let document = self.store.read(id)?;
        let missing = || Error::new(Kind::Drift, format!("no record of attachment {} by plugin {plugin}", id.owner()));
        let section = document.and_then(|mut document| document.sections.remove(plugin)).ok_or_else(missing)?;
        let mut present = section.shared;
        present.extend(section.own);
        let present = present.into_iter().filter_map(|object| told(object, target, previous)).collect();
        let desired = Desired { present, absent: State::default() };
        let observed = self.kernel.observe(desired.keys())?;
        let plan = plan(&desired, &observed);
        match plan.steps.first() {
            None => Ok(()),
            Some(step) => {
                let text =
                    format!("attachment {} is not as ADD left it: missing: {}", id.owner(), step.to_string().trim());
                Err(Error::new(Kind::Drift, text).with_details(plan))
            }
        }
    }
}

/// The object as prevResult tells it; none where a later plugin took it away.
fn told(object: Object, target: &Target, previous: &CniResult) -> Option<Object> {
    match object {
        Object::Link(link) if link.side == Side::Container && link.name == target.id.ifname => {
            let told = previous.interfaces.iter().find(|told| told.sandbox.is_some() && told.name == link.name);
            let mac = told.and_then(Interface::ethernet).or(link.mac);
            let mtu = told.and_then(|told| told.mtu).and_then(|mtu| mtu.try_into().ok()).or(link.mtu);
            Some(Object::Link(Link { mac, mtu, ..link }))
        }
        Object::Route(route) => {
            let told = previous.routes.iter().any(|told| told.dst == route.destination);
            told.then_some(Object::Route(route))
        }
        Object::Address(address) if address.side == Side::Container => {
            let told = previous.ips.iter().any(|told| told.address == address.address);
            told.then_some(Object::Address(address))
        }
        object => Some(object),
    }
}
