//! The variables of a call, in the order in which the reference looks at them.

use std::{ffi::OsString, path::PathBuf};

use netd_model::name::{ContainerId, InvalidName, LinkName};

use crate::cni::{CniArgs, Error, Kind, args::boolean};

/// How a variable of the environment is found.
pub type Environment<'e> = dyn Fn(&str) -> Option<OsString> + 'e;

/// The variables of a call: CNI 1.1 section 2, Parameters.
#[derive(Default)]
pub(super) struct Variables {
    /// `CNI_COMMAND`, not empty.
    pub(super) command: String,
    /// `CNI_CONTAINERID`: there in ADD, CHECK and DEL.
    pub(super) container: Option<ContainerId>,
    /// `CNI_NETNS`: there in ADD and CHECK.
    pub(super) netns: Option<PathBuf>,
    /// `CNI_IFNAME`: there in ADD, CHECK and DEL.
    pub(super) ifname: Option<LinkName>,
    /// `CNI_ARGS`.
    pub(super) args: CniArgs,
    /// `CNI_PATH`.
    pub(super) path: Vec<PathBuf>,
    /// `CNI_NETNS_OVERRIDE`.
    pub(super) may_be_own_netns: bool,
    /// `NETD_RUN_DIR`.
    pub(super) run_dir: Option<PathBuf>,
}

impl Variables {
    /// Reads them in the order of the specification: the first that is invalid is the error, else all that are missing.
    ///
    /// Nothing where there is no command, which is a person's question and no mistake.
    pub(super) fn parse(env: &Environment<'_>) -> Result<Option<Self>, Error> {
        let command = text(env, "CNI_COMMAND")?;
        if command.is_empty() {
            return Ok(None);
        }
        let (attaches, needs_netns, needs_path) = match command.as_str() {
            "ADD" | "CHECK" => (true, true, true),
            "DEL" => (true, false, true),
            "GC" | "STATUS" => (false, false, true),
            _ => (false, false, false),
        };
        let mut missing = Vec::new();
        let mut require = |name: &'static str, required: bool| -> Result<String, Error> {
            let value = text(env, name)?;
            if required && value.is_empty() {
                missing.push(name);
            }
            Ok(value)
        };
        let mut variables = Self { command, ..Self::default() };
        let container = require("CNI_CONTAINERID", attaches)?;
        if attaches && !container.is_empty() {
            variables.container = Some(container_id(&container)?);
        }
        let netns = require("CNI_NETNS", needs_netns)?;
        variables.netns = Some(netns).filter(|path| !path.is_empty()).map(PathBuf::from);
        let ifname = require("CNI_IFNAME", attaches)?;
        if attaches && !ifname.is_empty() {
            variables.ifname = Some(link_name(&ifname)?);
        }
        variables.args = CniArgs::new(require("CNI_ARGS", false)?);
        variables.path = require("CNI_PATH", needs_path)?.split(':').map(PathBuf::from).collect();
        variables.may_be_own_netns = boolean(&require("CNI_NETNS_OVERRIDE", false)?) == Some(true);
        variables.run_dir = Some(require("NETD_RUN_DIR", false)?).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        if missing.is_empty() {
            return Ok(Some(variables));
        }
        Err(Error::new(Kind::Environment, format!("required env variables [{}] missing", missing.join(","))))
    }
}

/// The value of a variable; empty where it is not set, as the reference has it.
fn text(env: &Environment<'_>, name: &str) -> Result<String, Error> {
    let value = env(name).unwrap_or_default();
    value
        .into_string()
        .map_err(|value| Error::new(Kind::Environment, format!("{name} {:?} is not UTF-8", value.to_string_lossy())))
}

fn container_id(text: &str) -> Result<ContainerId, Error> {
    text.parse().map_err(|why: InvalidName| {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        let msg =
            if plain && text.len() > 200 { "containerID is too long" } else { "invalid characters in containerID" };
        Error::new(Kind::Environment, msg).with_details(why)
    })
}

fn link_name(text: &str) -> Result<LinkName, Error> {
    text.parse().map_err(|why| {
        let msg = match text {
            _ if text.len() > 15 => "interface name is too long",
            "." | ".." => "interface name is . or ..",
            _ => "interface name contains / or : or whitespace characters",
        };
        Error::new(Kind::Environment, msg).with_details(why)
    })
}
