//! A connection with one member of etcd: what is asked of it, and how long that may take.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use etcd_client::{
    Certificate, Client, Compare, CompareOp, ConnectOptions, Event, EventType, GetOptions, Identity, KeyValue,
    PutOptions, ResponseHeader, TlsOptions, Txn, TxnOp, TxnOpResponse, WatchOptions, WatchStream,
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use self::probe::{probe, read};
use super::{claims::Write, document::Document, key::Key, tree::Found};
use crate::{logs::chain, settings::cluster::Etcd};

mod probe;

/// How long a connection, and each answer, may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the other side may say nothing before it is asked whether it is there, and may take to answer that.
const SILENCE: Duration = Duration::from_secs(2);

/// How many keys are listed at once.
const PAGE: i64 = 500;

/// The largest message, in bytes: a page of full shards.
const LARGEST: usize = 64 << 20;

/// Why a question was not answered.
pub(super) type Lost = String;

/// A connection.
pub(super) struct Session {
    client: Client,
    prefix: String,
    member: SocketAddr,
}

/// What was heard of the store.
#[derive(Debug)]
pub(super) enum News {
    /// Something stands there.
    Put(Found),
    /// Something went, at this revision.
    Delete(Key, i64),
    /// What is there is of no known form.
    Unknown(String),
}

/// When a list is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct At {
    /// Which store it is.
    pub(super) cluster: u64,
    /// The revision.
    pub(super) revision: i64,
}

/// What became of a transaction.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It holds, at this revision.
    Holds(i64),
    /// Somebody was faster: what stands under its keys now.
    Refused(Vec<News>),
}

/// What a watch says.
#[derive(Debug)]
pub(super) enum Heard {
    /// Changes, up to this revision.
    News(Vec<News>, i64),
    /// Too much happened since; all is to be listed.
    Compacted,
}

impl Session {
    /// Connects to one member.
    pub(super) async fn open(etcd: &Etcd, member: SocketAddr, prefix: String) -> Result<Self, Lost> {
        probe(etcd, member).await?;
        let scheme = if etcd.tls.is_some() { "https" } else { "http" };
        let connect = Client::connect([format!("{scheme}://{member}")], Some(options(etcd)?));
        let client = within(member, "connect to", Box::pin(connect)).await?;
        Ok(Self { client, prefix, member })
    }

    /// The address from which this host reaches the store, or where that is the host itself, anybody.
    pub(super) fn own_address(&self) -> Result<IpAddr, Lost> {
        let from = |to: SocketAddr| -> io::Result<IpAddr> {
            let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            // Nothing is sent: it only asks the routes.
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(to)?;
            Ok(socket.local_addr()?.ip())
        };
        let elsewhere: [SocketAddr; 2] =
            [(Ipv4Addr::new(192, 0, 2, 1), 9).into(), (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into()];
        let mut found = [self.member].into_iter().chain(elsewhere).filter_map(|to| from(to).ok());
        found
            .find(|address| !address.is_loopback() && !address.is_unspecified())
            .ok_or_else(|| "no route leads to other hosts: set host.address".to_owned())
    }

    /// Which store this is, and its revision.
    pub(super) async fn head(&mut self) -> Result<At, Lost> {
        let options = GetOptions::new().with_prefix().with_count_only();
        let answer = within(self.member, "ask", self.client.get(self.prefix.clone(), Some(options))).await?;
        Ok(at(answer.header()))
    }

    /// All that stands there, as it was at one moment.
    pub(super) async fn list(&mut self) -> Result<(Vec<News>, At), Lost> {
        let (mut news, mut from, mut begin) = (Vec::new(), self.prefix.clone().into_bytes(), None);
        let end = end_of(&self.prefix);
        loop {
            let revision = begin.map_or(0, |at: At| at.revision);
            let options = GetOptions::new().with_range(end.clone()).with_limit(PAGE).with_revision(revision);
            let mut kv = self.client.kv_client().max_decoding_message_size(LARGEST);
            let answer = within(self.member, "list", kv.get(from.clone(), Some(options))).await?;
            let at = *begin.get_or_insert(at(answer.header()));
            news.extend(answer.kvs().iter().map(|kv| self.found(kv)));
            let last = answer.kvs().last().map(|last| last.key().to_vec());
            match last.filter(|_| answer.more()) {
                Some(last) => {
                    from = last;
                    from.push(0);
                }
                None => return Ok((news, at)),
            }
        }
    }

    /// Tells every change after a revision.
    pub(super) async fn watch(&mut self, revision: i64) -> Result<Watch, Lost> {
        let options = WatchOptions::new().with_prefix().with_start_revision(revision + 1);
        let mut client = self.client.watch_client().max_decoding_message_size(LARGEST);
        let stream = within(self.member, "watch", client.watch(self.prefix.clone(), Some(options))).await?;
        Ok(Watch { stream, prefix: self.prefix.clone(), member: self.member })
    }

    /// A lease that ends `ttl` after it was kept for the last time.
    pub(super) async fn grant(&mut self, ttl: Duration) -> Result<i64, Lost> {
        let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        let answer = within(self.member, "get a lease from", self.client.lease_grant(seconds, None)).await?;
        Ok(answer.id())
    }

    /// Keeps a lease; whether it was still there.
    pub(super) async fn keep(&mut self, lease: i64) -> Result<bool, Lost> {
        if lease == 0 {
            return Ok(false);
        }
        let kept = async {
            match self.client.lease_keep_alive(lease).await {
                Ok(_) => Ok(true),
                Err(etcd_client::Error::LeaseKeepAliveError(_)) => Ok(false),
                Err(error) => Err(error),
            }
        };
        within(self.member, "keep a lease of", kept).await
    }

    /// Commits a transaction.
    pub(super) async fn commit(&mut self, write: &Write) -> Result<Outcome, Lost> {
        let keys = write.if_still.iter().map(|(key, _)| key);
        let checks = write
            .if_still
            .iter()
            .map(|(key, revision)| Compare::mod_revision(self.key(key), CompareOp::Equal, *revision));
        let no_network = write.if_no_network_after.map(|revision| {
            Compare::mod_revision(format!("{}networks/", self.prefix), CompareOp::Less, revision + 1).with_prefix()
        });
        let mut steps = Vec::new();
        for (key, document, lease) in &write.puts {
            let bytes = document.bytes().map_err(|error| format!("write {key}: {error}"))?;
            steps.push(TxnOp::put(self.key(key), bytes, Some(PutOptions::new().with_lease(*lease))));
        }
        steps.extend(write.deletes.iter().map(|key| TxnOp::delete(self.key(key), None)));
        let now: Vec<TxnOp> = keys.clone().map(|key| TxnOp::get(self.key(key), None)).collect();
        let txn = Txn::new().when(checks.chain(no_network).collect::<Vec<_>>()).and_then(steps).or_else(now);
        let answer = within(self.member, "write to", self.client.txn(txn)).await?;
        let revision = at(answer.header()).revision;
        if answer.succeeded() {
            return Ok(Outcome::Holds(revision));
        }
        let mut news = Vec::new();
        for (key, response) in keys.zip(answer.op_responses()) {
            let TxnOpResponse::Get(found) = response else { continue };
            match found.kvs().first() {
                Some(kv) => news.push(self.found(kv)),
                None => news.push(News::Delete(key.clone(), revision)),
            }
        }
        Ok(Outcome::Refused(news))
    }

    /// Removes a network and all that is in it.
    pub(super) async fn delete_network(&mut self, key: &Key, of: &str, revision: i64) -> Result<bool, Lost> {
        let still = Compare::mod_revision(self.key(key), CompareOp::Equal, revision);
        let of = format!("{}of/{of}/", self.prefix);
        let all = etcd_client::DeleteOptions::new().with_prefix();
        let steps = [TxnOp::delete(self.key(key), None), TxnOp::delete(of, Some(all))];
        let answer = within(self.member, "write to", self.client.txn(Txn::new().when([still]).and_then(steps))).await?;
        Ok(answer.succeeded())
    }

    fn key(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    fn found(&self, kv: &KeyValue) -> News {
        found(&self.prefix, kv)
    }
}

/// Changes as they come.
pub(super) struct Watch {
    stream: WatchStream,
    prefix: String,
    member: SocketAddr,
}

impl Watch {
    /// The next changes.
    pub(super) async fn next(&mut self) -> Result<Heard, Lost> {
        loop {
            let answer = self.stream.message().await.map_err(|error| lost(self.member, "watch", &error))?;
            let Some(answer) = answer else { return Err(format!("watch etcd at {}: it hangs up", self.member)) };
            if answer.compact_revision() > 0 {
                return Ok(Heard::Compacted);
            }
            if answer.canceled() {
                return Err(format!("watch etcd at {}: {}", self.member, answer.cancel_reason()));
            }
            if !answer.events().is_empty() {
                let news = answer.events().iter().filter_map(|event| news(&self.prefix, event)).collect();
                return Ok(Heard::News(news, at(answer.header()).revision));
            }
        }
    }
}

fn options(etcd: &Etcd) -> Result<ConnectOptions, Lost> {
    let mut options = ConnectOptions::new()
        .with_connect_timeout(PATIENCE)
        .with_keep_alive(SILENCE, SILENCE)
        .with_keep_alive_while_idle(true)
        .with_require_leader(true)
        .with_auto_token_refresh(true);
    if let Some((name, password)) = &etcd.user {
        options = options.with_user(name, password.expose());
    }
    if let Some(tls) = &etcd.tls {
        let mut with = TlsOptions::new();
        if let Some(ca) = &tls.ca {
            with = with.ca_certificate(Certificate::from_pem(read(ca)?));
        }
        if let Some((cert, key)) = &tls.own {
            with = with.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        options = options.with_tls(with);
    }
    Ok(options)
}

/// An answer, if it comes in time.
async fn within<T>(
    member: SocketAddr,
    what: &str,
    answer: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Lost> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| lost(member, what, &error)),
        Err(_) => Err(format!("{what} etcd at {member}: it does not answer within {} s", PATIENCE.as_secs())),
    }
}

fn lost(member: SocketAddr, what: &str, error: &etcd_client::Error) -> Lost {
    let error = match error {
        etcd_client::Error::GRpcStatus(status) if !status.message().is_empty() => match status.message() {
            said @ "etcdserver: user name is empty" => format!("{said}: set cluster.user and cluster.password"),
            said @ "etcdserver: permission denied" => {
                format!("{said}: the role of cluster.user must read and write all that begins with /netd/")
            }
            said => said.to_owned(),
        },
        error => chain(error),
    };
    format!("{what} etcd at {member}: {error}")
}

fn at(header: Option<&ResponseHeader>) -> At {
    At { cluster: header.map_or(0, ResponseHeader::cluster_id), revision: header.map_or(0, ResponseHeader::revision) }
}

fn news(prefix: &str, event: &Event) -> Option<News> {
    let kv = event.kv()?;
    Some(match event.event_type() {
        EventType::Put => found(prefix, kv),
        EventType::Delete => match key(prefix, kv) {
            Ok(key) => News::Delete(key, kv.mod_revision()),
            Err(text) => News::Unknown(text),
        },
    })
}

fn found(prefix: &str, kv: &KeyValue) -> News {
    match key(prefix, kv) {
        Ok(key) => {
            let document = Document::parse(&key, kv.value());
            News::Put(Found { key, revision: kv.mod_revision(), lease: kv.lease(), document })
        }
        Err(text) => News::Unknown(text),
    }
}

fn key(prefix: &str, kv: &KeyValue) -> Result<Key, String> {
    let text = String::from_utf8_lossy(kv.key());
    text.strip_prefix(prefix).and_then(|key| key.parse().ok()).ok_or_else(|| text.into_owned())
}

/// The first key after all that begin like this.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
