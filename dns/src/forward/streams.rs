//! Connections to upstreams, which are kept for the next question (RFC 7766 6.2).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::course::DEADLINE;
use super::plain::Query;
use super::spelling::fresh_id;
use crate::frame::{self, Frames};
use crate::response::{Response, with_id};

/// A connection that is not used for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Questions that wait until they are written.
const QUEUE: usize = 32;
/// Questions of one connection that wait for an answer.
const MAX_WAITING: usize = 256;

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<HashMap<SocketAddr, mpsc::Sender<Job>>>,
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
    /// The response over a connection that is open, else a new one. Where an open one was closed meanwhile by the other
    /// side, which may do that at any time, the question goes over a new one.
    pub(super) async fn ask(&self, server: SocketAddr, query: &Query) -> io::Result<Response> {
        if let Some(connection) = self.open(server)
            && let Some(response) = through(&connection, query.clone()).await
        {
            return Ok(response);
        }
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (connection, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(converse(stream, jobs));
        self.keep(server, connection.clone());
        through(&connection, query.clone()).await.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn open(&self, server: SocketAddr) -> Option<mpsc::Sender<Job>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&server).cloned()
    }

    /// Of two that are opened at a time the later is kept; the other one ends when its questions are answered.
    fn keep(&self, server: SocketAddr, connection: mpsc::Sender<Job>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, connection| !connection.is_closed());
        open.insert(server, connection);
    }
}

/// The response over this connection; none if it ends before.
async fn through(connection: &mpsc::Sender<Job>, query: Query) -> Option<Response> {
    let (answer, response) = oneshot::channel();
    connection.send(Job { query, answer }).await.ok()?;
    response.await.ok()
}

/// Writes questions and reads answers, in whatever order they come, until nobody has asked for a while, the other side
/// is silent while somebody waits, or says what is no answer.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, mut jobs: mpsc::Receiver<Job>) {
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
                let Some(octets) = waiting.add(job) else { return };
                if !matches!(timeout(DEADLINE, frame::write(&mut stream, &octets)).await, Ok(Ok(()))) {
                    return;
                }
            }
            Event::Message(Ok(Some(message))) => {
                heard = Instant::now();
                waiting.answer(&message);
            }
            Event::Job(None) => is_wanted = false,
            Event::Message(_) | Event::Silence => return,
        }
    }
}

impl Waiting {
    /// The message for a question; none where the system has no chance to give.
    fn add(&mut self, job: Job) -> Option<Vec<u8>> {
        self.0.retain(|_, job| !job.answer.is_closed());
        let mut id = fresh_id().ok()?;
        while self.0.contains_key(&id) {
            id = fresh_id().ok()?;
        }
        let octets = with_id(&job.query.octets, id);
        self.0.insert(id, job);
        Some(octets)
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
