//! A thread for a listener that is asked much. It waits in the kernel for the next request, and answers with the next system
//! call; a task needs a third one to be told of the request, and somebody who wakes it.
//!
//! It has the listener's own socket: one more with `SO_REUSEPORT` would let any other server of the host share the port.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::{Shutdown, shutdown};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::batch::{self, Pending, Wait};
use crate::forward::MAX_IN_FLIGHT;
use crate::rate::Rate;
use crate::service::Service;

/// How often the thread looks whether it is still worth it.
const PERIOD: Duration = Duration::from_secs(1);

/// The longest that it waits for a request, and so until it ends when it is told to.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Fewer requests in a period are not worth a thread.
const FEW: usize = 500;

/// After an error of receiving.
const PAUSE: Duration = Duration::from_millis(100);

/// The thread. Dropped, it reads no more and ends; then its socket can do no more than send, whoever has it: one that is to
/// go on elsewhere is left by [`Worker::leave`].
#[derive(Debug)]
pub(crate) struct Worker {
    socket: Arc<UdpSocket>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts it. What others must answer comes by the receiver, which ends when the thread does, because few ask.
    pub(crate) fn start(
        socket: Arc<UdpSocket>,
        is_ipv4: bool,
        service: Arc<Service>,
        permit: OwnedSemaphorePermit,
    ) -> io::Result<(Self, Receiver<Pending>)> {
        socket.set_nonblocking(false)?;
        let (sender, receiver) = channel(MAX_IN_FLIGHT);
        let stop = Arc::new(AtomicBool::new(false));
        let (read, stopped) = (Arc::clone(&socket), Arc::clone(&stop));
        let thread = thread::Builder::new().name("dns".to_owned()).spawn(move || {
            answer(&read, is_ipv4, &service, &stopped, &sender);
            drop((read, permit));
        })?;
        Ok((Self { socket, stop, thread: Some(thread) }, receiver))
    }

    /// Tells the thread to answer what it has read, and to read no more: it ends within [`LONGEST_WAIT`].
    pub(crate) fn leave(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the thread, which is about to end by itself.
    pub(crate) fn join(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("thread for DNS over UDP ended in a panic");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop.store(true, Ordering::Relaxed);
            // It says that the socket is not connected, and wakes who waits there nevertheless.
            let _ = shutdown(&*self.socket, Shutdown::Read);
            // Soon: nothing but a batch of answers may be under way. Whoever waits for the socket to close needs it.
            self.end();
        }
    }
}

fn answer(socket: &UdpSocket, is_ipv4: bool, service: &Service, stop: &AtomicBool, others: &Sender<Pending>) {
    let mut pending = Vec::new();
    let mut rate = Rate::new(PERIOD, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        match batch::answer(socket, is_ipv4, service, Wait::ForOne, &mut pending) {
            Ok(count) => rate.add(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => {
                tracing::warn!(%error, "receive DNS over UDP");
                thread::sleep(PAUSE);
            }
        }
        for later in pending.drain(..) {
            if others.blocking_send(later).is_err() {
                return;
            }
        }
        if rate.take_past(Instant::now()).is_some_and(|count| count < FEW) {
            return;
        }
    }
}
