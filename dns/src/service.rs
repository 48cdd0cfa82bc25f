//! What a listener does with a packet, over UDP and TCP alike.

use std::future::Future;
use std::net::IpAddr;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use arc_swap::{ArcSwap, Guard};
use fastrand::Rng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::counters::Tally;
use crate::forward::{Forwarder, Recalled, Reply};
use crate::limit::{Limit, Permit};
use crate::message::Transport;
use crate::packet::{self, Action, Origin};
use crate::{NetworkId, Zones};

/// Octets of a request that are read. More than a question with EDNS options holds, and the bound on what a TCP client
/// can make us keep.
pub(crate) const MAX_REQUEST: usize = 4096;
/// TCP connections of clients.
const MAX_CONNECTIONS: usize = 256;
const MAX_CONNECTIONS_PER_SOURCE: usize = 16;
/// What all listeners answer from.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) zones: ArcSwap<Zones>,
    pub(crate) forwarder: Forwarder,
    pub(crate) tally: Tally,
    connections: Arc<Limit>,
    /// Threads of listeners that are asked much: as many as processors.
    workers: Arc<Semaphore>,
}

/// What the UDP and the TCP side of one listener do with a packet.
#[derive(Debug)]
pub(crate) struct Service {
    shared: Arc<Shared>,
    networks: ArcSwap<Vec<NetworkId>>,
}

/// What becomes of a packet.
pub(crate) enum Outcome {
    Silence,
    Response(Vec<u8>),
    Later(Later),
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
            tally: Tally::default(),
            connections: Limit::new(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE),
            workers: Arc::new(Semaphore::new(thread::available_parallelism().map_or(1, NonZero::get))),
        }
    }
}

impl Service {
    pub(crate) fn new(shared: Arc<Shared>, networks: Vec<NetworkId>) -> Self {
        Self { shared, networks: ArcSwap::from_pointee(networks) }
    }

    pub(crate) fn set_networks(&self, networks: Vec<NetworkId>) {
        self.networks.store(Arc::new(networks));
    }

    /// The right to one TCP connection; none when too many are open.
    pub(crate) fn admit(&self, client: IpAddr) -> Option<Permit> {
        self.shared.connections.admit(client)
    }

    /// The right to a thread of its own; none when there are as many as are of use.
    pub(crate) fn worker(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.workers).try_acquire_owned().ok()
    }

    /// What is answered from at this moment.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { zones: self.shared.zones.load(), networks: self.networks.load() }
    }

    /// Counts answers that [`Service::handle`] did not give.
    pub(crate) fn count_answered(&self, count: u64) {
        self.shared.tally.answered.add(count);
    }

    /// Decides about a packet, and counts it.
    pub(crate) fn handle(&self, packet: &[u8], source: IpAddr, transport: Transport, rng: &mut Rng) -> Outcome {
        let tally = &self.shared.tally;
        let origin = Origin { listener: &self.networks.load(), source, transport };
        match packet::respond(&self.shared.zones.load(), origin, packet, rng) {
            Action::Ignore => {
                tally.ignored.add_one();
                Outcome::Silence
            }
            Action::Refuse(response) => {
                tally.refused.add_one();
                Outcome::Response(response)
            }
            Action::Answer(response) => {
                tally.answered.add_one();
                Outcome::Response(response)
            }
            Action::Forward(forward) => self.forward(forward, source, transport),
        }
    }

    fn forward(&self, mut forward: packet::Forward, source: IpAddr, transport: Transport) -> Outcome {
        let forwarder = &self.shared.forwarder;
        let (alias, limit) = (forward.alias.take(), forward.limit);
        let told = move |octets: Vec<u8>| match &alias {
            Some(alias) => alias.tell(octets, limit),
            None => octets,
        };
        let pending = match forwarder.recall(forwarder.inquiry(forward, source)) {
            Recalled::Reply(reply) => return Outcome::Response(told(self.shared.tally.forwarded(reply))),
            Recalled::Nothing(pending) => pending,
        };
        let Some(permit) = forwarder.admit(source) else {
            return Outcome::Response(self.shared.tally.forwarded(Reply::Failed(pending.failure())));
        };
        let shared = Arc::clone(&self.shared);
        Outcome::Later(Box::pin(async move {
            let reply = shared.forwarder.ask(pending, transport, permit).await;
            told(shared.tally.forwarded(reply))
        }))
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
