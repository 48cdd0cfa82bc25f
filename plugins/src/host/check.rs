//! CHECK: the plan for what was recorded and what prevResult says must be empty. It repairs nothing.

use netd_model::{
    IpNetwork,
    attachment::Section,
    object::{Address, Link, Object, Port, Route, Side},
    plan::{Desired, plan},
};

use super::Host;
use crate::cni::{
    CniResult, Error, Kind, Target,
    result::{Interface, Ip},
};

impl Host {
    /// Compares what a plugin recorded with what is. Where prevResult says otherwise, a later plugin changed it.
    ///
    /// # Errors
    /// Names the first thing that differs; the details are the script that would mend all of it.
    pub(crate) fn compare(&mut self, target: &Target, plugin: &str, previous: Option<&CniResult>) -> Result<(), Error> {
        let previous = previous.ok_or_else(|| Error::config("Required prevResult missing"))?;
        let id = &target.id;
        let document = self.store.read(id)?;
        if document.is_none() && self.is_of_others(target)? {
            return self.compare_told(target, previous);
        }
        let missing = || Error::new(Kind::Drift, format!("no record of attachment {} by plugin {plugin}", id.owner()));
        let mut sections = document.map(|document| document.sections).unwrap_or_default();
        let section = sections.remove(plugin).ok_or_else(missing)?;
        let taken = section.before.iter().filter(|object| section.changed.find(&object.key()).is_none());
        let absent = taken.cloned().collect();
        let mut present = section.shared;
        present.extend(section.held);
        present.extend(section.own);
        present.extend(section.changed);
        let present = present.into_iter().filter_map(|object| told(object, target, previous));
        let present = present.filter_map(|object| after_all(object, sections.values().map(AsRef::as_ref))).collect();
        let desired = Desired { present, absent };
        let observed = self.kernel.observe_few(desired.keys())?;
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

/// Whether a route is the one to an address's gateway, or to its subnet.
fn leads_to(route: &Route, ip: &Ip) -> bool {
    let to = route.destination;
    let is_to_gateway = ip.gateway.is_some_and(|gateway| IpNetwork::from(gateway) == to);
    is_to_gateway || (to.ip(), to.prefix()) == (ip.address.network(), ip.address.prefix())
}

/// The object as plugins left it that came later: with what they changed, or none where they took it away.
fn after_all<'s>(object: Object, others: impl IntoIterator<Item = &'s Section>) -> Option<Object> {
    let key = object.key();
    others.into_iter().filter(|other| other.before.find(&key).is_some()).try_fold(object, |object, other| {
        match (object, other.changed.find(&key)?) {
            (Object::Link(link), Object::Link(changed)) => Some(Object::Link(Link {
                mac: changed.mac.or(link.mac),
                mtu: changed.mtu.or(link.mtu),
                promiscuous: changed.promiscuous.or(link.promiscuous),
                port: Port::joined(link.port, changed.port.as_ref()),
                ..link
            })),
            (_, changed) => Some(changed.clone()),
        }
    })
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
        Object::Route(route) if route.side == Side::Container && route.table() == Route::MAIN => {
            let told = previous.routes.iter().any(|told| told.dst == route.destination);
            // The ways to the gateway and to the subnet are in no result.
            let near = previous.ips.iter().any(|ip| leads_to(&route, ip));
            (told || near).then_some(Object::Route(route))
        }
        Object::Address(Address { side: Side::Container, address, .. })
        | Object::Point(Address { side: Side::Container, address, .. }) => {
            previous.ips.iter().any(|told| told.address == address).then_some(object)
        }
        object => Some(object),
    }
}
