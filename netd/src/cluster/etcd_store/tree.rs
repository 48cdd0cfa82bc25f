//! What stands in the store, as far as it is known here; and what was there and is to be believed a while longer.
//!
//! After the store was lost nothing is withdrawn at once: other hosts may not have found it again yet. What is missing
//! then stays until a time that the session says, and if it comes back meanwhile, nothing has happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeBounds,
    time::{Instant, SystemTime},
};

use super::{document::Document, key::Key};

/// What stands under one key.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The revision of the store that it came with.
    pub(super) revision: i64,
    /// The lease of etcd that it ends with; 0 is none.
    pub(super) lease: i64,
    /// What it says, or said last so that it could be read; or why it never could.
    pub(super) document: Result<Document, String>,
    /// Whether it says that now.
    pub(super) is_read: bool,
    /// Since when it is there.
    pub(super) since: SystemTime,
    /// It is gone, and is believed until then.
    until: Option<Instant>,
}

/// Something that was found in the store.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) revision: i64,
    pub(super) lease: i64,
    pub(super) document: Result<Document, String>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: BTreeMap<Key, Entry>,
    /// Those that are gone and believed.
    believed: BTreeSet<Key>,
    /// What is gone is believed until then.
    grace: Option<Instant>,
}

impl Tree {
    /// What stands, or is believed to stand, under a key.
    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// What stands under a key in the store.
    pub(super) fn stands(&self, key: &Key) -> Option<&Entry> {
        self.get(key).filter(|entry| entry.until.is_none())
    }

    /// What stands, or is believed to stand, under a key, where it can be read.
    pub(super) fn document(&self, key: &Key) -> Option<&Document> {
        self.get(key)?.document.as_ref().ok()
    }

    /// All of some keys.
    pub(super) fn range(&self, keys: impl RangeBounds<Key>) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.range(keys)
    }

    /// All of it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }

    /// From now on until `grace`, what goes is believed to be there.
    pub(super) fn hold(&mut self, grace: Instant) {
        self.grace = Some(grace);
        for key in &self.believed {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.until = Some(grace);
            }
        }
    }

    /// Something stands in the store. Whether that is news.
    pub(super) fn put(&mut self, found: Found, clock: SystemTime) -> bool {
        let Found { key, revision, lease, document } = found;
        let old = self.entries.get(&key);
        if old.is_some_and(|old| old.until.is_none() && old.revision >= revision) {
            return false;
        }
        let is_read = document.is_ok();
        let since = old.map_or(clock, |old| old.since);
        let is_back = old.is_some_and(|old| old.until.is_some());
        let last = old.filter(|old| !is_read && old.document.is_ok()).map(|old| old.document.clone());
        let document = last.unwrap_or(document);
        let is_news = is_back || old.is_none_or(|old| old.document != document);
        self.believed.remove(&key);
        self.entries.insert(key, Entry { revision, lease, document, is_read, since, until: None });
        is_news
    }

    /// Something is gone from the store. Whether that shows.
    pub(super) fn delete(&mut self, key: &Key, revision: i64, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.revision < revision) else { return false };
        if let Some(grace) = self.grace.filter(|grace| *grace > now) {
            entry.until.get_or_insert(grace);
            self.believed.insert(key.clone());
            return false;
        }
        self.believed.remove(key);
        self.entries.remove(key).is_some()
    }

    /// All that stands in the store at a revision; what else was known is gone. The keys of which that is news.
    pub(super) fn replace(&mut self, found: Vec<Found>, revision: i64, now: Instant, clock: SystemTime) -> Vec<Key> {
        let there: BTreeSet<Key> = found.iter().map(|found| found.key.clone()).collect();
        let gone: Vec<Key> = self.entries.keys().filter(|key| !there.contains(*key)).cloned().collect();
        let mut news: Vec<Key> = Vec::new();
        for found in found {
            let key = found.key.clone();
            // The store may be another one, where revisions are lower.
            if let Some(old) = self.entries.get_mut(&key) {
                old.revision = 0;
            }
            if self.put(found, clock) {
                news.push(key);
            }
        }
        for key in gone {
            if let Some(old) = self.entries.get_mut(&key) {
                old.revision = 0;
            }
            if self.delete(&key, revision.max(1), now) {
                news.push(key);
            }
        }
        news
    }

    /// Stops believing what is gone for too long. The keys of that.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Key> {
        let is_over = |entry: &Entry| entry.until.is_some_and(|until| until <= now);
        let gone = self.believed.iter().filter(|key| self.entries.get(key).is_some_and(is_over));
        let gone: Vec<Key> = gone.cloned().collect();
        for key in &gone {
            self.believed.remove(key);
            self.entries.remove(key);
        }
        gone
    }

    /// When [`Tree::expire`] is worth the next call.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        // All that is gone goes at the same time.
        self.grace.filter(|_| !self.believed.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn found(key: &str, revision: i64) -> Found {
        let document = Document::parse(&"vteps/192.0.2.1".parse().unwrap(), br#"{"version":1,"host":"h1"}"#);
        Found { key: key.parse().unwrap(), revision, lease: 0, document }
    }

    fn keys(tree: &Tree) -> String {
        tree.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_goes_while_the_store_is_there_is_gone_at_once() {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let mut tree = Tree::default();
        let key: Key = "vteps/192.0.2.1".parse().unwrap();
        assert!(tree.put(found("vteps/192.0.2.1", 5), clock));
        assert!(!tree.put(found("vteps/192.0.2.1", 5), clock) && !tree.put(found("vteps/192.0.2.1", 6), clock));
        assert!(!tree.delete(&key, 4, now), "an old event");
        assert!(tree.delete(&key, 7, now) && !tree.delete(&key, 8, now));
        assert_eq!((keys(&tree).as_str(), tree.next_expiry()), ("", None));
    }

    #[test]
    fn what_is_missing_after_the_store_was_lost_is_believed_a_while() {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let second = Duration::from_secs(1);
        let mut tree = Tree::default();
        tree.replace(vec![found("vteps/192.0.2.1", 5), found("vteps/192.0.2.2", 5)], 5, now, clock);
        tree.hold(now + 2 * second);
        assert_eq!(tree.replace(vec![found("vteps/192.0.2.2", 3)], 3, now, clock), [], "another store, too");
        let gone: Key = "vteps/192.0.2.1".parse().unwrap();
        assert_eq!(keys(&tree), "vteps/192.0.2.1 vteps/192.0.2.2");
        assert!(tree.stands(&gone).is_none() && tree.get(&gone).is_some());
        assert_eq!(tree.next_expiry(), Some(now + 2 * second));
        tree.hold(now + 3 * second);
        assert_eq!(tree.expire(now + 2 * second), [], "it was lost again");
        assert!(tree.put(found("vteps/192.0.2.1", 9), clock), "it is back");
        assert!(!tree.delete(&gone, 10, now + second), "within the time it is believed again");
        assert_eq!(tree.expire(now + 3 * second), [gone]);
        assert_eq!(keys(&tree), "vteps/192.0.2.2");
        assert!(tree.delete(&"vteps/192.0.2.2".parse().unwrap(), 11, now + 4 * second), "the time is over");
    }
}
