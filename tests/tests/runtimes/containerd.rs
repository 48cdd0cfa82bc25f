//! containerd, in an enclosure of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::{Host, holds_within, need, run, skip};

use super::SOON;
use super::enclosure::Enclosure;

/// What starts containers: runc makes cgroups of the machine even where it is told not to.
const STARTER: &str = "#!/bin/sh\nexec crun --cgroup-manager=disabled \"$@\"\n";

/// Nothing but what runs containers from a folder or an image.
const CONFIG: &str = r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.overlayfs",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
disable_apparmor = true
disable_cgroup = true
disable_tcp_service = true
restrict_oom_score_adj = true
sandbox_image = "localhost/busybox:test"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "STARTER"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"
"#;

/// Starts containerd with the host's plugins and one network, and returns when it answers.
pub(crate) fn start(host: &Host, network: &Value) -> Enclosure {
    need("/usr/bin/containerd", "containerd");
    need("/usr/bin/crun", "crun");
    let starter = starter(host.folder());
    std::fs::write(&starter, STARTER).unwrap();
    std::fs::set_permissions(&starter, Permissions::from_mode(0o755)).unwrap();
    let config = host.folder().join("containerd.toml");
    std::fs::write(&config, CONFIG.replace("STARTER", starter.to_str().unwrap())).unwrap();
    let enclosure = Enclosure::start(host, network, &["containerd", "-c", config.to_str().unwrap()]);
    if !holds_within(SOON, || run(enclosure.command("ctr").arg("version"), b"").success()) {
        skip(&format!("containerd does not start here: {}", enclosure.log()));
    }
    enclosure
}

/// The program that starts containers.
pub(crate) fn starter(folder: &Path) -> PathBuf {
    folder.join("starter")
}
