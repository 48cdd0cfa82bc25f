//! What tests of every store have in common.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, time::timeout};

use super::{Cluster, Mtus, State};
use crate::event::Event;

/// Beyond this a test has failed.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// Addresses that no other test has: 127.x.y.1 and so on.
pub(super) struct Loopback(u32);

static LOOPBACKS: AtomicU32 = AtomicU32::new(0);

impl Loopback {
    pub(super) fn new() -> Self {
        Self(std::process::id().wrapping_mul(31).wrapping_add(LOOPBACKS.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn address(&self, host: u8) -> Ipv4Addr {
        let [_, _, x, y] = self.0.to_be_bytes();
        // Away from 127.0.0.0/16, which others use.
        Ipv4Addr::new(127, x | 0x40, y, host)
    }
}

/// A cluster and the queue that it puts events in.
pub(super) struct Host {
    pub(super) cluster: Cluster,
    pub(super) events: mpsc::Receiver<Event>,
}

impl Host {
    pub(super) fn new(cluster: Cluster, events: mpsc::Receiver<Event>) -> Self {
        Self { cluster, events }
    }

    /// `h2 alive h2-1 h2-2, h3 silent ...`: each peer, its state and its containers.
    pub(super) fn text(&self) -> String {
        let view = self.cluster.view();
        let peers = view.networks.values().flat_map(|network| network.peers.values()).map(|peer| {
            let state = if peer.state == State::Alive { "alive" } else { "silent" };
            let names = peer.names.containers.iter().map(|container| container.container.to_string());
            format!("{} {state} {}", peer.member.host, names.collect::<Vec<_>>().join(" "))
        });
        peers.collect::<Vec<_>>().join(", ")
    }

    /// What crosses from each peer, as far as it says so.
    pub(super) fn mtus(&self) -> Vec<Option<u32>> {
        let view = self.cluster.view();
        let peers = view.networks.values().flat_map(|network| network.peers.values());
        peers.map(|peer| peer.member.mtu.map(u32::from)).collect()
    }

    /// As repair does: this crosses from the host in network `lab`.
    pub(super) fn measures(&self, bytes: u32) {
        self.cluster.mtus().send_replace(Mtus::from([("lab".parse().unwrap(), bytes.try_into().unwrap())]));
    }

    /// Waits, by the events, until the view is as it should be.
    pub(super) async fn until(&mut self, is: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LONG;
        while !is(self) {
            let event = timeout(deadline.saturating_duration_since(Instant::now()), self.events.recv()).await;
            assert!(event.is_ok(), "it stays: {} {:?}", self.text(), self.cluster.view());
        }
    }

    pub(super) async fn shows(&mut self, text: &str) {
        self.until(|host| host.text() == text).await;
    }

    pub(super) async fn has_error_of_peer(&mut self, words: &str) {
        let is = |host: &Self| {
            let view = host.cluster.view();
            let mut peers = view.networks.values().flat_map(|network| network.peers.values());
            peers.any(|peer| peer.last_error.as_ref().is_some_and(|error| error.contains(words)))
        };
        self.until(is).await;
    }

    pub(super) async fn has_error(&mut self, words: &str) {
        self.until(|host| host.cluster.view().errors.iter().any(|error| error.contains(words))).await;
    }
}
