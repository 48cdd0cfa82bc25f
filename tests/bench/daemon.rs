//! What netd holds resident.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::host::{Attachment, Host};
use crate::plugin::Verb;

/// How long netd may take to read all attachments and serve their names.
const READY: Duration = Duration::from_secs(30);

/// Gives every attachment its names, starts netd and returns the bytes that it holds resident once it serves them.
pub(crate) fn resident(host: &Host, netd: &Path, attachments: &[Attachment]) -> Result<u64> {
    let configs: Vec<_> = attachments.iter().map(|attachment| with_type(&attachment.config, "dns")).collect();
    let calls: Vec<_> = attachments.iter().map(|attachment| &attachment.container).zip(&configs).collect();
    host.run("dns", Verb::Add, &calls, 1)?;

    let told = host.run_dir().with_file_name("ready.sock");
    let ready = UnixDatagram::bind(&told)?;
    ready.set_read_timeout(Some(READY))?;
    let mut daemon = start(host, netd, &told)?;
    let resident = wait(&ready).and_then(|()| measure(&mut daemon));
    daemon.kill()?;
    daemon.wait()?;
    resident
}

fn with_type(config: &Value, plugin: &str) -> Value {
    let mut config = config.clone();
    config["type"] = plugin.into();
    config
}

fn start(host: &Host, netd: &Path, told: &Path) -> Result<Child> {
    let run = host.run_dir();
    let (config, state) = (run.with_file_name("netd.toml"), run.with_file_name("state"));
    fs::write(&config, format!("run_dir = '{}'\nstate_dir = '{}'\nlog = 'warn'\n", run.display(), state.display()))?;
    let start = || {
        host.enter()?;
        let mut command = Command::new(netd);
        command.arg("run").arg("--config").arg(&config).env("NOTIFY_SOCKET", told);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().with_context(|| format!("start {}", netd.display()))
    };
    thread::scope(|scope| scope.spawn(start).join()).expect("invariant: starting does not panic")
}

/// Waits until netd says that it serves, as it tells systemd.
fn wait(ready: &UnixDatagram) -> Result<()> {
    let mut message = [0; 1_024];
    loop {
        let length = ready.recv(&mut message).context("netd did not become ready")?;
        if message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
            return Ok(());
        }
    }
}

fn measure(daemon: &mut Child) -> Result<u64> {
    ensure!(daemon.try_wait()?.is_none(), "netd ended by itself");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1_024)
}
