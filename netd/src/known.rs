//! All that is served follows from this, and from who netd is.

use std::{collections::BTreeSet, sync::Arc};

use netd_model::{attachment::Attachment, name::NetworkName};
use netd_store::Snapshot;

use crate::{
    cluster::{View, changes},
    health::Sick,
    zones,
};

/// What is known at one moment. Copies share all of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// What is recorded.
    pub(crate) snapshot: Arc<Snapshot>,
    /// What other hosts have.
    pub(crate) view: Arc<View>,
    /// Who is not healthy.
    pub(crate) sick: Arc<Sick>,
}

impl Known {
    /// Whether it is the same moment.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot)
            && Arc::ptr_eq(&self.view, &other.view)
            && Arc::ptr_eq(&self.sick, &other.sick)
    }

    /// The networks of which something else may be served than at an `old` moment. To find them costs what changed.
    pub(crate) fn differences(&self, old: &Self, boot: &str) -> BTreeSet<NetworkName> {
        let documents = changes(&old.snapshot.attachments, &self.snapshot.attachments);
        let documents = documents.flat_map(|(old, new)| [old, new]).flatten();
        let named = documents.filter(|attachment| zones::is_named(attachment, boot));
        let mut networks: BTreeSet<NetworkName> =
            named.map(|attachment: &Arc<Attachment>| attachment.id.network.clone()).collect();
        networks.extend(self.view.differences(&old.view).cloned());
        if !Arc::ptr_eq(&self.sick, &old.sick) {
            let differs = |one: &Sick, other: &Sick| {
                let ids = one.iter().filter(|(id, health)| other.get(id) != Some(health));
                ids.map(|(id, _)| id.network.clone()).collect::<Vec<_>>()
            };
            networks.extend(differs(&self.sick, &old.sick).into_iter().chain(differs(&old.sick, &self.sick)));
        }
        networks
    }
}
