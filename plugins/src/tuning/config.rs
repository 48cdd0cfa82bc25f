//! The keys of the tuning plugin. A [`Config`] that exists is valid.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use netd_model::{
    addr::{Mac, Mtu},
    name::LinkName,
    object::SysctlPath,
};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

use crate::{
    cni::{Error, Request, decode::find},
    keys,
};

/// Where the reference plugin keeps what it is to put back.
const DATA_DIR: &str = "/run/cni/tuning";

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Config {
    /// Parameters of the container's namespace.
    pub(super) sysctls: BTreeMap<SysctlPath, String>,
    /// The names of the parameters as they are written.
    pub(super) written: Vec<String>,
    pub(super) mac: Option<Mac>,
    pub(super) mtu: Option<Mtu>,
    pub(super) promiscuous: bool,
    pub(super) all_multicast: Option<bool>,
    pub(super) queue_length: Option<u32>,
}

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    sysctl: BTreeMap<String, String>,
    mac: String,
    mtu: i64,
    promisc: bool,
    allmulti: Option<bool>,
    #[serde(rename = "txQLen")]
    queue_length: Option<u32>,
    data_dir: String,
    args: Args,
    runtime_config: keys::Wishes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: Wishes,
}

/// The same for one container, in place of what is said for all.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wishes {
    sysctl: BTreeMap<String, String>,
    mac: Option<String>,
    mtu: Option<i64>,
    promisc: Option<bool>,
    allmulti: Option<bool>,
    #[serde(rename = "txQLen")]
    queue_length: Option<u32>,
}

impl Config {
    /// Reads it.
    ///
    /// # Errors
    /// Names the key that does not fit.
    pub(super) fn of(request: &Request) -> Result<Self, Error> {
        once(&request.stdin)?;
        let mut keys: Keys = request.config()?;
        let Args { cni } = keys.args;
        keys.sysctl.extend(cni.sysctl);
        let lo: LinkName = "lo".parse().expect("invariant: lo is a link name");
        let ifname = request.target().map_or(&lo, |target| &target.id.ifname);
        let of_arguments = request.target().map_or(Ok(""), keys::mac_of_arguments)?;
        let mac = match &cni.mac {
            Some(mac) => keys::mac([mac.as_str()])?,
            None => keys::mac([&*keys.runtime_config.mac, of_arguments, &*keys.mac])?,
        };
        let sysctls = keys.sysctl.iter().map(|(key, value)| {
            let words: Vec<&str> = value.split_whitespace().collect();
            Ok((path(key, ifname)?, words.join(" ")))
        });
        Ok(Self {
            sysctls: sysctls.collect::<Result<_, Error>>()?,
            written: keys.sysctl.keys().cloned().collect(),
            mac,
            mtu: keys::mtu(cni.mtu.unwrap_or(keys.mtu))?,
            promiscuous: cni.promisc.unwrap_or(keys.promisc),
            all_multicast: cni.allmulti.or(keys.allmulti),
            queue_length: cni.queue_length.or(keys.queue_length),
        })
    }

    /// Whether anything of the interface is to be changed.
    pub(super) fn changes_link(&self) -> bool {
        self.mac.is_some()
            || self.mtu.is_some()
            || self.promiscuous
            || self.all_multicast.is_some()
            || self.queue_length.is_some()
    }
}

/// Where the reference plugin kept what it changed, whatever else is wrong by now.
pub(super) fn data_dir(request: &Request) -> PathBuf {
    let said = find(request.raw(), "dataDir").and_then(Value::as_str).filter(|folder| !folder.is_empty());
    PathBuf::from(said.unwrap_or(DATA_DIR))
}

/// The parameter of a name of sysctl(8), in which `IFNAME` is the container's interface.
fn path(key: &str, ifname: &LinkName) -> Result<SysctlPath, Error> {
    let parts = key.replace('.', "/").replacen("IFNAME", ifname.as_str(), 1);
    let shown: String = parts.chars().take(200).collect();
    let parts: Vec<&str> = parts.split('/').filter(|part| !part.is_empty()).collect();
    let key: String = key.chars().take(200).collect();
    parts.join("/").parse().map_err(|_| {
        Error::config(format!("invalid net sysctl key: {shown:?}")).with_details(format!("key \"sysctl\": {key:?}"))
    })
}

/// Refuses a configuration that says a parameter twice: of two values one would be lost without a word.
fn once(stdin: &[u8]) -> Result<(), Error> {
    let _once: Once = serde_json::from_slice(stdin).map_err(|error| Error::config(error.to_string()))?;
    Ok(())
}

/// A configuration in whose `sysctl` no key is there twice.
struct Once;

/// The keys of a free-form map, each once.
struct Distinct;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key.eq_ignore_ascii_case("sysctl") {
                map.next_value::<Option<Distinct>>()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(self)
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key \"sysctl\": a map of names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut met = BTreeSet::new();
        while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
            if !met.insert(key.clone()) {
                let shown: String = key.chars().take(64).collect();
                return Err(de::Error::custom(format!("duplicated sysctl keys are not allowed: {shown:?}")));
            }
        }
        Ok(self)
    }
}
