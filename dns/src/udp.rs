//! The UDP side of a listener. Local answers are given in the loop itself; only what is forwarded becomes a task.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::batch;
use crate::service::{Service, Stop};

/// After an error that is not one of a single packet.
const PAUSE: Duration = Duration::from_millis(100);

/// Batches that are answered before others get their turn.
const BATCHES: usize = 8;

/// Answers until told to stop, then until the last forwarded answer is sent.
pub(crate) async fn serve(socket: UdpSocket, service: Arc<Service>, mut stop: Stop) {
    let is_ipv4 = socket.local_addr().is_ok_and(|address| address.is_ipv4());
    let socket = Arc::new(socket);
    let mut forwards = JoinSet::new();
    let mut pending = Vec::new();
    loop {
        let ready = tokio::select! {
            () = stop.requested() => break,
            Some(_) = forwards.join_next() => continue,
            ready = socket.readable() => ready,
        };
        let answered = ready.and_then(|()| answer(&socket, is_ipv4, &service, &mut pending));
        for (later, client) in pending.drain(..) {
            let socket = Arc::clone(&socket);
            forwards.spawn(async move { batch::send(&socket, &later.await, client) });
        }
        if let Err(error) = answered {
            tracing::warn!(%error, "receive DNS over UDP");
            tokio::time::sleep(PAUSE).await;
        }
    }
    while forwards.join_next().await.is_some() {}
}

/// Answers what is there.
fn answer(socket: &UdpSocket, is_ipv4: bool, service: &Service, pending: &mut Vec<batch::Pending>) -> io::Result<()> {
    for _ in 0..BATCHES {
        // A batch that is not full was all that was there. The reactor hears of the next packet, and so is told to wait
        // for it, without being shown an empty socket first.
        let turn = || {
            let is_full = batch::answer(socket, is_ipv4, service, pending)?;
            if is_full { Ok(()) } else { Err(io::Error::from(io::ErrorKind::WouldBlock)) }
        };
        match socket.try_io(Interest::READABLE, turn) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
