//! The TCP side of a listener (RFC 7766).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::frame::{self, Frames};
use crate::limit::Permit;
use crate::message::Transport;
use crate::service::{Arrival, Handled, MAX_REQUEST, Service, Since, Stop};

/// A connection is closed when no whole request came for so long.
const IDLE: Duration = Duration::from_secs(10);
/// How long requests are still read that come when it is time to stop: as long as the reactor may take to tell of them.
const LAST: Duration = Duration::from_millis(20);
/// A connection is closed when its client does not read for so long.
const SLOW_READER: Duration = Duration::from_secs(5);
/// Requests of one connection that wait for upstreams; more are read when one of them is answered.
const MAX_PIPELINED: usize = 16;
/// After an error that is not one of a single connection, such as no more file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until told to stop, then waits until the connections have answers to all that came over them. Who asks for
/// one meanwhile waits in the listener, for the next process where the service manager keeps that.
pub(crate) async fn serve(listener: Arc<TcpListener>, service: Arc<Service>, stop: Stop) {
    let listener = &*listener;
    serve_those(|| listener.accept(), service, stop).await;
}

async fn serve_those<F>(accept: impl Fn() -> F, service: Arc<Service>, mut stop: Stop)
where
    F: Future<Output = io::Result<(TcpStream, SocketAddr)>>,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.requested() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept() => accepted,
        };
        match accepted {
            // Without a permit the connection is closed again.
            Ok((stream, client)) => {
                if let Some(permit) = service.admit(client.ip()) {
                    connections.spawn(converse(stream, client.ip(), Arc::clone(&service), stop.clone(), permit));
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "accept DNS over TCP");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

/// Answers the requests of one connection. What is forwarded does not hold up what comes after it.
async fn converse(mut stream: TcpStream, client: IpAddr, service: Arc<Service>, mut stop: Stop, _permit: Permit) {
    let (mut reader, mut writer) = stream.split();
    let mut frames = Frames::new(MAX_REQUEST);
    let mut forwards = JoinSet::new();
    let mut rng = Rng::new();
    let mut open = true;
    let mut end = None;
    while open || !forwards.is_empty() {
        let until = end.unwrap_or_else(idle);
        let response = tokio::select! {
            () = stop.requested(), if end.is_none() => {
                end = Some(Instant::now() + LAST);
                None
            }
            Some(answered) = forwards.join_next() => answered.ok(),
            request = timeout_at(until, frames.next(&mut reader)), if open && forwards.len() < MAX_PIPELINED => {
                let request = request.ok().and_then(Result::ok).flatten();
                // Idle, at its end, or beyond understanding: no more is read, but what it waits for is still sent.
                open = request.is_some();
                match request.map(|request| handle(&service, &request, client, &mut rng)) {
                    Some(Handled::Response(response)) => Some(response),
                    Some(Handled::Later(later)) => {
                        forwards.spawn(later);
                        None
                    }
                    Some(Handled::Silence) | None => None,
                }
            }
        };
        let Some(response) = response else { continue };
        if !matches!(timeout(SLOW_READER, frame::write(&mut writer, &response)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// When a connection has been idle for too long from now on.
fn idle() -> Instant {
    Instant::now() + IDLE
}

fn handle(service: &Service, octets: &[u8], source: IpAddr, rng: &mut Rng) -> Handled {
    service.handle(Arrival { octets, source, transport: Transport::Tcp, since: &Since::now() }, rng)
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected};
    [ConnectionAborted, ConnectionReset, Interrupted, NotConnected].contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use rustix::io::Errno;
    use tokio::sync::watch;

    use super::*;
    use crate::service::Shared;

    /// How long it takes to answer a client that can be accepted after these errors.
    async fn after(errors: &[Errno]) -> Duration {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let errors = RefCell::new(errors.iter());
        let accept = || {
            let error = errors.borrow_mut().next().copied();
            let listener = &listener;
            async move {
                match error {
                    Some(error) => Err(error.into()),
                    None => listener.accept().await,
                }
            }
        };
        let service = Arc::new(Service::new(Arc::new(Shared::default()), Vec::new()));
        let (_stop, stopped) = watch::channel(false);
        let start = Instant::now();
        let ask = async {
            frame::write(&mut client, b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x02c1\0\0\x01\0\x01").await.unwrap();
            Frames::new(512).next(&mut client).await.unwrap().expect("an answer")
        };
        tokio::select! {
            () = serve_those(accept, service, Stop::new(stopped)) => panic!("nobody said that it is to end"),
            _ = ask => start.elapsed(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_error_of_accepting_ends_that_and_only_one_that_stays_makes_it_pause() {
        use Errno as E;
        let of_one = [E::CONNABORTED, E::CONNRESET, E::INTR, E::NOTCONN];
        assert_eq!(after(&of_one.repeat(10)).await, Duration::ZERO);
        for lasting in [E::MFILE, E::NFILE, E::NOBUFS, E::NOMEM, E::PERM] {
            assert_eq!(after(&[lasting; 3]).await.as_millis(), 300, "{lasting}");
        }
    }
}
