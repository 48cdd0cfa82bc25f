//! What the host knew of the store before netd started, and what the next netd is to know.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use netd_model::name::HostName;
use netd_store::Documents;
use serde_json::value::RawValue;

use super::{Board, Stale};
use crate::{
    cluster::{
        etcd_store::{
            document::Document,
            key::Key,
            place,
            session::At,
            sight::Own,
            tree::{Found, Tree},
        },
        memory::{self, Memory, Recalled},
        view::View,
    },
    settings::Settings,
};

/// Beside the keys, which store it was: after a start, too, another one in its place is to be found out.
const STORE: &str = "store";

impl Board {
    /// What was known last is what is known, until the store was read.
    pub(in crate::cluster::etcd_store) async fn recall(&mut self, settings: &Settings, recalled: Recalled) {
        let Recalled { documents, identity, as_of } = recalled;
        let host = &settings.host.name;
        let found = documents.iter().filter_map(|(key, document)| found(key, document));
        // A sign of life is another one for each process, and who is refused says so again.
        let is_old = |key: &Key| matches!(key, Key::Refused(_)) || *key == Key::Alive(host.clone());
        let mut tree = Tree::default();
        tree.replace(found.filter(|found| !is_old(&found.key)).collect(), 0, Instant::now(), as_of);
        let address = place::of_host(settings).await.ok().and_then(|(_, address)| address);
        // Without a word of the settings it is the way to the store that says it, which may not be there.
        let Some(vtep) = address.or_else(|| vtep(&tree, host, &identity)) else { return };
        tracing::info!(keys = tree.iter().count(), "until the store is read, it is as it was known last");
        self.own = Some(Own { host: host.clone(), identity, vtep });
        (self.tree, self.recalled, self.stale) = (tree, Some(as_of), Stale::All);
        self.recalled_at = documents.get(STORE).and_then(|at| serde_json::from_str(at.get()).ok());
    }

    /// Lets what is known outlive netd: while the store is there, and what was heard before it was lost.
    pub(in crate::cluster::etcd_store) async fn remember(&mut self, settings: &Arc<Settings>, memory: &mut Memory) {
        if self.is_to_be_kept() {
            let Self { is_news, tree, at, .. } = self;
            memory.keep(settings, is_news, || documents(tree, *at)).await;
        }
    }

    /// The last of it, when netd stops.
    pub(in crate::cluster::etcd_store) async fn end(mut self, settings: &Arc<Settings>, memory: Memory) {
        if self.is_to_be_kept() {
            memory.end(settings, &mut self.is_news, || documents(&self.tree, self.at)).await;
        }
    }

    /// What was recalled and not found in the store yet stands in the file already, with its age.
    fn is_to_be_kept(&self) -> bool {
        self.at.is_some() && (self.is_news || self.lost.is_none())
    }
}

/// Says of each host that it was known before, until the store was read.
pub(super) fn mark(view: &mut View, recalled: Option<SystemTime>) {
    if let Some(as_of) = recalled {
        view.networks.values_mut().for_each(|network| network.peers.recall(as_of));
    }
}

/// All that can be read, and where.
fn documents(tree: &Tree, at: Option<At>) -> Documents {
    let documents = tree.iter().filter_map(|(key, entry)| Some((key, entry.document.as_ref().ok()?)));
    let mut documents = memory::documents(documents);
    documents.extend(memory::documents(at.map(|at| (STORE, at))));
    documents
}

/// Where the host was reached.
fn vtep(tree: &Tree, host: &HostName, identity: &str) -> Option<IpAddr> {
    match tree.document(&Key::Host(host.clone()))? {
        Document::Host(claim) if claim.identity == identity => Some(claim.vtep),
        _ => None,
    }
}

fn found(key: &str, document: &RawValue) -> Option<Found> {
    let key: Key = key.parse().ok()?;
    let document = Document::parse(&key, document.get().as_bytes());
    document.is_ok().then_some(Found { key, revision: 0, lease: 0, document })
}
