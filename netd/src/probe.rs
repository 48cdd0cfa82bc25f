//! Asks containers whether they do their work, where their labels ask for that.
//!
//! Each is asked by a task of its own, from this host, over the bridge that it is on: another network may have the same
//! addresses. What is found goes to the loop like the word of a runtime.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use netd_model::{
    attachment::{Attachment, AttachmentId},
    health::{Ask, Health, Probe},
    name::LinkName,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    event::Event,
    health::{By, Heard, Word},
};

/// How many are asked at once; the others wait for their turn.
const AT_ONCE: usize = 64;

/// How long after a bad answer a container is asked again, at most.
const SOON: Duration = Duration::from_secs(1);

/// The largest head of an answer, in bytes.
const HEAD_BYTES: usize = 16 << 10;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Who asks.
#[derive(Debug)]
pub(crate) struct Prober {
    events: mpsc::Sender<Event>,
    turns: Arc<Semaphore>,
    asked: BTreeMap<AttachmentId, Asked>,
}

/// A container that is asked until this is dropped.
#[derive(Debug)]
struct Asked {
    target: Target,
    task: JoinHandle<()>,
}

/// Where and how a container is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    address: SocketAddr,
    link: Option<LinkName>,
    probe: Probe,
}

/// What answers make of a container.
#[derive(Debug)]
struct Judge {
    health: Health,
    /// Bad answers since the last good one.
    bad: u16,
}

impl Prober {
    /// Asks nobody yet.
    pub(crate) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, turns: Arc::new(Semaphore::new(AT_ONCE)), asked: BTreeMap::new() }
    }

    /// Asks an attachment from now on as it wants to be asked now; not one that is none any more. `first` says what is
    /// known of one that was not asked so yet.
    pub(crate) fn set(
        &mut self,
        id: &AttachmentId,
        attachment: Option<&Attachment>,
        first: impl FnOnce(&AttachmentId) -> Health,
    ) {
        let wanted = attachment.and_then(Target::of);
        if self.asked.get(id).map(|asked| &asked.target) == wanted.as_ref() {
            return;
        }
        self.asked.remove(id);
        if let Some(target) = wanted {
            let (events, turns) = (self.events.clone(), Arc::clone(&self.turns));
            let task = tokio::spawn(watch(target.clone(), id.clone(), first(id), events, turns));
            self.asked.insert(id.clone(), Asked { target, task });
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Target {
    fn of(attachment: &Attachment) -> Option<Self> {
        let names = attachment.names()?;
        let probe = names.probe.clone()?;
        let address = *names.addresses.first()?;
        let gateway = names.listen.iter().find(|listen| listen.address.is_ipv4() == address.is_ipv4());
        let link = gateway.map(|listen| listen.link.clone());
        Some(Self { address: SocketAddr::new(address, probe.port), link, probe })
    }

    /// One answer; an error is a bad one.
    async fn ask(&self) -> Result<(), Fault> {
        let stream = self.connect().await?;
        match &self.probe.ask {
            Ask::Tcp => Ok(()),
            Ask::Http(path) => self.get(stream, path).await,
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind_device(self.link.as_ref().map(|link| link.as_str().as_bytes()))?;
        socket.connect(self.address).await
    }

    async fn get(&self, stream: TcpStream, path: &str) -> Result<(), Fault> {
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await?;
        let request = Request::get(path).header(header::HOST, self.address.to_string());
        let request = request.header(header::USER_AGENT, "netd").body(Empty::<Bytes>::new())?;
        let mut answer = std::pin::pin!(sender.send_request(request));
        let answer = tokio::select! {
            answer = &mut answer => answer,
            // It may have ended because all was said.
            _ = connection => answer.await,
        };
        let status = answer?.status();
        if status.is_success() || status.is_redirection() { Ok(()) } else { Err(status.to_string().into()) }
    }
}

impl Judge {
    /// What an answer changes.
    fn hear(&mut self, is_good: bool, retries: u16) -> Option<Health> {
        self.bad = if is_good { 0 } else { self.bad.saturating_add(1) };
        let is_healthy = self.health.is_healthy();
        match is_good {
            true if !is_healthy => Some(Health::Healthy),
            false if is_healthy && self.bad >= retries => Some(Health::Unhealthy),
            _ => None,
        }
    }
}

/// Asks for ever.
async fn watch(target: Target, id: AttachmentId, health: Health, events: mpsc::Sender<Event>, turns: Arc<Semaphore>) {
    let interval = Duration::from_secs(target.probe.interval.into());
    let mut judge = Judge { health, bad: 0 };
    if health.is_healthy() {
        // Those of a host are not all asked at one moment when netd starts.
        sleep(interval.mul_f64(fastrand::f64())).await;
    }
    loop {
        let Ok(turn) = turns.acquire().await else { return };
        let answer = timeout(Duration::from_secs(target.probe.timeout.into()), target.ask()).await;
        drop(turn);
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".into()));
        if let Err(error) = &answer {
            tracing::debug!(network = %id.network, container = %id.container, %error, "probe");
        }
        if let Some(health) = judge.hear(answer.is_ok(), target.probe.retries) {
            let (reply, heard) = oneshot::channel();
            let word = Word { id: id.clone(), by: By::Probe, health, reply };
            if events.send(Event::Health(word)).await.is_err() {
                return;
            }
            // What was not heard is said again.
            if heard.await == Ok(Heard::Served) {
                judge.health = health;
            }
        }
        let is_well = judge.bad == 0 && judge.health.is_healthy();
        sleep(if is_well { interval } else { interval.min(SOON) }).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn so_many_bad_answers_make_it_unhealthy_and_one_good_one_healthy() {
        let heard = |health: Health, answers: &str| {
            let mut judge = Judge { health, bad: 0 };
            let changes = answers.chars().map(|answer| {
                let change = judge.hear(answer == '+', 3);
                judge.health = change.unwrap_or(judge.health);
                change.map_or('.', |health| if health.is_healthy() { 'h' } else { 'u' })
            });
            changes.collect::<String>()
        };
        for (health, answers, changes) in [
            (Health::Healthy, "--+---", ".....u"),
            (Health::Healthy, "-----+--+", "..u..h..."),
            (Health::Starting, "-----+---", ".....h..u"),
            (Health::Unhealthy, "-+", ".h"),
        ] {
            assert_eq!(heard(health, answers), changes, "{health} {answers}");
        }
    }

    /// Says this to each client, and hangs up.
    async fn server(says: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let _ = client.read(&mut [0; 1024]).await;
                let _ = client.write_all(says.as_bytes()).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn what_a_server_says_is_a_good_answer_or_a_bad_one() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let http = || Ask::Http("/up".to_owned());
        for (ask, address, is_good) in [
            (Ask::Tcp, server("").await, true),
            (Ask::Tcp, closed, false),
            (http(), server("HTTP/1.1 200 OK\r\n\r\n").await, true),
            (http(), server("HTTP/1.0 302 Found\r\nLocation: /\r\n\r\nthere").await, true),
            (http(), server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await, false),
            (http(), server("HTTP/1.1 503 Busy\r\n\r\n").await, false),
            (http(), server("SSH-2.0\r\n").await, false),
            (http(), server("").await, false),
            (http(), closed, false),
        ] {
            let probe = Probe { ask, port: address.port(), interval: 1, timeout: 1, retries: 1 };
            let target = Target { address, link: None, probe };
            let answer = target.ask().await;
            assert_eq!(answer.is_ok(), is_good, "{:?}: {answer:?}", target.probe);
        }
    }
}
