//! The cluster: what other hosts have of our networks, and what they are told of this one.
//!
//! What is published is state, not events: per host and network a member and its names, each replaced as a whole. What
//! the store cannot be asked for stays as it was, so that a store that is lost changes nothing.
//!
//! A store is a task. It shows a [`View`] whenever something changed, which nobody changes afterwards, and puts an event
//! in the loop's queue. Its pure part is in [`peers_file`], [`members`], [`contact`] and [`view`]; hosts that stand in a
//! file ask each other in [`sync`].

mod contact;
mod crossing;
mod etcd_store;
mod members;
mod memory;
mod peers_file;
mod static_store;
mod sync;
mod task;
mod view;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use netd_model::{addr::Mtu, name::NetworkName, overlay::NamesOfHost};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use self::{etcd_store::EtcdStore, static_store::StaticStore, task::Task};
pub(crate) use self::{
    etcd_store::{hosts, networks},
    view::{NetworkView, Peer, PeerMembers, State, View, changes},
};
use crate::{
    event::Event,
    settings::{Settings, cluster},
};

/// What is wrong with what the settings say of the cluster, without asking anybody.
pub(crate) fn faults(settings: &Settings) -> Vec<String> {
    static_store::faults(settings)
}

/// How long netd waits at its start for what other hosts have.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was known is believed for that much longer than the time to live after it may be otherwise.
const BELIEVED: Duration = Duration::from_secs(2);

/// How long a store may take to write down what it knows when netd stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// The largest packet that crosses each network from one host, in bytes, whatever the other hosts take.
pub(crate) type Mtus = BTreeMap<NetworkName, Mtu>;

/// What a store gets to know from the loop and from repair. None of it is lost, but only the last of each counts.
struct Orders {
    /// The settings.
    settings: watch::Receiver<Arc<Settings>>,
    /// The names of this host's containers; `None` until they are known, so that no peer hears of an empty host.
    names: watch::Receiver<Option<Arc<[NamesOfHost]>>>,
    /// What crosses from this host.
    mtus: watch::Receiver<Mtus>,
}

/// A store of the cluster.
trait Store {
    /// Shows what the other hosts published and publishes what this one has, until it is dropped.
    fn run(self, orders: Orders, views: Views) -> impl Future<Output = ()> + Send + 'static;
}

/// Where a store shows what it found.
struct Views {
    shown: watch::Sender<Arc<View>>,
    events: mpsc::Sender<Event>,
}

/// The cluster as the loop sees it.
pub(crate) struct Cluster {
    shown: watch::Receiver<Arc<View>>,
    settings: watch::Sender<Arc<Settings>>,
    names: watch::Sender<Option<Arc<[NamesOfHost]>>>,
    mtus: watch::Sender<Mtus>,
    /// None where there is one host.
    store: Option<Task>,
}

impl Cluster {
    /// Begins to ask the store; `events` gets an [`Event::Cluster`] whenever [`Cluster::view`] changed.
    ///
    /// What cannot be reached now is tried again, and stands in the view meanwhile.
    pub(crate) fn start(settings: &Settings, events: mpsc::Sender<Event>) -> Self {
        let is_whole = settings.cluster.store == cluster::Store::None;
        let (views, shown) = watch::channel(Arc::new(View { is_whole, ..View::default() }));
        let (settings, of_settings) = watch::channel(Arc::new(settings.clone()));
        let (names, of_names) = watch::channel(None);
        let (mtus, of_mtus) = watch::channel(Mtus::new());
        let orders = Orders { settings: of_settings, names: of_names, mtus: of_mtus };
        let views = Views { shown: views, events };
        let store = match settings.borrow().cluster.store {
            cluster::Store::None => None,
            cluster::Store::Static(_) => Some(Task::spawn(StaticStore.run(orders, views))),
            cluster::Store::Etcd(_) => Some(Task::spawn(EtcdStore.run(orders, views))),
        };
        Self { shown, settings, names, mtus, store }
    }

    /// What is known now.
    pub(crate) fn view(&self) -> Arc<View> {
        self.shown.borrow().clone()
    }

    /// Where repair says what crosses from this host, to be told to the others.
    pub(crate) fn mtus(&self) -> watch::Sender<Mtus> {
        self.mtus.clone()
    }

    /// Waits until everybody was asked once, but not for ever.
    pub(crate) async fn become_whole(&self) {
        // That the time is over is no failure.
        let _ = timeout(PATIENCE, self.shown.clone().wait_for(|view| view.is_whole)).await;
    }

    /// Tells the other hosts the names of this one's containers, one document for each network: all of them each time.
    pub(crate) fn publish(&self, names: Vec<NamesOfHost>) {
        let names: Arc<[NamesOfHost]> = names.into();
        self.names.send_if_modified(|published| {
            let is_new = published.as_ref() != Some(&names);
            *published = Some(names);
            is_new
        });
    }

    /// Takes other settings; what they leave as it was goes on undisturbed.
    pub(crate) fn reload(&self, settings: &Settings) {
        if std::mem::discriminant(&settings.cluster.store)
            != std::mem::discriminant(&self.settings.borrow().cluster.store)
        {
            tracing::warn!("another cluster.store needs a restart");
            return;
        }
        self.settings.send_replace(Arc::new(settings.clone()));
    }

    /// Ends everything; the other hosts keep the names until their time to live has passed.
    pub(crate) async fn stop(self) {
        let Self { settings, store, .. } = self;
        // Without somebody who gives orders the store ends.
        drop(settings);
        if let Some(store) = store {
            store.end_within(FAREWELL).await;
        }
    }
}

impl Views {
    /// Shows another view, if it is one.
    fn show(&self, view: View) {
        let is_new = |shown: &mut Arc<View>| {
            let is_new = **shown != view;
            if is_new {
                *shown = Arc::new(view);
            }
            is_new
        };
        if self.shown.send_if_modified(is_new) {
            // A full queue has events before which the loop has not yet looked: it will.
            let _ = self.events.try_send(Event::Cluster);
        }
    }
}
