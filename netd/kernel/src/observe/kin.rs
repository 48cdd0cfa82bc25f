//! How interfaces of the two namespaces belong together: ends of a pair, one on another, one of the host in a container.

use netd_model::{
    name::LinkName,
    object::{Link, LinkKind, Moved, Object, Side, State},
};

use crate::{
    error::Error,
    kernel::Kernel,
    rtnetlink::{link, namespace},
    wire::Requests,
};

/// An interface and where it is.
type End = (Side, LinkName);

impl Kernel {
    /// Which interfaces are the two ends of a pair: each has the number of the other, in the namespace of the other.
    pub(super) fn pairs(&mut self, host: &[link::Found], container: &[link::Found]) -> Result<Vec<(End, End)>, Error> {
        let mut pairs = Vec::new();
        let mut pair = |a: Side, one: &link::Found, b: Side, other: &link::Found| {
            let (one, other) = (one.link.name.clone(), other.link.name.clone());
            pairs.push(((a, one), (b, other)));
        };
        let ends = |one: &link::Found, other: &link::Found| {
            let number = |found: &link::Found| found.peer.map(|(index, _)| index);
            number(one) == Some(other.index) && number(other) == Some(one.index)
        };
        for (side, links) in [(Side::Host, host), (Side::Container, container)] {
            for one in links.iter().filter(|found| found.peer.is_some_and(|(_, netns)| netns.is_none())) {
                if let Some(other) = links.iter().find(|other| ends(one, other)) {
                    pair(side, one, side, other);
                }
            }
        }
        for one in host {
            let Some((_, Some(netns))) = one.peer else { continue };
            let Some(other) = container.iter().find(|other| ends(one, other)) else { continue };
            if self.container_number()? == Some(netns) {
                pair(Side::Host, one, Side::Container, other);
            }
        }
        Ok(pairs)
    }

    /// Which interface each stands on that stands on one.
    pub(super) fn parents(
        &mut self,
        host: &[link::Found],
        container: &[link::Found],
    ) -> Result<Vec<(End, End)>, Error> {
        let mut parents = Vec::new();
        for (side, links) in [(Side::Host, host), (Side::Container, container)] {
            for found in links.iter().filter(|found| !matches!(found.link.kind, LinkKind::Veth { .. })) {
                let Some((index, netns)) = found.peer else { continue };
                let below = match netns {
                    None => side,
                    Some(number) if self.host_number()? == Some(number) => Side::Host,
                    Some(_) => continue,
                };
                let name = self.space(below).name_of(index)?;
                parents.extend(name.map(|name| ((side, found.link.name.clone()), (below, name))));
            }
        }
        Ok(parents)
    }

    /// An interface of the host in the container, or on its way.
    pub(super) fn moved(&mut self, mark: &LinkName) -> Result<Option<Moved>, Error> {
        for side in [Side::Container, Side::Host] {
            let space = self.space(side);
            if !space.exists() {
                continue;
            }
            let Some(index) = space.number(mark)? else { continue };
            let Some(found) = space.by_number(index)? else { continue };
            let Link { name, kind, up, alias, .. } = found.link;
            let home = alias.as_deref().and_then(|alias| alias.parse().ok()).unwrap_or_else(|| name.clone());
            let was_up = up == Some(true);
            return Ok(Some(Moved { mark: mark.clone(), side, name, home, kind: kind.bare(), was_up }));
        }
        Ok(None)
    }

    /// The number by which the container's namespace knows the host's.
    pub(crate) fn host_number(&mut self) -> Result<Option<i32>, Error> {
        let Some(netns) = self.netns().map(crate::netns::Netns::home) else { return Ok(None) };
        let mut requests = Requests::new();
        namespace::get(&mut requests, netns);
        let found = self.container.socket()?.get(&mut requests, |_, body| namespace::read(body));
        let attempt = |_| "read the number of the host's namespace".to_owned();
        Ok(found.map_err(|fault| Error::at(fault, attempt))?.pop().flatten())
    }

    /// The number by which the host's namespace knows the container's.
    pub(crate) fn container_number(&mut self) -> Result<Option<i32>, Error> {
        let Some(netns) = self.netns().map(crate::netns::Netns::descriptor) else { return Ok(None) };
        let mut requests = Requests::new();
        namespace::get(&mut requests, netns);
        let found = self.host.socket()?.get(&mut requests, |_, body| namespace::read(body));
        let attempt = |_| "read the number of the container's namespace".to_owned();
        Ok(found.map_err(|fault| Error::at(fault, attempt))?.pop().flatten())
    }
}

/// Puts into each interface on which one it stands.
pub(super) fn tell_parents(parents: Vec<(End, End)>, state: &mut State) {
    for ((side, name), below) in parents {
        let Some(mut link) = state.link(side, &name).cloned() else { continue };
        if let LinkKind::Macvlan { parent, .. } | LinkKind::Ipvlan { parent, .. } | LinkKind::Vlan { parent, .. } =
            &mut link.kind
        {
            *parent = Some(below);
        }
        state.insert(Object::Link(link));
    }
}
