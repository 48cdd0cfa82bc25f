//! What stands in the store: JSON with the number of its form, so that an older netd says so instead of misreading it.

use std::net::IpAddr;

use netd_model::{
    name::HostName,
    overlay::{Member, NamesOfHost, VERSION},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::key::Key;
use crate::settings::network::Network;

/// The largest document, in bytes: twice a full shard of names.
const LARGEST: usize = 128 << 10;

/// What stands under a key, whose kind says which of these it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Document {
    /// Under [`Key::Network`].
    Network(NetworkOfAll),
    /// Under [`Key::Host`].
    Host(Claim),
    /// Under [`Key::Vtep`] and [`Key::Subnet`].
    Owner(Owner),
    /// Under [`Key::Alive`].
    Alive(Alive),
    /// Under [`Key::Refused`].
    Refused(Refused),
    /// Under [`Key::Member`].
    Member(Member),
    /// Under [`Key::Names`].
    Names(NamesOfHost),
}

/// A network that all hosts are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkOfAll {
    version: u32,
    pub(super) network: Network,
}

/// Who has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    pub(super) version: u32,
    /// What tells the host from all others, for ever.
    pub(super) identity: String,
    /// Where it is reached.
    pub(super) vtep: IpAddr,
    /// The lease of etcd that ends when the host was not there for `cluster.lease_retention`.
    pub(super) reservation: i64,
}

/// Whose something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Owner {
    pub(super) version: u32,
    pub(super) host: HostName,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alive {
    pub(super) version: u32,
    /// Another one for each process.
    pub(super) instance: String,
    /// Where that process is.
    pub(super) vtep: IpAddr,
}

/// What a host claims and cannot have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    pub(super) version: u32,
    /// Who has it.
    pub(super) of: HostName,
    /// What it is, for people.
    pub(super) what: String,
}

impl NetworkOfAll {
    pub(super) fn new(network: Network) -> Self {
        Self { version: VERSION, network }
    }
}

impl Document {
    /// The document under a key.
    ///
    /// # Errors
    /// It is none of that kind, a newer netd wrote it, or it is about something else.
    pub(super) fn parse(key: &Key, bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err(format!("it has more than {LARGEST} bytes"));
        }
        let elsewhere = || Err("it is about something else".to_owned());
        Ok(match key {
            Key::Network(name) => {
                let document: NetworkOfAll = read(bytes)?;
                if document.network.overlay.name != *name {
                    return elsewhere();
                }
                document.network.check()?;
                Self::Network(document)
            }
            Key::Host(_) => Self::Host(read(bytes)?),
            Key::Vtep(_) | Key::Subnet(..) => Self::Owner(read(bytes)?),
            Key::Alive(_) => Self::Alive(read(bytes)?),
            Key::Refused(_) => Self::Refused(read(bytes)?),
            Key::Member(network, host) => {
                let member: Member = read(bytes)?;
                if (&member.network, &member.host) != (network, host) {
                    return elsewhere();
                }
                Self::Member(member)
            }
            Key::Names(network, host, _) => {
                let names: NamesOfHost = read(bytes)?;
                if (&names.network, &names.host) != (network, host) {
                    return elsewhere();
                }
                Self::Names(names)
            }
        })
    }

    /// The document as it stands in the store.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    // First the form: a document of a newer one has fields that are unknown.
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is malformed: {error}"))?;
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version > VERSION.into() => {
            Err(format!("it has the form {version}, which is newer than {VERSION}: update netd on this host"))
        }
        _ => serde_json::from_value(value).map_err(|error| format!("it is malformed: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(key: &str, text: &str) -> Result<Document, String> {
        Document::parse(&key.parse().unwrap(), text.as_bytes())
    }

    #[test]
    fn a_document_is_read_as_it_is_written() {
        let network = |subnet: &str| {
            format!(
                r#"{{"version":1,"network":{{"overlay":{{"name":"lab","subnets":["{subnet}"],"vni":77,"port":4789,"masquerade":true,"internal":false}},"host_prefix":[24]}}}}"#
            )
        };
        for (key, text) in [
            ("networks/lab", network("10.40.0.0/16")),
            ("hosts/h1", r#"{"version":1,"identity":"x","vtep":"192.0.2.1","reservation":7}"#.to_owned()),
            ("vteps/192.0.2.1", r#"{"version":1,"host":"h1"}"#.to_owned()),
            ("of/lab/subnets/10.40.1.0-24", r#"{"version":1,"host":"h1"}"#.to_owned()),
            ("alive/h1", r#"{"version":1,"instance":"x","vtep":"192.0.2.1"}"#.to_owned()),
            ("refused/x", r#"{"version":1,"of":"h1","what":"y"}"#.to_owned()),
            ("of/lab/names/h1/0", r#"{"version":1,"host":"h1","network":"lab","containers":[]}"#.to_owned()),
        ] {
            let document = parsed(key, &text).unwrap();
            assert_eq!(parsed(key, &String::from_utf8(document.bytes().unwrap()).unwrap()), Ok(document), "{key}");
        }
        assert!(parsed("networks/lab", &network("10.40.0.1/16")).unwrap_err().contains("is an address in a subnet"));
        assert!(parsed("networks/web", &network("10.40.0.0/16")).unwrap_err().contains("about something else"));
    }

    #[test]
    fn what_is_not_as_it_must_be_is_refused_with_the_reason() {
        let names = r#"{"version":1,"host":"h1","network":"lab","containers":[]}"#;
        for (key, text, words) in [
            ("alive/h1", "", "malformed"),
            ("alive/h1", "\u{0}", "malformed"),
            ("alive/h1", &"[".repeat(100_000), "malformed"),
            ("alive/h1", &" ".repeat(LARGEST + 1), "more than"),
            ("alive/h1", "{\"version\":1}", "malformed"),
            ("alive/h1", "{\"version\":2,\"new\":true}", "the form 2, which is newer than 1"),
            ("of/lab/names/h2/0", names, "about something else"),
            ("of/web/names/h1/0", names, "about something else"),
            ("of/lab/hosts/h1", names, "malformed"),
        ] {
            let error = parsed(key, text).unwrap_err();
            assert!(error.contains(words), "{key} {text:.60}: {error}");
        }
    }
}
