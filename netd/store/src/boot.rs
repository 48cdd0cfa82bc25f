//! Which boot of the host this is, and when it began: what an earlier one left is dead.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result, Store,
    file::{self, Document},
    lock,
};

const VERSION: u32 = 1;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How many seconds the clock may be slewed before it is worth writing down.
const SLACK: u64 = 60;

/// A boot of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// `/proc/sys/kernel/random/boot_id`.
    pub id: String,
    /// When it began, at the earliest that was ever believed in this boot: a clock that is set forward later does not
    /// make files of this boot look older than it.
    pub began: SystemTime,
}

/// `<run_dir>/boot.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    version: u32,
    boot: String,
    /// Seconds since 1970.
    began: u64,
}

impl Document for Seen {
    const KNOWN: u32 = VERSION;

    fn version(&self) -> u32 {
        self.version
    }
}

impl Store {
    /// The present boot; written down when it is seen for the first time.
    pub fn boot(&self) -> Result<Boot> {
        let id = boot_id()?;
        let now = since_1970(SystemTime::now()).saturating_sub(uptime()).as_secs();
        let path = self.run_dir.join("boot.json");
        // A file that cannot be read is no reason to fail: it is written again.
        let seen = file::read::<Seen>(&path).ok().flatten().filter(|seen| seen.boot == id);
        let began = seen.as_ref().map_or(now, |seen| seen.began.min(now));
        if seen.is_none_or(|seen| began + SLACK < seen.began)
            && let Some(_lock) = lock::at_once(lock::acquire(&self.run_dir.join("locks/boot"), None))?
        {
            file::replace(&path, &Seen { version: VERSION, boot: id.clone(), began })?;
        }
        Ok(Boot { id, began: UNIX_EPOCH + Duration::from_secs(began) })
    }
}

/// The id of the present boot, for who only looks: nothing is written down.
pub fn boot_id() -> Result<String> {
    let path = Path::new(BOOT_ID);
    let text = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    Ok(text.trim().to_owned())
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long this boot lasts, the time in which the host slept included.
pub fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests;
