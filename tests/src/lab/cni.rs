//! One call of one plugin, as a runtime makes it: environment, standard input, exit code and standard output.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Map, Value};

use super::host::Host;
use crate::tracer::{STOP_AND_BECOME, Trace, trace};
use crate::{Outcome, run};

/// A call that is being put together.
#[derive(Clone, Debug)]
pub struct Call {
    host: Host,
    program: PathBuf,
    env: BTreeMap<String, String>,
    stdin: Vec<u8>,
}

impl Call {
    /// `CNI_COMMAND` and `CNI_PATH` are set, nothing else.
    pub(crate) fn new(host: &Host, plugin: &str, command: &str) -> Self {
        let plugins = host.plugins();
        let env = [("CNI_COMMAND", command), ("CNI_PATH", plugins.to_str().unwrap())];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Self { host: host.clone(), program: plugins.join(plugin), env, stdin: Vec::new() }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Leaves an environment variable out.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.env.remove(key);
        self
    }

    /// The configuration.
    #[must_use]
    pub fn config(self, config: &Value) -> Self {
        self.stdin(config.to_string().as_bytes())
    }

    /// Any bytes in place of a configuration.
    #[must_use]
    pub fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self
    }

    /// Runs the plugin in the host's namespaces.
    pub fn run(&self) -> Outcome {
        self.run_under(&[])
    }

    /// The same under a wrapper, a program that becomes the one named after its words.
    pub fn run_under(&self, wrapper: &[&str]) -> Outcome {
        run(&mut self.command_under(wrapper), &self.stdin)
    }

    /// Runs the plugin and sees its system calls; kills it at the entry of call number `kill_at`.
    pub fn trace(&self, kill_at: Option<usize>) -> Trace {
        trace(self.command_under(&STOP_AND_BECOME), &self.stdin, kill_at)
    }

    fn command_under(&self, wrapper: &[&str]) -> Command {
        let words: Vec<&str> = wrapper.iter().copied().chain([self.program.to_str().unwrap()]).collect();
        let mut command = self.host.command(words[0]);
        command.args(&words[1..]).envs(&self.env);
        command
    }
}

/// A network configuration list, as libcni keeps it.
#[derive(Clone, Debug)]
pub struct List {
    /// `cniVersion`; none when the file does not say.
    pub version: Option<String>,
    /// Name of the network.
    pub name: String,
    /// Configurations in the order of ADD.
    pub plugins: Vec<Value>,
}

impl From<&Value> for List {
    /// From the text of a `.conflist`, or of a `.conf`, which is a list of one.
    fn from(config: &Value) -> Self {
        let plugins = config["plugins"].as_array().cloned().unwrap_or_else(|| vec![config.clone()]);
        Self {
            version: config["cniVersion"].as_str().map(str::to_owned),
            name: config["name"].as_str().unwrap_or_default().to_owned(),
            plugins,
        }
    }
}

impl List {
    /// Whether its version is at least `major.minor`, by number.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        let version = self.version.as_deref().unwrap_or("0.1.0");
        let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
        (parts.next(), parts.next()) >= (Some(major), Some(minor))
    }

    /// What the plugin at `index` is given: its configuration and what libcni puts in.
    pub fn request(&self, index: usize, previous: Option<&Value>, capabilities: &Map<String, Value>) -> Value {
        let mut request = self.plugins[index].clone();
        request["name"] = self.name.clone().into();
        if let Some(version) = &self.version {
            request["cniVersion"] = version.clone().into();
        }
        if let Some(previous) = previous {
            request["prevResult"] = previous.clone();
        }
        let offered = |name: &String| request["capabilities"][name] == true;
        let granted: Map<String, Value> =
            capabilities.iter().filter(|(name, _)| offered(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
        if !granted.is_empty() {
            request["runtimeConfig"] = granted.into();
        }
        request
    }

    /// The program of the plugin at `index`.
    pub fn plugin(&self, index: usize) -> &str {
        self.plugins[index]["type"].as_str().unwrap()
    }
}
