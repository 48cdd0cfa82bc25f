//! Names that come from outside. A value of one of these types is safe in a path, a log line and a netlink message.

mod admin;
mod chain;
mod container;
mod host;
mod link;
mod network;
mod served;
mod short;

pub use admin::{AdminChain, ZoneName};
pub use chain::ChainName;
pub use container::ContainerId;
pub use host::HostName;
pub use link::{Derived, LinkName, derived_link};
pub use network::NetworkName;
pub use served::ServedName;

use std::fmt;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName {
    what: &'static str,
    rule: &'static str,
    value: String,
}

impl std::error::Error for InvalidName {}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.value.chars().take(64).collect();
        write!(f, "{} {shown:?} {}", self.what, self.rule)
    }
}

/// The rule of CNI 1.1 section 2 for container ids and network names: `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`.
///
/// The length is bounded because the name becomes a file name (at most 255 bytes, some of them ours).
fn cni_identifier(what: &'static str, value: &str) -> Result<(), InvalidName> {
    let invalid = |rule| Err(InvalidName { what, rule, value: value.to_owned() });
    let mut bytes = value.bytes();
    match bytes.next() {
        Some(first) if first.is_ascii_alphanumeric() => {}
        _ => return invalid("does not start with a letter or a digit"),
    }
    if !bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')) {
        return invalid("has a character other than letters, digits, _ . and -");
    }
    if value.len() > 200 {
        return invalid("is longer than 200 characters");
    }
    Ok(())
}

/// Gives a newtype over text its one door: `FromStr`, serde, `Display`, `as_str`.
macro_rules! text {
    ($type:ident, $parse:expr) => {
        impl $type {
            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = crate::name::InvalidName;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                let parse: fn(&str) -> Result<(), crate::name::InvalidName> = $parse;
                parse(value).map(|()| Self(value.into()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = crate::name::InvalidName;

            fn try_from(value: String) -> Result<Self, Self::Error> {
                value.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
use text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_reach_a_path_or_a_log_line_are_refused() {
        let long = "a".repeat(300);
        for bad in ["", ".", "..", "../x", "a/b", "a\nb", "-a", "_a", "a b", "ä", "a\0", long.as_str()] {
            assert!(bad.parse::<NetworkName>().is_err(), "network {bad:?}");
            assert!(bad.parse::<ContainerId>().is_err(), "container {bad:?}");
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "a\tb", "sixteen-letters-", "ääääääää", "a\0"] {
            assert!(bad.parse::<LinkName>().is_err(), "link {bad:?}");
        }
    }

    #[test]
    fn a_host_name_is_labels_between_dots() {
        for good in ["db", "db.web", "_tcp.a-b.c", "0a"] {
            assert!(good.parse::<HostName>().is_ok(), "{good:?}");
        }
        for bad in ["", ".", "a..b", "-a", "a-", "a b", "a/b", "DB", "a\n", &"a".repeat(64), &"a.".repeat(127), "db."] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
        assert_eq!(HostName::written("DB.Web.").map(String::from), Ok("db.web".to_owned()));
    }

    #[test]
    fn a_chain_has_a_name_that_is_one_word() {
        for bad in ["", "a b", "a}", "A", "1a", "-a", "a\n", "a;", &"a".repeat(32)] {
            assert!(bad.parse::<ChainName>().is_err(), "{bad:?}");
        }
        let name = ChainName::of_conditions(&["web", "ip saddr 10.0.0.0/8"]);
        assert_eq!(name.as_str().parse(), Ok(name));
    }

    #[test]
    fn names_that_runtimes_use_are_accepted() {
        for good in ["web", "0", "a_b.c-d", "k8s.io_pod-1"] {
            assert_eq!(good.parse::<NetworkName>().map(String::from), Ok(good.to_owned()));
            assert_eq!(good.parse::<ContainerId>().map(String::from), Ok(good.to_owned()));
        }
        for good in ["eth0", "br-web", "bridge0.100", "fifteen-letters", "@x", "ä"] {
            assert_eq!(good.parse::<LinkName>().map(String::from), Ok(good.to_owned()));
        }
    }

    #[test]
    fn a_name_in_json_goes_through_the_same_door() {
        assert!(serde_json::from_str::<LinkName>("\"eth0\"").is_ok());
        assert!(serde_json::from_str::<LinkName>("\"../x\"").is_err());
    }
}
