//! Answers the other hosts.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io,
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Answer, CROSSINGS, LONGEST_WAIT, MTUS, PATH, TAKES, Takes, UNACKNOWLEDGED};
use crate::settings::cluster::Key;

/// How many connections one host may have: the one that it uses, and those that it lost.
const CONNECTIONS: usize = 4;

/// How long the head of a request may take to come, from the end of the last one on.
const HEAD: Duration = Duration::from_secs(30);

/// The largest head of a request, in bytes.
const HEAD_BYTES: usize = 8 << 10;

/// How long no connection is taken after one could not be, as when there are no more descriptors.
const RECOVERY: Duration = Duration::from_millis(100);

/// Who is answered.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// The addresses of the other hosts.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// What they must show.
    pub(crate) key: Option<Key>,
}

/// All that an answer depends on.
#[derive(Clone)]
pub(crate) struct Desk {
    /// Who is answered.
    pub(crate) access: Arc<ArcSwap<Access>>,
    /// What is answered.
    pub(crate) answers: watch::Receiver<Answer>,
}

/// What a question says after `?`.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    after: Option<u64>,
    wait: Duration,
}

/// Takes connections until it is dropped, and with it those that it took.
pub(crate) async fn serve(listener: TcpListener, desk: Desk) {
    let mut connections = JoinSet::new();
    let mut seats: BTreeMap<IpAddr, Arc<Semaphore>> = BTreeMap::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, address.ip().to_canonical()),
            Err(error) => {
                tracing::debug!(%error, "connection of a peer not taken");
                sleep(RECOVERY).await;
                continue;
            }
        };
        let access = desk.access.load();
        seats.retain(|address, _| access.addresses.contains(address));
        if !access.addresses.contains(&peer) {
            tracing::debug!(addr = %peer, "hung up on who is no peer");
            continue;
        }
        let seat = seats.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(CONNECTIONS)));
        let Ok(seat) = Arc::clone(seat).try_acquire_owned() else {
            tracing::debug!(addr = %peer, "hung up on a peer with too many connections");
            continue;
        };
        let desk = desk.clone();
        connections.spawn(async move {
            if let Err(error) = converse(stream, peer, desk).await {
                tracing::debug!(addr = %peer, %error, "connection of a peer ended");
            }
            drop(seat);
        });
    }
}

async fn converse(stream: TcpStream, peer: IpAddr, desk: Desk) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    give_up_in_time(&stream)?;
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(respond(&request, peer, desk).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    server.serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

/// Lets writes to a host that is gone end, and sends each one at once.
pub(super) fn give_up_in_time(stream: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED)?;
    stream.set_nodelay(true)
}

async fn respond(request: &Request<Incoming>, peer: IpAddr, desk: Desk) -> Response<Full<Bytes>> {
    let access = desk.access.load_full();
    // A connection may be older than the list.
    if !access.addresses.contains(&peer) {
        return plain(StatusCode::FORBIDDEN);
    }
    let shown = request.headers().get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    if !is_right(access.key.as_ref(), shown) {
        return plain(StatusCode::UNAUTHORIZED);
    }
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND);
    }
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !request.body().is_end_stream() {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let Some(query) = Query::parse(request.uri().query().unwrap_or_default()) else {
        return plain(StatusCode::BAD_REQUEST);
    };
    let takes = takes(request);
    let mut answers = desk.answers;
    // That the time is over is no failure.
    let _ = timeout(query.wait, answers.wait_for(|answer| answer.news(query.after, takes).is_some())).await;
    let answer = answers.borrow();
    match answer.news(query.after, takes) {
        Some(news) => Response::new(Full::new(news.clone())),
        None if answer.is_as(query.after) => plain(StatusCode::NOT_MODIFIED),
        // Before its own names are known a host has no news: not even that there are none.
        None => plain(StatusCode::SERVICE_UNAVAILABLE),
    }
}

fn takes<B>(request: &Request<B>) -> Takes {
    let has = |what| request.headers().get_all(TAKES).iter().any(|takes| takes == what);
    match (has(MTUS), has(CROSSINGS)) {
        (_, true) => Takes::All,
        (true, false) => Takes::NamesAndMtus,
        (false, false) => Takes::Names,
    }
}

/// Whether the header shows the key, where there is one; how much of it is right cannot be told from the time it takes.
fn is_right(key: Option<&Key>, shown: &[u8]) -> bool {
    key.is_none_or(|key| shown.ct_eq(bearer(key).as_bytes()).into())
}

/// The header that shows a key.
pub(super) fn bearer(key: &Key) -> String {
    format!("Bearer {}", key.expose())
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

impl Query {
    /// `after=7&wait=5000`, each of them once or not at all.
    fn parse(text: &str) -> Option<Self> {
        let mut query = Self { after: None, wait: LONGEST_WAIT };
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=')?;
            let number = value.parse().ok()?;
            match key {
                "after" => query.after = Some(number),
                "wait" => query.wait = Duration::from_millis(number).min(LONGEST_WAIT),
                _ => return None,
            }
        }
        Some(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_what_is_known_and_how_long_it_waits() {
        let query = |after, milliseconds| Some(Query { after, wait: Duration::from_millis(milliseconds) });
        for (text, expected) in [
            ("", query(None, 10_000)),
            ("after=7", query(Some(7), 10_000)),
            ("after=7&wait=300", query(Some(7), 300)),
            ("wait=99999", query(None, 10_000)),
            ("wait=99999999999999999999", None),
            ("after=-1", None),
            ("after", None),
            ("before=1", None),
        ] {
            assert_eq!(Query::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn an_older_netd_gets_what_it_takes() {
        for (said, expected) in [
            (&[][..], Takes::Names),
            (&[MTUS], Takes::NamesAndMtus),
            (&[MTUS, CROSSINGS], Takes::All),
            (&["x"], Takes::Names),
        ] {
            let request = said.iter().fold(Request::get(PATH), |request, what| request.header(TAKES, *what));
            assert_eq!(takes(&request.body(()).unwrap()), expected, "{said:?}");
        }
    }

    #[test]
    fn only_the_whole_key_is_right() {
        let key = Key::parse("key", "secret".to_owned()).unwrap();
        assert!(is_right(Some(&key), b"Bearer secret") && is_right(None, b"") && is_right(None, b"Bearer x"));
        for wrong in ["", "secret", "Bearer ", "Bearer secre", "Bearer secret1", "Bearer Secret"] {
            assert!(!is_right(Some(&key), wrong.as_bytes()), "{wrong}");
        }
    }
}
