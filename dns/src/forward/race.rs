//! One question, and the upstreams that are asked until one has an answer.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::rustls::ClientConfig;

use super::course::{Asked, Course, HEDGE};
use super::datagram::{self, Fault};
use super::flights::Landed;
use super::health::Health;
use super::padding::{padded, unpadded};
use super::plain::Query;
use super::spelling::respelled;
use super::streams::Streams;
use crate::response::{Response, Verdict};
use crate::upstream::Upstream;

/// How long the whole of an answer may take over TCP, of which a part came over UDP.
const REST: Duration = Duration::from_millis(900);

/// Asks upstreams.
#[derive(Debug, Default)]
pub(super) struct Racer {
    /// Where we listen ourselves.
    ours: ArcSwap<HashSet<SocketAddr>>,
    health: Health,
    streams: Streams,
}

/// What is known of a race while it runs.
#[derive(Debug, Default)]
struct Tally {
    /// An answer of which nobody had the whole so far.
    cut: Option<Arc<Response>>,
    failure: Option<Arc<Response>>,
    /// Whether somebody could not be asked for reasons of this host.
    is_ours: bool,
}

impl Racer {
    /// TLS towards the upstreams that are asked so; none: they cannot be asked.
    pub(super) fn set_tls(&self, config: Option<Arc<ClientConfig>>) {
        self.streams.set_tls(config);
    }

    pub(super) fn set_our_addresses(&self, ours: HashSet<SocketAddr>) {
        self.ours.store(Arc::new(ours));
    }

    /// The first answer. `is_whole`: one that is cut over UDP is asked for again over TCP.
    pub(super) async fn race(&self, servers: &[Upstream], query: &Query, is_whole: bool) -> Landed {
        let start = Instant::now();
        let ours = self.ours.load_full();
        let others = servers.iter().filter(|server| !ours.contains(&server.address)).cloned();
        let mut course = Course::new(self.health.order(others, start), start);
        let mut tally = Tally::default();
        let mut running = FuturesUnordered::new();
        loop {
            let now = Instant::now();
            while let Some(server) = course.due(now) {
                running.push(async move {
                    let heard = self.ask(&server, query, is_whole).await;
                    (server, heard)
                });
            }
            if running.is_empty() || now >= course.end() {
                break;
            }
            tokio::select! {
                Some((server, heard)) = running.next() => match self.judge(&server, heard, is_whole, &mut tally) {
                    Some(response) => {
                        self.remember_slow(&course, &server);
                        return Landed::Answer(Arc::new(response));
                    }
                    None => course.over(&server, Instant::now()),
                },
                () = sleep_until(course.next()) => {}
            }
        }
        for Asked { server, .. } in course.silent() {
            tracing::debug!(addr = %server, "upstream gave no answer in time");
            self.health.was_silent(server, Instant::now());
        }
        match tally.cut {
            Some(cut) => Landed::Answer(cut),
            None => Landed::Failure { said: tally.failure, is_ours: tally.is_ours },
        }
    }

    /// The answer in what was heard; what else it tells is noted.
    fn judge(
        &self,
        server: &Upstream,
        heard: Result<Response, Fault>,
        is_whole: bool,
        tally: &mut Tally,
    ) -> Option<Response> {
        match heard {
            Ok(response) => {
                self.health.answered(server);
                match response.verdict() {
                    Verdict::Answers if is_whole && response.is_cut() => {
                        tracing::debug!(addr = %server, "upstream has no whole answer");
                        tally.cut.get_or_insert_with(|| Arc::new(response));
                    }
                    Verdict::Answers => return Some(response),
                    Verdict::Fails => tally.failure = tally.failure.take().or_else(|| Some(Arc::new(response))),
                    Verdict::Refuses => tracing::debug!(addr = %server, "upstream refused"),
                }
            }
            Err(Fault::Theirs(error)) => {
                tracing::debug!(addr = %server, %error, "upstream gave no answer");
                self.health.was_silent(server, Instant::now());
            }
            Err(Fault::Ours(error)) => {
                tracing::warn!(addr = %server, %error, "upstream cannot be asked");
                tally.is_ours = true;
            }
        }
        None
    }

    /// Those that were asked long before the one that answered, and have not.
    fn remember_slow(&self, course: &Course, winner: &Upstream) {
        let now = Instant::now();
        let slow = course.silent().iter().filter(|asked| asked.server != *winner && asked.at + HEDGE <= now);
        slow.for_each(|asked| self.health.was_slow(&asked.server, now));
    }

    /// The response of one upstream.
    async fn ask(&self, server: &Upstream, query: &Query, is_whole: bool) -> Result<Response, Fault> {
        if server.tls.is_some() {
            let response = self.streams.ask(server, &padded(query)).await.map_err(Fault::Theirs)?;
            return Ok(unpadded(response, query));
        }
        let spelled = respelled(query).map_err(Fault::Ours)?;
        let whole = || async {
            match timeout(REST, self.streams.ask(server, query)).await {
                Ok(response) => response,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        };
        match datagram::ask(server.address, &spelled).await {
            // Forged, or of a server that spells names anew. Over TCP nobody forges; a server that is not there either can
            // be believed only for what it says.
            Ok(response) if !response.is_spelled_as(&spelled) => match whole().await {
                Ok(response) => Ok(response),
                Err(_) => datagram::ask(server.address, query).await,
            },
            Ok(response) if is_whole && response.is_truncated() => Ok(whole().await.unwrap_or(response)),
            // Without a port for a socket of its own, a connection that is open still serves.
            Err(Fault::Ours(_)) => whole().await.map_err(Fault::Ours),
            heard => heard,
        }
    }
}
