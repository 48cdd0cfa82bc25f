//! Where a runtime runs on a host of the lab: with mounts and processes of its own.
//!
//! It shares the host's network namespace, /run and /var/lib. A process namespace holds the runtime, its helpers and the
//! containers: when the test dies, the kernel kills them all.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tests::{Host, holds_within};

use super::SOON;

/// Mounts of its own, then the first process of the namespace. No cgroup is seen: one that is made stays on the machine.
const START: &str = r#"set -e
folder=$1 plugins=$2
shift 2
mount --make-rprivate /
mkdir -p "$folder/runtime-etc" "$folder/opt/cni"
cp -a /etc/. "$folder/runtime-etc"
rm -rf "$folder/runtime-etc/cni"
mkdir -p "$folder/runtime-etc/cni/net.d"
cp "$folder/network.conflist" "$folder/runtime-etc/cni/net.d/10-network.conflist"
ln -sfn "$plugins" "$folder/opt/cni/bin"
mount --bind "$folder/runtime-etc" /etc
mount --bind "$folder/opt" /opt
mount --bind "$folder/run" /run
mount --bind "$folder/lib" /var/lib
mount -t tmpfs none /sys/fs/cgroup
mount --bind "$folder/boot_id" /proc/sys/kernel/random/boot_id
: >"$folder/enclosed"
exec "$@""#;

/// Mounts and processes; their end is its end.
pub(crate) struct Enclosure {
    host: Host,
    /// `unshare`, whose death is the death of all.
    outer: Child,
    /// The first process of the namespace, by the machine's process ids.
    inner: u32,
}

impl Enclosure {
    /// Encloses `program`, which is to end only with the test. The plugins are in /opt/cni/bin, the network in /etc/cni/net.d.
    pub(crate) fn start(host: &Host, network: &Value, program: &[&str]) -> Self {
        let folder = host.folder();
        std::fs::write(folder.join("network.conflist"), network.to_string()).unwrap();
        let _ = std::fs::remove_file(folder.join("enclosed")); // of before a reboot
        let log = std::fs::File::create(folder.join("runtime.log")).unwrap();
        let mut outer = Command::new("nsenter");
        outer.arg(format!("--net={}", host.netns().display()));
        outer.args(["--", "setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--fork"]);
        outer.args(["--kill-child", "--mount-proc", "sh", "-c", START, "sh"]).arg(folder).arg(host.plugins());
        outer.args(program).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut enclosure = Self { host: host.clone(), outer: outer.spawn().unwrap(), inner: 0 };
        let children = format!("/proc/{0}/task/{0}/children", enclosure.outer.id());
        let first = || std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok();
        let enclosed = holds_within(SOON, || {
            enclosure.inner = first().unwrap_or_default();
            enclosure.inner != 0 && folder.join("enclosed").exists()
        });
        assert!(enclosed, "no mounts and processes of its own: {}", enclosure.log());
        enclosure
    }

    /// Replaces the plugins by those of another folder.
    pub(crate) fn switch_plugins(&self, folder: &Path) {
        let link = self.path("opt/cni/bin");
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(folder, link).unwrap();
    }

    /// What the first process printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("runtime.log")).unwrap_or_default()
    }

    /// A file in the host's folder, which is the same inside.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.host.folder().join(name)
    }

    /// A command inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.inner.to_string(), "--net", "--mount", "--pid", "--", program]);
        command
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}
