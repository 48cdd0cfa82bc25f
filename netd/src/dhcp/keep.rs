//! Leases that are kept: each is a task, which sleeps until something is to be done about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use netd_model::{
    dhcp::{Family, Lease, Stage, Wish},
    name::{ContainerId, LinkName},
};
use netd_store::{Store, uptime};
use tokio::task::JoinHandle;

use super::{
    exchange::{Client, Failure},
    give_back,
    phase::Phase,
};
use crate::logs::chain;

/// How long servers are asked for a first address: the reference's `-timeout`.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer to a renewal is waited for: an open socket keeps the namespace alive.
const RENEWAL: Duration = Duration::from_secs(5);

/// How long a task sleeps at most: a host that was suspended has slept longer than it knows.
const NAP: Duration = Duration::from_mins(5);

/// The shortest pause after a question that nobody answered.
const SHORTEST: Duration = Duration::from_millis(100);

/// How long an interface may take to have an address of its own to ask from (IPv6).
const TENTATIVE: Duration = Duration::from_millis(200);

/// Whose leases: those of an interface of a container.
type Holder = (ContainerId, LinkName);

/// All that are kept; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) boot: Arc<str>,
    tasks: Arc<Mutex<BTreeMap<Holder, Vec<JoinHandle<()>>>>>,
}

impl Keeper {
    pub(super) fn new(store: Store, boot: Arc<str>) -> Self {
        Self { store, boot, tasks: Arc::default() }
    }

    /// Gets a lease of each family; after a failure there is none of them.
    ///
    /// # Errors
    /// Says which family has no address, and why.
    pub(super) async fn acquire(&self, wish: &Wish, families: &BTreeSet<Family>) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        let mut leases = Vec::new();
        for family in families {
            match first(self, wish, *family, until).await {
                Ok(lease) => leases.push(lease),
                Err(failure) => return Err(format!("{family}: {}", failure.text())),
            }
        }
        for lease in &leases {
            self.store.write_dhcp_lease(lease).map_err(|error| chain(&error))?;
        }
        for lease in leases {
            self.keep(lease);
        }
        Ok(())
    }

    /// Keeps a lease from now on.
    pub(super) fn keep(&self, lease: Lease) {
        let holder = (lease.wish.id.container.clone(), lease.wish.id.ifname.clone());
        let task = tokio::spawn(keep(self.store.clone(), Arc::clone(&self.boot), lease));
        let mut tasks = self.tasks();
        // Those that have ended are of leases that are no more.
        tasks.retain(|_, of_holder| {
            of_holder.retain(|task| !task.is_finished());
            !of_holder.is_empty()
        });
        tasks.entry(holder).or_default().push(task);
    }

    /// Keeps the leases of an interface no more, and returns when nothing is done about them any more.
    pub(super) async fn forget(&self, container: &ContainerId, ifname: &LinkName) {
        let tasks = self.tasks().remove(&(container.clone(), ifname.clone()));
        for task in tasks.into_iter().flatten() {
            task.abort();
            // Ended or aborted, it is over.
            drop(task.await);
        }
    }

    /// Keeps the leases of an interface no more, and gives them back.
    pub(super) async fn abandon(&self, wish: &Wish) {
        let (container, ifname) = (&wish.id.container, &wish.id.ifname);
        self.forget(container, ifname).await;
        for family in Family::ALL {
            if let Ok(Some(lease)) = self.store.dhcp_lease(container, ifname, family) {
                give_back(&self.store, &lease);
            }
        }
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<Holder, Vec<JoinHandle<()>>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failure {
    fn text(self) -> String {
        match self {
            Self::Gone(why) | Self::Silent(why) => why,
            Self::Refused => "the server refuses what it offered".to_owned(),
        }
    }
}

/// A first lease. An interface that is just up has no address to ask from yet (IPv6).
async fn first(keeper: &Keeper, wish: &Wish, family: Family, until: Instant) -> Result<Lease, Failure> {
    loop {
        match Client::open(wish, family, &keeper.boot) {
            Ok(client) => return client.acquire(None, until, &keeper.store).await,
            Err(Failure::Silent(_)) if Instant::now() + TENTATIVE < until => tokio::time::sleep(TENTATIVE).await,
            Err(failure) => return Err(failure),
        }
    }
}

/// Keeps one lease as long as there is somebody to have it.
async fn keep(store: Store, boot: Arc<str>, mut lease: Lease) {
    loop {
        let phase = Phase::of(&lease, uptime());
        let left = phase.left(&lease, uptime());
        if let (Phase::Rest(_), Some(left)) = (phase, left) {
            tokio::time::sleep(left.min(NAP)).await;
            continue;
        }
        if phase == Phase::Lost && lease.stage == Stage::Held && !lose(&store, &mut lease, "run out") {
            return;
        }
        let until = Instant::now() + left.map_or(RENEWAL, |left| left.min(RENEWAL));
        match go_on(&store, &boot, &lease, phase, until).await {
            Ok(renewed) => {
                let before = lease.stage;
                lease = renewed;
                if !record(&store, &lease) {
                    return;
                }
                tell(&lease, before);
            }
            // Nobody has the address any more, and nobody can be told: the server's time has run out, too.
            Err(Failure::Gone(_)) if phase == Phase::Lost => return give_back(&store, &lease),
            // It is asked for anew at once.
            Err(Failure::Refused) if phase != Phase::Lost => {
                if !lose(&store, &mut lease, "taken back") {
                    return;
                }
            }
            Err(_) => tokio::time::sleep(phase.pause(&lease, uptime()).max(SHORTEST)).await,
        }
    }
}

/// Goes on with a lease. One that is lost may be had again, but no other address: the container has this one.
async fn go_on(store: &Store, boot: &str, lease: &Lease, phase: Phase, until: Instant) -> Result<Lease, Failure> {
    let client = Client::open(&lease.wish, lease.family, boot)?;
    match client.extend(lease, phase, until).await {
        Err(Failure::Refused | Failure::Silent(_)) if phase == Phase::Lost => {
            client.acquire(Some(lease.terms.address.ip()), Instant::now() + RENEWAL, store).await
        }
        other => other,
    }
}

/// Writes the lease, unless it was given back meanwhile; whether it is still there.
fn record(store: &Store, lease: &Lease) -> bool {
    let id = &lease.wish.id;
    if matches!(store.dhcp_lease(&id.container, &id.ifname, lease.family), Ok(None)) {
        return false;
    }
    if let Err(error) = store.write_dhcp_lease(lease) {
        tracing::error!(error = chain(&error), "lease not written");
    }
    true
}

/// Takes note that an address is the container's no more, and says so; whether anybody still wants to know.
fn lose(store: &Store, lease: &mut Lease, how: &str) -> bool {
    lease.stage = Stage::Lost;
    let (id, address) = (&lease.wish.id, lease.terms.address.ip());
    tracing::error!(network = %id.network, container = %id.container, ifname = %id.ifname, %address, how, "lease lost");
    record(store, lease)
}

fn tell(lease: &Lease, before: Stage) {
    let (id, address) = (&lease.wish.id, lease.terms.address.ip());
    if before == Stage::Lost {
        tracing::info!(network = %id.network, container = %id.container, ifname = %id.ifname, %address, "lease had again");
    } else {
        tracing::debug!(network = %id.network, container = %id.container, ifname = %id.ifname, %address, "lease renewed");
    }
}
