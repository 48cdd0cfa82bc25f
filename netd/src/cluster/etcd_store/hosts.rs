//! Hosts that do not come back, as people take them out: `netd host forget`, which needs no daemon.

use ipnetwork::IpNetwork;
use netd_model::name::{HostName, NetworkName};

use super::{
    claims::Write,
    document::Document,
    key::Key,
    networks::{ATTEMPTS, open},
    session::Outcome,
    tree::Tree,
};
use crate::settings::{Settings, cluster::Store};

/// How many keys go at once: etcd takes 128 in a transaction.
const AT_ONCE: usize = 64;

/// Takes away what a host has that is not there, before `cluster.lease_retention` is over. The parts of networks that are
/// free now.
///
/// # Errors
/// It lives, it is not known, or hosts do not stand in etcd.
pub(crate) async fn forget(settings: &Settings, host: &HostName) -> Result<Vec<(NetworkName, IpNetwork)>, String> {
    let ttl = match &settings.cluster.store {
        Store::Etcd(etcd) => etcd.ttl.as_secs(),
        Store::Static(of_file) => {
            return Err(format!(
                "hosts of this cluster stand in a file: take {host} out of {}",
                of_file.peers.display()
            ));
        }
        Store::None => return Err("this host is in no cluster: there is no other host to forget".to_owned()),
    };
    let mut freed = Vec::new();
    for _ in 0..ATTEMPTS {
        let (mut session, tree, _) = open(settings).await?;
        if let Some(entry) = tree.get(&Key::Alive(host.clone())) {
            let at = match &entry.document {
                Ok(Document::Alive(alive)) => format!(" at {}", alive.vtep),
                _ => String::new(),
            };
            return Err(format!("host {host} lives{at}: stop its netd and wait for {ttl} s"));
        }
        let keys = of_host(&tree, host);
        if keys.is_empty() && freed.is_empty() {
            return Err(format!("there is no host {host} in the cluster, see `netd show peers`"));
        }
        let mut is_done = true;
        for some in keys.chunks(AT_ONCE) {
            let revision = |key: &Key| (key.clone(), tree.get(key).map_or(0, |entry| entry.revision));
            let mut if_still: Vec<(Key, i64)> = some.iter().map(revision).collect();
            if_still.push((Key::Alive(host.clone()), 0));
            let write = Write { if_still, deletes: some.to_vec(), ..Write::default() };
            let Outcome::Holds(_) = session.commit(&write).await? else {
                is_done = false;
                break;
            };
            freed.extend(some.iter().filter_map(|key| match key {
                Key::Subnet(network, part) => Some((network.clone(), *part)),
                _ => None,
            }));
        }
        if is_done {
            return Ok(freed);
        }
    }
    Err(format!("host {host} is changed all the time: try again"))
}

/// What a host has, first what leads others to it, and last its name.
fn of_host(tree: &Tree, host: &HostName) -> Vec<Key> {
    let is_own = |key: &Key, document: &Result<Document, String>| match (key, document) {
        (Key::Vtep(_) | Key::Subnet(..), Ok(Document::Owner(owner))) => owner.host == *host,
        _ => key.host() == Some(host),
    };
    let own = tree.iter().filter(|(key, entry)| is_own(key, &entry.document));
    let mut keys: Vec<Key> = own.map(|(key, _)| key.clone()).collect();
    keys.sort_by_key(|key| match key {
        Key::Member(..) => 0,
        Key::Names(..) => 1,
        Key::Subnet(..) => 2,
        Key::Vtep(_) => 3,
        _ => 4,
    });
    keys
}
