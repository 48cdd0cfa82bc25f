//! A process that keeps one network and one mount namespace alive, no longer than the test lives.
//!
//! Owns: the two namespaces. Never: enters them from the test's own process.
//! The tests run as root, so no user namespace is made: inside one, nft and sysctls would not behave as on a host.
//! The process is `cat`, which ends with its input: when the test dies, in whatever way, the kernel closes the pipe,
//! and no timer, handler or parent has to notice. PDEATHSIG would tie it to the thread that made it instead.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A host has its own boot id, /etc, /run, /var/lib and /sys. unshare(1) has made all mounts private.
///
/// Its /etc is a folder of links to the machine's, with a resolv.conf of its own that can be written and replaced.
const HOST: &str = r#"set -e
mount -t sysfs sysfs /sys
mount --bind "$1/boot_id" /proc/sys/kernel/random/boot_id
mount --bind /etc "$1/machine-etc"
ln -sf "$1/machine-etc"/* "$1/etc"
mv -f "$1/resolv.conf" "$1/etc"
mount --bind "$1/etc" /etc
mount --bind "$1/lib" /var/lib
mount --bind "$1/run" /run
ip link set lo up
echo ready
exec cat"#;

/// A container has its own resolv.conf; nothing of ours runs in it.
const CONTAINER: &str = r#"set -e
mount --bind "$1/etc/resolv.conf" "$(realpath /etc/resolv.conf)"
ip link set lo up
echo ready
exec cat"#;

/// Which mounts it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Host,
    Container,
}

/// The process, and with it the namespaces.
#[derive(Debug)]
pub(crate) struct Holder {
    child: Child,
    /// Its end is the end of the process.
    input: Option<ChildStdin>,
    /// Kept so that `cat` never writes to a closed pipe.
    _output: BufReader<ChildStdout>,
}

impl Holder {
    /// Makes the namespaces; what is mounted in them stands in `folder`.
    pub(crate) fn start(kind: Kind, folder: &Path) -> Self {
        let setup = if kind == Kind::Host { HOST } else { CONTAINER };
        let mut child = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", setup, "sh"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "namespaces for {} were not made", folder.display());
        Self { input: child.stdin.take(), child, _output: output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The path of the network namespace, as `CNI_NETNS` wants it.
    pub(crate) fn netns(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.pid()).into()
    }

    /// A command that joins both namespaces before it becomes `program`; its process id is the program's.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.netns().display()));
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.pid()));
        command.arg("--").arg(program);
        command
    }

    /// Other processes that are in the network namespace still, by id.
    pub(crate) fn inhabitants(&self) -> Vec<u32> {
        let ours = std::fs::read_link(self.netns()).unwrap();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != self.pid())
            .filter(|pid| std::fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|netns| netns == ours))
            .collect()
    }

    /// Begins its end, so that many can end at the same time.
    pub(crate) fn dismiss(&mut self) {
        drop(self.input.take());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.dismiss();
        let _ = self.child.wait();
    }
}
