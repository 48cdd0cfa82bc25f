//! The peers file on the disk: read when it is another one than before.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::cluster::peers_file::Peers;

/// A thousand hosts in twenty networks fit.
const MAX_BYTES: u64 = 1 << 20;

/// What tells one file from another, and a file from what it was.
type Identity = (u64, u64, u64, (i64, i64), (i64, i64));

/// The peers file, as it was last read with success.
#[derive(Debug)]
pub(super) struct PeersFile {
    path: PathBuf,
    /// None where the file was not there.
    identity: Option<Identity>,
    /// Whether there was one.
    pub(super) is_read: bool,
    /// The hosts of the last file that was one: what is lost or broken now changes nothing.
    pub(super) peers: Peers,
    /// Why the file that is there now is not that one.
    pub(super) error: Option<String>,
    /// A file that lacks hosts which were known, and was seen once.
    lacking: Option<Identity>,
}

impl PeersFile {
    /// The file at `path`, not yet read.
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            identity: None,
            is_read: false,
            peers: Peers::default(),
            error: None,
            lacking: None,
        }
    }

    /// Takes another path; the hosts of the old file stay until there is a new one.
    pub(super) fn move_to(&mut self, path: &Path) {
        (self.path, self.identity) = (path.to_owned(), None);
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it if it changed; whether that gave other hosts.
    pub(super) fn look(&mut self) -> bool {
        let wrong = |error: &dyn std::fmt::Display| Some(format!("peers file {}: {error}", self.path.display()));
        let identity = match fs::metadata(&self.path) {
            Ok(metadata) => identity(&metadata),
            Err(error) => {
                self.error = wrong(&error);
                self.identity = None;
                return false;
            }
        };
        if self.identity == Some(identity) {
            return false;
        }
        let text = read(&self.path).map_err(|error| error.to_string());
        match text.and_then(|text| Peers::parse(&text, &self.peers)) {
            Ok(mut peers) => {
                peers.errors.iter_mut().for_each(|error| *error = format!("{} {error}", self.path.display()));
                (self.identity, self.error, self.is_read) = (Some(identity), None, true);
                if peers.lacks_any_of(&self.peers) && self.lacking != Some(identity) {
                    // Who writes it may be in the middle of that: it is looked at once more.
                    (self.identity, self.lacking) = (None, Some(identity));
                    peers = peers.and_those_of(&self.peers);
                }
                let is_other = peers != self.peers;
                self.peers = peers;
                is_other
            }
            Err(error) => {
                // It is read again each time: who writes it may be in the middle of that.
                self.error = wrong(&error);
                self.identity = None;
                false
            }
        }
    }
}

fn identity(metadata: &fs::Metadata) -> Identity {
    let modified = (metadata.mtime(), metadata.mtime_nsec());
    (metadata.dev(), metadata.ino(), metadata.size(), modified, (metadata.ctime(), metadata.ctime_nsec()))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|size| size > MAX_BYTES) {
        return Err(io::Error::other(format!("it has more than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_goes_when_two_looks_at_a_good_file_miss_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.toml");
        let entry = |number: u8| format!("[[peer]]\nname = 'h{number}'\naddress = '192.0.2.{number}'\n");
        let mut file = PeersFile::new(&path);
        let mut look = |text: &str| {
            fs::write(&path, text).unwrap();
            [file.look(), file.look()].map(|is_other| (is_other, file.peers.hosts.len()))
        };
        assert_eq!(look(&(entry(1) + &entry(2))), [(true, 2), (false, 2)]);
        let cut_short = "[[peer]]\nname = 'h3'\n".to_owned() + &entry(1);
        assert_eq!(look(&cut_short).map(|(_, hosts)| hosts), [2, 2], "nothing goes while anything is wrong");
    }

    #[test]
    fn a_file_that_is_lost_or_broken_leaves_the_hosts_of_the_last_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.toml");
        let entry = |name: &str| format!("[[peer]]\nname = '{name}'\naddress = '192.0.2.1'\n");
        let mut file = PeersFile::new(&path);
        let mut look = |text: Option<&str>| {
            let _ = text.map_or_else(|| fs::remove_file(&path), |text| fs::write(&path, text));
            let is_other = file.look();
            let names: Vec<String> = file.peers.hosts.keys().map(ToString::to_string).collect();
            (is_other, names.join(" "), file.error.is_some())
        };
        assert_eq!(look(None), (false, String::new(), true));
        assert_eq!(look(Some(&entry("h1"))), (true, "h1".to_owned(), false));
        assert_eq!(look(Some(&entry("h1"))), (false, "h1".to_owned(), false));
        assert_eq!(look(Some("[[peer")), (false, "h1".to_owned(), true));
        assert_eq!(look(None), (false, "h1".to_owned(), true));
        assert_eq!(look(Some(&(entry("h1") + "#"))), (false, "h1".to_owned(), false));
        assert_eq!(look(Some("# ")), (false, "h1".to_owned(), false), "once is not enough");
    }
}
