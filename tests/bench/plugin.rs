//! Runs of plugins, each from its start to its exit, with the configuration waiting on its standard input.

use std::io::{Write, pipe};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::Container;

/// What plugins are asked to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Add,
    Del,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Done {
    /// From before a process is started until it has been waited for, of all processes together.
    pub(crate) took: Duration,
    /// The result of the last; null where the verb prints none.
    pub(crate) result: Value,
}

/// Runs the plugins of a chain that lie in `folder` as a runtime does, in the network namespace of the calling thread:
/// ADD gives each the result of the one before it, DEL begins with the last.
pub(crate) fn chain(folder: &Path, verb: Verb, container: &Container, chain: &[Value]) -> Result<Done> {
    let mut all = Done::default();
    for place in 0..chain.len() {
        let mut config = match verb {
            Verb::Add => chain[place].clone(),
            Verb::Del => chain[chain.len() - 1 - place].clone(),
        };
        if !all.result.is_null() {
            config["prevResult"] = all.result;
        }
        let one = run(folder, verb, container, &config)?;
        all = Done { took: all.took + one.took, result: one.result };
    }
    Ok(all)
}

fn run(folder: &Path, verb: Verb, container: &Container, config: &Value) -> Result<Done> {
    let plugin = folder.join(config["type"].as_str().context("a configuration names its plugin")?);
    let (stdin, mut configuration) = pipe()?;
    // A pipe holds 64 KiB, so this does not wait for the reader, and the reader waits for nobody.
    configuration.write_all(config.to_string().as_bytes())?;
    drop(configuration);

    let mut command = Command::new(&plugin);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("CNI_COMMAND", if verb == Verb::Add { "ADD" } else { "DEL" })
        .env("CNI_CONTAINERID", &container.id)
        .env("CNI_NETNS", &container.netns)
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", folder)
        .stdin(stdin)
        .stderr(Stdio::piped());
    let started = Instant::now();
    let output = command.output().with_context(|| format!("start {}", plugin.display()))?;
    let took = started.elapsed();

    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stdout);
        let logged = String::from_utf8_lossy(&output.stderr);
        bail!("{verb:?} of {} by {}: {told}{logged}", container.id, plugin.display());
    }
    let result = if output.stdout.is_empty() { Value::Null } else { serde_json::from_slice(&output.stdout)? };
    Ok(Done { took, result })
}
