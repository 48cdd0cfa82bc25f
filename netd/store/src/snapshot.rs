//! All that the store holds at one moment, read again cheaply: what did not change is not parsed again.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use netd_model::{
    attachment::{Attachment, AttachmentId},
    name::NetworkName,
};

use crate::{
    Error, NetworkSettings, Result, Store,
    attachments::{entries, load},
    file,
};

/// What the store held when it was read.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Grows by one whenever something differs from the snapshot before.
    pub generation: u64,
    /// The attachments, in whatever progress.
    pub attachments: BTreeMap<AttachmentId, Arc<Attachment>>,
    /// The settings of the networks that have some.
    pub networks: BTreeMap<NetworkName, NetworkSettings>,
    /// Documents and directories that cannot be read.
    pub broken: Vec<Arc<Error>>,
}

impl Snapshot {
    /// The settings of a network.
    pub fn network(&self, network: &NetworkName) -> NetworkSettings {
        self.networks.get(network).cloned().unwrap_or_default()
    }
}

/// Reads snapshots one after another.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    keep: fn(Attachment) -> Attachment,
    generation: u64,
    attachments: Cache<Attachment>,
    networks: Cache<NetworkSettings>,
    unreadable: Vec<PathBuf>,
}

/// A file as it was: documents are replaced by rename, so a change gives another inode or another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[derive(Debug)]
struct Cached<T> {
    identity: Identity,
    document: Result<Arc<T>, Arc<Error>>,
}

/// By path, as bytes: paths compare their components, which takes thirty times as long.
type Cache<T> = BTreeMap<OsString, Cached<T>>;

impl Reader {
    /// A reader whose first snapshot has generation 1.
    pub fn new(store: Store) -> Self {
        Self::keeping(store, |attachment| attachment)
    }

    /// A reader that keeps of each document what `keep` leaves: who reads thousands may not need all of them.
    pub fn keeping(store: Store, keep: fn(Attachment) -> Attachment) -> Self {
        let (attachments, networks) = (Cache::new(), Cache::new());
        Self { store, keep, generation: 0, attachments, networks, unreadable: Vec::new() }
    }

    /// The store as it is now.
    pub fn read(&mut self) -> Snapshot {
        let (paths, errors) = split(self.store.attachment_paths());
        let (settings, more) = split(vec![entries(&self.store.networks())]);
        let settings = settings.into_iter().flatten().filter(|path| network_of(path).is_some());
        let errors: Vec<Error> = errors.into_iter().chain(more).collect();
        let unreadable: Vec<PathBuf> = errors.iter().map(|error| error.path().to_owned()).collect();

        let changed = [
            refresh(&mut self.attachments, paths, |path| Ok(load(path)?.map(self.keep))),
            refresh(&mut self.networks, settings, file::read),
            self.unreadable != unreadable,
        ];
        self.unreadable = unreadable;
        if changed.contains(&true) || self.generation == 0 {
            self.generation += 1;
        }
        self.snapshot(errors)
    }

    fn snapshot(&self, errors: Vec<Error>) -> Snapshot {
        let attachments = self.attachments.values().filter_map(|cached| cached.document.as_ref().ok());
        let settings = self.networks.iter().filter_map(|(path, cached)| {
            let document = cached.document.as_ref().ok()?;
            Some((network_of(Path::new(path))?, document.as_ref().clone()))
        });
        let broken = self.attachments.values().filter_map(|cached| cached.document.as_ref().err());
        let broken = broken.chain(self.networks.values().filter_map(|cached| cached.document.as_ref().err()));
        Snapshot {
            generation: self.generation,
            attachments: attachments.map(|attachment| (attachment.id.clone(), Arc::clone(attachment))).collect(),
            networks: settings.collect(),
            broken: broken.cloned().chain(errors.into_iter().map(Arc::new)).collect(),
        }
    }
}

/// Brings a cache up to date with the files at `paths`; whether anything changed.
fn refresh<T>(
    cache: &mut Cache<T>,
    paths: impl IntoIterator<Item = PathBuf>,
    load: impl Fn(&Path) -> Result<Option<T>>,
) -> bool {
    let mut old = std::mem::take(cache);
    let mut changed = false;
    for path in paths {
        // Looked at before it is read: what is written in between is read again the next time.
        let Some(identity) = identity(&path) else { continue };
        let cached = match old.remove(path.as_os_str()) {
            Some(cached) if cached.identity == identity => cached,
            _ => {
                changed = true;
                let Some(document) = load(&path).transpose() else { continue };
                Cached { identity, document: document.map(Arc::new).map_err(Arc::new) }
            }
        };
        cache.insert(path.into_os_string(), cached);
    }
    changed || !old.is_empty()
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some(Identity {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// The network whose settings are at `path`.
pub(crate) fn network_of(path: &Path) -> Option<NetworkName> {
    let name = path.file_name()?.to_str()?.strip_suffix(file::DOCUMENT)?.strip_suffix('.')?;
    name.parse().ok()
}

fn split<T>(results: Vec<Result<T>>) -> (Vec<T>, Vec<Error>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => found.push(value),
            Err(error) => errors.push(error),
        }
    }
    (found, errors)
}

#[cfg(test)]
mod tests;
