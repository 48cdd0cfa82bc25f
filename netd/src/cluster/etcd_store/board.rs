//! What this host knows of the store and of itself, from session to session.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant, SystemTime},
};

use netd_model::{
    name::{HostName, NetworkName},
    overlay::NamesOfHost,
};
use netd_store::Identity;

use super::{
    claims::{Leases, Wish, Write, claims},
    document::Document,
    key::Key,
    place,
    session::{At, Lost, News, Outcome, Session},
    sight::{self, Own},
    tree::{Entry, Found, Tree},
};
use crate::{
    cluster::{
        Mtus,
        view::{State, View},
    },
    settings::{
        Settings,
        cluster::Etcd,
        network::{Network, Refused},
    },
};

mod recall;

#[cfg(test)]
mod tests;

/// How often a transaction is tried that others are faster than, before the next news is awaited.
const ATTEMPTS: u32 = 50;

/// What a list does not have is believed until the session is complete, which then says for how long.
const UNTIL_FOUND: Duration = Duration::from_mins(1);

/// What this host knows.
#[derive(Default)]
pub(super) struct Board {
    tree: Tree,
    at: Option<At>,
    own: Option<Own>,
    /// Another one for each process.
    instance: String,
    leases: Option<Leases>,
    /// For how long.
    granted: Option<(Duration, Duration)>,
    /// Networks of the settings that stood in the store.
    seen: BTreeSet<NetworkName>,
    /// Networks that stood in the store before it was another one.
    remembered: Vec<Network>,
    view: View,
    /// Networks that stand in the store and cannot be here.
    impossible: Vec<Refused>,
    /// What of the view is to be made anew.
    stale: Stale,
    /// Whether this host has had there what it can.
    is_settled: bool,
    /// What cannot be read.
    unreadable: BTreeMap<String, String>,
    /// What cannot be written.
    refused: Vec<String>,
    lost: Option<Lost>,
    /// All of it was known before netd started, and true last at this time.
    recalled: Option<SystemTime>,
    /// Which store that was, and how far it had come at least.
    recalled_at: Option<At>,
    /// Whether what is known changed since it was written down.
    is_news: bool,
}

/// What of a view is to be made anew.
#[derive(Debug)]
enum Stale {
    Hosts(BTreeSet<HostName>),
    All,
}

impl Default for Stale {
    fn default() -> Self {
        Self::Hosts(BTreeSet::new())
    }
}

impl Board {
    /// Finds out who this host is, and where.
    pub(super) async fn find_itself(&mut self, settings: &Settings, session: &Session) -> Result<(), Lost> {
        let (identity, address) = place::of_host(settings).await?;
        let vtep = address.map_or_else(|| session.own_address(), Ok)?;
        let own = Own { host: settings.host.name.clone(), identity, vtep };
        if self.own.as_ref() != Some(&own) {
            tracing::info!(host = %own.host, address = %own.vtep, "this host in the cluster");
            (self.own, self.stale) = (Some(own), Stale::All);
        }
        if self.instance.is_empty() {
            self.instance = Identity::random().map_err(|error| format!("random numbers: {error}"))?;
        }
        Ok(())
    }

    /// Until when the store is known, if it is the one that was known.
    pub(super) fn last_of(&self, head: At) -> Option<At> {
        self.at.filter(|at| at.cluster == head.cluster && at.revision <= head.revision)
    }

    /// All that stands there.
    pub(super) fn list(&mut self, news: Vec<News>, at: At) {
        let old = self.at.or(self.recalled_at.take());
        let is_another = old.is_some_and(|old| old.cluster != at.cluster || old.revision > at.revision);
        if is_another {
            tracing::warn!("the store is another one, or older than it was: this host writes into it what it has");
            // Nothing is known of what was deleted there, and its leases have other numbers.
            (self.leases, self.seen) = (None, BTreeSet::new());
            self.remembered = self.view.networks.values().map(|network| Network::clone(&network.network)).collect();
        }
        self.unreadable.clear();
        let mut found = Vec::new();
        for news in news {
            match news {
                News::Put(put) => found.push(put),
                News::Unknown(key) => tracing::debug!(key, "unknown key in the store"),
                News::Delete(..) => {}
            }
        }
        for put in &found {
            self.note(&put.key.to_string(), put.document.as_ref().err());
        }
        if self.recalled.take().is_some() || self.at.is_some() {
            // Before, nothing was known that could be missing.
            self.tree.hold(Instant::now() + UNTIL_FOUND);
        }
        self.tree.replace(found, at.revision, Instant::now(), SystemTime::now());
        (self.at, self.stale, self.is_news) = (Some(at), Stale::All, true);
        tracing::info!(revision = at.revision, "the store was read");
    }

    /// The store is there; what is missing is believed for `grace`.
    pub(super) fn find(&mut self, grace: Duration) {
        self.tree.hold(Instant::now() + grace);
        if self.lost.take().is_some() {
            tracing::info!("the store is there again");
        }
    }

    /// The store is not there.
    pub(super) fn lose(&mut self, lost: Lost) {
        self.lost = Some(lost);
    }

    /// Something changed.
    pub(super) fn hear(&mut self, news: Vec<News>, revision: i64) {
        tracing::debug!(keys = news.len(), "the store changed");
        for news in news {
            match news {
                News::Put(found) => self.put(found),
                News::Delete(key, revision) => self.delete(&key, revision),
                News::Unknown(key) => tracing::debug!(key, "unknown key in the store"),
            }
        }
        if let Some(at) = &mut self.at {
            at.revision = at.revision.max(revision);
        }
    }

    /// When [`Board::expire`] is worth the next call.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.tree.next_expiry()
    }

    /// Stops believing what is gone for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        let gone = self.tree.expire(now);
        if !gone.is_empty() {
            tracing::info!(keys = gone.len(), "what the store lost is gone");
            (self.stale, self.is_news) = (Stale::All, true);
        }
    }

    /// Keeps this host's leases, or gets others.
    pub(super) async fn keep(&mut self, etcd: &Etcd, session: &mut Session) -> Result<(), Lost> {
        let wanted = (etcd.ttl, etcd.lease_retention);
        if self.granted.replace(wanted).is_some_and(|granted| granted != wanted) {
            self.leases = None;
        }
        let mut leases = self.leases.unwrap_or(Leases { alive: 0, reservation: self.reservation() });
        if !session.keep(leases.alive).await? {
            leases.alive = session.grant(etcd.ttl).await?;
        }
        if !session.keep(leases.reservation).await? {
            leases.reservation = session.grant(etcd.lease_retention).await?;
        }
        self.leases = Some(leases);
        Ok(())
    }

    /// Writes what this host wants to stand in the store.
    pub(super) async fn write(
        &mut self,
        settings: &Settings,
        names: Option<&[NamesOfHost]>,
        mtus: &Mtus,
        session: &mut Session,
    ) -> Result<(), Lost> {
        let of_settings = &settings.networks.usable;
        let is_new = |network: &&Network| of_settings.iter().all(|other| other.overlay.name != network.overlay.name);
        let mut attempt = 0;
        for _ in 0..ATTEMPTS {
            // One that stands there again is the store's: who deletes it then means all hosts.
            self.remembered.retain(|network| self.tree.stands(&Key::Network(network.overlay.name.clone())).is_none());
            let remembered = self.remembered.iter().filter(is_new);
            let networks: Vec<Network> = of_settings.iter().chain(remembered).cloned().collect();
            let (Some(own), Some(leases)) = (&self.own, self.leases) else { return Ok(()) };
            let standing = networks.iter().map(|network| &network.overlay.name);
            let standing = standing.filter(|name| self.tree.stands(&Key::Network((*name).clone())).is_some());
            self.seen.extend(standing.cloned());
            let networks = networks.as_slice();
            let (cluster, instance, seen) = (settings.cluster.name.as_str(), self.instance.as_str(), &self.seen);
            let wish = Wish { cluster, own, instance, networks, seen, names, mtus, leases, attempt };
            let claims = claims(&wish, &self.tree);
            self.refused = claims.errors;
            if claims.writes.is_empty() {
                self.is_settled = true;
                break;
            }
            for write in claims.writes {
                match session.commit(&write).await? {
                    Outcome::Holds(revision) => self.written(write, revision),
                    Outcome::Refused(news) => {
                        attempt += 1;
                        self.hear(news, 0);
                    }
                }
            }
        }
        Ok(())
    }

    /// What there is to see now.
    pub(super) fn view(&mut self) -> View {
        let Some(own) = &self.own else {
            let errors = self.lost.iter().cloned().collect();
            return View { errors, ..View::default() };
        };
        match std::mem::take(&mut self.stale) {
            Stale::All => {
                let (new, impossible) = sight::whole(&self.tree, own, &self.view);
                tell(&self.view, &new);
                (self.view, self.impossible) = (new, impossible);
                recall::mark(&mut self.view, self.recalled);
            }
            Stale::Hosts(hosts) if !hosts.is_empty() => {
                let old = self.view.clone();
                for host in &hosts {
                    sight::again(&mut self.view, &self.tree, own, host);
                }
                tell(&old, &self.view);
            }
            Stale::Hosts(_) => {}
        }
        self.view.unusable = self.impossible.iter().map(|refused| refused.network.clone()).collect();
        self.view.is_whole = self.is_settled;
        let then = if self.recalled.is_some() { "were before netd started" } else { "are meanwhile" };
        let lost = self.lost.iter().map(|lost| format!("{lost}; networks and names stay as they {then}"));
        let unreadable = self.unreadable.iter().map(|(key, error)| format!("{key} in the store: {error}"));
        let impossible = self.impossible.iter().map(ToString::to_string);
        let left_out = self.view.networks.iter().flat_map(|(name, network)| {
            network.left_out.iter().map(move |(host, error)| format!("peer {host} left out of network {name}: {error}"))
        });
        let errors = lost.chain(self.refused.iter().cloned()).chain(self.claimed()).chain(unreadable);
        let errors = errors.chain(left_out).chain(impossible);
        self.view.errors = errors.collect();
        self.view.clone()
    }

    /// What of this host others claim.
    fn claimed(&self) -> Vec<String> {
        let all =
            self.tree.range(Key::Refused(String::new())..).map_while(|(key, entry)| match (key, &entry.document) {
                (Key::Refused(identity), Ok(Document::Refused(refused))) => Some(Some((identity, refused))),
                (Key::Refused(_), _) => Some(None),
                _ => None,
            });
        let own = self.own.as_ref();
        let of_own = all
            .flatten()
            .filter(|(identity, refused)| own.is_some_and(|own| own.host == refused.of && own.identity != **identity));
        of_own
            .map(|(_, refused)| format!("another host wants to be in the cluster, in vain: {}", refused.what))
            .collect()
    }

    /// The lease that the host had before.
    fn reservation(&self) -> i64 {
        let own = self.own.as_ref();
        let claim = own.and_then(|own| self.tree.stands(&Key::Host(own.host.clone())));
        match (own, claim.map(|entry| &entry.document)) {
            (Some(own), Some(Ok(Document::Host(claim)))) if claim.identity == own.identity => claim.reservation,
            _ => 0,
        }
    }

    fn written(&mut self, write: Write, revision: i64) {
        for (key, document, lease) in write.puts {
            self.put(Found { key, revision, lease, document: Ok(document) });
        }
        for key in write.deletes {
            self.delete(&key, revision);
        }
    }

    fn put(&mut self, found: Found) {
        let key = found.key.clone();
        self.note(&key.to_string(), found.document.as_ref().err());
        let before = self.host_of(&key);
        if self.tree.put(found, SystemTime::now()) {
            self.touch(&key, before);
        }
    }

    fn delete(&mut self, key: &Key, revision: i64) {
        self.note(&key.to_string(), None);
        let before = self.host_of(key);
        if self.tree.delete(key, revision, Instant::now()) {
            self.touch(key, before);
        }
    }

    /// What is shown of what stands under a key, and of the host that it was about, is to be looked at again.
    fn touch(&mut self, key: &Key, before: Option<HostName>) {
        self.is_news = true;
        let now = self.host_of(key);
        match &mut self.stale {
            stale @ Stale::Hosts(_) if matches!(key, Key::Network(_)) => *stale = Stale::All,
            Stale::Hosts(hosts) => hosts.extend(before.into_iter().chain(now)),
            Stale::All => {}
        }
    }

    /// The host that a key is about.
    fn host_of(&self, key: &Key) -> Option<HostName> {
        let owner = |entry: &Entry| match &entry.document {
            Ok(Document::Owner(owner)) => Some(owner.host.clone()),
            _ => None,
        };
        key.host().cloned().or_else(|| self.tree.get(key).and_then(owner))
    }

    fn note(&mut self, key: &str, error: Option<&String>) {
        match error {
            Some(error) => drop(self.unreadable.insert(key.to_owned(), error.clone())),
            None => drop(self.unreadable.remove(key)),
        }
    }
}

/// One line for each host whose state changed.
fn tell(old: &View, new: &View) {
    for (name, network) in &new.networks {
        let before = old.networks.get(name).map(|before| before.peers.changes(&network.peers));
        for (was, now) in before.into_iter().flatten() {
            let (Some(was), Some(now)) = (was, now) else { continue };
            let host = &now.member.host;
            match (was.state, now.state) {
                (State::Silent, State::Alive) => tracing::info!(network = %name, peer = %host, "peer answers"),
                (State::Alive, State::Silent) => {
                    tracing::warn!(network = %name, peer = %host, "peer is silent, its names are withdrawn");
                }
                _ => {}
            }
        }
    }
}
