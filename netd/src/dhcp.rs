//! The keeper of DHCP leases: gets them for containers over their own interfaces, and keeps them.
//!
//! A process of its own, `netd dhcp`: who enters the namespaces of containers needs rights that who serves names does
//! not. It holds nothing that a restart would lose: each lease is a document, and at rest there is a timer for it and no
//! socket, which would keep the namespace alive. One thread does all of it. [`v4`] and [`v6`] say what is sent and read,
//! [`phase`] when, [`exchange`] does it, [`keep`] goes on doing it, [`listen`] hears plugins.

mod exchange;
mod keep;
mod line;
mod listen;
mod phase;
mod v4;
mod v6;

#[cfg(test)]
mod sample;

use anyhow::Context;
use netd_kernel::send_frame_in;
use netd_model::dhcp::{Lease, Stage};
use netd_store::Store;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use crate::{logs::chain, service::notify, settings::Settings};
use keep::Keeper;
use listen::Questions;

/// Keeps leases until SIGTERM.
///
/// # Errors
/// Another keeper listens, or the socket cannot be made. Nothing that comes later.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let store = Store::open(&settings.run_dir);
    let boot = store.boot()?.id;
    let socket = settings.dhcp_socket.as_path();
    let questions = Questions::bind(socket).with_context(|| format!("listen on {}", socket.display()))?;
    let keeper = Keeper::new(store, boot.into());
    let kept = go_on(&keeper);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    notify(&[NotifyState::Ready]);
    tracing::info!(socket = %socket.display(), leases = kept, "keeping leases");
    tokio::select! {
        () = questions.serve(keeper) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopped");
    Ok(())
}

/// Goes on with the leases that are there; how many. What nobody uses is given back.
fn go_on(keeper: &Keeper) -> usize {
    let mut kept = 0;
    for lease in keeper.store.dhcp_leases() {
        match lease {
            Ok(lease) if lease.boot == *keeper.boot && lease.stage != Stage::Asked => {
                kept += 1;
                keeper.keep(lease);
            }
            Ok(lease) => give_back(&keeper.store, &lease),
            Err(error) => tracing::warn!(error = chain(&error), "lease not readable"),
        }
    }
    kept
}

/// Tells the server that the address is needed no more, where that can be told, and removes the document.
fn give_back(store: &Store, lease: &Lease) {
    let id = &lease.wish.id;
    if let Err(error) = send_frame_in(&lease.wish.netns, &id.ifname, lease.release.as_slice()) {
        tracing::debug!(error = chain(&error), "lease not given back");
    }
    if let Err(error) = store.remove_dhcp_lease(&id.container, &id.ifname, lease.family) {
        tracing::warn!(error = chain(&error), "lease not removed");
    }
}

/// A domain as it stands in resolv.conf(5), which programs read by lines; none if the text is no domain.
fn domain_name(text: &str) -> Option<String> {
    let name = text.trim_end_matches('.');
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!name.is_empty() && name.len() <= 253 && name.bytes().all(is_part)).then(|| name.to_owned())
}
