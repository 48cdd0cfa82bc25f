//! netd beside its plugins, and what it holds resident.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::host::Host;

/// How long netd may take to read all attachments and serve their names.
const READY: Duration = Duration::from_secs(30);

/// A netd that serves a host.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts it, and returns once it serves.
    pub(crate) fn start(host: &Host, netd: &Path) -> Result<Self> {
        let told = host.run_dir().with_file_name("ready.sock");
        // Of a netd before this one.
        fs::remove_file(&told).ok();
        let ready = UnixDatagram::bind(&told)?;
        ready.set_read_timeout(Some(READY))?;
        let daemon = Self(spawn(host, netd, &told)?);
        wait(&ready)?;
        Ok(daemon)
    }

    /// Bytes that it holds resident.
    pub(crate) fn resident(&mut self) -> Result<u64> {
        self.lives()?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1_024)
    }

    /// Ends it, which must have lived until now.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.lives()?;
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    fn lives(&mut self) -> Result<()> {
        ensure!(self.0.try_wait()?.is_none(), "netd ended by itself");
        Ok(())
    }
}

fn spawn(host: &Host, netd: &Path, told: &Path) -> Result<Child> {
    let run = host.run_dir();
    let (config, state) = (run.with_file_name("netd.toml"), run.with_file_name("state"));
    fs::write(&config, format!("run_dir = '{}'\nstate_dir = '{}'\nlog = 'warn'\n", run.display(), state.display()))?;
    let spawn = || {
        host.enter()?;
        let mut command = Command::new(netd);
        command.arg("run").arg("--config").arg(&config).env("NOTIFY_SOCKET", told);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().with_context(|| format!("start {}", netd.display()))
    };
    thread::scope(|scope| scope.spawn(spawn).join()).expect("invariant: starting does not panic")
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
