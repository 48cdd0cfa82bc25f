//! Sockets that the service manager keeps, so that questions wait in them while no netd runs.
//!
//! By its file descriptor store (`sd_notify(3)`, `FDSTORE=1`) and not by a socket unit: gateway addresses come and go with
//! networks, which no unit knows when the host starts. What is listened on is put there, what is no more is taken out, and
//! the next netd is given it as `sd_listen_fds(3)` says. A socket unit's sockets come the same way, and are used as well.
//! Without a service manager this does nothing.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
};

use dns::{Listener, Server};
use sd_notify::NotifyState;

use crate::service::{given, notify, notify_with, wait_for_it};

/// What is kept, by name.
#[derive(Debug)]
pub(crate) struct Deposit {
    kept: BTreeSet<String>,
    is_there: bool,
}

impl Deposit {
    /// What an earlier netd left.
    pub(crate) fn take() -> (Self, Vec<OwnedFd>) {
        let is_there = std::env::var_os("NOTIFY_SOCKET").is_some();
        let (sockets, kept) = given().into_iter().unzip();
        (Self { kept, is_there }, sockets)
    }

    /// Whether the sockets of this listener are kept.
    pub(crate) fn has(&self, listener: &Listener) -> bool {
        self.kept.contains(&name(listener))
    }

    /// Lets exactly the sockets of these listeners be kept, of a server that has them open.
    pub(crate) async fn set(&mut self, server: &Server, listeners: impl Iterator<Item = &Listener>) {
        if !self.is_there {
            return;
        }
        let mut unwanted = std::mem::take(&mut self.kept);
        for listener in listeners {
            let name = name(listener);
            if unwanted.remove(&name) || put(server, listener, &name).await {
                self.kept.insert(name);
            }
        }
        for name in &unwanted {
            notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
        }
        if !unwanted.is_empty() {
            // Whoever wants their place next must find it free.
            wait_for_it();
        }
    }
}

/// Whether the sockets are kept now.
async fn put(server: &Server, listener: &Listener, name: &str) -> bool {
    match server.sockets(listener).await {
        Ok(Some(sockets)) => {
            let [udp, tcp] = sockets.each_ref().map(AsFd::as_fd);
            // It need not watch them: they have no end of their own.
            let states = [NotifyState::FdStore, NotifyState::FdName(name), NotifyState::Custom("FDPOLL=0")];
            notify_with(&states, &[udp, tcp])
        }
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(%error, "sockets not kept by the service manager");
            false
        }
    }
}

/// At most 255 characters of ASCII without a colon, which an IPv6 address has.
fn name(listener: &Listener) -> String {
    let index = listener.device.as_ref().map_or(0, |device| device.index);
    let address = listener.address.to_string().replace(':', "_");
    format!("dns-{index}-{address}-{}", listener.port)
}
