//! A store of its own for each test, and attachments to put into it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use netd_model::attachment::{Attachment, AttachmentId, Progress, VERSION};

use crate::{Result, Store};

/// A store in a directory that goes with it.
pub(crate) struct Bench {
    _root: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("run"));
        Self { _root: root, store }
    }

    /// A path in the run directory.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.store.run_dir().join(path)
    }

    /// Writes a file into the run directory as it comes.
    pub(crate) fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    /// All files in the run directory.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.store.run_dir().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else {
                    found.push(entry.strip_prefix(self.store.run_dir()).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }
}

/// An attachment without sections.
pub(crate) fn attachment(network: &str, container: &str) -> Attachment {
    let id = id(network, container);
    let (progress, boot) = (Progress::Ready, "now".to_owned());
    Attachment { version: VERSION, id, progress, boot, netns: None, sections: BTreeMap::new() }
}

pub(crate) fn id(network: &str, container: &str) -> AttachmentId {
    let (network, container) = (network.parse().unwrap(), container.parse().unwrap());
    AttachmentId { network, container, ifname: "eth0".parse().unwrap() }
}

/// The containers of what was found, and the errors in words.
pub(crate) fn told(found: Vec<Result<Attachment>>) -> Vec<std::result::Result<String, String>> {
    let told = |found: Result<Attachment>| match found {
        Ok(attachment) => Ok(format!("{}/{}", attachment.id.network, attachment.id.container)),
        Err(error) => Err(error.to_string()),
    };
    let mut told: Vec<_> = found.into_iter().map(told).collect();
    told.sort();
    told
}
