//! A lab: hosts and containers in namespaces, driven through the built binaries.
//!
//! Owns: namespaces, processes and one temporary folder. Never: touches the machine's own network, /run or /var/lib.
//! Names, paths and namespaces belong to one lab, so labs run beside each other. When a lab ends, every attachment
//! is detached, nothing may be left of any, and no process may be left inside.

mod attachment;
mod cni;
mod container;
mod daemon;
mod dhcp_server;
mod dig;
mod holder;
mod host;
mod kernel_text;
mod lease;
mod leftovers;
mod node;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

pub use self::attachment::Attachment;
pub use self::cni::{Call, List};
pub use self::container::Container;
pub use self::daemon::Daemon;
pub use self::dig::Answer;
pub use self::host::{Host, Run};
pub use self::lease::host_lease;
pub use self::node::Node;
pub use self::systemd::ServiceManager;
use crate::{built, holds_within, need, run, skip};

/// The folder in which Debian's package containernetworking-plugins keeps the reference plugins.
pub const REFERENCE: &str = "/usr/lib/cni";

/// Those that make an interface of a kind that a kernel may lack: they are named as it.
pub const RARE_KINDS: [&str; 4] = ["dummy", "ipvlan", "vlan", "vrf"];

/// The plugins that a runtime may call by name: those under which `netd-cni` is put into a lab's plugin folder.
pub const PLUGINS: [&str; 21] = [
    "bandwidth",
    "bridge",
    "dhcp",
    "dns",
    "dnsname",
    "dummy",
    "firewall",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "overlay",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
];

/// Processes end when their namespaces are left; the kernel is given this long to show it.
const PROCESSES_END: Duration = Duration::from_secs(2);

/// Hosts, and the folder that holds all their files.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
    plugins: PathBuf,
    hosts: Mutex<Vec<Host>>,
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Lab {
    /// A lab with our plugins; `LAB_PLUGINS` names another folder, to see what the reference plugins say to a test.
    pub fn new() -> Self {
        if let Some(plugins) = std::env::var_os("LAB_PLUGINS") {
            return Self { folder: new_folder(), plugins: plugins.into(), hosts: Mutex::default() };
        }
        let folder = new_folder();
        let plugins = folder.path().join("bin");
        install(&built("netd-cni"), &plugins);
        Self { folder, plugins, hosts: Mutex::default() }
    }

    /// A lab with the plugins of another folder, such as [`REFERENCE`].
    pub fn with_plugins(plugins: &str) -> Self {
        need(plugins, "containernetworking-plugins");
        Self { folder: new_folder(), plugins: plugins.into(), hosts: Mutex::default() }
    }

    /// A lab without plugins.
    pub fn bare() -> Self {
        let folder = new_folder();
        Self { plugins: folder.path().join("bin"), folder, hosts: Mutex::default() }
    }

    /// A new host.
    pub fn host(&self, name: &str) -> Host {
        let host = Host::new(name, self.folder.path(), &self.plugins);
        self.hosts.lock().unwrap().push(host.clone());
        host
    }

    /// Ends one host; nothing of it is looked at when the lab ends.
    pub fn remove(&self, host: &Host) {
        self.hosts.lock().unwrap().retain(|kept| kept.name() != host.name());
        host.release();
    }

    /// The folder that goes with the lab.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends as a test that passed has to: everything detached, nothing left.
    fn finish(&self) {
        for host in self.hosts.lock().unwrap().iter() {
            for container in host.containers() {
                let detached = container.detach();
                assert!(detached.is_ok(), "DEL of {} failed: {detached:#?}", container.name());
            }
            let left = host.leftovers();
            assert!(left.is_empty(), "left on host {}:\n{}", host.name(), left.join("\n"));
            for container in host.containers() {
                assert_empty(&container);
            }
            assert_empty(host);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.finish();
        }
        for host in self.hosts.lock().unwrap().drain(..) {
            host.release();
        }
    }
}

#[track_caller]
fn assert_empty(node: &Node) {
    let empty = holds_within(PROCESSES_END, || node.inhabitants().is_empty());
    assert!(empty, "processes left in {}: {:?}", node.name(), node.inhabitants());
}

/// Skips, with what was measured, where namespaces cannot be made.
fn new_folder() -> TempDir {
    if !rustix::process::geteuid().is_root() {
        skip("namespaces with a kernel of their own need root");
    }
    need("/usr/sbin/nft", "nftables");
    need("/usr/bin/dig", "bind9-dnsutils");
    need("/usr/bin/ping", "iputils-ping");
    tempfile::Builder::new().prefix("netd-lab-").tempdir().unwrap()
}

/// Puts the one binary into `folder` under each plugin's name, as hard links where the file system allows.
fn install(binary: &Path, folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    for name in PLUGINS {
        let path = folder.join(name);
        if std::fs::hard_link(binary, &path).is_err() {
            // By another process: a file that this one has open for writing could not be run by a fork of another test.
            run(Command::new("cp").arg(binary).arg(&path), b"").text();
        }
    }
}
