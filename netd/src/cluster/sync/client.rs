//! Asks another host for its names, again and again.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use netd_model::name::HostName;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    CROSSINGS, LARGEST, LONGEST_WAIT, MTUS, PATH, TAKES, document,
    server::{bearer, give_up_in_time},
};
use crate::{
    cluster::{contact::Told, task::Task},
    logs::chain,
    settings::cluster::Key,
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);

/// How much later than it was asked for an answer may come.
const LATE: Duration = Duration::from_secs(2);

/// The pause after the first failure; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pause after an answer: a host that answers without waiting is not asked without end.
const QUIET: Duration = Duration::from_millis(20);

/// The pause after news: who has them without end keeps nobody busy.
const AFTER_NEWS: Duration = Duration::from_millis(100);

/// Whom to ask, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The host.
    pub(crate) host: HostName,
    /// Where it answers.
    pub(crate) address: SocketAddr,
    /// The address of this host that it has in its list.
    pub(crate) own: IpAddr,
    /// What to show.
    pub(crate) key: Option<Key>,
    /// The time to live of what it tells.
    pub(crate) ttl: Duration,
}

/// What came of one attempt: what it has now, the news that there are none, or an error.
#[derive(Debug)]
pub(crate) struct Report {
    /// The host.
    pub(crate) host: HostName,
    /// What came of it.
    pub(crate) answer: Result<Option<Told>, String>,
}

/// A connection, and the task that moves its octets.
struct Connection {
    requests: SendRequest<Empty<Bytes>>,
    _task: Task,
}

/// Asks until it is dropped.
pub(crate) async fn poll(target: Target, reports: mpsc::Sender<Report>) {
    let mut connection = None;
    let mut version = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let answer = attempt(&target, &mut connection, version).await;
        let answer = answer.map(|news| {
            news.map(|(new, told)| {
                version = Some(new);
                told
            })
        });
        let rest = match &answer {
            Ok(Some(_)) => AFTER_NEWS,
            Ok(None) => QUIET,
            Err(_) => pause,
        };
        pause = if answer.is_ok() { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        if reports.send(Report { host: target.host.clone(), answer }).await.is_err() {
            return;
        }
        sleep(rest).await;
    }
}

/// One question, over the connection of the one before where it is still there; one that failed is given up.
async fn attempt(
    target: &Target,
    kept: &mut Option<Connection>,
    version: Option<u64>,
) -> Result<Option<(u64, Told)>, String> {
    let mut connection = match usable(kept.take()).await {
        Some(connection) => connection,
        None => connect(target).await?,
    };
    let answer = timeout(target.wait() + LATE, ask(target, &mut connection, version)).await;
    let news = answer.unwrap_or_else(|_| Err("it does not answer in time".to_owned()))?;
    *kept = Some(connection);
    Ok(news)
}

/// That the other side has closed a connection meanwhile is no failure of the host.
async fn usable(connection: Option<Connection>) -> Option<Connection> {
    let mut connection = connection?;
    connection.requests.ready().await.is_ok().then_some(connection)
}

async fn ask(
    target: &Target,
    connection: &mut Connection,
    version: Option<u64>,
) -> Result<Option<(u64, Told)>, String> {
    let request = target.request(version).map_err(|error| format!("the question cannot be put: {error}"))?;
    let response = connection.requests.send_request(request).await.map_err(|error| hung_up(&error))?;
    read(response, &target.host).await
}

async fn connect(target: &Target) -> Result<Connection, String> {
    let failed = |error: io::Error| format!("connect to {} from {}: {error}", target.address, target.own);
    let stream = timeout(CONNECT, target.dial()).await;
    let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(failed)?;
    give_up_in_time(&stream).map_err(failed)?;
    let (requests, octets) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| hung_up(&error))?;
    let task = Task::spawn(async {
        // The question that waits on it fails with the reason.
        let _ = octets.await;
    });
    Ok(Connection { requests, _task: task })
}

fn hung_up(error: &hyper::Error) -> String {
    format!("it hangs up, as on who is not in its peers file: {}", chain(error))
}

async fn read(response: Response<Incoming>, host: &HostName) -> Result<Option<(u64, Told)>, String> {
    match response.status() {
        StatusCode::OK => {
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| format!("its names cannot be read: {}", chain(error.as_ref())))?;
            document::parse(&body.to_bytes(), host).map(Some)
        }
        StatusCode::NOT_MODIFIED => Ok(None),
        StatusCode::UNAUTHORIZED => Err("it has another cluster.key".to_owned()),
        StatusCode::FORBIDDEN => Err("it has not this host in its peers file".to_owned()),
        StatusCode::SERVICE_UNAVAILABLE => Err("it has just started: it does not know its names yet".to_owned()),
        StatusCode::NOT_FOUND => Err("it does not know this netd's form of questions: its netd is another".to_owned()),
        status => Err(format!("it answers {status}")),
    }
}

impl Target {
    /// How long a question waits for news: often enough that a host that lives is heard in time.
    fn wait(&self) -> Duration {
        (self.ttl / 3).min(LONGEST_WAIT)
    }

    /// A connection from the address that the other side knows us by.
    async fn dial(&self) -> io::Result<TcpStream> {
        let socket = if self.own.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(self.own, 0))?;
        socket.connect(self.address).await
    }

    fn request(&self, version: Option<u64>) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
        let after = version.map(|version| format!("&after={version}")).unwrap_or_default();
        let request = Request::get(format!("{PATH}?wait={}{after}", self.wait().as_millis()));
        let request =
            request.header(header::HOST, self.address.to_string()).header(TAKES, MTUS).header(TAKES, CROSSINGS);
        let shown = self.key.iter().fold(request, |request, key| request.header(header::AUTHORIZATION, bearer(key)));
        shown.body(Empty::new())
    }
}
