//! What netd knew of other hosts while it last was in touch with them: `<state_dir>/remembered.json`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use netd_model::name::HostName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{
    Error, Result,
    file::{self, Document},
};

const VERSION: u32 = 1;

/// Documents of a cluster's store by their keys, as text: of thousands of hosts that is a tenth of what trees take.
pub type Documents = BTreeMap<String, Box<RawValue>>;

/// What a host knew of the others in its cluster.
///
/// ```json
/// {"version": 1, "store": "static", "cluster": "default", "identity": "3b1c…", "host": "h1", "networks": [],
///  "documents": {"h2": {"alive": true, "names": []}}}
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    version: u32,
    /// The kind of the cluster's store, which gives the documents their form.
    pub store: String,
    /// The cluster.
    pub cluster: String,
    /// The identity of the host that knew it.
    pub identity: String,
    /// Its name.
    pub host: HostName,
    /// The networks of its settings.
    pub networks: Vec<Value>,
    /// What it knew.
    pub documents: Documents,
}

impl Document for Remembered {
    const KNOWN: u32 = VERSION;

    /// 50,000 hosts with 20 names each.
    const LARGEST: u64 = 64 << 20;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Remembered {
    /// What a host knows now.
    pub fn new(store: String, cluster: String, identity: String, host: HostName) -> Self {
        let (networks, documents) = (Vec::new(), Documents::new());
        Self { version: VERSION, store, cluster, identity, host, networks, documents }
    }

    /// What stands in `state_dir`, and when that was true last; `None` where there is nothing.
    ///
    /// # Errors
    /// [`Error::Malformed`] and [`Error::Newer`] when it cannot be read.
    pub fn read(state_dir: &Path) -> Result<Option<(Self, SystemTime)>> {
        let path = path(state_dir);
        let Some(remembered) = file::read(&path)? else { return Ok(None) };
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
        Ok(Some((remembered, modified.map_err(|error| Error::io("read", &path, error))?)))
    }

    /// Writes it; netd alone does. What it is too large to replace would be true no more, and goes.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is larger than what is read.
    pub fn write(&self, state_dir: &Path) -> Result<()> {
        let path = path(state_dir);
        let written = file::replace(&path, self);
        if let Err(Error::Malformed { .. }) = written {
            file::remove(&path)?;
        }
        written
    }

    /// Says that what stands there is still true.
    ///
    /// # Errors
    /// It is not there, or cannot be written.
    pub fn touch(state_dir: &Path, now: SystemTime) -> Result<()> {
        let path = path(state_dir);
        let touched = fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(now));
        touched.map_err(|error| Error::io("write", &path, error))
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("remembered.json")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_says_when_it_was_true() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Remembered::read(folder.path()).unwrap().is_none());
        let mut remembered =
            Remembered::new("etcd".to_owned(), "default".to_owned(), "x".to_owned(), "h1".parse().unwrap());
        let document = |text: String| RawValue::from_string(text).unwrap();
        remembered.documents.insert("hosts/h2".to_owned(), document("{\"a\": 1}".to_owned()));
        remembered.write(folder.path()).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        Remembered::touch(folder.path(), then).unwrap();
        let (read, as_of) = Remembered::read(folder.path()).unwrap().unwrap();
        assert_eq!((format!("{read:?}"), as_of), (format!("{remembered:?}"), then));
        remembered.documents.insert("large".to_owned(), document(format!("{:?}", "x".repeat(63 << 20))));
        remembered.write(folder.path()).unwrap();
        assert!(Remembered::read(folder.path()).unwrap().is_some_and(|(read, _)| read.documents.contains_key("large")));
        remembered.documents.insert("too large".to_owned(), document(format!("{:?}", "x".repeat(1 << 20))));
        assert!(remembered.write(folder.path()).unwrap_err().to_string().contains("more than 67108864 bytes"));
        assert!(Remembered::read(folder.path()).unwrap().is_none(), "the one before is old and would stay so");
        for (text, words) in [("{", "is malformed"), (r#"{"version": 2, "new": 1}"#, "has version 2")] {
            fs::write(path(folder.path()), text).unwrap();
            assert!(Remembered::read(folder.path()).unwrap_err().to_string().contains(words));
        }
    }
}
