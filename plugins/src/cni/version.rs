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
    /// The capabilities that it acts on, besides those of who gives it addresses. A plugin of IPAM has `None`: what a runtime
    /// asks for is asked of the plugin that calls it, and that one answers for it.
    pub capabilities: Option<&'static [&'static str]>,
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
        let config = if config.is_empty() { Version::V0_1_0.as_str() } else { config };
        if since > Version::V0_1_0 {
            let asked = numbers(config)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    const BRIDGE: About = About { name: "bridge", oldest: Version::V0_1_0, capabilities: Some(&[]) };
    const FIREWALL: About = About { name: "firewall", oldest: Version::V0_4_0, capabilities: Some(&[]) };

    fn refused(about: About, config: &str, command: &str, since: Version) -> (u32, String, String) {
        let error = about.accept(config, command, since).unwrap_err();
        (error.kind.code(), error.msg, error.details.unwrap_or_default())
    }

    #[test]
    fn a_configuration_has_exactly_one_of_the_supported_versions() {
        for version in Version::ALL {
            assert_eq!(BRIDGE.accept(version.as_str(), "ADD", Version::V0_1_0), Ok(version));
        }
        assert_eq!(BRIDGE.accept("", "ADD", Version::V0_1_0), Ok(Version::V0_1_0), "without one it is the first");
        let all = r#"["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#;
        for bad in ["9.9.9", "1.1", "1.1.0 ", "v1.1.0", "x"] {
            let details = format!("config is {bad:?}, plugin supports {all}");
            let expected = (1, "incompatible CNI versions".to_owned(), details);
            assert_eq!(refused(BRIDGE, bad, "ADD", Version::V0_1_0), expected);
        }
        let details = r#"config is "0.1.0", plugin supports ["0.4.0" "1.0.0" "1.1.0"]"#.to_owned();
        assert_eq!(refused(FIREWALL, "", "ADD", Version::V0_1_0), (1, "incompatible CNI versions".to_owned(), details));
    }

    #[test]
    fn a_command_needs_the_version_that_brought_it() {
        let check = |config| refused(BRIDGE, config, "CHECK", Version::V0_4_0);
        let says = |code, msg: &str| (code, msg.to_owned(), String::new());
        for old in ["", "0.1.0", "0.3.1", "0.3"] {
            assert_eq!(check(old), says(1, "config version does not allow CHECK"));
        }
        assert_eq!(refused(BRIDGE, "1.0.0", "GC", Version::V1_1_0), says(1, "config version does not allow GC"));
        assert_eq!(check("2.0.0"), says(1, "plugin version does not allow CHECK"));
        for (bad, which) in [("x", "major"), ("1.x", "minor"), ("1.0.-1", "micro"), ("1.0.99999999999", "micro")] {
            let (code, msg, _) = check(bad);
            assert_eq!(code, 6);
            assert!(msg.starts_with(&format!("failed to convert {which} version part of ")), "{msg}");
        }
        assert_eq!(check("1.0.0.0"), says(6, "invalid version \"1.0.0.0\": too many parts"));
        assert_eq!(check("1.0").1, "incompatible CNI versions");
    }

    #[test]
    fn the_first_versions_carry_one_address_of_each_family() {
        for version in [Version::V0_1_0, Version::V0_2_0] {
            assert_eq!(version.carries(1, 1), Ok(()));
            let refused = |v4, v6| version.carries(v4, v6).unwrap_err().msg;
            assert_eq!(refused(0, 0), "cannot convert: no valid IP addresses");
            let many = format!("CNI version {version} does not support more than 1 address per family");
            assert_eq!((refused(2, 0), refused(1, 2)), (many.clone(), many));
        }
        assert_eq!(Version::V0_3_0.carries(0, 9), Ok(()));
    }
}
