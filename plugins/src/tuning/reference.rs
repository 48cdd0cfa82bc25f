//! What the reference plugin left to be put back: a file of its own for each interface. It is never written here.

use std::{fs, io, path::Path};

use netd_model::{
    object::{Link, Object, Side, State},
    plan::Desired,
};
use serde::Deserialize;

use crate::{
    cni::{Error, Kind, Target, decode::decode},
    host::Host,
};

/// The attributes as they were before.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Backup {
    mac: String,
    mtu: u32,
    promisc: Option<bool>,
    allmulti: Option<bool>,
    #[serde(rename = "txQLen")]
    queue_length: Option<u32>,
}

/// Puts back what the file says, as far as the interface is there, and removes the file.
pub(super) fn restore(folder: &Path, target: &Target, host: &mut Host) -> Result<(), Error> {
    let path = folder.join(format!("{}_{}.json", target.id.container, target.id.ifname));
    let failed = |error: io::Error| Error::new(Kind::Io, format!("restore {}: {error}", path.display()));
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    // What cannot be read tells nothing, to the reference as well.
    let backup = serde_json::from_slice(&text).ok().and_then(|text| decode::<Backup>(&text).ok()).unwrap_or_default();
    if let Some(found) = host.link(Side::Container, &target.id.ifname)? {
        let present = State::from_iter([Object::Link(backup.of(&found))]);
        host.settle(&Desired { present, absent: State::default() })?;
    }
    fs::remove_file(&path)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(failed(error)) })
}

impl Backup {
    fn of(&self, found: &Link) -> Link {
        Link {
            mac: self.mac.parse().ok(),
            mtu: self.mtu.try_into().ok(),
            promiscuous: self.promisc,
            all_multicast: self.allmulti,
            queue_length: self.queue_length,
            ..Link::new(found.side, found.name.clone(), found.kind.bare())
        }
    }
}
