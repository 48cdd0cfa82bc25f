//! Connections to upstreams, plain or of TLS, which are kept for the next question (RFC 7766 6.2, RFC 7858 3.4).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

use super::course::DEADLINE;
use super::plain::Query;
use super::spelling::fresh_id;
use crate::frame::{self, Frames};
use crate::response::{Response, with_id};
use crate::upstream::Upstream;

/// A connection that is not used for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Questions that wait until they are written.
const QUEUE: usize = 32;
/// Questions of one connection that wait for an answer.
const MAX_WAITING: usize = 256;

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<Upstream, Connection>>,
    /// Whose certificates are good.
    tls: ArcSwapOption<ClientConfig>,
}

/// A connection that is open, or about to be.
#[derive(Clone, Debug)]
struct Connection {
    jobs: mpsc::Sender<Job>,
    fault: Arc<Mutex<Option<io::Error>>>,
}

/// A question for a connection.
struct Job {
    query: Query,
    answer: oneshot::Sender<Response>,
}

/// What a connection does next.
enum Event {
    Job(Option<Job>),
    Message(io::Result<Option<Vec<u8>>>),
    Silence,
}

/// Questions that were written and not yet answered, by id.
struct Waiting(HashMap<[u8; 2], Job>);

impl Streams {
    /// Believes the certificates that `config` says from now on, and opens connections anew.
    pub(super) fn set_tls(&self, config: Option<Arc<ClientConfig>>) {
        self.tls.store(config);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|upstream, _| upstream.tls.is_none());
    }

    /// The response over a connection that is open, else a new one. Where an open one was closed meanwhile by the other
    /// side, which may do that at any time, the question goes over a new one.
    pub(super) async fn ask(&self, upstream: &Upstream, query: &Query) -> io::Result<Response> {
        let (connection, is_new) = self.connection(upstream, None);
        match connection.ask(query).await {
            Err(_) if !is_new => self.connection(upstream, Some(&connection)).0.ask(query).await,
            heard => heard,
        }
    }

    /// The connection that is open, but for `broken`, and whether it is a new one. All who come meanwhile wait for the
    /// same to be opened.
    fn connection(&self, upstream: &Upstream, broken: Option<&Connection>) -> (Connection, bool) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |connection: &Connection| {
            let is_broken = broken.is_some_and(|broken| broken.jobs.same_channel(&connection.jobs));
            !connection.jobs.is_closed() && !is_broken
        };
        if let Some(connection) = open.get(upstream).filter(|connection| is_good(connection)) {
            return (connection.clone(), false);
        }
        open.retain(|_, connection| !connection.jobs.is_closed());
        let (sender, mut jobs) = mpsc::channel(QUEUE);
        let connection = Connection { jobs: sender, fault: Arc::default() };
        open.insert(upstream.clone(), connection.clone());
        let (upstream, tls, fault) = (upstream.clone(), self.tls.load_full(), Arc::clone(&connection.fault));
        tokio::spawn(async move {
            let ended = match timeout(DEADLINE, connect(upstream.address)).await {
                Ok(Ok(stream)) => talk(stream, &upstream, tls, &mut jobs).await,
                Ok(Err(error)) => Err(error),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            };
            // Who waits hears of the end when the jobs are dropped, which is after this.
            *fault.lock().unwrap_or_else(PoisonError::into_inner) = ended.err();
        });
        (connection, true)
    }
}

impl Connection {
    async fn ask(&self, query: &Query) -> io::Result<Response> {
        let (answer, response) = oneshot::channel();
        let sent = self.jobs.send(Job { query: query.clone(), answer }).await;
        let heard = if sent.is_ok() { response.await.ok() } else { None };
        heard.ok_or_else(|| {
            let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
            let text = fault.as_ref().map_or_else(|| "the connection ended".to_owned(), ToString::to_string);
            io::Error::other(text)
        })
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Converses, over TLS where the upstream is asked so, and only then.
async fn talk(
    stream: TcpStream,
    upstream: &Upstream,
    tls: Option<Arc<ClientConfig>>,
    jobs: &mut mpsc::Receiver<Job>,
) -> io::Result<()> {
    let Some(name) = &upstream.tls else { return converse(stream, jobs).await };
    let config = tls.ok_or_else(|| io::Error::other("there is no authority whose certificates are good"))?;
    let handshake = TlsConnector::from(config).connect(name.clone(), stream);
    let stream = timeout(DEADLINE, handshake).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    converse(stream, jobs).await
}

/// Writes questions and reads answers, in whatever order they come, until nobody has asked for a while, the other side
/// is silent while somebody waits, or it ends the connection.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, jobs: &mut mpsc::Receiver<Job>) -> io::Result<()> {
    let mut frames = Frames::new(usize::from(u16::MAX));
    let mut waiting = Waiting(HashMap::new());
    let mut heard = Instant::now();
    let mut is_wanted = true;
    while is_wanted || !waiting.0.is_empty() {
        let patience = if waiting.0.is_empty() { IDLE } else { DEADLINE };
        let event = tokio::select! {
            job = jobs.recv(), if is_wanted && waiting.0.len() < MAX_WAITING => Event::Job(job),
            message = frames.next(&mut stream) => Event::Message(message),
            () = sleep_until(heard + patience) => Event::Silence,
        };
        match event {
            Event::Job(Some(job)) => {
                if waiting.0.is_empty() {
                    heard = Instant::now();
                }
                let octets = waiting.add(job)?;
                let written = timeout(DEADLINE, frame::write(&mut stream, &octets)).await;
                written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            }
            Event::Job(None) => is_wanted = false,
            Event::Message(message) => {
                let message = message?.ok_or(io::ErrorKind::UnexpectedEof)?;
                heard = Instant::now();
                waiting.answer(&message);
            }
            Event::Silence if waiting.0.is_empty() => break,
            Event::Silence => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Ok(())
}

impl Waiting {
    /// The message for a question.
    fn add(&mut self, job: Job) -> io::Result<Vec<u8>> {
        self.0.retain(|_, job| !job.answer.is_closed());
        let mut id = fresh_id()?;
        while self.0.contains_key(&id) {
            id = fresh_id()?;
        }
        let octets = with_id(&job.query.octets, id);
        self.0.insert(id, job);
        Ok(octets)
    }

    /// Gives an answer to who waits for it; what answers nothing is passed over.
    fn answer(&mut self, message: &[u8]) {
        let Some(&id) = message.first_chunk() else { return };
        let Some(job) = self.0.get(&id) else { return };
        if let Some(response) = Response::matching(message, id, &job.query)
            && let Some(job) = self.0.remove(&id)
        {
            // Who asked may have got an answer elsewhere.
            let _ = job.answer.send(response);
        }
    }
}
