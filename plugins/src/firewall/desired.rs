//! What the firewall plugin wants in the kernel: a function of configuration, and of the interfaces that lead to the
//! container.

use netd_model::{
    attachment::Section,
    element::{Element, Family, Part, Set},
    name::{AdminChain, LinkName},
    object::{Admin, Object, Program},
};

use super::config::Policy;

/// A container that is about to be guarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guard {
    /// The attachment, as its elements name it.
    pub(super) owner: String,
    pub(super) policy: Policy,
    pub(super) admin: AdminChain,
    /// The interface of the host that leads to it, where the host is its router.
    pub(super) link: Option<LinkName>,
    /// Its port of a bridge.
    pub(super) port: Option<LinkName>,
    /// The interface by which its network goes on, on other hosts.
    pub(super) elsewhere: Option<LinkName>,
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
}

impl Guard {
    /// Everything that it takes. What is of the interface is held by all containers behind it.
    pub(super) fn section(&self) -> Section {
        let program = |family: Family| Object::Program(Program { family, version: family.version() });
        let mut section = Section::default();
        section.shared.extend([program(Family::Inet), Object::Admin(Admin { chain: self.admin.clone() })]);
        if let Some(link) = &self.link {
            section.held.extend(self.of_link(link));
        }
        if let (Policy::Isolated, Some(port)) = (self.policy, &self.port) {
            section.shared.insert(program(Family::Bridge));
            let parts = vec![Part::Link(port.clone())];
            section.own.insert(Object::Element(Element::of_set(Set::Alone, parts, self.owner.clone())));
        }
        section
    }

    fn of_link(&self, link: &LinkName) -> Vec<Object> {
        let element = |set, links: &[&LinkName]| {
            let parts = links.iter().map(|link| Part::Link((*link).clone())).collect();
            Object::Element(Element::of_set(set, parts, link.to_string()))
        };
        match self.policy {
            Policy::Open => vec![element(Set::Open, &[link])],
            Policy::Isolated => vec![element(Set::Isolated, &[link, link])],
            Policy::SameBridge => {
                let mut elements = vec![element(Set::SameBridge, &[link, link])];
                if let Some(elsewhere) = &self.elsewhere {
                    let ways = [[link, elsewhere], [elsewhere, link]];
                    elements.extend(ways.map(|way| element(Set::SameBridge, &way)));
                }
                elements
            }
        }
    }
}
