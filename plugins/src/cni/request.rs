//! What a runtime asks: environment and configuration as one typed [`Request`].
//!
//! The order of the checks, their codes and their words are the reference's (`pkg/skel`), because runtimes and people
//! know them. Nothing here does anything, so that tests and the fuzzer need no process.

mod environment;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, io::Read, path::PathBuf};

use netd_model::{
    attachment::AttachmentId,
    name::{ContainerId, LinkName, NetworkName},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    About, CniArgs, CniResult, Error, Kind, Version,
    decode::{decode, find},
};
pub use environment::Environment;
use environment::Variables;

/// The longest configuration in bytes. An `etcd` value or a kubelet's largest prevResult is a hundredth of it.
pub const MAX_CONFIG: u64 = 16 << 20;

/// Where state is when neither `runDir` nor `NETD_RUN_DIR` says otherwise.
const RUN_DIR: &str = "/run/netd";

/// What the process was started for.
#[derive(Debug)]
pub enum Invocation {
    /// By a person, without a command: say what this is.
    Usage,
    /// VERSION: say which versions are spoken.
    Versions,
    /// Everything else.
    Request(Box<Request>),
}

/// A command, and all that the runtime said with it.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to do.
    pub command: Command,
    /// `name`: the network.
    pub network: NetworkName,
    /// `cniVersion`: the form of prevResult and of the answer.
    pub version: Version,
    /// `prevResult`: what the plugins before this one made (ADD), or all of them (CHECK, DEL).
    ///
    /// In DEL it is absent when it cannot be read: what is recorded is enough, and a broken cache must not leak.
    pub prev_result: Option<CniResult>,
    /// `CNI_PATH`: where other plugins are.
    pub path: Vec<PathBuf>,
    /// `runDir`, else `NETD_RUN_DIR`, else `/run/netd`: where state is.
    pub run_dir: PathBuf,
    /// The configuration as it came, for a delegate.
    pub stdin: Vec<u8>,
    config: Value,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Attach the container.
    Add(Target),
    /// Say whether it still is as ADD left it.
    Check(Target),
    /// Detach it.
    Del(Target),
    /// Detach everything in this network but these. `None`: the runtime did not say which are valid.
    Gc(Option<Valid>),
    /// Say whether ADD would work.
    Status,
}

/// What ADD, CHECK and DEL are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The attachment.
    pub id: AttachmentId,
    /// `CNI_NETNS`: the container's namespace. Always there in ADD and CHECK.
    pub netns: Option<PathBuf>,
    /// `CNI_NETNS_OVERRIDE`: whether that may be the plugin's own.
    pub may_be_own_netns: bool,
    /// `CNI_ARGS`.
    pub args: CniArgs,
}

/// The attachments of a network that a runtime says are still valid.
pub type Valid = BTreeSet<(ContainerId, LinkName)>;

/// An entry of `cni.dev/valid-attachments`.
#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "containerID")]
    container: ContainerId,
    ifname: LinkName,
}

/// The keys of every configuration.
#[derive(Deserialize)]
struct Common {
    #[serde(rename = "cniVersion", default)]
    version: String,
    #[serde(default)]
    name: String,
}

impl Command {
    /// The word of `CNI_COMMAND`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Check(_) => "CHECK",
            Self::Del(_) => "DEL",
            Self::Gc(_) => "GC",
            Self::Status => "STATUS",
        }
    }
}

impl Invocation {
    /// Reads what the plugin was started for. The version is that of the request as far as it is known.
    pub fn parse(about: &About, env: &Environment<'_>, stdin: &mut dyn Read) -> Result<Self, (Version, Error)> {
        let early = |error| (Version::CURRENT, error);
        let variables = match Variables::parse(env).map_err(early)? {
            None => return Ok(Self::Usage),
            Some(variables) if variables.command == "VERSION" => return Ok(Self::Versions),
            Some(variables) => variables,
        };
        let bytes = read(stdin).map_err(early)?;
        let config = json(&bytes).map_err(early)?;
        let version = find(&config, "cniVersion").and_then(Value::as_str).and_then(Version::find);
        let request = Request::parse(about, variables, bytes, config);
        request
            .map(|request| Self::Request(Box::new(request)))
            .map_err(|error| (version.unwrap_or(Version::CURRENT), error))
    }
}

impl Request {
    /// The configuration as a plugin's own type.
    ///
    /// # Errors
    /// Names the key and the value that do not fit.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(decode(&self.config)?)
    }

    /// The attachment that the command is about; none of GC and STATUS.
    pub fn target(&self) -> Option<&Target> {
        match &self.command {
            Command::Add(target) | Command::Check(target) | Command::Del(target) => Some(target),
            Command::Gc(_) | Command::Status => None,
        }
    }

    /// The configuration as it came.
    pub fn raw(&self) -> &Value {
        &self.config
    }

    /// The same request with another configuration.
    pub(crate) fn with_config(&self, config: Value) -> Self {
        Self { stdin: config.to_string().into_bytes(), config, ..self.clone() }
    }

    fn parse(about: &About, env: Variables, stdin: Vec<u8>, config: Value) -> Result<Self, Error> {
        let common: Common = decode(&config)
            .map_err(|error| Error::new(Kind::Decode, format!("error unmarshall network config: {error}")))?;
        let network = network_name(&common.name)?;
        let since = match env.command.as_str() {
            "ADD" | "DEL" => Version::V0_1_0,
            "CHECK" => Version::V0_4_0,
            "GC" | "STATUS" => Version::V1_1_0,
            other => return Err(Error::new(Kind::Environment, format!("unknown CNI_COMMAND: {other}"))),
        };
        let version = about.accept(&common.version, &env.command, since)?;
        let run_dir = run_dir(&config, env.run_dir)?;
        let path = env.path;
        let target = |container: Option<ContainerId>, ifname: Option<LinkName>| {
            let missing =
                || Error::new(Kind::Environment, "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing");
            let (container, ifname) = container.zip(ifname).ok_or_else(missing)?;
            Ok::<_, Error>(Target {
                id: AttachmentId { network: network.clone(), container, ifname },
                netns: env.netns,
                may_be_own_netns: env.may_be_own_netns,
                args: env.args,
            })
        };
        let command = match env.command.as_str() {
            "ADD" => Command::Add(target(env.container, env.ifname)?),
            "CHECK" => Command::Check(target(env.container, env.ifname)?),
            "DEL" => Command::Del(target(env.container, env.ifname)?),
            "GC" => Command::Gc(valid_attachments(&config)?),
            _ => Command::Status,
        };
        let prev_result = prev_result(&command, &config, version)?;
        Ok(Self { command, network, version, prev_result, path, run_dir, stdin, config })
    }
}

fn read(stdin: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = stdin.take(MAX_CONFIG + 1).read_to_end(&mut bytes);
    let length = read.map_err(|why| Error::new(Kind::Io, format!("error reading from stdin: {why}")))?;
    if u64::try_from(length).is_ok_and(|length| length <= MAX_CONFIG) {
        return Ok(bytes);
    }
    Err(Error::new(Kind::Decode, format!("error unmarshall network config: longer than {MAX_CONFIG} bytes")))
}

fn json(bytes: &[u8]) -> Result<Value, Error> {
    let invalid = |why: String| Error::new(Kind::Decode, format!("error unmarshall network config: {why}"));
    let config: Value = serde_json::from_slice(bytes).map_err(|why| invalid(why.to_string()))?;
    if config.is_object() { Ok(config) } else { Err(invalid("it is not an object".to_owned())) }
}

fn network_name(name: &str) -> Result<NetworkName, Error> {
    if name.is_empty() {
        return Err(Error::config("missing network name"));
    }
    name.parse().map_err(|why| Error::config("invalid characters found in network name").with_details(why))
}

fn run_dir(config: &Value, env: Option<PathBuf>) -> Result<PathBuf, Error> {
    let (source, dir) = match find(config, "runDir") {
        None => ("NETD_RUN_DIR", env.unwrap_or_else(|| RUN_DIR.into())),
        Some(Value::String(text)) => ("runDir", PathBuf::from(text)),
        Some(other) => return Err(Error::config(format!("key \"runDir\": {other} is not a path"))),
    };
    if dir.is_absolute() {
        return Ok(dir);
    }
    Err(Error::config(format!("{source} {:?} is not an absolute path", dir.to_string_lossy())))
}

/// The runtime's list of what is still valid, under either of its two keys.
///
/// An absent list says nothing, an empty one says that nothing is valid: the first must never be taken for the second.
fn valid_attachments(config: &Value) -> Result<Option<Valid>, Error> {
    let keys = ["cni.dev/valid-attachments", "cni.dev/attachments"];
    let Some((key, list)) = keys.into_iter().find_map(|key| find(config, key).map(|list| (key, list))) else {
        return Ok(None);
    };
    let list: Vec<Entry> = decode(list).map_err(|error| Error::from(error).context(key))?;
    Ok(Some(list.into_iter().map(|entry| (entry.container, entry.ifname)).collect()))
}

fn prev_result(command: &Command, config: &Value, version: Version) -> Result<Option<CniResult>, Error> {
    let Some(previous) = find(config, "prevResult") else { return Ok(None) };
    match command {
        Command::Add(_) | Command::Check(_) => CniResult::previous(previous, version).map(Some),
        Command::Del(_) => Ok(CniResult::previous(previous, version).ok()),
        Command::Gc(_) | Command::Status => Ok(None),
    }
}
