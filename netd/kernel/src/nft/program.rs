//! The programs: static chains and empty sets, written as text for `nft`.
//!
//! Which version is loaded stands in the comment of the main chain. (A table's comment stays what it was when the table
//! was made, and the table stays, because it has the sets.) One of whose chains there is less is no program: somebody
//! flushed it, or deleted a rule.

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

/// A chain of a program, and how often it is used there, as the kernel counts it: its rules, and the jumps to it. Others may
/// jump to it besides.
type Used = (&'static str, u32);

/// The chains of a program, first the one whose comment says the version. Up to version 6 of that of `inet`, policies were a
/// part of it, and there was no comment on `forward`.
const INET: &[Used] = &[
    ("postrouting", 10),
    ("prerouting", 5),
    ("output", 1),
    ("published", 10),
    ("translate", 1),
    ("translated", 5),
    ("input", 7),
];
const BRIDGE: &[Used] = &[
    ("prerouting", 3),
    ("forward", 3),
    ("postrouting", 1),
    ("from-elsewhere", 6),
    ("to-elsewhere", 6),
    ("ip-source", 5),
    ("arp-source", 8),
    ("ip4-source", 4),
    ("ip6-source", 9),
];
const IN_POLICIES: &[Used] = &[("forward", 13), ("unmasked", 9), ("from-isolated", 5), ("to-others", 4)];

fn chains(family: Family) -> &'static [Used] {
    match family {
        Family::Inet => INET,
        Family::Bridge => BRIDGE,
    }
}

/// What is found of a chain of a program.
#[derive(Debug)]
pub(crate) struct Part {
    uses: u32,
    version: Option<u32>,
}

/// Asks for a program, and says for how many parts: each has an answer if it is there.
pub(crate) fn get(requests: &mut Requests, family: Family) -> usize {
    get_parts(requests, family, chains(family))
}

/// The same of the policies.
pub(crate) fn get_policies(requests: &mut Requests) -> usize {
    get_parts(requests, Family::Inet, IN_POLICIES)
}

fn get_parts(requests: &mut Requests, family: Family, chains: &[Used]) -> usize {
    for (name, _) in chains {
        chain::get(requests, family, name);
    }
    chains.len()
}

/// Reads the body of an answer.
pub(crate) fn read(body: &[u8]) -> Option<Part> {
    let (uses, comment) = chain::read(body)?;
    let version = comment.and_then(|comment| comment.strip_prefix("netd ")?.split(' ').next()?.parse().ok());
    Some(Part { uses, version })
}

/// The program of which these parts were found, in the order in which they were asked for.
pub(crate) fn found(family: Family, parts: &[Option<Part>]) -> Option<Program> {
    Some(Program { family, version: version(chains(family), family.version(), parts)? })
}

/// Whether the policies are there of which these parts were found, ours or newer.
pub(crate) fn are_policies(parts: &[Option<Part>]) -> bool {
    version(IN_POLICIES, POLICIES_VERSION, parts).is_some_and(|version| version >= POLICIES_VERSION)
}

/// The version that is there, of ours only if it is whole. What another one has in its chains is not known here.
fn version(chains: &[Used], ours: u32, parts: &[Option<Part>]) -> Option<u32> {
    let main = parts.first()?.as_ref().filter(|main| main.uses > 0)?;
    let version = main.version?;
    let is_whole = |((_, uses), part): (&Used, &Option<Part>)| part.as_ref().is_some_and(|part| part.uses >= *uses);
    (version != ours || chains.iter().zip(parts).all(is_whole)).then_some(version)
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

    /// A chain without its comments: how many rules it has, and how often a text jumps to it.
    fn uses(text: &str, name: &str) -> u32 {
        let code = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
        let lines: Vec<String> = text.lines().map(code).collect();
        let begin = format!("chain {name} {{");
        let rules = lines.iter().skip_while(|line| **line != begin).skip(1).take_while(|line| **line != "}");
        let rules =
            rules.filter(|line| !line.is_empty() && !line.starts_with("type ") && !line.starts_with("comment "));
        let jumps = [format!("jump {name}"), format!("goto {name}")];
        let jumps = lines.iter().filter(|line| jumps.iter().any(|jump| line.ends_with(jump)));
        u32::try_from(rules.count() + jumps.count()).expect("there are few")
    }

    #[test]
    fn every_chain_of_a_text_is_known_with_its_uses() {
        for (text, chains) in [(text(Family::Inet), INET), (text(Family::Bridge), BRIDGE), (POLICIES, IN_POLICIES)] {
            let counted = |(name, _): &Used| (*name, uses(text, name));
            assert_eq!(chains.iter().map(counted).collect::<Vec<_>>(), chains);
            let with_rules = text.lines().filter_map(|line| line.trim().strip_prefix("chain ")?.strip_suffix(" {"));
            let mut names: Vec<&str> = with_rules.collect();
            let mut known: Vec<&str> = chains.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            known.sort_unstable();
            assert_eq!(names, known);
        }
    }

    /// Who loaded a version does not load it again: whatever changes in a text is another version.
    #[test]
    fn a_text_that_changes_has_another_version() {
        for (text, version, (known, expected)) in [
            (text(Family::Inet), Family::Inet.version(), (10, 0x3fae_7222_c08d_9cad)),
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
