//! Runs a command under ptrace(2): sees every system call, and kills the command at a chosen one.
//!
//! strace(1) can inject a signal too, but it counts the uses of each name in each thread apart, so the calls of a
//! second thread or of a child cannot all be reached. Here one number counts the calls of the command, its threads and its
//! children, in the order in which they are entered: those that can change something, or all of them with
//! `CRASH_POINTS=all`. (How often threads wait for each other is another number each time.) Only the command itself is
//! killed; a child goes on, as in life.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What was seen of a command.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// System calls that were entered and count, the one at which it was killed included.
    pub points: usize,
    /// Programs that the command started: `execve` of its children.
    pub programs: usize,
    /// Whether it was killed; else it ended by itself.
    pub killed: bool,
    /// Whether it ended by itself, with success.
    pub succeeded: bool,
}

/// Stops itself, so that it can be seized, and then becomes the command.
pub(crate) const STOP_AND_BECOME: [&str; 3] = ["sh", "-c", "kill -STOP $$; exec \"$0\" \"$@\""];

/// Runs a command that starts with [`STOP_AND_BECOME`] to its end, or kills it at the entry of call number `kill_at`, from 0.
pub(crate) fn trace(mut command: Command, stdin: &[u8], kill_at: Option<usize>) -> Trace {
    let mut input = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut input, stdin).unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    // Tracing belongs to a thread: with its end, children of the killed command are let go and run on.
    std::thread::scope(|scope| scope.spawn(|| follow(&mut command, kill_at)).join().unwrap())
}

#[allow(clippy::zombie_processes, reason = "the tracer waits for it, as for all it traces")]
fn follow(command: &mut Command, kill_at: Option<usize>) -> Trace {
    let child = command.spawn().unwrap();
    let root = Pid::from_raw(child.id().try_into().unwrap());
    let stopped = waitpid(root, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(stopped, WaitStatus::Stopped(root, Signal::SIGSTOP));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(root, options).unwrap();
    kill(root, Signal::SIGCONT).unwrap();
    let mut tracer = Tracer {
        root,
        kill_at,
        every: std::env::var("CRASH_POINTS").is_ok_and(|value| value == "all"),
        alive: BTreeSet::from([root]),
        became: false,
        restarting: BTreeSet::new(),
        trace: Trace::default(),
    };
    while !tracer.is_done() {
        tracer.step();
    }
    tracer.trace
}

struct Tracer {
    root: Pid,
    kill_at: Option<usize>,
    /// Whether each call counts, not only those that can change something.
    every: bool,
    alive: BTreeSet<Pid>,
    /// Whether the shell has become the command; nothing counts before.
    became: bool,
    /// Threads whose next call is the last one again.
    restarting: BTreeSet<Pid>,
    trace: Trace,
}

impl Tracer {
    fn is_done(&self) -> bool {
        self.alive.is_empty() || self.trace.killed && !self.alive.contains(&self.root)
    }

    fn step(&mut self) {
        // Only what this thread started: other threads wait for theirs.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        match waitpid(None, Some(flags)).unwrap() {
            WaitStatus::Exited(pid, code) => {
                self.alive.remove(&pid);
                self.trace.succeeded |= pid == self.root && code == 0;
            }
            WaitStatus::Signaled(pid, ..) => {
                self.alive.remove(&pid);
            }
            WaitStatus::PtraceSyscall(pid) => {
                self.alive.insert(pid);
                match stop(pid) {
                    Some(Stop::Entry { changes }) => self.enter(pid, changes),
                    Some(Stop::Restart) => drop(self.restarting.insert(pid)),
                    None => {}
                }
                go_on(pid, None);
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.alive.insert(pid);
                if event == libc::PTRACE_EVENT_EXEC {
                    self.trace.programs += usize::from(self.became);
                    self.became = true;
                }
                go_on(pid, None);
            }
            WaitStatus::Stopped(pid, signal) => go_on(pid, Some(signal)),
            WaitStatus::Continued(_) | WaitStatus::StillAlive => {}
        }
    }

    fn enter(&mut self, pid: Pid, changes: bool) {
        if self.restarting.remove(&pid) || !self.became || self.trace.killed || !(changes || self.every) {
            return;
        }
        if self.kill_at == Some(self.trace.points) {
            self.trace.killed = true;
            kill(self.root, Signal::SIGKILL).unwrap();
        }
        self.trace.points += 1;
    }
}

/// Lets a stopped thread run to its next system call; it may have been killed meanwhile.
fn go_on(pid: Pid, signal: Option<Signal>) {
    let _ = ptrace::syscall(pid, signal);
}

/// Why a thread stopped at a system call.
enum Stop {
    /// It is about to make one, which can change something that outlives the process or cannot.
    Entry { changes: bool },
    /// It comes back, only to make the same call again: writing some sysctls does, thousands of times, while another
    /// process holds the kernel's lock on interfaces (`restart_syscall` in net/ipv6/addrconf.c).
    Restart,
}

/// `ERESTARTSYS` to `ERESTART_RESTARTBLOCK`, which only a tracer sees.
const RESTARTS: std::ops::RangeInclusive<i64> = -516..=-512;

fn stop(pid: Pid) -> Option<Stop> {
    let info = ptrace::syscall_info(pid).ok()?;
    #[allow(unsafe_code, reason = "the structure of ptrace(2) is a union")]
    match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            // SAFETY: `op` says which member of the union the kernel filled, and it is this one.
            let entry = unsafe { info.u.entry };
            let number = i64::try_from(entry.nr).unwrap();
            Some(Stop::Entry { changes: changes(number, entry.args) })
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => {
            // SAFETY: as above.
            let exit = unsafe { info.u.exit };
            RESTARTS.contains(&exit.sval).then_some(Stop::Restart)
        }
        _ => None,
    }
}

/// Calls that can leave something behind, in the kernel, on disk or in another process.
const CHANGING: [i64; 23] = [
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_exit_group,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_ioctl,
    libc::SYS_linkat,
    libc::SYS_mkdirat,
    libc::SYS_pwrite64,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setns,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
];

/// The same for calls that newer architectures no longer have.
#[cfg(target_arch = "x86_64")]
const CHANGING_BY_PATH: [i64; 6] =
    [libc::SYS_link, libc::SYS_mkdir, libc::SYS_rename, libc::SYS_rmdir, libc::SYS_unlink, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const CHANGING_BY_PATH: [i64; 0] = [];

/// Opening changes something when it makes a file, other calls always.
fn changes(number: i64, args: [u64; 6]) -> bool {
    let making = u64::try_from(libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)).unwrap();
    number == libc::SYS_openat && args[2] & making != 0
        || CHANGING.contains(&number)
        || CHANGING_BY_PATH.contains(&number)
}
