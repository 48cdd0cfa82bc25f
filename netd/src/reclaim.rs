//! Which attachments are of containers that are no more, and for how long that has been so.
//!
//! Time alone never makes one dead: clocks jump, and hosts that are containers restart under the same boot id.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use netd_model::{
    attachment::{Attachment, AttachmentId, Namespace},
    name::LinkName,
};

/// How long an attachment is dead before it is taken back: its runtime may be about to do so itself.
const PATIENCE: Duration = Duration::from_mins(1);

/// Since when attachments are dead.
#[derive(Debug, Default)]
pub(crate) struct Dead {
    since: BTreeMap<AttachmentId, Instant>,
}

impl Dead {
    /// Takes note of those that are dead `now`, and gives those that have been for long enough.
    pub(crate) fn due(&mut self, dead: &BTreeSet<AttachmentId>, now: Instant) -> Vec<AttachmentId> {
        self.since.retain(|id, _| dead.contains(id));
        for id in dead {
            self.since.entry(id.clone()).or_insert(now);
        }
        let due = self.since.iter().filter(|(_, since)| now.saturating_duration_since(**since) >= PATIENCE);
        due.map(|(id, _)| id.clone()).collect()
    }
}

/// Whether the container of an attachment is no more: it is of another boot, or both its namespace and the host's end
/// of its pair are gone.
pub(crate) fn is_dead(
    attachment: &Attachment,
    boot: &str,
    link_exists: impl Fn(&LinkName) -> bool,
    namespace_exists: impl Fn(&Namespace) -> bool,
) -> bool {
    if attachment.boot != boot {
        return true;
    }
    let link = attachment.host_link();
    // Where neither is recorded there is nothing to conclude from.
    (link.is_some() || attachment.netns.is_some())
        && !link.is_some_and(|link| link_exists(&link))
        && !attachment.netns.as_ref().is_some_and(namespace_exists)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn attachment(boot: &str, has_namespace: bool) -> Attachment {
        let namespace = Namespace { path: "/run/netns/c1".into(), device: 4, inode: 4_026_532_000 };
        let netns = has_namespace.then_some(namespace);
        Attachment { boot: boot.to_owned(), netns, ..sample::attachment("web", "c1", "10.1.0.7") }
    }

    #[test]
    fn only_who_lost_both_link_and_namespace_is_dead() {
        for (boot, link, namespace, dead) in [
            (sample::BOOT, true, true, false),
            (sample::BOOT, true, false, false),
            (sample::BOOT, false, true, false),
            (sample::BOOT, false, false, true),
            ("another", true, true, true),
        ] {
            let attachment = attachment(boot, true);
            assert_eq!(is_dead(&attachment, sample::BOOT, |_| link, |_| namespace), dead, "{boot} {link} {namespace}");
        }
        assert!(is_dead(&attachment(sample::BOOT, false), sample::BOOT, |_| false, |_| true));
    }

    #[test]
    fn where_nothing_was_recorded_nothing_is_concluded() {
        let bare = Attachment { sections: BTreeMap::new(), ..attachment(sample::BOOT, false) };
        assert!(!is_dead(&bare, sample::BOOT, |_| false, |_| false));
    }

    #[test]
    fn who_comes_back_starts_anew() {
        let id = attachment(sample::BOOT, true).id;
        let (dead, nobody) = (BTreeSet::from([id.clone()]), BTreeSet::new());
        let (mut book, start) = (Dead::default(), Instant::now());
        assert_eq!(book.due(&dead, start), []);
        assert_eq!(book.due(&nobody, start + PATIENCE / 2), []);
        assert_eq!(book.due(&dead, start + PATIENCE), []);
        assert_eq!(book.due(&dead, start + 2 * PATIENCE), [id]);
    }
}
