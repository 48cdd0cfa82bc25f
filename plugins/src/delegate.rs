//! Calls another plugin as a process: CNI 1.1 section 4, Plugin Delegation.
//!
//! It gets our environment and our configuration as they came, and our standard error. How long it takes is the
//! runtime's to bound; it dies with us, so that a killed verb does not go on changing the host.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

use crate::cni::{CniResult, Error, Kind, Request, decode::decode};

/// The longest answer in bytes.
const MAX_ANSWER: u64 = 16 << 20;

/// How often a program that is just being written ("text file busy") is tried again, after twice the time each.
const TRIES: u32 = 9;

/// The wait before the second try. All waits together are 5 s.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// A plugin on this host that is not ours.
pub(crate) struct Delegate<'r> {
    name: &'r str,
    program: PathBuf,
    request: &'r Request,
}

/// An error as a plugin prints it.
#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u32,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    details: Option<String>,
}

impl<'r> Delegate<'r> {
    /// The plugin of this type, in the first folder of `CNI_PATH` that has it.
    ///
    /// # Errors
    /// No folder has it, or the type is a path.
    pub(crate) fn find(name: &'r str, request: &'r Request) -> Result<Self, Error> {
        if matches!(name, "" | "." | "..") || name.len() > 255 || name.contains(['/', '\0']) {
            let shown: String = name.chars().take(64).collect();
            return Err(Error::config(format!("invalid plugin name: {shown:?}")));
        }
        // An empty folder would be the working directory, which is nobody's choice.
        let folders = request.path.iter().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(program) = folders.map(|folder| folder.join(name)).find(|program| program.is_file()) {
            return Ok(Self { name, program, request });
        }
        let folders: Vec<_> = request.path.iter().map(|folder| folder.to_string_lossy()).collect();
        let msg = format!("failed to find plugin {name:?} in path [{}]", folders.join(" "));
        Err(Error::new(Kind::Unavailable, msg))
    }

    /// ADD and its result.
    pub(crate) fn add(&self) -> Result<CniResult, Error> {
        let answer = self.call("ADD")?;
        let unreadable =
            |why: String| Error::new(Kind::Decode, format!("plugin {:?} printed no result: {why}", self.name));
        let answer: Value = serde_json::from_slice(&answer).map_err(|why| unreadable(why.to_string()))?;
        CniResult::of_plugin(&answer, self.request.version).map_err(|error| unreadable(error.to_string()))
    }

    /// A command that prints nothing: DEL, CHECK, GC, STATUS.
    pub(crate) fn run(&self, command: &str) -> Result<(), Error> {
        self.call(command).map(|_| ())
    }

    fn call(&self, command: &str) -> Result<Vec<u8>, Error> {
        let failed = |what: &str, why: io::Error| {
            Error::new(Kind::Io, format!("{what} plugin {:?} ({}): {why}", self.name, self.program.display()))
        };
        let mut child = spawn(&self.program, command).map_err(|why| failed("cannot start", why))?;
        let (status, answer) =
            converse(&mut child, &self.request.stdin).map_err(|why| failed("cannot talk to", why))?;
        match status {
            _ if over(&answer) => Err(failed("cannot talk to", io::Error::other("its answer has no end"))),
            status if status.success() => Ok(answer),
            status => Err(refusal(&answer, status)),
        }
    }
}

fn spawn(program: &Path, command: &str) -> io::Result<Child> {
    let mut wait = FIRST_WAIT;
    for _ in 1..TRIES {
        match start(program, command) {
            Err(busy) if busy.kind() == io::ErrorKind::ExecutableFileBusy => thread::sleep(wait),
            other => return other,
        }
        wait *= 2;
    }
    start(program, command)
}

fn start(program: &Path, command: &str) -> io::Result<Child> {
    let mut process = Command::new(program);
    process.env("CNI_COMMAND", command).stdin(Stdio::piped()).stdout(Stdio::piped());
    netd_kernel::die_with_us(&mut process);
    process.spawn()
}

/// Gives the child its configuration while taking its answer, so that neither waits for the other.
fn converse(child: &mut Child, config: &[u8]) -> io::Result<(ExitStatus, Vec<u8>)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut answer = Vec::new();
    let read = thread::scope(|scope| {
        scope.spawn(|| feed(stdin, config));
        let read = stdout.map(|stdout| stdout.take(MAX_ANSWER + 1).read_to_end(&mut answer));
        if over(&answer) {
            let _gone = child.kill();
        }
        read
    });
    let status = child.wait()?;
    read.transpose()?;
    Ok((status, answer))
}

/// A child that does not read its configuration to the end says in its answer why.
fn feed(stdin: Option<ChildStdin>, config: &[u8]) {
    let _closed = stdin.map(|mut stdin| stdin.write_all(config));
}

fn over(answer: &[u8]) -> bool {
    u64::try_from(answer.len()).is_ok_and(|length| length > MAX_ANSWER)
}

/// What the plugin said, with its own code; with words of the reference where it said nothing that can be read.
fn refusal(answer: &[u8], status: ExitStatus) -> Error {
    if answer.is_empty() {
        return Error::new(Kind::Io, format!("netplugin failed with no error message: {status}"));
    }
    let shown: String = String::from_utf8_lossy(answer).chars().take(200).collect();
    let unreadable = |why: &dyn std::fmt::Display| {
        let msg = format!("netplugin failed but error parsing its diagnostic message {shown:?}: {why}");
        Error::new(Kind::Decode, msg)
    };
    let answer: Value = match serde_json::from_slice(answer) {
        Ok(answer) => answer,
        Err(why) => return unreadable(&why),
    };
    match decode::<Refusal>(&answer) {
        Ok(Refusal { code: 0, msg, details }) => Error { kind: Kind::Io, msg, details },
        Ok(Refusal { code, msg, details }) => Error { kind: Kind::Delegate(code), msg, details },
        Err(why) => unreadable(&why),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::cni::{About, Invocation, Version};

    fn request(path: &str) -> Request {
        let about = About { name: "bridge", oldest: Version::V0_1_0, capabilities: Some(&[]) };
        let env = [("CNI_COMMAND", "STATUS"), ("CNI_PATH", path)];
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into());
        let config = br#"{"cniVersion":"1.1.0","name":"web"}"#;
        match Invocation::parse(&about, &env, &mut config.as_slice()) {
            Ok(Invocation::Request(request)) => *request,
            other => panic!("{other:?}"),
        }
    }

    /// What a plugin of this shell script makes us say.
    fn of_script<T>(script: &str, call: impl Fn(&Delegate<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("other");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let request = request(&format!("/nowhere::{}", folder.path().display()));
        call(&Delegate::find("other", &request)?)
    }

    fn result(other: &Delegate<'_>) -> Result<CniResult, Error> {
        other.add()
    }

    #[test]
    fn it_gets_command_and_configuration_and_its_result_is_read() {
        let script = r#"read config; case "$CNI_COMMAND $config" in
            'ADD {"cniVersion":"1.1.0","name":"web"}') echo '{"ips": [{"address": "10.1.0.7/24"}]}';; *) exit 1;; esac"#;
        assert_eq!(of_script(script, result).unwrap().ips[0].address.to_string(), "10.1.0.7/24");
        assert_eq!(of_script("exit 0", |other| other.run("DEL")), Ok(()));
        assert_eq!(of_script("exec <&-; exit 0", |other| other.run("DEL")), Ok(()));
    }

    #[test]
    fn what_it_refuses_is_passed_on_with_its_code() {
        let refused = |script| of_script(script, |other| other.run("CHECK")).unwrap_err();
        let error = refused(r#"echo '{"code": 2000, "msg": "no room", "details": "in the inn"}'; exit 1"#);
        assert_eq!((error.kind.code(), &*error.msg, error.details.as_deref()), (2000, "no room", Some("in the inn")));
        assert_eq!(refused(r#"echo '{"msg": "no code"}'; exit 1"#).kind.code(), 5);
        let silent = "netplugin failed with no error message: exit status: 3";
        assert_eq!(refused("exit 3").msg, silent);
        assert!(refused("echo x; exit 1").msg.starts_with("netplugin failed but error parsing its diagnostic message"));
        assert_eq!(of_script("echo x", result).unwrap_err().kind.code(), 6);
    }

    #[test]
    fn an_answer_without_end_is_cut() {
        let error = of_script("exec cat /dev/zero", result).unwrap_err();
        assert!(error.msg.ends_with("its answer has no end"), "{error}");
    }

    #[test]
    fn a_plugin_that_is_not_there_is_named_with_the_path() {
        let request = request("/nowhere:/none");
        let find = |name| Delegate::find(name, &request).err().unwrap();
        assert_eq!(find("other").msg, r#"failed to find plugin "other" in path [/nowhere /none]"#);
        for bad in ["", "..", "a/b", "../other", "a\0b"] {
            assert_eq!(find(bad).kind.code(), 7, "{bad:?}");
        }
    }
}
