//! The documents of one directory, read again cheaply: what did not change is not parsed again.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Error, Result, attachments::entries};

/// A document, or why it cannot be read.
pub(crate) type Read<T> = Result<Arc<T>, Arc<Error>>;

/// What became of a document: as it was, and as it is.
#[derive(Debug)]
pub(crate) struct Change<T> {
    pub(crate) path: PathBuf,
    pub(crate) old: Option<Read<T>>,
    pub(crate) new: Option<Read<T>>,
}

/// A directory, and what was found in it.
#[derive(Debug)]
pub(crate) struct Folder<T> {
    path: PathBuf,
    /// Which of its files are documents.
    is_document: fn(&Path) -> bool,
    /// By the names of their files.
    documents: BTreeMap<OsString, Cached<T>>,
}

#[derive(Debug)]
struct Cached<T> {
    identity: Identity,
    document: Read<T>,
}

/// A file as it was: documents are replaced by rename, so a change gives another inode or another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl<T> Folder<T> {
    /// A directory of which nothing is known.
    pub(crate) fn new(path: PathBuf, is_document: fn(&Path) -> bool) -> Self {
        Self { path, is_document, documents: BTreeMap::new() }
    }

    /// Whether there are no documents.
    pub(crate) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Looks at all files of the directory. Those that are as they were are not read again.
    pub(crate) fn read(&mut self, load: impl Fn(&Path) -> Result<Option<T>>) -> (Vec<Change<T>>, Option<Error>) {
        let (paths, error) = match entries(&self.path) {
            Ok(paths) => (paths, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let listed: Vec<&OsStr> =
            paths.iter().filter(|path| (self.is_document)(path)).filter_map(|path| path.file_name()).collect();
        let is_listed = |name: &&OsString| listed.binary_search(&name.as_os_str()).is_ok();
        let gone: Vec<OsString> = self.documents.keys().filter(|name| !is_listed(name)).cloned().collect();
        let is_as_it_was = |folder: &Self, name: &OsStr| {
            let known = folder.documents.get(name).map(|known| known.identity);
            known.is_some() && known == identity(&folder.path.join(name))
        };
        let mut changes: Vec<Change<T>> = gone.iter().filter_map(|name| self.forget(name)).collect();
        for name in listed {
            if !is_as_it_was(self, name) {
                changes.extend(self.read_one(name, &load));
            }
        }
        (changes, error)
    }

    /// Reads one file that changed, even if it looks as it did: the clock of a file system ticks slowly, and numbers of
    /// inodes come again.
    pub(crate) fn read_one(&mut self, name: &OsStr, load: impl Fn(&Path) -> Result<Option<T>>) -> Option<Change<T>> {
        let path = self.path.join(name);
        if !(self.is_document)(&path) {
            return None;
        }
        // Looked at before it is read: what is written in between is read again the next time.
        let Some(identity) = identity(&path) else { return self.forget(name) };
        let Some(read) = load(&path).transpose() else { return self.forget(name) };
        let document = read.map(Arc::new).map_err(Arc::new);
        let new = Some(document.clone());
        let old = self.documents.insert(name.to_owned(), Cached { identity, document }).map(|old| old.document);
        Some(Change { path, old, new })
    }

    /// All documents are gone.
    pub(crate) fn forget_all(self) -> impl Iterator<Item = Change<T>> {
        let path = self.path;
        let gone = move |(name, old): (OsString, Cached<T>)| gone(path.join(name), old);
        self.documents.into_iter().map(gone)
    }

    fn forget(&mut self, name: &OsStr) -> Option<Change<T>> {
        self.documents.remove(name).map(|old| gone(self.path.join(name), old))
    }
}

fn gone<T>(path: PathBuf, old: Cached<T>) -> Change<T> {
    Change { path, old: Some(old.document), new: None }
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
