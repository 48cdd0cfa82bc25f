//! The UDP side of a listener. Local answers are given in the loop itself; only what is forwarded becomes a task.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::batch::{self, Pending, Wait};
use crate::rate::Rate;
use crate::service::{Service, Stop};
use crate::worker::Worker;

/// After an error that is not one of a single packet.
const PAUSE: Duration = Duration::from_millis(100);

/// Batches that are answered before others get their turn.
const BATCHES: usize = 8;

/// So many requests in so short a time are worth a thread.
const MANY: usize = 64;
const MOMENT: Duration = Duration::from_millis(100);

/// Answers until told to stop, then until the last forwarded answer is sent. `spare` is another descriptor of the socket.
pub(crate) async fn serve(socket: Arc<UdpSocket>, spare: UdpSocket, service: Arc<Service>, mut stop: Stop) {
    let is_ipv4 = socket.local_addr().is_ok_and(|address| address.is_ipv4());
    let serving = Serving { socket, is_ipv4, service };
    let mut forwards = JoinSet::new();
    let (mut spare, mut busy) = (Some(spare), None);
    let answer = async {
        loop {
            if let Err(error) = serving.until_many_ask(&mut spare, &mut forwards).await {
                tracing::warn!(%error, "receive DNS over UDP");
                tokio::time::sleep(PAUSE).await;
            } else if let Some((_, pending)) = serving.start_worker(&mut busy) {
                serving.until_few_ask(pending, &mut forwards).await;
                if let Some((worker, _)) = busy.take() {
                    worker.join();
                }
            }
        }
    };
    tokio::select! {
        () = stop.requested() => {}
        () = answer => {}
    }
    if let Some((worker, mut pending)) = busy {
        // It ends by itself: the socket may go on elsewhere, and what waits there is for who has it then.
        worker.leave();
        serving.until_few_ask(&mut pending, &mut forwards).await;
        worker.join();
    }
    while forwards.join_next().await.is_some() {}
}

/// A thread, and what it leaves to others.
type Busy = (Worker, mpsc::Receiver<Pending>);

/// A socket, and what answers there.
struct Serving {
    socket: Arc<UdpSocket>,
    is_ipv4: bool,
    service: Arc<Service>,
}

impl Serving {
    /// Answers what the reactor tells of, which costs little where hardly anybody asks: a host may have many listeners.
    /// `spare` is the descriptor that the reactor knows, kept meanwhile: there may be none when it is needed again.
    async fn until_many_ask(&self, spare: &mut Option<UdpSocket>, forwards: &mut JoinSet<()>) -> io::Result<()> {
        self.socket.set_nonblocking(true)?;
        let descriptor = spare.take().map_or_else(|| self.socket.try_clone(), Ok)?;
        let told = tokio::net::UdpSocket::from_std(descriptor)?;
        let answered = self.answer_told(&told, forwards).await;
        *spare = told.into_std().ok();
        answered
    }

    async fn answer_told(&self, told: &tokio::net::UdpSocket, forwards: &mut JoinSet<()>) -> io::Result<()> {
        let mut pending = Vec::new();
        let mut rate = Rate::new(MOMENT, Instant::now());
        loop {
            tokio::select! {
                Some(_) = forwards.join_next() => continue,
                ready = told.readable() => ready?,
            }
            for _ in 0..BATCHES {
                // A batch that is not full was all that was there. The reactor hears of the next packet, and so is told
                // to wait for it, without being shown an empty socket first.
                let turn = || {
                    let count = batch::answer(&self.socket, self.is_ipv4, &self.service, Wait::Never, &mut pending)?;
                    rate.add(count);
                    if count == batch::SIZE { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
                };
                let answered = told.try_io(Interest::READABLE, turn);
                pending.drain(..).for_each(|later| self.forward(later, forwards));
                match answered {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            if rate.reaches(MANY, Instant::now()) {
                return Ok(());
            }
        }
    }

    /// Starts a thread, if one is free.
    fn start_worker<'b>(&self, busy: &'b mut Option<Busy>) -> Option<&'b mut Busy> {
        let permit = self.service.admit_worker()?;
        let started = Worker::start(Arc::clone(&self.socket), self.is_ipv4, Arc::clone(&self.service), permit);
        *busy = started.inspect_err(|error| tracing::debug!(%error, "start a thread for DNS over UDP")).ok();
        busy.as_mut()
    }

    /// Lets a thread answer.
    async fn until_few_ask(&self, pending: &mut mpsc::Receiver<Pending>, forwards: &mut JoinSet<()>) {
        loop {
            tokio::select! {
                Some(_) = forwards.join_next() => {}
                later = pending.recv() => match later {
                    Some(later) => self.forward(later, forwards),
                    None => return,
                },
            }
        }
    }

    /// Lets others answer.
    fn forward(&self, (later, client): Pending, forwards: &mut JoinSet<()>) {
        let socket = Arc::clone(&self.socket);
        forwards.spawn(async move { batch::send(&socket, &later.await, client) });
    }
}
