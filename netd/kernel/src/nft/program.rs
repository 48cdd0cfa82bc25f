//! The programs: static chains and empty sets, written as text for `nft`.
//!
//! Which version is loaded stands in the comment of the main chain. (A table's comment stays what it was when the table
//! was made, and the table stays, because it has the sets.) A chain without rules is no program: somebody flushed it.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use netd_model::{
    element::Family,
    name::ChainName,
    object::{Conditions, Program},
};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Signal, set_parent_process_death_signal},
};

use super::{TABLE, anew::VERDICT, chain};
use crate::{error::Error, wire::Requests};

/// What `nft` is called; it is looked for in `PATH`, then where root's programs are.
const NFT: [&str; 3] = ["nft", "/usr/sbin/nft", "/sbin/nft"];

/// The text of a program; its version is [`Family::version`]. Sets that are there stay, with their elements.
pub(crate) fn text(family: Family) -> &'static str {
    match family {
        Family::Inet => include_str!("inet.nft"),
        Family::Bridge => include_str!("bridge.nft"),
    }
}

/// The chain whose comment says the version: the one with the hook.
fn main_chain(family: Family) -> &'static str {
    match family {
        Family::Inet => "postrouting",
        Family::Bridge => "prerouting",
    }
}

/// The program of a family; no answer if there is none.
pub(crate) fn get(requests: &mut Requests, family: Family) {
    chain::get(requests, family, main_chain(family));
}

/// Reads the body of an answer.
pub(crate) fn read(family: Family, body: &[u8]) -> Option<Program> {
    let comment = chain::read_comment(body)?;
    let version = comment.strip_prefix("netd ")?.split(' ').next()?.parse().ok()?;
    Some(Program { family, version })
}

/// Loads a text of our program of the family, in one transaction.
///
/// Between the look at the version and this, a newer netd may load a newer program, and this takes it back: the next
/// ADD of the newer one, or its repair, finds that and loads it again.
pub(crate) fn load(wanted: Program, text: &str, attempt: impl Fn() -> String) -> Result<(), Error> {
    let ours = wanted.family.version();
    if wanted.version > ours {
        return Err(Error::NewerProgram { attempt: attempt(), ours });
    }
    let failed = |source| Error::Io { attempt: attempt(), source };
    // A file, so that a plugin killed half-way leaves no reader of half a program.
    let mut file = File::from(memfd_create("netd.nft", MemfdFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?);
    file.write_all(text.as_bytes()).map_err(failed)?;
    run(&["-f", "-"], &mut file, wanted.family, attempt).map(drop)
}

/// The chains that ask conditions, as `nft` shows them: a table that takes the place of this one needs them too.
pub(crate) fn conditions(attempt: impl Fn() -> String) -> Result<Vec<Conditions>, Error> {
    let failed = |source| Error::Io { attempt: attempt(), source };
    let mut nothing = File::open("/dev/null").map_err(failed)?;
    let shown = run(&["list", "table", Family::Inet.word(), TABLE], &mut nothing, Family::Inet, &attempt)?;
    let (mut found, mut chain) = (Vec::new(), None);
    for line in shown.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("chain ").and_then(|line| line.strip_suffix(" {")) {
            chain = name.parse().ok();
        } else if let (Some(chain), Some(rule)) = (&chain, line.strip_suffix(VERDICT)) {
            let is_of_conditions = ChainName::is_of_conditions(chain);
            found.extend(is_of_conditions.then(|| Conditions { chain: chain.clone(), rule: Some(rule.to_owned()) }));
        }
    }
    Ok(found)
}

/// Runs `nft`; what it prints.
fn run(arguments: &[&str], input: &mut File, family: Family, attempt: impl Fn() -> String) -> Result<String, Error> {
    let failed = |source| Error::Io { attempt: attempt(), source };
    for nft in NFT {
        io::Seek::rewind(input).map_err(failed)?;
        let input = input.try_clone().map_err(failed)?;
        match command(nft, arguments, input).output() {
            Ok(output) if output.status.success() => return Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            Ok(output) => return Err(refusal(attempt(), family, &output.stderr)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Error::NoNft { attempt: attempt() })
}

/// Whether there is an `nft` that could load a program.
pub fn has_nft() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).flat_map(|folder| NFT.map(|nft| folder.join(nft)));
    in_path.into_iter().any(|nft| nft.is_file())
}

/// `nft`, which ends when we do.
#[expect(unsafe_code, reason = "what happens in a child before it is another program can only be said so")]
fn command(nft: &str, arguments: &[&str], input: File) -> Command {
    let mut command = Command::new(nft);
    command.args(arguments).stdin(Stdio::from(input));
    let die_with_parent = || set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
    // SAFETY: between fork and exec the child of a process with threads may only call what is async-signal-safe;
    // this is one prctl(2), without allocation or lock.
    unsafe { command.pre_exec(die_with_parent) };
    command
}

/// What `nft` said, or which part of the kernel is missing if that is what it means.
fn refusal(attempt: String, family: Family, stderr: &[u8]) -> Error {
    let stderr: String = String::from_utf8_lossy(stderr).trim().chars().take(2000).collect();
    if stderr.contains("Address family not supported") || stderr.contains("Operation not supported") {
        let option = match family {
            Family::Inet => "CONFIG_NF_TABLES_INET",
            Family::Bridge => "CONFIG_NF_TABLES_BRIDGE",
        };
        return Error::MissingFeature { attempt, option };
    }
    Error::Nft { attempt, stderr }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a of 64 bits.
    fn digest(text: &str) -> u64 {
        text.bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    /// Who loaded a version does not load it again: whatever changes in a text is another version.
    #[test]
    fn a_text_that_changes_has_another_version() {
        for (family, version, expected) in
            [(Family::Inet, 4, 0x1c4c_b8d2_ddbf_5279), (Family::Bridge, 3, 0xfd14_45ea_95c0_060f)]
        {
            assert_eq!(family.version(), version, "write down the digest of the new text");
            let digest = digest(text(family));
            assert_eq!(digest, expected, "{family:?}: raise `Family::version`, then write down {digest:#x}");
        }
    }
}
