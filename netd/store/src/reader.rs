//! Reads snapshots one after another: the whole store, or what of it changed, and both come to the same.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::Arc,
};

use netd_model::attachment::Attachment;

use crate::{
    Changes, Error, NetworkSettings, Result, Snapshot, Store,
    attachments::{entries, is_document, is_network, load},
    file,
    folder::{Change, Folder, Read},
    snapshot::network_of,
};

/// Reads snapshots one after another.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    keep: fn(Attachment) -> Attachment,
    /// The directories of the networks that have documents, by their names.
    attachments: BTreeMap<OsString, Folder<Attachment>>,
    networks: Folder<NetworkSettings>,
    broken: BTreeMap<PathBuf, Arc<Error>>,
    last: Snapshot,
}

impl Reader {
    /// A reader whose first snapshot has generation 1.
    pub fn new(store: Store) -> Self {
        Self::keeping(store, |attachment| attachment)
    }

    /// A reader that keeps of each document what `keep` leaves: who reads thousands may not need all of them.
    pub fn keeping(store: Store, keep: fn(Attachment) -> Attachment) -> Self {
        let networks = Folder::new(store.networks(), |path| network_of(path).is_some());
        Self { store, keep, attachments: BTreeMap::new(), networks, broken: BTreeMap::new(), last: Snapshot::default() }
    }

    /// The store as it is now.
    pub fn read(&mut self) -> Snapshot {
        let root = self.store.attachments();
        let (folders, error) = match entries(&root) {
            Ok(folders) => (folders, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let listed: Vec<&OsStr> = folders.iter().filter_map(|folder| folder.file_name()).collect();
        let is_listed = |name: &&OsString| listed.binary_search(&name.as_os_str()).is_ok();
        let gone: Vec<OsString> = self.attachments.keys().filter(|name| !is_listed(name)).cloned().collect();
        let changed = [
            self.note(&root, error.map(Arc::new)),
            gone.iter().fold(false, |is, name| self.forget_folder(name) | is),
            listed.into_iter().fold(false, |is, name| self.read_folder(name) | is),
            self.read_networks(),
        ];
        self.tell(changed.contains(&true))
    }

    /// The store as it is now, where only this changed since the last snapshot.
    pub fn follow(&mut self, changes: &Changes) -> Snapshot {
        let roots = [self.store.attachments(), self.store.networks()];
        let is_known = self.last.generation > 0 && roots.iter().all(|root| !self.broken.contains_key(root));
        match changes {
            Changes::These(paths) if is_known => {
                let is_changed = paths.iter().fold(false, |is, path| self.read_path(path) | is);
                self.tell(is_changed)
            }
            _ => self.read(),
        }
    }

    /// The snapshot, after something changed in it or not.
    fn tell(&mut self, is_changed: bool) -> Snapshot {
        if is_changed || self.last.generation == 0 {
            self.last.generation += 1;
            self.last.broken = self.broken.values().cloned().collect();
        }
        self.last.clone()
    }

    /// Looks at a path again; whether anything changed.
    fn read_path(&mut self, path: &Path) -> bool {
        let Some((folder, name)) = path.parent().zip(path.file_name()) else { return false };
        if folder == self.store.attachments() {
            self.read_folder(name)
        } else if folder == self.store.networks() {
            let change = self.networks.read_one(name, file::read);
            self.take_networks(change)
        } else {
            folder.file_name().is_some_and(|network| self.read_document(network, name))
        }
    }

    /// Looks at all documents of a network.
    fn read_folder(&mut self, name: &OsStr) -> bool {
        let path = self.store.attachments().join(name);
        if !is_network(&path) {
            return false;
        }
        let mut folder = self.folder(name);
        let (changes, error) = folder.read(loading(self.keep));
        if error.is_some() || !folder.is_empty() {
            self.attachments.insert(name.to_owned(), folder);
        }
        self.note(&path, error.map(Arc::new)) | self.take_attachments(changes)
    }

    /// Looks at one document of a network.
    fn read_document(&mut self, network: &OsStr, name: &OsStr) -> bool {
        let path = self.store.attachments().join(network);
        if self.broken.contains_key(&path) || !is_network(&path) {
            return self.read_folder(network);
        }
        let mut folder = self.folder(network);
        let change = folder.read_one(name, loading(self.keep));
        if !folder.is_empty() {
            self.attachments.insert(network.to_owned(), folder);
        }
        self.take_attachments(change)
    }

    fn folder(&mut self, name: &OsStr) -> Folder<Attachment> {
        let known = self.attachments.remove(name);
        known.unwrap_or_else(|| Folder::new(self.store.attachments().join(name), is_document))
    }

    fn forget_folder(&mut self, name: &OsStr) -> bool {
        let gone: Vec<_> = self.attachments.remove(name).into_iter().flat_map(Folder::forget_all).collect();
        self.note(&self.store.attachments().join(name), None) | self.take_attachments(gone)
    }

    fn read_networks(&mut self) -> bool {
        let (changes, error) = self.networks.read(file::read);
        self.note(&self.store.networks(), error.map(Arc::new)) | self.take_networks(changes)
    }

    fn take_attachments(&mut self, changes: impl IntoIterator<Item = Change<Attachment>>) -> bool {
        let mut is_changed = false;
        for Change { path, old, new } in changes {
            is_changed = true;
            if let Some(Ok(old)) = old {
                self.last.attachments.remove(&old.id);
            }
            self.note(&path, fault(new.as_ref()));
            if let Some(Ok(new)) = new {
                self.last.attachments.insert(new.id.clone(), new);
            }
        }
        is_changed
    }

    fn take_networks(&mut self, changes: impl IntoIterator<Item = Change<NetworkSettings>>) -> bool {
        let mut is_changed = false;
        for Change { path, new, .. } in changes {
            is_changed = true;
            let Some(network) = network_of(&path) else { continue };
            self.note(&path, fault(new.as_ref()));
            match new {
                Some(Ok(settings)) => drop(self.last.networks.insert(network, settings.as_ref().clone())),
                _ => drop(self.last.networks.remove(&network)),
            }
        }
        is_changed
    }

    /// Takes note of whether what is at a path can be read; whether that is news.
    fn note(&mut self, path: &Path, error: Option<Arc<Error>>) -> bool {
        match error {
            Some(error) => self.broken.insert(path.to_owned(), error).is_none(),
            None => self.broken.remove(path).is_some(),
        }
    }
}

fn loading(keep: fn(Attachment) -> Attachment) -> impl Fn(&Path) -> Result<Option<Attachment>> {
    move |path| Ok(load(path)?.map(keep))
}

fn fault<T>(read: Option<&Read<T>>) -> Option<Arc<Error>> {
    read.and_then(|read| read.as_ref().err()).cloned()
}

#[cfg(test)]
mod tests;
