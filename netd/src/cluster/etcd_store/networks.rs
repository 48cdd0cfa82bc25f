//! Networks of all hosts, as people make and remove them: `netd network`, which needs no daemon.

use std::time::{Instant, SystemTime};

use netd_model::{name::NetworkName, overlay::Vni};

use super::{
    claims,
    document::Document,
    key::{Key, prefix},
    of_etcd,
    session::{At, News, Outcome, Session},
    sight::{self, Own},
    tree::Tree,
};
use crate::{
    cluster::view::{NetworkView, View},
    settings::{Settings, network::Network},
};

/// How often others may be faster.
pub(super) const ATTEMPTS: usize = 10;

/// How many identifiers are tried for a network that chose none.
const VNIS: u32 = 1_000;

/// The networks of the store, with the hosts that are in them.
pub(crate) async fn list(settings: &Settings) -> Result<View, String> {
    let (_, tree, own) = open(settings).await?;
    Ok(sight::whole(&tree, &own, &View::default()).0)
}

/// A network that was made.
#[derive(Debug)]
pub(crate) struct Made {
    /// As it stands in the store.
    pub(crate) network: Network,
    /// Of how many hosts the cluster is.
    pub(crate) hosts: usize,
}

/// Makes a network for all hosts; where its identifier was not chosen, another one is taken if it is another network's.
pub(crate) async fn create(settings: &Settings, mut network: Network, is_vni_chosen: bool) -> Result<Made, String> {
    let name = network.overlay.name.clone();
    for _ in 0..ATTEMPTS {
        let (mut session, tree, own) = open(settings).await?;
        if tree.get(&Key::Network(name.clone())).is_some() {
            return Err(format!("network {name} is there already, see `netd network show {name}`"));
        }
        if !is_vni_chosen {
            network.overlay.vni = free_vni(&tree, network.overlay.vni);
        }
        let write = claims::create(&tree, &network, &own)?;
        if let Outcome::Holds(_) = session.commit(&write).await? {
            let hosts = tree.iter().filter(|(key, _)| matches!(key, Key::Host(_))).count();
            return Ok(Made { network, hosts });
        }
    }
    Err("others change networks all the time: try again".to_owned())
}

/// Removes a network from all hosts.
pub(crate) async fn delete(settings: &Settings, name: &NetworkName, is_forced: bool) -> Result<(), String> {
    for _ in 0..ATTEMPTS {
        let (mut session, tree, own) = open(settings).await?;
        let key = Key::Network(name.clone());
        let Some(entry) = tree.get(&key) else {
            return Err(format!("there is no network {name}, see `netd network list`"));
        };
        let (view, _) = sight::whole(&tree, &own, &View::default());
        let used = view.networks.get(name).map(users).unwrap_or_default();
        if !is_forced && !used.is_empty() {
            return Err(format!("network {name} has containers on {}: remove them, or use --force", used.join(", ")));
        }
        if session.delete_network(&key, name.as_str(), entry.revision).await? {
            return Ok(());
        }
    }
    Err("others change the network all the time: try again".to_owned())
}

/// The other hosts that have containers with names in a network.
fn users(network: &NetworkView) -> Vec<String> {
    let used = network.peers.values().filter(|peer| !peer.names.containers.is_empty());
    used.map(|peer| peer.member.host.to_string()).collect()
}

fn free_vni(tree: &Tree, first: Vni) -> Vni {
    let taken = |vni: Vni| {
        tree.iter().any(
            |(_, entry)| matches!(&entry.document, Ok(Document::Network(known)) if known.network.overlay.vni == vni),
        )
    };
    let from = u32::from(first);
    (from..from.saturating_add(VNIS))
        .filter_map(|vni| Vni::try_from(vni).ok())
        .find(|vni| !taken(*vni))
        .unwrap_or(first)
}

/// The first member that answers, and all that stands there. Whoever asks is nobody, so that all hosts are others.
pub(super) async fn open(settings: &Settings) -> Result<(Session, Tree, Own), String> {
    let etcd = of_etcd(settings).ok_or(
        "networks of all hosts are kept in etcd: set cluster.store = \"etcd\", or write a [[network]] into the settings of each host",
    )?;
    let mut failures = Vec::new();
    for member in &etcd.endpoints {
        match Session::open(etcd, *member, prefix(&settings.cluster.name)).await {
            Ok(mut session) => match session.list().await {
                Ok(listed) => {
                    let vtep = session.own_address()?;
                    let host = "nobody".parse().map_err(|error| format!("{error}"))?;
                    return Ok((session, tree(listed), Own { host, identity: String::new(), vtep }));
                }
                Err(lost) => failures.push(lost),
            },
            Err(lost) => failures.push(lost),
        }
    }
    Err(failures.join("; "))
}

fn tree((news, at): (Vec<News>, At)) -> Tree {
    let mut tree = Tree::default();
    let found = news.into_iter().filter_map(|news| match news {
        News::Put(found) => Some(found),
        News::Delete(..) | News::Unknown(_) => None,
    });
    tree.replace(found.collect(), at.revision, Instant::now(), SystemTime::now());
    tree
}
