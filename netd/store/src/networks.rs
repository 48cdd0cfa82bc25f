//! What attachments of one network share: `<run_dir>/networks/<network>.json`.

use std::path::PathBuf;

use netd_model::name::NetworkName;
use serde::{Deserialize, Serialize};

use crate::{
    Result, Store,
    file::{self, Document},
};

const VERSION: u32 = 1;

/// The settings of a network on this host; where there is no file, the default.
///
/// ```json
/// {"version": 1, "paused": true}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// The form of the file.
    pub version: u32,
    /// netd repairs nothing of this network: `netd pause NETWORK`.
    #[serde(default)]
    pub paused: bool,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { version: VERSION, paused: false }
    }
}

impl Document for NetworkSettings {
    const KNOWN: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Store {
    /// The settings of a network.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] and [`crate::Error::Newer`] when the file cannot be read.
    pub fn network(&self, network: &NetworkName) -> Result<NetworkSettings> {
        Ok(file::read(&self.network_path(network))?.unwrap_or_default())
    }

    /// Writes the settings of a network. The caller holds the network's lock.
    pub fn write_network(&self, network: &NetworkName, settings: &NetworkSettings) -> Result<()> {
        let path = self.network_path(network);
        if *settings == NetworkSettings::default() {
            return file::remove(&path).map(|_| ());
        }
        file::replace(&path, settings)
    }

    /// The directory of the settings.
    pub(crate) fn networks(&self) -> PathBuf {
        self.run_dir.join("networks")
    }

    fn network_path(&self, network: &NetworkName) -> PathBuf {
        // Not `with_extension`: a network's name may have dots.
        self.networks().join(format!("{network}.{}", file::DOCUMENT))
    }
}
