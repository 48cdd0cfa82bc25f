//! The store whose hosts find each other in etcd (v3): what every host publishes, each watches.
//!
//! [`claims`] says what this host wants to stand there and [`sight`] what the loop gets to see, both as functions of the
//! [`tree`], which is what stands there as far as it is known; [`session`] is the connection. What goes wrong with that
//! ends the session, and changes nothing until the next one has found out what is there now.

mod board;
mod claims;
mod document;
pub(crate) mod hosts;
mod key;
pub(crate) mod networks;
mod place;
mod session;
mod shards;
mod sight;
mod tree;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval_at, sleep, sleep_until},
};

use self::{
    board::Board,
    session::{Heard, Lost, Session},
};
use super::{
    BELIEVED, Orders, Store, Views,
    memory::{Memory, end_of},
};
use crate::settings::{
    Settings,
    cluster::{self, Etcd},
};

/// The pause after a session that did not come about; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: when the store is back, hosts must show a sign of life within their time to live.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Names are written this often at most.
const QUIET: Duration = Duration::from_millis(50);

/// How long a session lasts at least that is a success.
const SUCCESS: Duration = Duration::from_secs(5);

/// The store whose hosts find each other in etcd.
pub(super) struct EtcdStore;

impl Store for EtcdStore {
    async fn run(self, mut orders: Orders, views: Views) {
        let (mut board, mut memory) = (Board::default(), Memory::new("etcd"));
        let settings = orders.settings.borrow().clone();
        if let Some(recalled) = memory.recall(&settings).await {
            board.recall(&settings, recalled).await;
            views.show(board.view());
        }
        let end = end_of(orders.settings.clone());
        tokio::select! {
            () = Box::pin(meet(&mut orders, &mut board, &mut memory, &views)) => {}
            () = end => {}
        }
        let settings = orders.settings.borrow().clone();
        board.end(&settings, memory).await;
    }
}

/// Session after session.
async fn meet(orders: &mut Orders, board: &mut Board, memory: &mut Memory, views: &Views) {
    let (mut pause, mut member) = (FIRST_PAUSE, 0);
    loop {
        let settings = orders.settings.borrow_and_update().clone();
        let Some(etcd) = of_etcd(&settings) else { return };
        let begin = Instant::now();
        match Box::pin(talk(etcd, member, &settings, orders, board, memory, views)).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(lost) => {
                board.lose(lost);
                views.show(board.view());
                board.remember(&settings, memory).await;
                // Another member may be there.
                member += 1;
                pause = if begin.elapsed() > SUCCESS { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                sleep(pause).await;
            }
        }
    }
}

/// The settings of this store; others do not come here.
pub(super) fn of_etcd(settings: &Settings) -> Option<&Etcd> {
    match &settings.cluster.store {
        cluster::Store::Etcd(etcd) => Some(etcd),
        cluster::Store::None | cluster::Store::Static(_) => None,
    }
}

/// One session: until the connection is lost, or there are other settings.
async fn talk(
    etcd: &Etcd,
    member: usize,
    settings: &Arc<Settings>,
    orders: &mut Orders,
    board: &mut Board,
    memory: &mut Memory,
    views: &Views,
) -> Result<(), Lost> {
    let Some(endpoint) = etcd.endpoints.get(member % etcd.endpoints.len().max(1)) else { return Ok(()) };
    let mut session = Session::open(etcd, *endpoint, key::prefix(&settings.cluster.name)).await?;
    board.find_itself(settings, &session).await?;
    let head = session.head().await?;
    let from = match board.last_of(head) {
        Some(at) => at,
        None => list(&mut session, board).await?,
    };
    board.find(etcd.ttl + BELIEVED);
    board.keep(etcd, &mut session).await?;
    // Before anybody watches: that takes etcd longer than all the rest.
    board.write(settings, known(&mut orders.names).as_deref(), &known(&mut orders.mtus), &mut session).await?;
    views.show(board.view());
    let mut watch = session.watch(from.revision).await?;
    let mut keep = interval_at((Instant::now() + etcd.ttl / 3).into(), etcd.ttl / 3);
    keep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = Instant::now();
    loop {
        let expiry = board.next_expiry();
        tokio::select! {
            // First what is there: it may make unnecessary what would be written.
            biased;
            changes = watch.next() => match changes? {
                Heard::News(news, revision) => board.hear(news, revision),
                Heard::Compacted => {
                    tracing::info!("the store has forgotten what happened since, all of it is read again");
                    let from = list(&mut session, board).await?;
                    board.find(etcd.ttl + BELIEVED);
                    watch = session.watch(from.revision).await?;
                }
            },
            _ = keep.tick() => board.keep(etcd, &mut session).await?,
            Ok(()) = orders.names.changed() => {
                sleep(QUIET.saturating_sub(written.elapsed())).await;
                written = Instant::now();
            }
            Ok(()) = orders.mtus.changed() => {}
            changed = orders.settings.changed() => return changed.or(Ok(())),
            () = sleep_until(expiry.unwrap_or_else(|| Instant::now() + etcd.ttl).into()) => board.expire(Instant::now()),
        }
        board.write(settings, known(&mut orders.names).as_deref(), &known(&mut orders.mtus), &mut session).await?;
        views.show(board.view());
        board.remember(settings, memory).await;
    }
}

async fn list(session: &mut Session, board: &mut Board) -> Result<session::At, Lost> {
    let (news, at) = session.list().await?;
    board.list(news, at);
    Ok(at)
}

fn known<T: Clone>(orders: &mut watch::Receiver<T>) -> T {
    orders.borrow_and_update().clone()
}
