//! Which leases nobody needs any more.

use std::time::Duration;

use netd_model::attachment::Attachment;

use super::{Held, Holder, Owner};
use crate::{Boot, Store};

/// How much older than the boot a lease of others without a document must be: clocks jump, above all while a host boots.
const MARGIN: Duration = Duration::from_hours(24);

impl Store {
    /// Whether the lease may be taken back: all documents of its holder are of another boot or `dead`; or there is none,
    /// and the lease was written more than a day before this boot. To the `asker` of an address its own lease is stale when
    /// it was written before this boot at all: its runtime knows that it has no network yet.
    ///
    /// What cannot be read is not stale.
    pub fn is_stale(
        &self,
        held: &Held,
        asker: Option<&Owner>,
        boot: &Boot,
        mut dead: impl FnMut(&Attachment) -> bool,
    ) -> bool {
        let documents = match &held.holder {
            Holder::Attachment(owner) => self.find(&owner.container, &owner.ifname),
            Holder::Container(_) => Vec::new(),
            Holder::Unknown => return false,
        };
        if documents.is_empty() {
            let is_own = asker.is_some_and(|asker| held.holder.is(asker));
            let margin = if is_own { Duration::ZERO } else { MARGIN };
            return held.written.checked_add(margin).is_some_and(|written| written < boot.began);
        }
        documents.into_iter().all(|read| read.is_ok_and(|attachment| attachment.boot != boot.id || dead(&attachment)))
    }
}
