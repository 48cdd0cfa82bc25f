//! Runs one command to its end, with a bound on its time.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;

/// No command of a test takes longer; a lock of ours is given up after 30 s.
const DEADLINE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// What a command said, and how it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// From before the start until the end was seen.
    pub elapsed: Duration,
}

/// A CNI error object (CNI 1.1 section 5 Error).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Error code: 1-99 of the specification, 100 and more of the plugin.
    pub code: u64,
    /// What went wrong, in one line.
    pub msg: String,
    /// More of it; empty when absent.
    pub details: String,
}

/// Runs `command` with `stdin`, for at most a minute.
///
/// # Panics
/// When the command cannot start, or takes too long (it is killed first).
pub fn run(command: &mut Command, stdin: &[u8]) -> Outcome {
    let text = format!("{command:?}");
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut input = child.stdin.take().unwrap();
    let output = child.stdout.take().unwrap();
    let errors = child.stderr.take().unwrap();
    std::thread::scope(|scope| {
        // A command that never reads, as VERSION must not, closes the pipe on us: no fault of this write.
        scope.spawn(move || input.write_all(stdin).ok());
        let output = scope.spawn(|| text_of(output));
        let errors = scope.spawn(|| text_of(errors));
        let in_time = ends(&child);
        if !in_time {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        assert!(in_time, "{text}: killed after {} s", DEADLINE.tv_sec);
        let elapsed = started.elapsed();
        let (stdout, stderr) = (output.join().unwrap(), errors.join().unwrap());
        Outcome { command: text, code: status.code(), stdout, stderr, elapsed }
    })
}

fn ends(child: &Child) -> bool {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap();
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&DEADLINE)).unwrap() == 1
}

fn text_of(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Outcome {
    /// Whether it ended with exit code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output of a command that succeeded.
    #[track_caller]
    pub fn text(self) -> String {
        assert!(self.success(), "failed: {self:#?}");
        self.stdout
    }

    /// Standard output of a command that succeeded, as one JSON document.
    #[track_caller]
    pub fn json(self) -> Value {
        let command = self.command.clone();
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{command}: {error} in {text:?}"))
    }

    /// What a plugin said: its result (null when it has none to give), or its refusal.
    #[track_caller]
    pub fn answer(self) -> Result<Value, Refusal> {
        if self.success() {
            return Ok(if self.stdout.is_empty() { Value::Null } else { self.json() });
        }
        Err(self.refusal())
    }

    /// The error object of a plugin that failed.
    #[track_caller]
    pub fn refusal(self) -> Refusal {
        assert!(!self.success() && self.code.is_some(), "no refusal: {self:#?}");
        let object: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        Refusal {
            code: object["code"].as_u64().unwrap_or_else(|| panic!("no code: {self:#?}")),
            msg: object["msg"].as_str().unwrap_or_else(|| panic!("no msg: {self:#?}")).to_owned(),
            details: object["details"].as_str().unwrap_or_default().to_owned(),
        }
    }
}
