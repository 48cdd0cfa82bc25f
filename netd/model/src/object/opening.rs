//! Other firewalls of a host, as far as they let anybody in.

use serde::{Deserialize, Serialize};

use crate::name::{LinkName, ZoneName};

/// Where another firewall lets packets through that it would drop. An `accept` of ours cannot do that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Docker's: chain `DOCKER-USER` of `iptables`.
    DockerUser4(Way),
    /// The same of `ip6tables`.
    DockerUser6(Way),
    /// firewalld's: a zone of this name.
    Firewalld(ZoneName),
}

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the interface.
    From,
    /// To it.
    To,
}

/// Packets of an interface of the host pass another firewall. Where that is not there, nothing holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Where.
    pub gate: Gate,
    /// Whose packets.
    pub link: LinkName,
}

impl Opening {
    /// The comment of a rule of Docker's chain that is ours.
    pub fn comment(&self, way: Way) -> String {
        let way = match way {
            Way::From => "from",
            Way::To => "to",
        };
        format!("netd {way} {}", self.link)
    }

    /// The rule, as its words after the chain.
    pub fn rule(&self, way: Way) -> Vec<String> {
        let direction = match way {
            Way::From => "-i",
            Way::To => "-o",
        };
        let comment = self.comment(way);
        let words = [direction, self.link.as_str(), "-m", "comment", "--comment", &comment, "-j", "ACCEPT"];
        words.map(str::to_owned).into()
    }
}
