//! What a listener does with a packet, over UDP and TCP alike.

use std::cell::OnceCell;
use std::future::Future;
use std::net::IpAddr;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use arc_swap::{ArcSwap, Guard};
use fastrand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::counters::Tally;
use crate::durations::Clocked;
use crate::forward::{Forwarder, Recalled, Reply};
use crate::limit::{Client, Limit, Permit};
use crate::message::Transport;
use crate::notes::{Begun, Wanted};
use crate::packet::{self, Action, Decision, Origin};
use crate::{CountedKind, Figures, NetworkId, Outcome, Zones};

/// Octets of a request that are read. More than a question with EDNS options holds, and the bound on what a TCP client
/// can make us keep.
pub(crate) const MAX_REQUEST: usize = 4096;
/// TCP connections of clients.
const MAX_CONNECTIONS: usize = 256;
const MAX_CONNECTIONS_PER_CLIENT: usize = 16;
/// What all listeners answer from.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) zones: ArcSwap<Zones>,
    pub(crate) forwarder: Forwarder,
    pub(crate) notes: Wanted,
    /// How long answers took: without and with others being asked.
    here: Clocked,
    asked: Clocked,
    connections: Arc<Limit>,
    /// Threads of listeners that are asked much: as many as processors.
    workers: Arc<Semaphore>,
    /// Whether what upstreams have not answered is to be given up.
    pub(crate) ending: watch::Sender<bool>,
}

/// What the UDP and the TCP side of one listener do with a packet.
#[derive(Debug)]
pub(crate) struct Service {
    shared: Arc<Shared>,
    networks: ArcSwap<Vec<NetworkId>>,
    /// One more for each answer that others must give first.
    owed: Arc<()>,
}

/// A packet that came.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) octets: &'a [u8],
    pub(crate) source: IpAddr,
    pub(crate) transport: Transport,
    pub(crate) since: &'a Since,
}

/// When packets came: of all that came together the clock is read once, and only if somebody wants to know.
#[derive(Debug, Default)]
pub(crate) struct Since(OnceCell<Instant>);

/// What is done with a packet.
pub(crate) enum Handled {
    Silence,
    Response(Vec<u8>),
    Later(Later),
}

/// A packet on its way to what becomes of it.
struct Followed {
    kind: CountedKind,
    tally: Option<Arc<Tally>>,
    note: Option<Begun>,
}

/// A response that others must give first.
pub(crate) type Later = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// What packets that came together are answered from.
pub(crate) struct Snapshot {
    pub(crate) zones: Guard<Arc<Zones>>,
    pub(crate) networks: Guard<Arc<Vec<NetworkId>>>,
}

/// Tells a listener's tasks to finish.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Default for Shared {
    fn default() -> Self {
        Self {
            zones: ArcSwap::default(),
            forwarder: Forwarder::default(),
            notes: Wanted::default(),
            here: Clocked::default(),
            asked: Clocked::default(),
            connections: Limit::new(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_CLIENT),
            workers: Arc::new(Semaphore::new(thread::available_parallelism().map_or(1, NonZero::get))),
            ending: watch::Sender::new(false),
        }
    }
}

impl Shared {
    /// What was done.
    pub(crate) fn figures(&self) -> Figures {
        let zones = self.zones.load();
        Figures {
            networks: zones.tallies().map(|(id, tally)| (id.clone(), tally.read().collect())).collect(),
            here: self.here.read(),
            asked: self.asked.read(),
            kept: self.forwarder.kept(),
            lost_notes: self.notes.lost(),
        }
    }
}

impl Since {
    /// Reads the clock.
    pub(crate) fn now() -> Self {
        Self(Instant::now().into())
    }

    fn get(&self) -> Instant {
        *self.0.get_or_init(Instant::now)
    }
}

impl Followed {
    /// Counts the packet, and ends the note about it.
    fn end(self, outcome: Outcome, response: Option<&[u8]>) {
        if let Some(tally) = &self.tally {
            tally.add(self.kind, outcome, 1);
        }
        if let Some(note) = self.note {
            note.end(outcome, response);
        }
    }

    /// The same, and passes the response on.
    fn responded(self, outcome: Outcome, response: Vec<u8>) -> Handled {
        self.end(outcome, Some(&response));
        Handled::Response(response)
    }
}

impl Service {
    pub(crate) fn new(shared: Arc<Shared>, networks: Vec<NetworkId>) -> Self {
        Self { shared, networks: ArcSwap::from_pointee(networks), owed: Arc::default() }
    }

    /// Whether there are answers that others must give first.
    pub(crate) fn owes(&self) -> bool {
        Arc::strong_count(&self.owed) > 1
    }

    pub(crate) fn set_networks(&self, networks: Vec<NetworkId>) {
        self.networks.store(Arc::new(networks));
    }

    /// The right to one TCP connection; none when too many are open.
    pub(crate) fn admit(&self, source: IpAddr) -> Option<Permit> {
        let Snapshot { zones, networks } = self.snapshot();
        self.shared.connections.admit(zones.client(&networks, source))
    }

    /// The right to a thread of its own; none when there are as many as are of use.
    pub(crate) fn admit_worker(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.workers).try_acquire_owned().ok()
    }

    /// What is answered from at this moment.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { zones: self.shared.zones.load(), networks: self.networks.load() }
    }

    /// Whether there may be notes of packets, for which it counts when they came.
    pub(crate) fn takes_notes(&self) -> bool {
        self.shared.notes.is_any()
    }

    /// Takes in how long it took to answer so many packets that came together.
    pub(crate) fn took(&self, since: &Since, count: usize) {
        self.shared.here.add(since.get().elapsed(), u64::try_from(count).unwrap_or_default());
    }

    /// Notes an answer that [`Service::handle`] did not give.
    pub(crate) fn note(&self, snapshot: &Snapshot, arrival: Arrival<'_>, response: Option<&[u8]>, rng: &mut Rng) {
        if let Some(note) = self.begin_note(&snapshot.zones, arrival.origin(&snapshot.networks), arrival, rng) {
            note.end(Outcome::Answered, response);
        }
    }

    /// Decides about a packet, and counts it.
    pub(crate) fn handle(&self, arrival: Arrival<'_>, rng: &mut Rng) -> Handled {
        let Snapshot { zones, networks } = self.snapshot();
        let origin = arrival.origin(&networks);
        let note = self.begin_note(&zones, origin, arrival, rng);
        let Decision { action, kind, zone } = packet::decide(&zones, origin, arrival.octets, rng);
        let followed = Followed { kind, tally: zone.map(|zone| Arc::clone(&zone.tally)), note };
        match action {
            Action::Ignore => {
                followed.end(Outcome::Ignored, None);
                Handled::Silence
            }
            Action::Refuse(response) => followed.responded(Outcome::Refused, response),
            Action::Answer(response) => followed.responded(Outcome::Answered, response),
            Action::Forward(forward) => {
                let client = || zones.client(&networks, arrival.source);
                self.forward(forward, arrival, client, followed)
            }
        }
    }

    fn begin_note(&self, zones: &Zones, origin: Origin<'_>, arrival: Arrival<'_>, rng: &mut Rng) -> Option<Begun> {
        self.shared.notes.begin(zones, origin, arrival.octets, || arrival.since.get(), rng)
    }

    fn forward(
        &self,
        mut forward: packet::Forward,
        Arrival { source, transport, since, .. }: Arrival<'_>,
        client: impl FnOnce() -> Client,
        followed: Followed,
    ) -> Handled {
        let since = since.get();
        let forwarder = &self.shared.forwarder;
        let (alias, limit) = (forward.alias.take(), forward.limit);
        let told = move |reply: Reply| {
            let (outcome, octets) = reply.told();
            match &alias {
                Some(alias) => (outcome, alias.tell(&octets, limit)),
                None => (outcome, octets),
            }
        };
        let pending = match forwarder.recall(forwarder.inquiry(forward, source), since) {
            Recalled::Reply(reply) => {
                let (outcome, octets) = told(reply);
                return followed.responded(outcome, octets);
            }
            Recalled::Nothing(pending) => pending,
        };
        let Some(permit) = forwarder.admit(client()) else {
            let (outcome, octets) = told(Reply::Failed(pending.failure()));
            return followed.responded(outcome, octets);
        };
        let (shared, owed) = (Arc::clone(&self.shared), Arc::clone(&self.owed));
        Handled::Later(Box::pin(async move {
            let mut ending = shared.ending.subscribe();
            let reply = tokio::select! {
                reply = shared.forwarder.ask(&pending, transport, permit) => reply,
                _ = ending.wait_for(|&is_ending| is_ending) => Reply::Failed(pending.failure()),
            };
            let (outcome, octets) = told(reply);
            shared.asked.add(since.elapsed(), 1);
            followed.end(outcome, Some(&octets));
            drop(owed);
            octets
        }))
    }
}

impl Arrival<'_> {
    /// Where it came from, at a listener for these networks.
    fn origin<'l>(&self, listener: &'l [NetworkId]) -> Origin<'l> {
        Origin { listener, source: self.source, transport: self.transport }
    }
}

impl Stop {
    pub(crate) fn new(receiver: watch::Receiver<bool>) -> Self {
        Self(receiver)
    }

    /// Waits until it is time to stop.
    pub(crate) async fn requested(&mut self) {
        // An error says that the listener was dropped, which is the same.
        let _ = self.0.wait_for(|&stop| stop).await;
    }
}
