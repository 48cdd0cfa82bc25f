//! The programs: static chains and empty sets, written as text for `nft`.
//!
//! Which version is loaded stands in the comment of the main chain. (A table's comment stays what it was when the table
//! was made, and the table stays, because it has the sets.) A chain without rules is no program: somebody flushed it.

use std::{fs::File, io::Write};

use netd_model::{element::Family, name::ChainName, object::Program};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{
    TABLE,
    anew::{Besides, STAND_IN},
    chain,
};
use crate::{child, error::Error, wire::Requests};

/// The text of a program; its version is [`Family::version`]. Sets that are there stay, with their elements.
pub(crate) fn text(family: Family) -> &'static str {
    match family {
        Family::Inet => include_str!("inet.nft"),
        Family::Bridge => include_str!("bridge.nft"),
    }
}

/// The part of `inet netd` that is loaded with the first container that has a policy, and its version, which only goes up.
pub(crate) const POLICIES: &str = include_str!("policies.nft");
pub(crate) const POLICIES_VERSION: u32 = 1;

/// Its chain with the hook, whose comment says the version. Up to version 6 of the program it was there on every host, with no
/// comment.
const FORWARD: &str = "forward";

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
    Some(Program { family, version: version(body)? })
}

/// The policies; no answer if there are none.
pub(crate) fn get_policies(requests: &mut Requests) {
    chain::get(requests, Family::Inet, FORWARD);
}

/// Whether these, in the body of an answer, are ours or newer.
pub(crate) fn are_policies(body: &[u8]) -> bool {
    version(body).is_some_and(|version| version >= POLICIES_VERSION)
}

fn version(body: &[u8]) -> Option<u32> {
    chain::read_comment(body)?.strip_prefix("netd ")?.split(' ').next()?.parse().ok()
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
    run(&["-f", "-"], Some(&mut file), wanted.family, attempt).map(drop)
}

/// What of a family's table is not in its program, as `nft` shows it: a table that takes the place of this one needs it
/// too. Of a table whose place another took, and who did that was killed, the other has it.
pub(crate) fn besides(family: Family, attempt: impl Fn() -> String) -> Result<Besides, Error> {
    let list = |table: &str| run(&["list", "table", family.word(), table], None, family, &attempt);
    let stood_in = list(STAND_IN).ok().filter(|shown| shown.contains("hook"));
    Ok(Besides::read(&stood_in.map_or_else(|| list(TABLE), Ok)?, text(family)))
}

/// Whether the program has a chain of this name, so that nobody else can.
pub fn has_chain(name: &str) -> bool {
    let is_of = |text: &str| text.contains(&format!(" chain {name} {{"));
    is_of(text(Family::Inet)) || is_of(POLICIES) || name.parse().is_ok_and(|name| ChainName::is_of_conditions(&name))
}

/// Runs `nft`; what it prints.
fn run(
    arguments: &[&str],
    input: Option<&mut File>,
    family: Family,
    attempt: impl Fn() -> String,
) -> Result<String, Error> {
    match child::output("nft", arguments, input).map_err(|source| Error::Io { attempt: attempt(), source })? {
        Some(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Some(output) => Err(refusal(attempt(), family, child::complaint(&output))),
        None => Err(Error::NoNft { attempt: attempt() }),
    }
}

/// Whether there is an `nft` that could load a program.
pub fn has_nft() -> bool {
    child::is_there("nft")
}

/// What `nft` said, or which part of the kernel is missing if that is what it means.
fn refusal(attempt: String, family: Family, stderr: String) -> Error {
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
        for (text, version, (known, expected)) in [
            (text(Family::Inet), Family::Inet.version(), (8, 0xc395_973a_2729_d9fa)),
            (text(Family::Bridge), Family::Bridge.version(), (4, 0x6530_d0fd_6283_0fb0)),
            (POLICIES, POLICIES_VERSION, (1, 0xfc11_68dc_bb30_e1d6)),
        ] {
            assert_eq!(version, known, "write down the digest of the new text");
            let (digest, first) = (digest(text), text.lines().next().unwrap_or_default());
            assert_eq!(digest, expected, "{first}: raise its version, then write down {digest:#x}");
            assert!(text.contains(&format!("\"netd {version}\"")), "{first}");
        }
    }
}
