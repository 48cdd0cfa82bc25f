//! All that the store holds at one moment. Snapshots share what they have in common.

use std::{cmp::Ordering, ops::Bound, path::Path, sync::Arc};

use equivalent::{Comparable, Equivalent};
use imbl::OrdMap;
use netd_model::{
    attachment::{Attachment, AttachmentId},
    name::NetworkName,
};

use crate::{Error, NetworkSettings, file};

/// What the store held when it was read.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Grows by one whenever something differs from the snapshot before.
    pub generation: u64,
    /// The attachments, in whatever progress.
    pub attachments: OrdMap<AttachmentId, Arc<Attachment>>,
    /// The settings of the networks that have some.
    pub networks: OrdMap<NetworkName, NetworkSettings>,
    /// Documents and directories that cannot be read, in the order of their paths.
    pub broken: Vec<Arc<Error>>,
}

impl Snapshot {
    /// The settings of a network.
    pub fn network(&self, network: &NetworkName) -> NetworkSettings {
        self.networks.get(network).cloned().unwrap_or_default()
    }

    /// The attachments of a network.
    pub fn of_network(&self, network: &NetworkName) -> impl Iterator<Item = &Arc<Attachment>> {
        let edge = |side| Bound::Excluded(Edge { network, side });
        let found = self.attachments.range((edge(Ordering::Less), edge(Ordering::Greater)));
        found.map(|(_, attachment)| attachment)
    }
}

/// What stands before, or after, all attachments of a network.
struct Edge<'n> {
    network: &'n NetworkName,
    side: Ordering,
}

impl Equivalent<AttachmentId> for Edge<'_> {
    fn equivalent(&self, _: &AttachmentId) -> bool {
        false
    }
}

impl Comparable<AttachmentId> for Edge<'_> {
    fn compare(&self, id: &AttachmentId) -> Ordering {
        self.network.cmp(&id.network).then(self.side)
    }
}

/// The network whose settings are at `path`.
pub(crate) fn network_of(path: &Path) -> Option<NetworkName> {
    let name = path.file_name()?.to_str()?.strip_suffix(file::DOCUMENT)?.strip_suffix('.')?;
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{attachment, id};

    #[test]
    fn the_attachments_of_a_network_are_those_between_its_neighbours() {
        let all = [("a", "1"), ("web", "1"), ("web", "c2"), ("web-2", "1"), ("web.x", "1"), ("z", "1")];
        let documents = all.map(|(network, container)| Arc::new(attachment(network, container)));
        let attachments = documents.into_iter().map(|document| (document.id.clone(), document)).collect();
        let snapshot = Snapshot { attachments, ..Snapshot::default() };
        let of = |network: &str| {
            let network = network.parse().unwrap();
            snapshot.of_network(&network).map(|attachment| attachment.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("web"), [id("web", "1"), id("web", "c2")]);
        assert_eq!((of("a"), of("z")), (vec![id("a", "1")], vec![id("z", "1")]));
        assert_eq!(of("we"), []);
    }
}
