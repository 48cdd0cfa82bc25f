//! Two namespaces, a host's and a container's, for the time of one test.

use std::{
    io::{BufRead, BufReader},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use netd_kernel::{Kernel, Netns};
use netd_model::{
    object::{Object, State},
    plan::{Desired, Plan, plan},
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A process that keeps a namespace alive. It ends with its input, so no later than the test.
pub(crate) struct Namespace {
    child: Child,
    input: Option<ChildStdin>,
    _output: BufReader<ChildStdout>,
}

/// The two namespaces. The thread of the test is in the host's until it ends.
pub(crate) struct Lab {
    _host: Namespace,
    pub(crate) container: Namespace,
    pub(crate) kernel: Kernel,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { input: child.stdin.take(), child, _output: output }
    }

    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/ns/net", self.child.id()).into()
    }

    /// Puts the calling thread in.
    pub(crate) fn enter(&self) {
        let file = std::fs::File::open(self.path()).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// The process whose namespace it is, for `ip link set netns`.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs `work` inside, on a thread of its own. Sockets that it makes stay there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter();
                work()
            });
            inside.join().unwrap()
        })
    }

    /// Whether a command inside succeeds.
    pub(crate) fn can(&self, script: &str) -> bool {
        self.run(|| can(script))
    }

    /// What a command inside prints.
    pub(crate) fn sh(&self, script: &str) -> String {
        self.run(|| sh(script))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().unwrap();
    }
}

impl Lab {
    /// Two namespaces with nothing but `lo`. Needs root; see [`need_root`].
    pub(crate) fn new() -> Self {
        need_root();
        let (host, container) = (Namespace::new(), Namespace::new());
        host.enter();
        let netns = Netns::open(&container.path()).unwrap();
        assert!(netns.is_some());
        Self { _host: host, container, kernel: Kernel::open(netns) }
    }

    /// Makes it so, and checks the law: afterwards there is nothing to do. Gives what was done.
    #[track_caller]
    pub(crate) fn make(&mut self, desired: &Desired) -> String {
        let todo = self.plan(desired);
        self.kernel.apply(&todo).unwrap_or_else(|error| panic!("{error:?}\n{todo}"));
        let rest = self.plan(desired);
        assert!(rest.is_empty(), "after\n{todo}there is left\n{rest}");
        todo.to_string()
    }

    #[track_caller]
    pub(crate) fn plan(&mut self, desired: &Desired) -> Plan {
        plan(desired, &self.kernel.observe(desired.keys()).unwrap())
    }
}

/// Wanted, and nothing unwanted.
pub(crate) fn present(objects: impl IntoIterator<Item = Object>) -> Desired {
    Desired { present: objects.into_iter().collect(), absent: State::default() }
}

/// Unwanted, and nothing wanted.
pub(crate) fn absent(objects: impl IntoIterator<Item = Object>) -> Desired {
    Desired { present: State::default(), absent: objects.into_iter().collect() }
}

/// Whether a command succeeds in the thread's namespace.
pub(crate) fn can(script: &str) -> bool {
    Command::new("sh").args(["-c", script]).output().unwrap().status.success()
}

/// What a command prints in the thread's namespace.
#[track_caller]
pub(crate) fn sh(script: &str) -> String {
    text(Command::new("sh").args(["-c", script]))
}

#[track_caller]
fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Ends a test that cannot run, or fails it where it must (`NETNS_TESTS=required`) or would end others with it.
pub(crate) fn need_root() {
    need(rustix::process::geteuid().is_root(), "only root makes network namespaces");
    need(Path::new("/usr/sbin/nft").exists(), "/usr/sbin/nft does not exist: install nftables");
}

fn need(is_there: bool, reason: &str) {
    let required = std::env::var("NETNS_TESTS").is_ok_and(|value| value == "required");
    let alone = std::env::var("NEXTEST_EXECUTION_MODE").is_ok_and(|value| value == "process-per-test");
    if !is_there {
        assert!(alone && !required, "cannot run here: {reason}");
        eprintln!("skipped: {reason}");
        std::process::exit(0);
    }
}
