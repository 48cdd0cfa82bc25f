//! Asks others: what they answer is passed on octet by octet, but for ids, times to live and the case of letters, so that
//! types, options and flags that this server has never heard of keep working.
//!
//! A question goes cache -> flight that is on its way -> a race of upstreams. The answer is one, whoever asked.

mod authorities;
mod cache;
mod course;
mod datagram;
mod flights;
mod health;
mod lifetime;
mod padding;
mod plain;
mod race;
mod spelling;
mod streams;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::{Instant, timeout};

use crate::Kept;
use crate::counters::Outcome;
use crate::limit::{Client, Limit, Permit};
use crate::message::Transport;
use crate::network::Upstreams;
use crate::options::Why;
use crate::packet::Forward;
use crate::upstream::Upstream;
use cache::{Cache, Key, Known, Past};
use flights::{Flights, Landed};
use plain::Plain;
use race::Racer;

#[cfg(test)]
mod tests;

pub use authorities::AuthoritiesError;
pub(crate) use lifetime::{Lifetime, answers_within, opt_in};
pub(crate) use plain::{Query, is_same_question};

/// Requests in flight.
pub(crate) const MAX_IN_FLIGHT: usize = 512;
const MAX_IN_FLIGHT_PER_CLIENT: usize = 128;
/// When a client gets an answer whose time is over, because no upstream has one yet (RFC 8767 5).
const STALE_AFTER: Duration = Duration::from_millis(1800);
/// For how long is it kept that upstreams fail: that they said so, and that they said nothing. RFC 2308 7 allows five
/// minutes, RFC 9520 3.2 wants a second at least.
const FAILED: Duration = Duration::from_secs(5);
const SILENT: Duration = Duration::from_secs(1);

/// Upstreams in order.
pub(crate) type Servers = Arc<[Upstream]>;

/// Asks upstreams for what is not ours.
#[derive(Debug)]
pub(crate) struct Forwarder {
    host: ArcSwap<Servers>,
    cache: Arc<Cache>,
    flights: Arc<Flights<Key>>,
    relayed: Arc<Flights<Relayed>>,
    racer: Arc<Racer>,
    in_flight: Arc<Limit>,
}

/// A request, and who is asked for it.
#[derive(Debug)]
pub(crate) struct Inquiry {
    forward: Forward,
    servers: Servers,
    /// Of a plain request.
    key: Option<Key>,
}

/// All of a request that is not plain, but for its id, that its answer depends on: it may come again by a circle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Relayed {
    servers: Servers,
    query: Query,
    /// Whether an answer that is cut is asked for again.
    is_whole: bool,
}

/// What a client gets, and from where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// From an upstream.
    Asked(Vec<u8>),
    /// What an upstream answered before.
    Cached(Vec<u8>),
    /// That too, and its time is over.
    Stale(Vec<u8>),
    /// SERVFAIL.
    Failed(Vec<u8>),
}

impl Reply {
    /// What became of the question, and the response.
    pub(crate) fn told(self) -> (Outcome, Vec<u8>) {
        match self {
            Self::Asked(octets) => (Outcome::Forwarded, octets),
            Self::Cached(octets) => (Outcome::Cached, octets),
            Self::Stale(octets) => (Outcome::Stale, octets),
            Self::Failed(octets) => (Outcome::Failed, octets),
        }
    }
}

impl Default for Forwarder {
    fn default() -> Self {
        Self {
            host: ArcSwap::from_pointee(Arc::default()),
            cache: Arc::default(),
            flights: Arc::default(),
            relayed: Arc::default(),
            racer: Arc::default(),
            in_flight: Limit::new(MAX_IN_FLIGHT, MAX_IN_FLIGHT_PER_CLIENT),
        }
    }
}

impl Forwarder {
    pub(crate) fn set_host_upstreams(&self, upstreams: Vec<Upstream>) {
        self.host.store(Arc::new(upstreams.into()));
    }

    /// Who is asked for a network with these upstreams, in order.
    pub(crate) fn servers(&self, upstreams: &Upstreams) -> Servers {
        match upstreams {
            Upstreams::None => Servers::default(),
            Upstreams::Host => Servers::clone(&self.host.load()),
            Upstreams::Own(own) => Arc::clone(own),
        }
    }

    /// Believes certificates of these authorities, in PEM; none: no upstream can be asked over TLS.
    pub(crate) fn set_authorities(&self, authorities: Option<&[u8]>) -> Result<(), AuthoritiesError> {
        self.racer.set_tls(authorities.map(authorities::tls).transpose()?);
        Ok(())
    }

    /// Where we listen ourselves. To ask there would be a loop.
    pub(crate) fn set_our_addresses(&self, ours: HashSet<SocketAddr>) {
        self.racer.set_our_addresses(ours);
    }

    /// What is kept.
    pub(crate) fn kept(&self) -> Kept {
        self.cache.figures()
    }

    /// The right to ask once; none when too many requests are in flight.
    pub(crate) fn admit(&self, client: Client) -> Option<Permit> {
        self.in_flight.admit(client)
    }

    /// Who is to be asked for this. Not who asks: a server in a container that asks us, and that is our upstream, would wait
    /// for itself.
    pub(crate) fn inquiry(&self, forward: Forward, source: IpAddr) -> Inquiry {
        let servers = self.servers(&forward.upstreams);
        let asks = |server: &Upstream| server.address.ip() == source;
        let servers = if servers.iter().any(asks) {
            servers.iter().filter(|server| !asks(server)).cloned().collect()
        } else {
            servers
        };
        let key = Plain::of(&forward).map(|plain| Key { servers: Arc::clone(&servers), plain });
        Inquiry { forward, servers, key }
    }

    /// What is known without asking.
    pub(crate) fn recall(&self, inquiry: Inquiry, now: Instant) -> Recalled {
        let Some(key) = &inquiry.key else { return Recalled::Nothing(Pending { inquiry, past: None }) };
        match self.cache.look(key, &inquiry.forward, now) {
            Known::Fresh(octets) => Recalled::Reply(Reply::Cached(octets)),
            Known::Stale(octets) => Recalled::Reply(Reply::Stale(octets)),
            Known::Failure(octets) => {
                Recalled::Reply(Reply::Failed(octets.unwrap_or_else(|| inquiry.forward.failed(Why::NoUpstream))))
            }
            Known::Expired(past) => Recalled::Nothing(Pending { inquiry, past: Some(past) }),
            Known::Nothing => Recalled::Nothing(Pending { inquiry, past: None }),
        }
    }

    /// Asks, within the time that a client waits.
    pub(crate) async fn ask(&self, pending: &Pending, transport: Transport, permit: Permit) -> Reply {
        let Pending { inquiry: Inquiry { forward, servers, key }, past } = pending;
        // Who waits holds it, and so does what is on its way when nobody waits any more.
        let permit = Arc::new(permit);
        let Some(key) = key else {
            let (servers, is_whole) = (Arc::clone(servers), transport == Transport::Tcp);
            let relayed = Relayed { servers, query: Query::relayed(forward), is_whole };
            let mut flight = self.relayed.join(&relayed, || self.relay(relayed.clone(), Arc::clone(&permit)));
            return reply(flight.landed().await, None, forward);
        };
        let mut flight = self.flights.join(key, || self.course(key.clone(), past.clone(), Arc::clone(&permit)));
        let landed = match past {
            None => flight.landed().await,
            // The question stays on its way, for the next one who asks.
            Some(past) => match timeout(STALE_AFTER, flight.landed()).await {
                Ok(landed) => landed,
                Err(_) => return Reply::Stale(past.stale(forward)),
            },
        };
        reply(landed, past.as_ref(), forward)
    }

    /// Asks for those alone who wait.
    fn relay(&self, relayed: Relayed, permit: Arc<Permit>) -> impl Future<Output = Landed> + use<> {
        let racer = Arc::clone(&self.racer);
        async move {
            let landed = racer.race(&relayed.servers, &relayed.query, relayed.is_whole).await;
            drop(permit);
            landed
        }
    }

    /// Asks and keeps what comes of it.
    fn course(&self, key: Key, past: Option<Past>, permit: Arc<Permit>) -> impl Future<Output = Landed> + use<> {
        let (racer, cache) = (Arc::clone(&self.racer), Arc::clone(&self.cache));
        async move {
            let landed = racer.race(&key.servers, &key.plain.query(), true).await;
            let now = Instant::now();
            match &landed {
                Landed::Answer(response) => cache.keep(key, response, now),
                // That we could not ask says nothing about the next time.
                Landed::Failure { is_ours: true, .. } => {}
                Landed::Failure { said, .. } => {
                    let time = if said.is_some() { FAILED } else { SILENT };
                    cache.keep_failure(key, past, said.clone(), time, now);
                }
            }
            drop(permit);
            landed
        }
    }
}

/// What is known of an inquiry.
#[derive(Debug)]
pub(crate) enum Recalled {
    /// This is sent.
    Reply(Reply),
    /// Somebody must be asked.
    Nothing(Pending),
}

/// An inquiry that must be made.
#[derive(Debug)]
pub(crate) struct Pending {
    inquiry: Inquiry,
    past: Option<Past>,
}

impl Pending {
    /// What the client gets if nothing comes of it.
    pub(crate) fn failure(&self) -> Vec<u8> {
        self.inquiry.forward.failure()
    }
}

fn reply(landed: Landed, past: Option<&Past>, forward: &Forward) -> Reply {
    match (landed, past) {
        (Landed::Answer(response), _) => Reply::Asked(response.relay(forward)),
        (Landed::Failure { .. }, Some(past)) => Reply::Stale(past.stale(forward)),
        (Landed::Failure { said: Some(response), .. }, None) => Reply::Failed(response.relay(forward)),
        (Landed::Failure { said: None, is_ours: true }, None) => Reply::Failed(forward.failed(Why::Network)),
        (Landed::Failure { said: None, is_ours: false }, None) => Reply::Failed(forward.failed(Why::NoUpstream)),
    }
}
