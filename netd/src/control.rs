//! `netd.sock`: what people and runtimes ask the daemon, as HTTP/JSON; `openapi.json` says what.
//!
//! Each connection is a task and carries one request. Nothing here waits for the loop longer than a client may wait,
//! and the loop waits for nothing here: names and repair go on, whoever asks how much.

mod metrics;
mod query;
mod routes;

use std::{
    fs::Permissions,
    io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt, unix::net::UnixStream as StdStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use netd_store::Store;
use rustix::net::SocketType;
use tokio::{
    net::UnixStream,
    sync::{Mutex, mpsc},
    time::timeout,
};

use crate::{clients::Clients, event::Event, known::Known};

#[cfg(test)]
mod tests;

/// How many clients are heard at once; more wait.
const CLIENTS: usize = 32;

/// How long the head of a request may take to come.
const HEAD: Duration = Duration::from_secs(5);

/// How long all of it may take, until the answer is read.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest head of a request, in bytes.
const HEAD_BYTES: usize = 8 << 10;

/// The socket.
#[derive(Debug)]
pub(crate) struct Control(Clients);

/// All that answers depend on.
#[derive(Clone)]
pub(crate) struct Desk {
    store: Store,
    boot: Arc<str>,
    server: Arc<dns::Server>,
    /// What the loop served last.
    known: Arc<ArcSwap<Known>>,
    /// The loop's.
    events: mpsc::Sender<Event>,
    /// Who reads the store: one at a time, whatever is asked.
    reading: Arc<Mutex<()>>,
}

impl Control {
    /// Listens in `run_dir`, for root alone: who asks learns of all networks.
    pub(crate) fn bind(run_dir: &Path) -> io::Result<Self> {
        Clients::bind(&run_dir.join("netd.sock"), SocketType::STREAM, Some(Permissions::from_mode(0o600))).map(Self)
    }

    /// Answers clients, for ever.
    pub(crate) async fn serve(self, desk: Desk) {
        let router = routes::router(desk);
        let converse = |client| {
            let answered = timeout(PATIENCE, answer(client, router.clone()));
            async { answered.await? }
        };
        self.0.serve(CLIENTS, converse).await;
    }
}

impl Desk {
    /// A desk of this daemon.
    pub(crate) fn new(
        store: Store,
        boot: Arc<str>,
        server: Arc<dns::Server>,
        known: Arc<ArcSwap<Known>>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self { store, boot, server, known, events, reading: Arc::default() }
    }
}

async fn answer(client: OwnedFd, router: Router) -> io::Result<()> {
    let stream = UnixStream::from_std(StdStream::from(client))?;
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).keep_alive(false);
    server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await.map_err(io::Error::other)
}
