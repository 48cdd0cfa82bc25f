//! Reads a few things of an interface that has thousands of them, each by a question of its own.

use std::net::IpAddr;

use netd_model::{
    IpNetwork,
    addr::Mac,
    name::LinkName,
    object::{Key, Object, Side, State},
};

use crate::{
    error::Error,
    kernel::Kernel,
    rtnetlink::{neighbour, route},
    wire::Requests,
};

/// What the kernel can be asked for by its key.
enum Asked<'k> {
    Neighbour(&'k LinkName, IpAddr),
    Fdb(&'k LinkName, Mac),
    Route(&'k LinkName, IpNetwork),
}

impl<'k> Asked<'k> {
    fn of(key: &'k Key) -> Option<Self> {
        match key {
            Key::Neighbour(link, address) => Some(Self::Neighbour(link, *address)),
            Key::Fdb(link, Some(mac), _) => Some(Self::Fdb(link, *mac)),
            Key::Route(Side::Host, link, destination, ..) => Some(Self::Route(link, *destination)),
            _ => None,
        }
    }

    fn link(&self) -> &'k LinkName {
        match self {
            Self::Neighbour(link, _) | Self::Fdb(link, _) | Self::Route(link, _) => link,
        }
    }

    /// The question.
    fn push(&self, requests: &mut Requests, index: u32) {
        match self {
            Self::Neighbour(_, address) => neighbour::get(requests, *address, index),
            Self::Fdb(_, mac) => neighbour::get_fdb(requests, *mac, index),
            Self::Route(_, destination) => route::get_that_leads_to(requests, destination.network()),
        }
    }

    /// The object in an answer.
    fn read(&self, body: &[u8], index: u32) -> Option<Object> {
        match self {
            Self::Neighbour(link, _) => neighbour::Found::read(body)?.neighbour(link).map(Object::Neighbour),
            Self::Fdb(link, _) => neighbour::Found::read(body)?.fdb(link).map(Object::Fdb),
            Self::Route(link, _) if route::leaves_by(body) == Some(index) => {
                route::read(Side::Host, link, index, body).map(Object::Route)
            }
            Self::Route(..) => None,
        }
    }
}

impl Kernel {
    /// As [`Kernel::observe`], without reading whole tables for neighbours, forwarding entries and routes of the host.
    ///
    /// Of routes, those that packets take are seen: not one that stands behind another to the same place.
    pub fn observe_few<'k>(&mut self, keys: impl IntoIterator<Item = &'k Key>) -> Result<State, Error> {
        let (mut rest, mut asked, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        let mut requests = Requests::new();
        for key in keys {
            match Asked::of(key) {
                Some(one) => {
                    let Some(index) = self.host.number(one.link())? else { continue };
                    one.push(&mut requests, index);
                    asked.push((one, index));
                    wanted.push(key);
                }
                None => rest.push(key),
            }
        }
        let mut state = self.observe(rest)?;
        let read = |number: usize, body: &[u8]| asked.get(number).and_then(|(one, index)| one.read(body, *index));
        let found = self.host.socket()?.get(&mut requests, read);
        let attempt = |_| "read what leads to a host".to_owned();
        let found = found.map_err(|fault| Error::at(fault, attempt))?;
        state.extend(found.into_iter().flatten().filter(|object| wanted.contains(&&object.key())));
        Ok(state)
    }
}
