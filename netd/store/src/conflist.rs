//! CNI configurations that netd writes for the runtime, one for each overlay network:
//! `<cni_conf_dir>/10-netd-<network>.conflist`. Files by other names are others'.

use std::{
    fs,
    path::{Path, PathBuf},
};

use netd_model::name::NetworkName;
use serde_json::{Value, json};

use crate::{Error, Result, Store, file};

/// The directory where a runtime looks for configurations, as `/etc/cni/net.d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflists {
    folder: PathBuf,
    /// Where the plugins find the leases, where it is not the default.
    run_dir: Option<PathBuf>,
}

impl Conflists {
    /// Those in `folder`, for plugins that meet netd in this store.
    pub fn new(folder: PathBuf, store: &Store) -> Self {
        let run_dir = store.run_dir();
        Self { folder, run_dir: (run_dir != Path::new("/run/netd")).then(|| run_dir.to_owned()) }
    }

    /// Writes that of a network, if it is not there as it should be. A runtime sees the whole file or none.
    pub fn write(&self, network: &NetworkName) -> Result<()> {
        let path = self.path(network);
        let text = format!("{:#}\n", self.conflist(network));
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        file::replace_bytes(&path, text.as_bytes()).map_err(|error| Error::io("write", &path, error))
    }

    /// Removes that of a network.
    pub fn remove(&self, network: &NetworkName) -> Result<()> {
        file::remove(&self.path(network)).map(drop)
    }

    fn path(&self, network: &NetworkName) -> PathBuf {
        self.folder.join(format!("10-netd-{network}.conflist"))
    }

    fn conflist(&self, network: &NetworkName) -> Value {
        let mut plugins = [json!({"type": "overlay"}), json!({"type": "dns", "capabilities": {"aliases": true}})];
        if let Some(run_dir) = &self.run_dir {
            for plugin in &mut plugins {
                plugin["runDir"] = json!(run_dir);
            }
        }
        json!({"cniVersion": "1.1.0", "name": network, "plugins": plugins})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_written_once_and_removed_without_touching_others() {
        let folder = tempfile::tempdir().unwrap();
        let conflists = Conflists::new(folder.path().to_owned(), &Store::open("/run/netd"));
        let network: NetworkName = "lab".parse().unwrap();
        fs::write(folder.path().join("lab.conflist"), "another's").unwrap();
        conflists.write(&network).unwrap();
        let path = folder.path().join("10-netd-lab.conflist");
        let expected = json!({"cniVersion": "1.1.0", "name": "lab", "plugins": [
            {"type": "overlay"}, {"type": "dns", "capabilities": {"aliases": true}}]});
        let read = || serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(read(), expected);
        let modified = || fs::metadata(&path).unwrap().modified().unwrap();
        let before = modified();
        conflists.write(&network).unwrap();
        assert_eq!(modified(), before, "a runtime reads it again whenever it changes");
        fs::write(&path, "{").unwrap();
        conflists.write(&network).unwrap();
        assert_eq!(read(), expected);
        conflists.remove(&network).unwrap();
        conflists.remove(&network).unwrap();
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lab.conflist"]);
        let elsewhere = Conflists::new(folder.path().to_owned(), &Store::open("/srv/netd"));
        assert_eq!(elsewhere.conflist(&network)["plugins"][1]["runDir"], "/srv/netd");
    }
}
