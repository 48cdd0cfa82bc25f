//! For how long attachments have been those of containers that are no more, see [`Attachment::is_dead`].
//!
//! [`Attachment::is_dead`]: netd_model::attachment::Attachment::is_dead

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use netd_model::attachment::AttachmentId;

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

#[cfg(test)]
mod tests {
    use netd_model::attachment::{Attachment, Namespace};

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
            assert_eq!(attachment.is_dead(sample::BOOT, |_| link, |_| namespace), dead, "{boot} {link} {namespace}");
        }
        assert!(attachment(sample::BOOT, false).is_dead(sample::BOOT, |_| false, |_| true));
    }

    #[test]
    fn where_nothing_was_recorded_nothing_is_concluded() {
        let bare = Attachment { sections: BTreeMap::new(), ..attachment(sample::BOOT, false) };
        assert!(!bare.is_dead(sample::BOOT, |_| false, |_| false));
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
