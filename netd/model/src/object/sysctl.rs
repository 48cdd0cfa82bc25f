//! Kernel parameters, whose paths come from outside.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Side;
use crate::name::LinkName;

/// A kernel parameter of a network namespace and its value: sysctl(8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// The namespace.
    pub side: Side,
    /// Which parameter.
    pub path: SysctlPath,
    /// The value as text, without white space around it.
    pub value: String,
}

/// Where a parameter is below `/proc/sys`, always below `net`: `net/ipv4/conf/eth0/arp_notify`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SysctlPath(String);

/// Text that names no parameter below `/proc/sys/net`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sysctl {0:?} is not a path below net, as in net/ipv4/ip_forward")]
pub struct InvalidSysctl(String);

impl SysctlPath {
    /// The path below `/proc/sys`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A parameter of one interface: `net/<family>/conf/<link>/<parameter>`; the family is `ipv4` or `ipv6`.
    pub fn of_link(family: &str, link: &LinkName, parameter: &str) -> Self {
        Self(format!("net/{family}/conf/{link}/{parameter}"))
    }

    /// A parameter of a whole namespace that this project knows.
    pub fn of_namespace(parameter: &'static str) -> Self {
        Self(format!("net/{parameter}"))
    }

    /// The interface whose parameter this is.
    pub fn link(&self) -> Option<LinkName> {
        let mut parts = self.0.split('/').skip(2);
        match (parts.next(), parts.next()) {
            (Some("conf" | "neigh"), Some(link)) if link != "all" && link != "default" => link.parse().ok(),
            _ => None,
        }
    }
}

impl FromStr for SysctlPath {
    type Err = InvalidSysctl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_control());
        if text.len() <= 200 && text.starts_with("net/") && text.split('/').all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSysctl(text.chars().take(64).collect()))
        }
    }
}

impl TryFrom<String> for SysctlPath {
    type Error = InvalidSysctl;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SysctlPath> for String {
    fn from(path: SysctlPath) -> Self {
        path.0
    }
}

impl fmt::Display for SysctlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_net() {
        for bad in ["", "net", "net/", "/net/ipv4", "net/../kernel/panic", "kernel/panic", "net//x", "net/a\nb"] {
            assert!(bad.parse::<SysctlPath>().is_err(), "{bad:?}");
        }
        assert!("net/ipv4/conf/eth0.100/arp_notify".parse::<SysctlPath>().is_ok());
    }

    #[test]
    fn a_parameter_of_an_interface_ends_with_it() {
        let of = |path: &str| path.parse::<SysctlPath>().ok().and_then(|path| path.link()).map(String::from);
        assert_eq!(of("net/ipv4/conf/eth0.1/arp_notify"), Some("eth0.1".to_owned()));
        assert_eq!(of("net/ipv6/conf/all/forwarding"), None);
        assert_eq!(of("net/ipv4/ip_forward"), None);
    }
}
