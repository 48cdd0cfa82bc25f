//! Names of a host in documents that each fit in the store: a container's stand in the shard that its id says, so that a
//! change rewrites one of them.
//!
//! The number of shards only grows: one that is not needed any more stays, empty.

use std::collections::BTreeMap;

use netd_model::{
    name::ContainerId,
    overlay::{NamesOfHost, RemoteContainer},
};

/// How many bytes of text a shard is meant to hold; none is larger than twice that, but for luck.
const MEANT: usize = 32 << 10;

/// The most shards of one host: 8 MiB.
pub(super) const MOST: u16 = 256;

/// What a container takes beside its names and addresses, in bytes.
const AROUND: usize = 160;

/// The names in at least `least` shards.
pub(super) fn split(names: &NamesOfHost, least: u16) -> Vec<NamesOfHost> {
    let bytes: usize = names.containers.iter().map(size).sum();
    let count = u16::try_from((bytes / MEANT).next_power_of_two()).unwrap_or(MOST).max(least).min(MOST);
    let mut shards: Vec<NamesOfHost> =
        (0..count).map(|_| NamesOfHost { containers: Vec::new(), ..names.clone() }).collect();
    for container in &names.containers {
        let place = usize::try_from(hash(&container.container) % u32::from(count)).unwrap_or_default();
        if let Some(shard) = shards.get_mut(place) {
            shard.containers.push(container.clone());
        }
    }
    shards
}

/// The containers of all shards; one that moves from shard to shard may stand in two.
pub(super) fn joined<'s>(shards: impl Iterator<Item = &'s NamesOfHost>) -> Vec<RemoteContainer> {
    let containers = shards.flat_map(|shard| &shard.containers);
    let joined: BTreeMap<&ContainerId, &RemoteContainer> = containers.map(|it| (&it.container, it)).collect();
    joined.into_values().cloned().collect()
}

fn size(container: &RemoteContainer) -> usize {
    let names: usize = container.names.iter().map(|name| name.as_str().len() + 3).sum();
    let texts: usize = container.texts.iter().map(|text| text.len() * 2 + 3).sum();
    AROUND + names + container.addresses.len() * 42 + container.ports.len() * 64 + texts
}

/// FNV-1a, which is the same in every version of netd.
fn hash(container: &ContainerId) -> u32 {
    container.as_str().bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> NamesOfHost {
        let container = |number: usize| {
            serde_json::json!({"container": format!("c{number}"), "names": [format!("web{number}")],
                "addresses": ["10.40.1.5"], "ttl": 5})
        };
        let containers: Vec<_> = (0..count).map(container).collect();
        serde_json::from_value(
            serde_json::json!({"version": 1, "host": "h1", "network": "lab", "containers": containers}),
        )
        .unwrap()
    }

    #[test]
    fn names_stand_in_as_many_shards_as_they_need_and_each_is_small() {
        for (count, shards) in [(0, 1), (1, 1), (100, 1), (1_000, 8), (10_000, 64)] {
            let split = split(&names(count), 1);
            assert_eq!(split.len(), shards, "{count}");
            let largest = split.iter().map(|shard| serde_json::to_vec(shard).unwrap().len()).max();
            assert!(largest.is_some_and(|bytes| bytes < 2 * MEANT), "{count}: {largest:?}");
            assert_eq!(joined(split.iter()).len(), count);
        }
        assert_eq!(split(&names(1), 8).len(), 8, "no shard goes");
    }

    #[test]
    fn one_more_container_changes_one_shard() {
        let (one, other) = (split(&names(1_000), 1), split(&names(1_001), 1));
        assert_eq!(one.iter().zip(&other).filter(|(one, other)| one != other).count(), 1);
    }
}
