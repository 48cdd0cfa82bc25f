//! One run of one plugin, from its start to its exit, with the configuration waiting on its standard input.

use std::io::{Write, pipe};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::host::Container;

/// What a plugin is asked to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Add,
    Del,
}

/// What came of it.
pub(crate) struct Done {
    /// From before the process is started until it has been waited for.
    pub(crate) took: Duration,
    /// The result; null where the verb prints none.
    pub(crate) result: Value,
}

/// Runs `plugin` in the network namespace of the calling thread.
pub(crate) fn call(plugin: &Path, verb: Verb, container: &Container, config: &Value) -> Result<Done> {
    let (stdin, mut configuration) = pipe()?;
    // A pipe holds 64 KiB, so this does not wait for the reader, and the reader waits for nobody.
    configuration.write_all(config.to_string().as_bytes())?;
    drop(configuration);

    let mut command = Command::new(plugin);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("CNI_COMMAND", if verb == Verb::Add { "ADD" } else { "DEL" })
        .env("CNI_CONTAINERID", &container.id)
        .env("CNI_NETNS", &container.netns)
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", plugin.parent().context("a plugin lies in a folder")?)
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
