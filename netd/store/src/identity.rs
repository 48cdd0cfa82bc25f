//! What tells a host from all others, for ever: `<state_dir>/identity.json`.

use std::{fs, io, path::Path};

use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    file::{self, Document},
    machine::machine_id,
};

const VERSION: u32 = 1;

/// Of two machines that were made from one image, each has another one, as soon as it was started once.
///
/// ```json
/// {"version": 1, "machine": "8f0f…", "random": "3b1c…"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    version: u32,
    /// machine-id(5) of the machine that it was made on.
    machine: String,
    random: String,
}

impl Document for Identity {
    const KNOWN: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Identity {
    /// The identity in `state_dir`; where there is none, or a copy of another machine's, it is made.
    ///
    /// # Errors
    /// The directory cannot be written, or the file cannot be read: a host that would be another one after each start
    /// would lose what is reserved for it.
    pub fn of(state_dir: &Path) -> Result<Self> {
        let (path, machine) = (state_dir.join("identity.json"), machine_id());
        if let Some(identity) = file::read::<Self>(&path)?.filter(|identity| identity.machine == machine) {
            return Ok(identity);
        }
        let random = Self::random().map_err(|error| crate::Error::io("make", &path, error))?;
        let identity = Self { version: VERSION, machine, random };
        file::replace(&path, &identity)?;
        // The next boot must find it.
        let synced = fs::File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(|error| crate::Error::io("sync", &path, error))?;
        Ok(identity)
    }

    /// It as 32 digits and letters.
    pub fn text(&self) -> &str {
        &self.random
    }

    /// 128 random bits, as hexadecimal digits.
    ///
    /// # Errors
    /// The kernel has none.
    pub fn random() -> io::Result<String> {
        let mut bytes = [0; 16];
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_anew_on_another_machine() {
        let folder = tempfile::tempdir().unwrap();
        let of = || Identity::of(folder.path()).unwrap();
        let first = of();
        assert_eq!((of(), first.text().len()), (first.clone(), 32));
        let copied = Identity { machine: "another".to_owned(), ..first.clone() };
        file::replace(&folder.path().join("identity.json"), &copied).unwrap();
        let second = of();
        assert!(second.text() != first.text() && second.text() != copied.text());
        fs::write(folder.path().join("identity.json"), "{").unwrap();
        assert!(Identity::of(folder.path()).is_err(), "what cannot be read is not made anew");
    }
}
