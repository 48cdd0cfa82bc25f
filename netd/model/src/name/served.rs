//! Names that containers bear.

use super::{HostName, InvalidName, text};

use serde::{Deserialize, Serialize};

/// A name that a container bears, relative to the domain of its network: a [`HostName`], or `*.` and one, which stands for
/// all below that which nobody bears (RFC 4592).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServedName(Box<str>);

text!(ServedName, |value| value.strip_prefix("*.").unwrap_or(value).parse::<HostName>().map(drop));

impl ServedName {
    /// The name as people write it: any case.
    pub fn written(text: &str) -> Result<Self, InvalidName> {
        text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase().parse()
    }
}

impl From<HostName> for ServedName {
    fn from(name: HostName) -> Self {
        Self(name.as_str().into())
    }
}
