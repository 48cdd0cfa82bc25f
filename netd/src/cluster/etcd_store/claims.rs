//! What this host wants to stand in the store, and the transactions that bring it there: a pure function of the two.
//!
//! As with the kernel, setting up and repair are one: whatever is missing or different is written, whoever removed it.
//! Each transaction holds only if what it writes over is still as it is known here, so that of two hosts that want the
//! same thing one gets it, and the other sees that.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnetwork::IpNetwork;
use netd_model::{
    addr::Mac,
    name::{HostName, NetworkName},
    overlay::{Member, NamesOfHost, VERSION},
};

use super::{
    document::{Alive, Claim, Document, NetworkOfAll, Owner, Refused},
    key::Key,
    shards,
    sight::{self, Own},
    tree::Tree,
};
use crate::{
    cluster::Mtus,
    settings::{
        cluster::{Host, Place},
        network::{Network, Networks, overlap},
    },
};

/// How many shards go in one transaction: etcd takes one and a half megabytes.
const SHARDS: usize = 16;

/// What this host wants.
pub(super) struct Wish<'w> {
    /// The name of the cluster.
    pub(super) cluster: &'w str,
    /// This host.
    pub(super) own: &'w Own,
    /// This process.
    pub(super) instance: &'w str,
    /// The networks of the settings, and those that stood in the store before it was another one.
    pub(super) networks: &'w [Network],
    /// Those of them that were in the store already, and are not made again when they are gone.
    pub(super) seen: &'w BTreeSet<NetworkName>,
    /// The names of its containers, where they are known.
    pub(super) names: Option<&'w [NamesOfHost]>,
    /// What crosses from it, network by network, as far as it was measured yet.
    pub(super) mtus: &'w Mtus,
    /// What its documents end with.
    pub(super) leases: Leases,
    /// How often others were faster.
    pub(super) attempt: u32,
}

/// The leases of etcd that this host holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leases {
    /// Ends `cluster.ttl` after netd.
    pub(super) alive: i64,
    /// Ends `cluster.lease_retention` after netd.
    pub(super) reservation: i64,
}

/// A transaction.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Write {
    /// It holds only if each key has this revision, 0 where it is not to be there.
    pub(super) if_still: Vec<(Key, i64)>,
    /// It holds only if no network was written after this revision.
    pub(super) if_no_network_after: Option<i64>,
    /// What is put, and the lease that it ends with.
    pub(super) puts: Vec<(Key, Document, i64)>,
    /// What is removed.
    pub(super) deletes: Vec<Key>,
}

/// What is to be done, and what cannot be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    /// The next transactions; with none, all that can stand in the store does.
    pub(super) writes: Vec<Write>,
    /// What a person must mend, one line each.
    pub(super) errors: Vec<String>,
}

impl Write {
    fn put(&mut self, tree: &Tree, key: Key, document: Document, lease: i64) {
        let old = tree.stands(&key);
        if old.is_some_and(|old| old.is_read && old.lease == lease && old.document.as_ref() == Ok(&document)) {
            return;
        }
        self.if_still.push((key.clone(), old.map_or(0, |old| old.revision)));
        self.puts.push((key, document, lease));
    }

    fn delete(&mut self, tree: &Tree, key: Key) {
        if let Some(old) = tree.stands(&key) {
            self.if_still.push((key.clone(), old.revision));
            self.deletes.push(key);
        }
    }

    fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }
}

impl Claims {
    fn write(&mut self, write: Write) {
        if !write.is_empty() {
            self.writes.push(write);
        }
    }
}

/// What is to be written next, given what stands in the store.
pub(super) fn claims(wish: &Wish<'_>, tree: &Tree) -> Claims {
    let mut claims = Claims::default();
    let refused = Key::Refused(wish.own.identity.clone());
    let mut write = Write::default();
    if let Err((of, what)) = itself(wish, tree, &mut write) {
        // The other is told, for as long as this one lives.
        claims.errors.push(format!("this host cannot be in the cluster: {what}"));
        let told = Refused { version: VERSION, of, what };
        let mut write = Write::default();
        write.put(tree, refused, Document::Refused(told), wish.leases.alive);
        claims.write(write);
        return claims;
    }
    write.delete(tree, refused);
    claims.write(write);
    networks_of_settings(wish, tree, &mut claims);
    if claims.writes.is_empty() {
        let mut networks = sight::networks(tree, wish.own).usable;
        networks.retain(|network| tree.stands(&Key::Network(network.overlay.name.clone())).is_some());
        let mut all_told = wish.names.is_some();
        for network in &networks {
            parts(wish, tree, network, &mut claims);
            all_told &= names(wish, tree, network, &mut claims);
        }
        if claims.writes.is_empty() && all_told {
            // Last of all: who sees that this host lives sees its names, not those of the time before.
            let alive = Alive { version: VERSION, instance: wish.instance.to_owned(), vtep: wish.own.vtep };
            let mut write = Write::default();
            write.put(tree, Key::Alive(wish.own.host.clone()), Document::Alive(alive), wish.leases.alive);
            claims.write(write);
        }
    }
    claims
}

/// Name and address of the host; or who has one of them, and which.
fn itself(wish: &Wish<'_>, tree: &Tree, write: &mut Write) -> Result<(), (HostName, String)> {
    let Own { host, identity, vtep } = wish.own;
    let name = Key::Host(host.clone());
    if let Some(Document::Host(old)) = tree.stands(&name).and_then(|entry| entry.document.as_ref().ok()) {
        if old.identity != *identity {
            let of = format!("the name {host} is that of another host, reached at {}", old.vtep);
            return Err((host.clone(), format!("{of}: choose another `host.name` for {vtep}")));
        }
        if let Some(Document::Alive(alive)) = tree.document(&Key::Alive(host.clone()))
            && (alive.instance != wish.instance, alive.vtep) == (true, old.vtep)
            && old.vtep != *vtep
        {
            let twice = format!("host {host} lives at {} and, with the same state directory, at {vtep}", old.vtep);
            return Err((host.clone(), format!("{twice}: remove the copy of identity.json from one of them")));
        }
        if old.vtep != *vtep {
            write.delete(tree, Key::Vtep(old.vtep));
        }
    }
    if let Some(Document::Owner(owner)) = tree.stands(&Key::Vtep(*vtep)).and_then(|entry| entry.document.as_ref().ok())
        && owner.host != *host
    {
        let of = format!("the address {vtep} is that of host {}", owner.host);
        return Err((owner.host.clone(), format!("{of}: choose another `host.address` for {host}")));
    }
    let claim =
        Claim { version: VERSION, identity: identity.clone(), vtep: *vtep, reservation: wish.leases.reservation };
    write.put(tree, name, Document::Host(claim), wish.leases.reservation);
    write.put(tree, Key::Vtep(*vtep), wish.mine(), wish.leases.reservation);
    Ok(())
}

/// Networks of the settings that the store does not have.
fn networks_of_settings(wish: &Wish<'_>, tree: &Tree, claims: &mut Claims) {
    for network in wish.networks {
        let name = &network.overlay.name;
        match tree.stands(&Key::Network(name.clone())).map(|entry| &entry.document) {
            Some(Ok(Document::Network(known))) if known.network != *network => claims.errors.push(format!(
                "network {name}: the settings are not as the store, which goes before: see `netd network show {name}`"
            )),
            Some(_) => {}
            None if wish.seen.contains(name) => claims.errors.push(format!(
                "network {name} was deleted and stands in the settings: remove it there, or restart netd to make it again"
            )),
            None => match create(tree, network, wish.own) {
                Ok(write) => claims.write(write),
                Err(error) => claims.errors.push(format!("network {name}: {error}")),
            },
        }
    }
}

/// Makes a network for all hosts.
///
/// # Errors
/// It does not go together with those that are there.
pub(super) fn create(tree: &Tree, network: &Network, own: &Own) -> Result<Write, String> {
    let networks = tree.iter().filter(|(key, _)| matches!(key, Key::Network(_)));
    let latest = networks.map(|(_, entry)| entry.revision).max().unwrap_or_default();
    // One that is only believed to be there is made again.
    let known = sight::networks(tree, own).usable.into_iter().filter(|it| it.overlay.name != network.overlay.name);
    let known = known.map(|it| (it.overlay.name.clone(), Ok(it)));
    let new = (network.overlay.name.clone(), Ok(network.clone()));
    let host = Host { name: own.host.clone(), place: Some(Place::Address(own.vtep)), checksum_offload: None };
    let sorted = Networks::sorted_out(known.chain([new]), &host);
    if let Some(refused) = sorted.refused.into_iter().find(|refused| refused.network == network.overlay.name) {
        return Err(refused.reason);
    }
    let mut write = Write { if_no_network_after: Some(latest), ..Write::default() };
    let document = Document::Network(NetworkOfAll::new(network.clone()));
    write.put(tree, Key::Network(network.overlay.name.clone()), document, 0);
    Ok(write)
}

/// The host's parts of a network.
fn parts(wish: &Wish<'_>, tree: &Tree, network: &Network, claims: &mut Claims) {
    let name = &network.overlay.name;
    let key = Key::Member(name.clone(), wish.own.host.clone());
    let (old, old_mtu) = match tree.document(&key) {
        Some(Document::Member(old)) => (old.subnets.as_slice(), old.mtu),
        _ => (&[][..], None),
    };
    let mut subnets = Vec::new();
    for (whole, prefix) in network.overlay.subnets.iter().zip(&network.host_prefix) {
        let fits = |part: &&IpNetwork| part.prefix() == *prefix && overlap(whole, part);
        let kept = old.iter().find(fits).copied();
        let lost = kept.filter(|part| wish.is_of_another(tree, name, part));
        if let Some(part) = lost {
            claims.errors.push(format!(
                "subnet {part} of network {name} is another host's by now: containers that have addresses of it must be made anew"
            ));
        }
        let part = kept.filter(|_| lost.is_none()).or_else(|| free(wish, tree, name, whole, *prefix));
        let Some(part) = part else {
            let full = format!("network {name}: all /{prefix} of {whole} are taken by other hosts");
            return claims.errors.push(format!(
                "{full}: forget one that is gone (`netd host forget`), or make a network with a longer host_prefix"
            ));
        };
        subnets.push(part);
    }
    let mut write = Write::default();
    for part in old.iter().filter(|part| !subnets.contains(part) && !wish.is_of_another(tree, name, part)) {
        write.delete(tree, Key::Subnet(name.clone(), *part));
    }
    for part in &subnets {
        write.put(tree, Key::Subnet(name.clone(), *part), wish.mine(), wish.leases.reservation);
    }
    let member = Member {
        version: VERSION,
        host: wish.own.host.clone(),
        network: name.clone(),
        vtep: wish.own.vtep,
        mac: Mac::derived(&["vtep", wish.cluster, name.as_str(), &wish.own.identity]),
        mtu: wish.mtus.get(name).copied().or(old_mtu),
        subnets,
    };
    write.put(tree, key, Document::Member(member), wish.leases.reservation);
    write.only_in(tree, name);
    claims.write(write);
}

/// The names of the host's containers in a network that it is in. Whether they are known.
fn names(wish: &Wish<'_>, tree: &Tree, network: &Network, claims: &mut Claims) -> bool {
    let name = &network.overlay.name;
    if tree.stands(&Key::Member(name.clone(), wish.own.host.clone())).is_none() {
        return true;
    }
    let Some(names) = wish.names.and_then(|names| names.iter().find(|names| names.network == *name)) else {
        return false;
    };
    let key = |shard| Key::Names(name.clone(), wish.own.host.clone(), shard);
    let least = tree.range(key(0)..=key(u16::MAX)).count();
    let shards = shards::split(names, u16::try_from(least).unwrap_or(shards::MOST));
    for (some, first) in shards.chunks(SHARDS).zip((0..).step_by(SHARDS)) {
        let mut write = Write::default();
        for (shard, number) in some.iter().zip(first..) {
            write.put(tree, key(number), Document::Names(shard.clone()), wish.leases.reservation);
        }
        write.only_in(tree, name);
        claims.write(write);
    }
    true
}

impl Write {
    /// Nothing is written into a network that somebody deletes.
    fn only_in(&mut self, tree: &Tree, network: &NetworkName) {
        let key = Key::Network(network.clone());
        let revision = tree.stands(&key).map_or(0, |entry| entry.revision);
        self.if_still.push((key, revision));
    }
}

impl Wish<'_> {
    fn mine(&self) -> Document {
        Document::Owner(Owner { version: VERSION, host: self.own.host.clone() })
    }

    fn is_of_another(&self, tree: &Tree, network: &NetworkName, part: &IpNetwork) -> bool {
        let owner = tree.document(&Key::Subnet(network.clone(), *part));
        matches!(owner, Some(Document::Owner(owner)) if owner.host != self.own.host)
    }
}

/// A part that nobody has: the first but for the one that begins where the network does; where others are faster, a later one.
fn free(wish: &Wish<'_>, tree: &Tree, network: &NetworkName, whole: &IpNetwork, prefix: u8) -> Option<IpNetwork> {
    let of_network = tree.range(Key::Subnet(network.clone(), *whole)..).map_while(|(key, _)| match key {
        Key::Subnet(of, part) if of == network => Some(*part),
        _ => None,
    });
    let taken: BTreeSet<IpAddr> = of_network.map(|part| part.network()).collect();
    let count = 1_u128.checked_shl((prefix - whole.prefix()).into()).unwrap_or(u128::MAX);
    let candidates = (1..count).chain([0]).filter_map(|number| part(whole, prefix, number));
    let mut free = candidates.filter(|part| !taken.contains(&part.network()));
    let later = wish.own.identity.bytes().map(u32::from).sum::<u32>() % (1 + 4 * wish.attempt);
    let first = free.next()?;
    Some(free.take(usize::try_from(later).unwrap_or_default()).last().unwrap_or(first))
}

/// The part of this number.
fn part(whole: &IpNetwork, prefix: u8, number: u128) -> Option<IpNetwork> {
    let first = match whole.network() {
        IpAddr::V4(first) => {
            let offset = u32::try_from(number).ok()?.checked_shl(u32::from(32 - prefix)).unwrap_or_default();
            IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() | offset))
        }
        IpAddr::V6(first) => {
            let offset = number.checked_shl(u32::from(128 - prefix)).unwrap_or_default();
            IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() | offset))
        }
    };
    IpNetwork::new(first, prefix).ok()
}
