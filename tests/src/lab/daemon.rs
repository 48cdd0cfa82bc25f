//! A program that runs beside the test, known by its process id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::node::Node;
use super::systemd::ServiceManager;
use crate::{built, holds_within, workspace};

const STOP: Duration = Duration::from_secs(10);

/// The program; it is killed when this is dropped, or when the thread that made it dies.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `program` inside `node`; what it prints goes to `log`.
    pub fn start(node: &Node, program: &Path, log: PathBuf, configure: impl FnOnce(&mut Command)) -> Self {
        Self::start_with(&[], node, program, log, configure)
    }

    fn start_with(
        rights: &[String],
        node: &Node,
        program: &Path,
        log: PathBuf,
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        // setpriv(1) sets PDEATHSIG and then becomes the program, as sh(1) becomes setpriv: the process id stays.
        let mut command = node.command("sh");
        command
            .args(["-c", "LISTEN_PID=$$ exec setpriv --pdeathsig KILL \"$@\"", "sh"])
            .args(rights)
            .arg("--")
            .arg(program);
        configure(&mut command);
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Self { child: command.spawn().unwrap(), log }
    }

    /// Starts netd as this unit of systemd does, with its rights and no others, and returns when it said READY=1. Nobody
    /// hears it afterwards.
    #[track_caller]
    pub fn start_unit(node: &Node, unit: &str, log: PathBuf, configure: impl FnOnce(&mut Command)) -> Self {
        let systemd = ServiceManager::listen(log.with_extension("notify"));
        Self::start_unit_of(&systemd, node, unit, log, configure)
    }

    /// The same of a service manager that goes on hearing it.
    #[track_caller]
    pub fn start_unit_of(
        systemd: &ServiceManager,
        node: &Node,
        unit: &str,
        log: PathBuf,
        configure: impl FnOnce(&mut Command),
    ) -> Self {
        let program = built("netd");
        let daemon = Self::start_with(&rights(unit), node, &program, log, |command| {
            systemd.configure(command);
            configure(command);
        });
        assert!(systemd.hears_ready(), "{} did not say READY=1: {}", program.display(), daemon.log());
        daemon
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to end, by SIGTERM, and sees it end well.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let ended = holds_within(STOP, || self.child.try_wait().unwrap().is_some());
        assert!(ended, "still running {STOP:?} after SIGTERM: {}", self.log());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "ended with {status}: {}", self.log());
    }

    /// Ends it at once, by SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGSTOP: it is there, and answers nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT, after [`Daemon::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a unit leaves to root, as setpriv(1) is told.
fn rights(unit: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join("netd/systemd").join(unit)).unwrap();
    let kept = text.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
    assert!(text.lines().any(|line| line == "NoNewPrivileges=yes"), "{unit}");
    let kept: String = kept.split(' ').map(|word| word.to_lowercase().replace("cap_", ",+")).collect();
    ["--bounding-set".to_owned(), format!("-all{kept}"), "--inh-caps=-all".to_owned(), "--no-new-privs".to_owned()]
        .into()
}
