//! The server: a set of listeners that answer from one snapshot.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::server::RequestHandler;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::forward::AuthoritiesError;
use crate::inherit::Inherited;
use crate::listen::Sockets;
use crate::service::{Service, Shared, Stop};
use crate::upstream::Upstream;
use crate::{BindError, Device, Figures, Listener, NetworkId, Notes, Upstreams, Zones, tcp, udp};

#[cfg(test)]
mod tests;

/// How long [`Server::stop`] waits for upstreams.
const GRACE: Duration = Duration::from_secs(1);
/// And then until all who wait for them were told that it did.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Answers DNS questions on the gateway addresses of networks.
///
/// All methods take `&self`; share it in an [`Arc`]. It is used inside a tokio runtime. Dropped, it is silent soon;
/// [`Server::stop`] lets it finish.
#[derive(Debug, Default)]
pub struct Server {
    shared: Arc<Shared>,
    listening: Mutex<Listening>,
}

#[derive(Debug, Default)]
struct Listening {
    running: BTreeMap<Place, Running>,
    inherited: Inherited,
}

/// What makes a listener another one.
type Place = (Option<Device>, IpAddr, u16);

/// A listener at work. Dropped, its tasks end and its sockets close.
#[derive(Debug)]
struct Running {
    sockets: Sockets,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    /// A server that serves nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers from this snapshot from now on.
    pub fn set_zones(&self, zones: Arc<Zones>) {
        self.shared.zones.store(zones);
    }

    /// The snapshot that is answered from.
    pub fn zones(&self) -> Arc<Zones> {
        self.shared.zones.load_full()
    }

    /// Forwards to these from now on where a network has no upstreams of its own: in this order, those that do not answer last,
    /// and at most three for one question.
    ///
    /// Addresses of our own listeners are passed over. 127.0.0.11 is not: on a host that is itself a container it is
    /// the resolver that works, and elsewhere nobody listens there, which costs no time.
    pub fn set_upstreams(&self, upstreams: Vec<Upstream>) {
        self.shared.forwarder.set_host_upstreams(upstreams);
    }

    /// Who is asked for a network with these upstreams, in order; those that do not answer come last, whatever is said here.
    pub fn upstreams(&self, upstreams: &Upstreams) -> Arc<[Upstream]> {
        self.shared.forwarder.servers(upstreams)
    }

    /// Believes certificates of upstreams from now on that one of these authorities signed, in PEM. With none, upstreams
    /// cannot be asked over TLS; they are never asked in another way.
    ///
    /// # Errors
    /// There is no such certificate; what was believed before stays.
    pub fn set_authorities(&self, authorities: Option<&[u8]>) -> Result<(), AuthoritiesError> {
        self.shared.forwarder.set_authorities(authorities)
    }

    /// Makes the listeners be exactly `wanted`: opens what is new, closes what is not in it, and leaves the rest alone,
    /// whatever fails. A listener whose device has another index is made anew.
    ///
    /// Returns the listeners that could not be opened. They are tried again by the next call that wants them.
    pub async fn set_listeners(&self, wanted: Vec<Listener>) -> Vec<BindError> {
        let Listening { running, inherited } = &mut *self.listening.lock().await;
        let ours = wanted.iter().map(Listener::socket_address).collect();
        self.shared.forwarder.set_our_addresses(ours);
        let wanted = by_place(wanted);
        for (_, mut gone) in running.extract_if(.., |place, _| !wanted.contains_key(place)) {
            // Waits until the sockets are closed: the next listener may want the same address.
            gone.tasks.shutdown().await;
        }
        let mut errors = Vec::new();
        for (place, listener) in wanted {
            if let Some(running) = running.get(&place) {
                running.service.set_networks(listener.networks);
                continue;
            }
            match listener.open(inherited) {
                Ok(opened) => {
                    running.insert(place, Running::start(opened, listener.networks, Arc::clone(&self.shared)));
                }
                Err(source) => errors.push(BindError { listener, source }),
            }
        }
        errors
    }

    /// Takes sockets that an earlier server listened with, of another process too: listeners that are where these are use
    /// them from now on, and answer what waits in them. Those of another kind are closed.
    pub async fn inherit(&self, sockets: Vec<OwnedFd>) {
        self.listening.lock().await.inherited = sockets.into_iter().collect();
    }

    /// The sockets of a listener that is open, once more: while they are kept anywhere, questions wait in them for the next
    /// server, which inherits them. UDP, then TCP.
    ///
    /// # Errors
    /// There are no file descriptors left.
    pub async fn sockets(&self, listener: &Listener) -> io::Result<Option<[OwnedFd; 2]>> {
        let listening = self.listening.lock().await;
        listening.running.get(&place(listener)).map(|running| running.sockets.again()).transpose()
    }

    /// Whether something that came to an open listener was asked of upstreams and is not answered yet.
    pub async fn owes(&self, listener: &Listener) -> bool {
        let listening = self.listening.lock().await;
        listening.running.get(&place(listener)).is_some_and(|running| running.service.owes())
    }

    /// What answers for these networks behind a [`hickory_server::Server`], whose TLS, HTTPS and QUIC we do not have. It
    /// answers from the same snapshot and asks the same upstreams; connections are hickory's to bound and to stop.
    ///
    /// For streams. Over UDP hickory drops OPT from a response that does not fit, and spells out the first owner.
    pub fn handler(&self, networks: Vec<NetworkId>) -> impl RequestHandler + use<> {
        Service::new(Arc::clone(&self.shared), networks)
    }

    /// Takes no more questions, gives the forwarded ones a second to be answered, says SERVFAIL to the others, who may ask
    /// another server then, and closes all listeners.
    pub async fn stop(&self) {
        let Listening { mut running, .. } = std::mem::take(&mut *self.listening.lock().await);
        for listener in running.values() {
            listener.stop.send_replace(true);
        }
        if timeout(GRACE, finish(&mut running)).await.is_err() {
            tracing::debug!("stopped before all upstreams answered");
            self.shared.ending.send_replace(true);
            // Who does not read is not waited for.
            let _ = timeout(LAST_WORDS, finish(&mut running)).await;
            self.shared.ending.send_replace(false);
        }
        for listener in running.values_mut() {
            listener.tasks.shutdown().await;
        }
    }

    /// What it did since it was made, and what it keeps.
    pub fn figures(&self) -> Figures {
        self.shared.figures()
    }

    /// Notes one question in `every` from now on, for who takes the notes. Those from before end.
    pub fn take_notes(&self, every: NonZeroU32) -> Notes {
        self.shared.notes.take(every)
    }

    /// Notes no questions from now on.
    pub fn take_no_notes(&self) {
        self.shared.notes.end();
    }
}

impl Running {
    fn start((sockets, spare): (Sockets, UdpSocket), networks: Vec<NetworkId>, shared: Arc<Shared>) -> Self {
        let service = Arc::new(Service::new(shared, networks));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let udp = Arc::clone(&sockets.udp);
        tasks.spawn(udp::serve(udp, spare, Arc::clone(&service), Stop::new(stopped.clone())));
        tasks.spawn(tcp::serve(Arc::clone(&sockets.tcp), Arc::clone(&service), Stop::new(stopped)));
        Self { sockets, service, stop, tasks }
    }
}

/// Waits until these have nothing more to do.
async fn finish(running: &mut BTreeMap<Place, Running>) {
    for listener in running.values_mut() {
        while listener.tasks.join_next().await.is_some() {}
    }
}

/// The listeners by their place; those of one place are one, for all their networks.
fn by_place(listeners: Vec<Listener>) -> BTreeMap<Place, Listener> {
    let mut places: BTreeMap<Place, Listener> = BTreeMap::new();
    for listener in listeners {
        match places.get_mut(&place(&listener)) {
            Some(same) => same.networks.extend(listener.networks),
            None => drop(places.insert(place(&listener), listener)),
        }
    }
    places
}

fn place(listener: &Listener) -> Place {
    (listener.device.clone(), listener.address, listener.port)
}
