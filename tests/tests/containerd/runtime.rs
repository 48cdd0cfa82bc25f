//! containerd on a host of the lab, with directories, mounts and processes of its own.
//!
//! It shares the host's network namespace, /run and /var/lib. A process namespace holds containerd, its shims and the
//! containers: when the test dies, the kernel kills them all.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tests::{Host, Outcome, eventually, holds_within, need, run, skip};

const SOON: Duration = Duration::from_secs(20);

/// Mounts of its own, then containerd as the first process of the namespace.
const START: &str = r#"set -e
mount --make-rprivate /
mkdir -p "$1/runtime-etc/cni/net.d" "$1/opt/cni"
cp -a /etc/. "$1/runtime-etc"
cp "$1/network.conflist" "$1/runtime-etc/cni/net.d/10-network.conflist"
ln -sfn "$2" "$1/opt/cni/bin"
mount --bind "$1/runtime-etc" /etc
mount --bind "$1/opt" /opt
mount --bind "$1/run" /run
mount --bind "$1/lib" /var/lib
exec containerd -c "$1/containerd.toml""#;

/// Nothing but what runs containers from a folder.
const CONFIG: &str = r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.overlayfs", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "/run/containerd/containerd.sock"
"#;

const PROGRAMS: [&str; 4] = ["sh", "sleep", "ping", "nslookup"];

/// containerd, running.
pub(crate) struct Runtime {
    host: Host,
    /// `unshare`, whose death is the death of all.
    outer: Child,
    /// containerd, by the machine's process ids.
    inner: u32,
}

/// A container, and the `ctr` that started it and waits for its end.
pub(crate) struct Running {
    name: String,
    ctr: Child,
}

impl Runtime {
    /// Starts containerd with the host's plugins and one network.
    pub(crate) fn start(host: &Host, network: &Value) -> Self {
        need("/usr/bin/containerd", "containerd");
        need("/usr/sbin/runc", "runc");
        need("/bin/busybox", "busybox-static");
        let folder = host.folder();
        for sub in ["opt", "rootfs/bin", "rootfs/etc", "rootfs/proc", "rootfs/sys", "rootfs/dev", "rootfs/tmp"] {
            std::fs::create_dir_all(folder.join(sub)).unwrap();
        }
        std::fs::copy("/bin/busybox", folder.join("rootfs/bin/busybox")).unwrap();
        for program in PROGRAMS {
            std::os::unix::fs::symlink("busybox", folder.join("rootfs/bin").join(program)).unwrap();
        }
        std::fs::write(folder.join("rootfs/etc/resolv.conf"), "").unwrap();
        std::fs::write(folder.join("network.conflist"), network.to_string()).unwrap();
        std::fs::write(folder.join("containerd.toml"), CONFIG).unwrap();
        let log = std::fs::File::create(folder.join("containerd.log")).unwrap();
        let mut outer = Command::new("nsenter");
        outer.arg(format!("--net={}", host.netns().display()));
        outer.args(["--", "setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--fork"]);
        outer.args(["--kill-child", "--mount-proc", "sh", "-c", START, "sh"]).arg(folder).arg(host.plugins());
        let outer = outer.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut runtime = Self { host: host.clone(), inner: 0, outer };
        runtime.wait_until_it_answers();
        runtime
    }

    fn wait_until_it_answers(&mut self) {
        let children = format!("/proc/{0}/task/{0}/children", self.outer.id());
        let first = || std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok();
        let answers = holds_within(SOON, || {
            self.inner = first().unwrap_or_default();
            self.inner != 0 && self.ctr("version").success()
        });
        if !answers {
            let log = std::fs::read_to_string(self.host.folder().join("containerd.log")).unwrap_or_default();
            skip(&format!("containerd does not start here: {log}"));
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.inner.to_string(), "--net", "--mount", "--pid", "--", program]);
        command
    }

    fn ctr(&self, words: &str) -> Outcome {
        run(self.command("ctr").args(words.split_whitespace()), b"")
    }

    /// A container that sleeps, attached to the network.
    pub(crate) fn run(&self, name: &str) -> Running {
        let folder = self.host.folder();
        std::fs::write(self.resolv_conf(name), "").unwrap();
        let mount = format!("type=bind,src={},dst=/etc/resolv.conf,options=rbind:ro", self.resolv_conf(name).display());
        let mut command = self.command("ctr");
        // Without a cgroup: one would stay on the machine.
        command.args(["run", "--cni", "--cgroup", "", "--mount", &mount, "--rootfs"]).arg(folder.join("rootfs"));
        command.args([name, "/bin/sleep", "1000"]);
        let log = std::fs::File::create(folder.join(format!("{name}.log"))).unwrap();
        let ctr = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let running = Running { name: name.to_owned(), ctr };
        let attached = holds_within(SOON, || {
            self.ctr("task ls").stdout.lines().any(|line| line.starts_with(name) && line.contains("RUNNING"))
        });
        let log = || std::fs::read_to_string(folder.join(format!("{name}.log")));
        assert!(attached, "{name} does not run: {:?}", log());
        running
    }

    fn resolv_conf(&self, name: &str) -> PathBuf {
        self.host.folder().join(format!("{name}.resolv.conf"))
    }

    /// The result of ADD, which libcni keeps.
    fn result(&self, container: &Running) -> Value {
        let path = self.host.folder().join("lib/cni/results").join(format!("web-default-{}-eth0", container.name));
        let text = std::fs::read_to_string(&path).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["result"].take()
    }

    /// The container's first address, without the prefix.
    pub(crate) fn address(&self, container: &Running) -> String {
        let result = self.result(container);
        result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap().to_owned()
    }

    /// Does what Podman does and ctr does not.
    pub(crate) fn write_resolv_conf(&self, container: &Running) {
        let dns = self.result(container)["dns"].take();
        let words = |key: &str| dns[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
        let mut text = String::new();
        for server in words("nameservers") {
            writeln!(text, "nameserver {server}").unwrap();
        }
        writeln!(text, "search {}", words("search").join(" ")).unwrap();
        std::fs::write(self.resolv_conf(&container.name), text).unwrap();
    }

    /// Runs a command line in a container.
    pub(crate) fn exec(&self, container: &Running, line: &str) -> Outcome {
        self.ctr(&format!("task exec --exec-id test {} {line}", container.name))
    }

    /// Kills a container; its `ctr` then calls DEL, without a namespace.
    pub(crate) fn kill(&self, mut container: Running) {
        assert!(self.ctr(&format!("task kill --signal KILL {}", container.name)).success());
        eventually(SOON, || container.ctr.try_wait().unwrap().is_some());
        // `ctr run` does not remove the container's record without `--rm`.
        self.ctr(&format!("container rm {}", container.name));
    }

    /// Ends containerd and all that it started.
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}
