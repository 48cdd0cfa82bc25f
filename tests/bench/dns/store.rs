//! Attachments for netd to serve: documents as the plugins write them.

use std::fs;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use netd_model::attachment::Attachment;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, recv, send, socket};
use serde_json::json;

use crate::load::Process;
use crate::place::{FOLDER, LINK};

/// A run directory, and the netd that serves it.
pub(crate) struct Store {
    run_dir: PathBuf,
    boot: String,
}

/// Whom an attachment is of and what it is called.
pub(crate) struct Named<'a> {
    pub(crate) network: &'a str,
    pub(crate) gateway: Ipv4Addr,
    /// Bits of the network's subnet.
    pub(crate) prefix: u8,
    pub(crate) container: &'a str,
    pub(crate) address: Ipv4Addr,
    pub(crate) names: &'a [String],
}

impl Store {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(Self { run_dir: Path::new(FOLDER).join(name), boot })
    }

    /// Writes or replaces a document.
    pub(crate) fn write(&self, named: &Named<'_>) -> Result<()> {
        let Named { network, gateway, prefix, container, address, names } = named;
        let document = json!({
            "version": 1,
            "attachment": {"network": network, "container": container, "ifname": "eth0"},
            "progress": "ready",
            "boot": self.boot,
            "sections": {"dns": {"names": {
                "domain": format!("{network}.internal"), "names": names, "addresses": [address],
                "listen": [{"link": LINK, "address": gateway}], "subnets": [format!("{gateway}/{prefix}")], "ttl": 5,
            }}},
        });
        let attachment: Attachment = serde_json::from_value(document)?;
        let folder = self.run_dir.join("attachments").join(network);
        let (path, temporary) = (folder.join(attachment.id.hash()).with_extension("json"), folder.join("new"));
        let text = serde_json::to_vec(&attachment)?;
        match fs::write(&temporary, &text) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&folder)?;
                fs::write(&temporary, &text)?;
            }
            written => written?,
        }
        Ok(fs::rename(temporary, path)?)
    }

    /// Starts netd; it forwards to `upstream`.
    pub(crate) fn start(&self, netd: &Path, upstream: Option<&str>) -> Result<Process> {
        let (config, state) = (self.run_dir.with_extension("toml"), self.run_dir.with_extension("state"));
        let upstreams = upstream.map(|upstream| format!("upstreams = ['{upstream}']\n")).unwrap_or_default();
        let settings = format!(
            "run_dir = '{}'\nstate_dir = '{}'\nlog = 'warn'\ngc = false\n{upstreams}",
            self.run_dir.display(),
            state.display()
        );
        fs::write(&config, settings)?;
        fs::create_dir_all(&self.run_dir)?;
        let mut command = Command::new(netd);
        command.arg("run").arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Process::new(command.spawn().with_context(|| format!("start {}", netd.display()))?))
    }

    /// Asks netd, as a plugin does, to say when it serves what was written.
    pub(crate) fn poke(&self) -> Result<()> {
        let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None)?;
        connect(&socket, &SocketAddrUnix::new(self.run_dir.join("poke.sock"))?)?;
        send(&socket, b"live\n", SendFlags::NOSIGNAL)?;
        let (length, _) = recv(&socket, &mut [0; 64], RecvFlags::empty())?;
        ensure!(length > 0, "netd did not say that it serves");
        Ok(())
    }
}
