//! A host: namespaces in which plugins and netd run, with its own /run and /var/lib.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use netd_model::overlay::HostLease;
use serde_json::{Value, json};

use super::cni::{Call, List};
use super::container::Container;
use super::daemon::Daemon;
use super::holder::Kind;
use super::leftovers;
use super::node::Node;
use super::systemd::ServiceManager;
use crate::{Refusal, built};

/// A host; clones are the same host.
#[derive(Clone, Debug)]
pub struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: Node,
    plugins: PathBuf,
    containers: Mutex<Vec<Container>>,
}

impl Deref for Host {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0.node
    }
}

impl Host {
    pub(crate) fn new(name: &str, lab_folder: &Path, plugins: &Path) -> Self {
        let node = Node::new(Kind::Host, name, lab_folder.join(name));
        Self(Arc::new(Inner { node, plugins: plugins.to_path_buf(), containers: Mutex::default() }))
    }

    /// The folder with the plugins, `CNI_PATH`.
    pub fn plugins(&self) -> &Path {
        &self.0.plugins
    }

    /// A new container; its id is its name.
    pub fn container(&self, name: &str) -> Container {
        let container = Container::new(self, name);
        self.0.containers.lock().unwrap().push(container.clone());
        container
    }

    /// A call of one plugin without a container, as GC, STATUS and VERSION are.
    pub fn call(&self, plugin: &str, command: &str) -> Call {
        Call::new(self, plugin, command)
    }

    /// GC of every plugin of a list; `valid` are the attachments that live, none leaves the key out.
    pub fn gc(&self, config: &Value, valid: Option<&[(&str, &str)]>) -> Result<(), Refusal> {
        let list = List::from(config);
        let entry = |(container, ifname): &(&str, &str)| json!({"containerID": container, "ifname": ifname});
        for index in 0..list.plugins.len() {
            let mut request = list.request(index, None, &serde_json::Map::new());
            if let Some(valid) = valid {
                request["cni.dev/valid-attachments"] = valid.iter().map(entry).collect();
            }
            self.call(list.plugin(index), "GC").config(&request).run().answer()?;
        }
        Ok(())
    }

    /// STATUS of every plugin of a list.
    pub fn status(&self, config: &Value) -> Result<(), Refusal> {
        let list = List::from(config);
        for index in 0..list.plugins.len() {
            let request = list.request(index, None, &serde_json::Map::new());
            self.call(list.plugin(index), "STATUS").config(&request).run().answer()?;
        }
        Ok(())
    }

    /// What VERSION of one plugin prints.
    pub fn version(&self, plugin: &str) -> Value {
        self.call(plugin, "VERSION").run().json()
    }

    /// Starts `netd run` with the default directories, which are this host's own.
    pub fn netd(&self) -> Daemon {
        self.netd_with("")
    }

    /// The same with lines of its configuration file.
    #[track_caller]
    pub fn netd_with(&self, toml: &str) -> Daemon {
        self.netd_of(&ServiceManager::listen(self.folder().join("netd.notify")), toml)
    }

    /// The same as a service of this manager.
    #[track_caller]
    pub fn netd_of(&self, systemd: &ServiceManager, toml: &str) -> Daemon {
        let config = self.folder().join("netd.toml");
        std::fs::write(&config, toml).unwrap();
        let log = self.folder().join("netd.log");
        Daemon::start_unit_of(systemd, self, "netd.service", log, |command| {
            command.args(["run", "--config"]).arg(&config);
        })
    }

    /// Starts `netd dhcp`, which keeps leases.
    #[track_caller]
    pub fn keeper(&self) -> Daemon {
        self.keeper_with("")
    }

    /// The same with a line of its configuration file.
    #[track_caller]
    pub fn keeper_with(&self, toml: &str) -> Daemon {
        let config = self.folder().join("keeper.toml");
        std::fs::write(&config, format!("log = \"debug\"\n{toml}\n")).unwrap();
        let log = self.folder().join("keeper.log");
        Daemon::start_unit(self, "netd-dhcp.service", log, |command| {
            command.args(["dhcp", "--config"]).arg(&config);
        })
    }

    /// What `netd show <words>` prints, which needs no daemon.
    #[track_caller]
    pub fn netd_show(&self, words: &str) -> String {
        self.run(&format!("{} show {words}", built("netd").display())).text()
    }

    /// Whether the kernel makes interfaces of this kind: `dummy`, `vlan`, `ipvlan`, `vrf`, or `bridge vlan_filtering 1`.
    pub fn knows(&self, kind: &str) -> bool {
        self.probe(kind).is_none()
    }

    /// The same for a test that needs them, see [`crate::has`].
    #[track_caller]
    pub fn has(&self, kind: &str) -> bool {
        crate::has(kind, self.probe(kind).as_deref())
    }

    /// What was said to one who made such an interface, if it was refused.
    fn probe(&self, kind: &str) -> Option<String> {
        let attributes = match kind {
            "vlan" => "link probe1 type vlan id 5",
            "ipvlan" => "link probe1 type ipvlan",
            "vrf" => "type vrf table 10",
            other => &format!("type {other}"),
        };
        let made = "ip link add probe1 type veth peer name probe2; trap 'ip link del probe1' EXIT";
        let probe = self.run_script(&format!("{made}; ip link add probe0 {attributes}; ip link del probe0"));
        (!probe.success()).then_some(probe.stderr)
    }

    /// Joins two hosts by a cable: a veth pair, named `to-<other>` on each side, up, with these addresses.
    pub fn link_to(&self, other: &Self, ours: &str, theirs: &str) {
        let (here, there) = (format!("to-{}", other.name()), format!("to-{}", self.name()));
        self.sh(&format!("ip link add {here} type veth peer name {there} netns {}", other.pid()));
        for (host, link, address) in [(self, here, ours), (other, there, theirs)] {
            host.sh(&format!("ip address add {address} dev {link}; ip link set {link} up"));
        }
    }

    /// What is left of attachments, one line each; empty when all are gone.
    pub fn leftovers(&self) -> Vec<String> {
        leftovers::of(self)
    }

    /// The folder of host-local's leases of a network, outside the namespaces.
    pub fn leases(&self, network: &str) -> PathBuf {
        self.folder().join("lib/cni/networks").join(network)
    }

    /// The run directory of netd and the plugins, outside the namespaces.
    pub fn run_dir(&self) -> PathBuf {
        self.folder().join("run/netd")
    }

    /// Gives the host a lease in an overlay network, as netd does.
    pub fn give_lease(&self, lease: &HostLease) {
        let folder = self.run_dir().join("overlays");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{}.json", lease.overlay.name)), json!(lease).to_string()).unwrap();
    }

    /// Power off and on: another boot id, no kernel state, no containers; /var/lib stays, /run as `run` says, and what
    /// stays is older than the boot, which is the machine's.
    pub fn reboot(&self, run: Run) {
        for container in self.0.containers.lock().unwrap().drain(..) {
            container.vanish();
        }
        std::fs::write(self.folder().join("boot_id"), boot_id_after(self)).unwrap();
        if run == Run::Wiped {
            std::fs::remove_dir_all(self.folder().join("run")).unwrap();
            std::fs::create_dir(self.folder().join("run")).unwrap();
        }
        crate::run(Command::new("sh").args(["-ec", AGE, "sh"]).arg(self.folder()), b"").text();
        self.restart();
    }

    pub(crate) fn containers(&self) -> Vec<Container> {
        self.0.containers.lock().unwrap().clone()
    }

    /// Breaks the circle in which a host and its containers keep each other.
    pub(crate) fn release(&self) {
        let containers = std::mem::take(&mut *self.0.containers.lock().unwrap());
        for container in &containers {
            container.dismiss();
        }
        for container in &containers {
            container.vanish();
        }
        self.vanish();
    }

    pub(crate) fn lab_folder(&self) -> &Path {
        self.folder().parent().unwrap()
    }
}

/// Sets the time of every file to an hour before the boot.
const AGE: &str =
    r#"find "$1/run" "$1/lib" -type f -exec touch -d "@$(awk '/^btime/ { print $2 - 3600 }' /proc/stat)" {} +"#;

/// What becomes of /run when a host starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It is a tmpfs, as systemd makes it.
    Wiped,
    /// It is on disk, as in some containers and initramfs systems.
    Kept,
}

/// Another id, of the same form: the first digit counts on.
fn boot_id_after(host: &Host) -> String {
    let old = std::fs::read_to_string(host.folder().join("boot_id")).unwrap();
    let first = old.chars().next().and_then(|digit| digit.to_digit(16)).unwrap();
    format!("{:x}{}", (first + 1) % 16, &old[1..])
}
