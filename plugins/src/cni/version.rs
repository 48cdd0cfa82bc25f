//! Versions of the protocol, and which of them a request may have.

use std::fmt;

use super::{Error, Kind};

/// A version of the CNI specification that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 0.1.0: at most one address per family, no interfaces.
    V0_1_0,
    /// 0.2.0: as 0.1.0.
    V0_2_0,
    /// 0.3.0: interfaces, several addresses.
    V0_3_0,
    /// 0.3.1: as 0.3.0.
    V0_3_1,
    /// 0.4.0: CHECK.
    V0_4_0,
    /// 1.0.0: addresses without a family.
    V1_0_0,
    /// 1.1.0: GC and STATUS.
    V1_1_0,
}

/// A form of results. Versions of one form can read each other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// 0.1.0 and 0.2.0: `ip4` and `ip6` with their routes, no interfaces.
    First,
    /// 0.3.0 to 0.4.0: `ips` with `version`; `dns` always.
    Listed,
    /// 1.0.0 and 1.1.0: `ips` without `version`; `dns` unless empty.
    Modern,
}

/// What a plugin says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The type under which configurations name it.
    pub name: &'static str,
    /// The oldest version of a configuration that it takes.
    pub oldest: Version,
}

impl Version {
    /// All versions, oldest first.
    pub const ALL: [Self; 7] =
        [Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    /// The newest version.
    pub const CURRENT: Self = Self::V1_1_0;

    /// The version as a configuration says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The version of exactly this text; without a text it is 0.1.0.
    pub fn find(text: &str) -> Option<Self> {
        let text = if text.is_empty() { Self::V0_1_0.as_str() } else { text };
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// The form of its results.
    pub fn form(self) -> Form {
        match self {
            Self::V0_1_0 | Self::V0_2_0 => Form::First,
            Self::V0_3_0 | Self::V0_3_1 | Self::V0_4_0 => Form::Listed,
            Self::V1_0_0 | Self::V1_1_0 => Form::Modern,
        }
    }

    /// Whether a result of this version can carry so many addresses of each family.
    ///
    /// To be asked before any work, because a result that cannot be printed leaves the runtime with nothing.
    pub fn carries(self, ipv4: usize, ipv6: usize) -> Result<(), Error> {
        if self.form() != Form::First {
            return Ok(());
        }
        match (ipv4, ipv6) {
            (0, 0) => Err(Error::new(Kind::Version, "cannot convert: no valid IP addresses")),
            (0 | 1, 0 | 1) => Ok(()),
            _ => Err(Error::new(
                Kind::Version,
                format!("CNI version {self} does not support more than 1 address per family"),
            )),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl About {
    /// The versions that the plugin takes, oldest first.
    pub fn supported(&self) -> impl Iterator<Item = Version> {
        let oldest = self.oldest;
        Version::ALL.into_iter().filter(move |version| *version >= oldest)
    }

    /// The version of a configuration for a command that exists since `since`.
    ///
    /// Order and words are the reference's: the command's own bound first, then an exact match.
    pub(super) fn accept(&self, config: &str, command: &str, since: Version) -> Result<Version, Error> {
        if since > Version::V0_1_0 {
            let asked = numbers(if config.is_empty() { Version::V0_1_0.as_str() } else { config })?;
            let refuse =
                |whose: &str| Err(Error::new(Kind::Version, format!("{whose} version does not allow {command}")));
            if asked < numbers(since.as_str())? {
                return refuse("config");
            }
            if asked > numbers(Version::CURRENT.as_str())? {
                return refuse("plugin");
            }
        }
        if let Some(version) = Version::find(config).filter(|version| *version >= self.oldest) {
            return Ok(version);
        }
        let supported: Vec<String> = self.supported().map(|version| format!("\"{version}\"")).collect();
        let shown: String = config.chars().take(64).collect();
        let details = format!("config is {shown:?}, plugin supports [{}]", supported.join(" "));
        Err(Error::new(Kind::Version, "incompatible CNI versions").with_details(details))
    }
}

/// Major, minor and patch: what is left out is 0.
fn numbers(text: &str) -> Result<[u32; 3], Error> {
    let shown: String = text.chars().take(64).collect();
    let invalid = |why: String| Error::new(Kind::Decode, why);
    let mut parts = text.split('.');
    let mut numbers = [0; 3];
    for (number, which) in numbers.iter_mut().zip(["major", "minor", "micro"]) {
        let Some(part) = parts.next() else { break };
        *number = part
            .parse()
            .map_err(|why| invalid(format!("failed to convert {which} version part of {shown:?}: {why}")))?;
    }
    match parts.next() {
        None => Ok(numbers),
        Some(_) => Err(invalid(format!("invalid version {shown:?}: too many parts"))),
    }
}
