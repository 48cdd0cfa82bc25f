//! Where names are answered: port 53 of the gateway addresses; and where another program has that, one of [`PORTS`], to
//! which the ruleset leads what comes to port 53 over the network's bridge, and nothing else.
//!
//! Port 53 is tried again with each [`Listening::set`]. When it is free, both ports are served until the ruleset leads
//! nowhere any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
    sync::Arc,
};

use dns::{BindError, Device, Listener, Server};
use netd_model::{
    element::{Data, Element, ElementKey, Family, Part, Set, Transport},
    object::{Object, Program, State},
};

use crate::{
    deposit::Deposit,
    logs::{Once, chain},
    rounds::Redirected,
};

#[cfg(test)]
mod tests;

/// Where names are asked for (RFC 1035 4.2).
pub(crate) const PORT: u16 = 53;

/// Ports in place of 53: the first that is free. Below those that the kernel gives out by itself.
const PORTS: RangeInclusive<u16> = 10_053..=10_060;

/// The first word of the owner of our redirects; no attachment's owner has a space.
const OWNER: &str = "dns ";

/// Where a listener is, apart from its port.
type Place = (Device, IpAddr);

/// The listeners that are open.
pub(crate) struct Listening {
    server: Arc<Server>,
    deposit: Deposit,
    /// On port 53; none before the first.
    wanted: Option<Vec<Listener>>,
    /// Where another port is served, beside 53 or in its place.
    elsewhere: BTreeMap<Place, u16>,
    /// Of these, where port 53 is served too.
    free: BTreeSet<Place>,
    /// Where the ruleset is to lead.
    redirects: Arc<State>,
    moved: Once,
    failures: Once,
}

impl Listening {
    /// Takes up what an earlier netd listened with.
    pub(crate) async fn new(server: Arc<Server>) -> Self {
        let (deposit, sockets) = Deposit::take();
        server.inherit(sockets).await;
        let (elsewhere, free, redirects) = (BTreeMap::new(), BTreeSet::new(), Arc::default());
        let (moved, failures) = (Once::default(), Once::default());
        Self { server, deposit, wanted: None, elsewhere, free, redirects, moved, failures }
    }

    /// Listens where it is wanted now; `again` says that what failed is tried again.
    pub(crate) async fn set(&mut self, wanted: Vec<Listener>, again: bool) {
        let is_worth_it = again && (self.failures.is_any() || !self.elsewhere.is_empty());
        if self.wanted.as_ref() == Some(&wanted) && !is_worth_it {
            return;
        }
        let is_first = self.wanted.is_none();
        if is_first {
            self.elsewhere = led_before(&wanted, |listener| self.deposit.has(listener));
        }
        self.wanted = Some(wanted);
        self.open().await;
        if is_first {
            // What nobody wants of an earlier netd's is closed.
            self.server.inherit(Vec::new()).await;
        }
    }

    /// What listens.
    pub(crate) fn server(&self) -> Arc<Server> {
        Arc::clone(&self.server)
    }

    /// Where the ruleset is to lead, with the program that it needs; nowhere, as a rule.
    pub(crate) fn redirects(&self) -> &Arc<State> {
        &self.redirects
    }

    /// Takes up what the ruleset does now: where it leads no more, port 53 alone is served.
    pub(crate) async fn redirected(&mut self, Redirected { redirects, is_made }: &Redirected) {
        if *is_made && Arc::ptr_eq(redirects, &self.redirects) && !self.free.is_empty() {
            self.elsewhere.retain(|place, _| !self.free.contains(place));
            self.open().await;
        }
    }

    async fn open(&mut self) {
        let wanted = self.wanted.as_deref().unwrap_or_default();
        let places: BTreeSet<Place> = wanted.iter().filter_map(place).collect();
        self.elsewhere.retain(|place, _| places.contains(place));
        let (listeners, failures) = loop {
            let listeners = with_elsewhere(wanted, &self.elsewhere);
            let failures = self.server.set_listeners(listeners.clone()).await;
            if !evade(&failures, &mut self.elsewhere) {
                break (listeners, failures);
            }
        };
        // Where no port could be had, the first is tried again next time.
        self.elsewhere.retain(|place, port| !has_failed(&failures, place, *port));
        self.free = self.elsewhere.keys().filter(|place| !has_failed(&failures, place, PORT)).cloned().collect();
        let redirects = redirects(&failures, &self.elsewhere);
        if redirects != *self.redirects {
            self.redirects = Arc::new(redirects);
        }
        self.tell(&failures);
        let is_open = |listener: &&Listener| failures.iter().all(|failure| failure.listener != **listener);
        self.deposit.set(&self.server, listeners.iter().filter(is_open)).await;
    }

    fn tell(&mut self, failures: &[BindError]) {
        let is_evaded = |failure: &&BindError| {
            failure.listener.port == PORT
                && place(&failure.listener).is_some_and(|it| is_led_from(&self.redirects, &it))
        };
        let (evaded, failed): (Vec<_>, Vec<_>) = failures.iter().partition(is_evaded);
        let moved = evaded.into_iter().filter_map(|failure| place(&failure.listener)).filter_map(|place| {
            let (port, (Device { name, .. }, address)) = (self.elsewhere.get(&place)?, &place);
            Some(format!(
                "{address} on {name:?}: what comes there to port {PORT} over the bridge is led to port {port}"
            ))
        });
        let moved: Vec<String> = moved.collect();
        self.moved.say(moved, |address| {
            tracing::warn!(address, "another program has port 53, names are served on another");
        });
        self.failures.say(failed.into_iter().map(|failure| chain(failure)), |error| {
            tracing::warn!(error, "names are not served on an address");
        });
    }
}

/// Whether an element is one of our redirects.
pub(crate) fn is_redirect(element: &Element) -> bool {
    element.owner.starts_with(OWNER)
}

fn place(listener: &Listener) -> Option<Place> {
    Some((listener.device.clone()?, listener.address))
}

/// Where an earlier netd served another port, to which the ruleset may lead still.
fn led_before(wanted: &[Listener], is_kept: impl Fn(&Listener) -> bool) -> BTreeMap<Place, u16> {
    let port = |listener: &Listener| PORTS.into_iter().find(|&port| is_kept(&Listener { port, ..listener.clone() }));
    wanted.iter().filter_map(|listener| Some((place(listener)?, port(listener)?))).collect()
}

/// All listeners to open: on port 53, and where another port is served, there too.
fn with_elsewhere(wanted: &[Listener], elsewhere: &BTreeMap<Place, u16>) -> Vec<Listener> {
    let moved = wanted.iter().filter_map(|listener| {
        let port = *elsewhere.get(&place(listener)?)?;
        Some(Listener { port, ..listener.clone() })
    });
    wanted.iter().cloned().chain(moved).collect()
}

/// Chooses other ports for what could not be opened; whether there is one to try. Without a bridge nothing could be led
/// there.
fn evade(failures: &[BindError], elsewhere: &mut BTreeMap<Place, u16>) -> bool {
    let mut has_next = false;
    for failure in failures.iter().filter(|failure| failure.is_taken()) {
        let Some(place) = place(&failure.listener) else { continue };
        let port = failure.listener.port;
        let next = match elsewhere.get(&place) {
            None => Some(*PORTS.start()),
            Some(current) if *current == port => port.checked_add(1).filter(|next| PORTS.contains(next)),
            Some(_) => None,
        };
        has_next |= next.map(|next| elsewhere.insert(place, next)).is_some();
    }
    has_next
}

/// The redirects from where port 53 is another program's to where another port is ours.
fn redirects(failures: &[BindError], elsewhere: &BTreeMap<Place, u16>) -> State {
    let is_moved = |(at, port): &(&Place, &u16)| has_failed(failures, at, PORT) && !has_failed(failures, at, **port);
    let mut redirects: State = elsewhere.iter().filter(is_moved).flat_map(|(place, port)| from(place, *port)).collect();
    if !redirects.is_empty() {
        redirects.insert(Object::Program(Program { family: Family::Inet, version: Family::Inet.version() }));
    }
    redirects
}

fn has_failed(failures: &[BindError], (device, address): &Place, port: u16) -> bool {
    let of = |listener: &Listener| listener.port == port && listener.address == *address;
    failures.iter().any(|failure| of(&failure.listener) && failure.listener.device.as_ref() == Some(device))
}

/// What leads from port 53 of a gateway address to another, for both protocols; nothing from a bridge whose name the ruleset
/// cannot have.
fn from((device, address): &Place, port: u16) -> Vec<Object> {
    let Ok(link) = device.name.parse() else { return Vec::new() };
    let link = Part::Link(link);
    let (set, at) = match address {
        IpAddr::V4(v4) => (Set::Redirected4, Part::Ipv4(*v4)),
        IpAddr::V6(v6) => (Set::Redirected6, Part::Ipv6(*v6)),
    };
    let element = |transport| {
        let parts = vec![link.clone(), at.clone(), Part::Transport(transport), Part::Port(PORT)];
        let data = Some(Data::To(*address, port));
        Object::Element(Element { key: ElementKey { set, parts }, data, owner: format!("{OWNER}{}", device.name) })
    };
    [Transport::Udp, Transport::Tcp].map(element).into()
}

fn is_led_from(redirects: &State, place: &Place) -> bool {
    from(place, PORT).iter().any(|object| redirects.find(&object.key()).is_some())
}
