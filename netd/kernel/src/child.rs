//! Other programs, run where the kernel alone does not do: they end when we do.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt,
    process::{Command, Output, Stdio},
};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Where root's programs are, besides `PATH`.
const FOLDERS: [&str; 5] = ["", "/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"];

/// What a program says that is looked for in `PATH`, then where root's programs are; none where there is no such program.
pub(crate) fn output(name: &str, arguments: &[&str], input: Option<&mut File>) -> io::Result<Option<Output>> {
    let mut input = input;
    for folder in FOLDERS {
        let stdin = match &mut input {
            Some(file) => {
                io::Seek::rewind(*file)?;
                Stdio::from(file.try_clone()?)
            }
            None => Stdio::null(),
        };
        match command(&format!("{folder}{name}"), arguments, stdin).output() {
            Ok(output) => return Ok(Some(output)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether there is a program of this name.
pub(crate) fn is_there(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    let elsewhere = FOLDERS.iter().filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}{name}").into());
    in_path.chain(elsewhere).any(|program| program.is_file())
}

/// The first words of what a program complains of.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().chars().take(2000).collect()
}

fn command(program: &str, arguments: &[&str], stdin: Stdio) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(stdin);
    die_with_us(&mut command);
    command
}

/// Lets what the command starts be killed when the thread that started it ends.
#[expect(unsafe_code, reason = "what happens in a child before it is another program can only be said so")]
pub fn die_with_us(command: &mut Command) {
    let parent = getpid();
    let die_with_parent = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have died before the signal was asked for.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec the child of a process with threads may only call what is async-signal-safe;
    // these are two system calls, without allocation or lock.
    unsafe { command.pre_exec(die_with_parent) };
}
