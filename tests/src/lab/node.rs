//! What a host and a container have in common: namespaces, and commands that run in them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};

use serde_json::Value;

use super::dig::Answer;
use super::holder::{Holder, Kind};
use super::kernel_text;
use crate::{Outcome, run};

/// Namespaces with a name.
#[derive(Debug)]
pub struct Node {
    kind: Kind,
    name: String,
    folder: PathBuf,
    /// None once the namespaces are gone, as after a runtime's `rm` or a reboot.
    holder: Mutex<Option<Holder>>,
    /// Stays readable when they are gone: DEL is told the old path.
    netns: Mutex<PathBuf>,
}

impl Node {
    pub(crate) fn new(kind: Kind, name: &str, folder: PathBuf) -> Self {
        for sub in ["etc", "machine-etc", "run", "lib"] {
            std::fs::create_dir_all(folder.join(sub)).unwrap();
        }
        std::fs::copy("/proc/sys/kernel/random/boot_id", folder.join("boot_id")).unwrap();
        std::fs::write(folder.join("etc/resolv.conf"), "").unwrap();
        let holder = start(kind, &folder);
        let netns = Mutex::new(holder.netns());
        Self { kind, name: name.to_owned(), folder, holder: Mutex::new(Some(holder)), netns }
    }

    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder outside the namespaces: `run` is its /run, `lib` its /var/lib.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of its network namespace, also after that is gone.
    pub fn netns(&self) -> PathBuf {
        self.netns.lock().unwrap().clone()
    }

    /// The process that holds the namespaces.
    pub fn pid(&self) -> u32 {
        self.with_holder(Holder::pid)
    }

    /// A command inside, to be run by [`run`].
    pub fn command(&self, program: &str) -> Command {
        self.with_holder(|holder| holder.command(program))
    }

    /// Runs a command line of words without quotes: `host.run("ip link add br0 type bridge")`.
    pub fn run(&self, line: &str) -> Outcome {
        let mut words = line.split_whitespace();
        run(self.command(words.next().unwrap()).args(words), b"")
    }

    /// Runs a shell script, which must succeed, and returns what it printed.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        self.run_script(script).text()
    }

    /// Runs a shell script, which ends at the first command that fails.
    pub fn run_script(&self, script: &str) -> Outcome {
        run(self.command("sh").args(["-ec", script]), b"")
    }

    /// What `ip -j <line>` prints.
    #[track_caller]
    pub fn ip(&self, line: &str) -> Value {
        let text = self.run(&format!("ip -j {line}")).text();
        if text.trim().is_empty() { Value::Array(Vec::new()) } else { serde_json::from_str(&text).unwrap() }
    }

    /// What `ip -j -d link show` says of one link; null when there is none of that name.
    pub fn link(&self, name: &str) -> Value {
        let links = self.ip("-d link show");
        let named = |link: &&Value| link["ifname"] == name;
        links.as_array().unwrap().iter().find(named).cloned().unwrap_or_default()
    }

    /// The global addresses of a link, with their prefix: `10.1.2.3/24`.
    pub fn addresses(&self, link: &str) -> Vec<String> {
        let shown = self.ip("addr show");
        let links = shown.as_array().unwrap().iter().filter(|shown| shown["ifname"] == link);
        let infos = links.flat_map(|link| link["addr_info"].as_array().unwrap());
        let global = infos.filter(|info| info["scope"] != "link");
        global.map(|info| format!("{}/{}", info["local"].as_str().unwrap(), info["prefixlen"])).collect()
    }

    /// The value under /proc/sys, such as `net/ipv4/ip_forward`; none when there is no such key.
    pub fn sysctl(&self, key: &str) -> Option<String> {
        let shown = self.run(&format!("cat /proc/sys/{key}"));
        shown.success().then(|| shown.stdout.trim().to_owned())
    }

    /// Whether one echo request to `address` is answered within two seconds.
    pub fn pings(&self, address: &str) -> bool {
        self.run(&format!("ping -n -c 1 -W 2 {address}")).success()
    }

    /// Asks for the addresses of a name as a program would: through resolv.conf, search list included.
    pub fn dig(&self, name: &str) -> Answer {
        Answer::parse(&self.run(&format!("dig +search +time=2 +tries=1 {name} A")))
    }

    /// Asks with the words of dig(1), such as `@10.1.0.1 -x 10.1.0.2`.
    pub fn dig_with(&self, words: &str) -> Answer {
        Answer::parse(&self.run(&format!("dig +time=2 +tries=1 {words}")))
    }

    /// All addresses that the C library finds for a name.
    pub fn resolve(&self, name: &str) -> Vec<IpAddr> {
        let shown = self.run(&format!("getent ahosts {name}")).stdout;
        let mut found: Vec<IpAddr> = shown.lines().filter_map(|l| l.split_whitespace().next()?.parse().ok()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Writes the file that its programs see as /etc/resolv.conf.
    pub fn write_resolv_conf(&self, text: &str) {
        std::fs::write(self.folder.join("etc/resolv.conf"), text).unwrap();
    }

    /// What the kernel holds for it, as sorted text without what changes by itself.
    pub fn kernel_text(&self) -> String {
        kernel_text::of(self)
    }

    /// What is otherwise than in an earlier [`Node::kernel_text`], one line each: `- gone`, `+ new`.
    pub fn changes_since(&self, before: &str) -> Vec<String> {
        kernel_text::changes(before, &self.kernel_text())
    }

    /// Ends the holder: the namespaces go, the path remains in the hands of whoever noted it.
    pub fn vanish(&self) {
        drop(self.holder().take());
    }

    /// Begins what [`Node::vanish`] completes.
    pub(crate) fn dismiss(&self) {
        if let Some(holder) = self.holder().as_mut() {
            holder.dismiss();
        }
    }

    /// The namespaces go and new ones take their place, with what the disk holds still there.
    pub(crate) fn restart(&self) {
        drop(self.holder().take());
        let holder = start(self.kind, &self.folder);
        *self.netns.lock().unwrap() = holder.netns();
        *self.holder() = Some(holder);
    }

    /// Processes still inside; none when the namespaces are gone.
    pub(crate) fn inhabitants(&self) -> Vec<u32> {
        self.holder().as_ref().map(Holder::inhabitants).unwrap_or_default()
    }

    fn holder(&self) -> MutexGuard<'_, Option<Holder>> {
        self.holder.lock().unwrap()
    }

    fn with_holder<T>(&self, f: impl FnOnce(&Holder) -> T) -> T {
        f(self.holder().as_ref().unwrap_or_else(|| panic!("{} is gone", self.name)))
    }
}

/// The links to the machine's /etc go over the host's resolv.conf, which then comes back.
fn start(kind: Kind, folder: &Path) -> Holder {
    std::fs::copy(folder.join("etc/resolv.conf"), folder.join("resolv.conf")).unwrap();
    Holder::start(kind, folder)
}
