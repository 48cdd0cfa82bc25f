//! Where names are answered: port 53 of the gateway addresses; and where another program has that, one of [`PORTS`], to
//! which the ruleset leads what comes to port 53 over the network's bridge, and nothing else.
//!
//! Port 53 is tried again with each [`Listening::set`]. When it is free, both ports are served until the ruleset leads
//! nowhere any more, and what came to the other before is answered: what conntrack knows goes on as it began until then.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
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

/// From a packet that was led to the other port at the last moment to when it is read.
const SHORTEST_EBB: Duration = Duration::from_millis(500);

/// Longer than any answer takes: then one who asks on and on from a port of its own is led to port 53, whatever is under way.
const LONGEST_EBB: Duration = Duration::from_secs(5);

/// Where a listener is, apart from its port.
type Place = (Device, IpAddr);

/// Where the ruleset is to lead from port 53 of gateway addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Redirects {
    /// There, with the program that this needs; nowhere, as a rule.
    pub(crate) wanted: State,
    /// There no more, but flows that it led there go on.
    pub(crate) ebbing: State,
    /// There no more, and nothing that it led there goes on.
    pub(crate) ended: State,
}

/// How far a port is given up, in place of which 53 is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ebb {
    /// The ruleset may lead there still.
    Led,
    /// It does not since then.
    Since(Instant),
    /// Nobody waits for an answer from there any more.
    Ended,
}

impl Ebb {
    /// What it is now; `is_awaited` says that somebody waits for an answer from there.
    fn at(self, now: Instant, is_awaited: bool) -> Self {
        let Self::Since(since) = self else { return self };
        let time = now.saturating_duration_since(since);
        let is_over = time >= LONGEST_EBB || time >= SHORTEST_EBB && !is_awaited;
        if is_over { Self::Ended } else { self }
    }
}

/// The listeners that are open.
pub(crate) struct Listening {
    server: Arc<Server>,
    deposit: Deposit,
    /// On port 53; none before the first.
    wanted: Option<Vec<Listener>>,
    /// Where another port is served, beside 53 or in its place.
    elsewhere: BTreeMap<Place, u16>,
    /// Of these, where port 53 is served too.
    free: BTreeMap<Place, Ebb>,
    /// Where the ruleset is to lead.
    redirects: Arc<Redirects>,
    moved: Once,
    failures: Once,
}

impl Listening {
    /// Takes up what an earlier netd listened with.
    pub(crate) async fn new(server: Arc<Server>) -> Self {
        let (deposit, sockets) = Deposit::take();
        server.inherit(sockets).await;
        let (elsewhere, free, redirects) = (BTreeMap::new(), BTreeMap::new(), Arc::default());
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

    /// Where the ruleset is to lead.
    pub(crate) fn redirects(&self) -> &Arc<Redirects> {
        &self.redirects
    }

    /// Takes up what the ruleset does now: where it leads no more, and nothing goes on, port 53 alone is served.
    pub(crate) async fn redirected(&mut self, Redirected { redirects, is_made }: &Redirected) {
        if !*is_made || !Arc::ptr_eq(redirects, &self.redirects) {
            return;
        }
        let now = Instant::now();
        self.free.values_mut().filter(|ebb| **ebb == Ebb::Led).for_each(|ebb| *ebb = Ebb::Since(now));
        let count = self.elsewhere.len();
        self.elsewhere.retain(|place, _| self.free.get(place) != Some(&Ebb::Ended));
        if self.elsewhere.len() < count {
            self.open().await;
        }
    }

    /// Takes up which ports in place of 53 nobody waits for any more.
    pub(crate) async fn ebb(&mut self, now: Instant) {
        let before = self.free.clone();
        for (place, ebb) in &mut self.free {
            let Some(port) = self.elsewhere.get(place) else { continue };
            *ebb = ebb.at(now, self.server.owes(&listener(place, *port)).await);
        }
        if self.free != before {
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
        let ebb = |place: &Place| self.free.get(place).copied().unwrap_or(Ebb::Led);
        let free = self.elsewhere.keys().filter(|place| !has_failed(&failures, place, PORT));
        self.free = free.map(|place| (place.clone(), ebb(place))).collect();
        let redirects = redirects(&failures, &self.elsewhere, &self.free);
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
                && place(&failure.listener).is_some_and(|it| is_led_from(&self.redirects.wanted, &it))
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

fn listener((device, address): &Place, port: u16) -> Listener {
    Listener { device: Some(device.clone()), address: *address, port, networks: Vec::new() }
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

/// The redirects from where port 53 is another program's to where another port is ours, and those that were.
fn redirects(failures: &[BindError], elsewhere: &BTreeMap<Place, u16>, free: &BTreeMap<Place, Ebb>) -> Redirects {
    let those = |is_one: &dyn Fn(&Place, u16) -> bool| -> State {
        let those = elsewhere.iter().filter(|(place, port)| is_one(place, **port));
        those.flat_map(|(place, port)| from(place, *port)).collect()
    };
    let mut wanted = those(&|at, port| has_failed(failures, at, PORT) && !has_failed(failures, at, port));
    if !wanted.is_empty() {
        wanted.insert(Object::Program(Program { family: Family::Inet, version: Family::Inet.version() }));
    }
    let has_ended = |at: &Place| free.get(at).map(|ebb| *ebb == Ebb::Ended);
    let (ebbing, ended) = [false, true].map(|is| those(&|at, _| has_ended(at) == Some(is))).into();
    Redirects { wanted, ebbing, ended }
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
