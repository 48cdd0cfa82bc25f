//! The UDP side of a listener. Local answers are given in the loop itself; only what is forwarded becomes a task.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::message::Transport;
use crate::service::{MAX_REQUEST, Outcome, Service, Stop};

/// After an error that is not one of a single packet.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers until told to stop, then until the last forwarded answer is sent.
pub(crate) async fn serve(socket: UdpSocket, service: Arc<Service>, mut stop: Stop) {
    let socket = Arc::new(socket);
    let mut forwards = JoinSet::new();
    let mut rng = Rng::new();
    let mut buffer = vec![0; MAX_REQUEST];
    loop {
        let received = tokio::select! {
            () = stop.requested() => break,
            Some(_) = forwards.join_next() => continue,
            received = socket.recv_from(&mut buffer) => received,
        };
        match received {
            Ok((length, client)) => {
                let packet = buffer.get(..length).unwrap_or_default();
                match service.handle(packet, client.ip(), Transport::Udp, &mut rng) {
                    Outcome::Silence => {}
                    Outcome::Response(response) => send(&socket, &response, client),
                    Outcome::Later(later) => {
                        let socket = Arc::clone(&socket);
                        forwards.spawn(async move { send(&socket, &later.await, client) });
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "receive DNS over UDP");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    while forwards.join_next().await.is_some() {}
}

/// Sends without waiting: a client that cannot be reached must not keep the others waiting, and asks again.
fn send(socket: &UdpSocket, response: &[u8], client: SocketAddr) {
    match socket.try_send_to(response, client) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            tracing::debug!(%client, "answer dropped, the socket's buffer is full");
        }
        Err(error) => tracing::debug!(%client, %error, "answer not sent"),
    }
}
