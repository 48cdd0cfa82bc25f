//! A program over an older one whose sets have another shape: a set that is there keeps its shape, so it must go.
//!
//! A packet under way in the old rules must find the old elements, which are gone at the very moment at which a set
//! goes. So rules go in one transaction and their sets in the next, and in between a second table does the work. Our
//! table says the version last of all: whoever comes after one that was killed half-way finds an older one, and goes on.

use std::fmt::Write as _;

use netd_model::{
    element::{Data, Element, Family, Part, Set},
    name::{AdminChain, ChainName},
    object::Conditions,
};

use super::{TABLE, program};

/// The chain that leads to those that operators fill.
pub(crate) const ADMIN: &str = "admin";

/// The table that stands in.
pub(super) const STAND_IN: &str = "netd-next";

/// What a table has that is not in its program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Besides {
    /// Those of the chains below that ask conditions.
    conditions: Vec<ChainName>,
    /// Chains that ask conditions, those of policies, those that an operator fills with the way there, and sets of the operator's,
    /// as nft(8) reads them.
    rest: String,
}

impl Besides {
    /// Reads what `nft list table` says, by the program's text.
    pub(super) fn read(shown: &str, program: &str) -> Self {
        let mut besides = Self::default();
        let mut lines = shown.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(head) = line.strip_prefix('\t').and_then(|line| line.strip_suffix(" {")) else { continue };
            let body: Vec<&str> = std::iter::from_fn(|| lines.next_if(|line| *line != "\t}")).collect();
            let (kind, name) = head.split_once(' ').unwrap_or_default();
            if name != ADMIN && program.contains(&format!(" {head} {{")) {
                continue;
            }
            let chain = name.parse().ok().filter(|chain: &ChainName| kind == "chain" && chain.is_of_conditions());
            besides.conditions.extend(chain);
            let _ = writeln!(besides.rest, "{head} {{\n{}\n}}", body.join("\n"));
        }
        besides
    }
}

/// First transaction: the program with all elements in a second table, and no rules in ours.
pub(crate) fn stand_in(family: Family, besides: &Besides, elements: &[Element]) -> String {
    let (word, program) = (family.word(), with(family, besides, elements));
    let program = program.replace(&format!("{word} {TABLE} "), &format!("{word} {STAND_IN} "));
    format!("{}{program}flush table {word} {TABLE}\n", without_stand_in(family))
}

/// Second transaction: our table anew, with all elements, and no rules in the other. By its version it is older than any.
pub(crate) fn anew(family: Family, besides: &Besides, elements: &[Element]) -> String {
    let (word, program) = (family.word(), with(family, besides, elements));
    let older = program.replace(&format!("\"netd {}\"", family.version()), "\"netd 0\"");
    format!("delete table {word} {TABLE}\n{older}flush table {word} {STAND_IN}\n")
}

/// Third transaction, and the only one where no set has another shape: the program, and no other table.
pub(crate) fn program(family: Family) -> String {
    without_stand_in(family) + program::text(family)
}

/// A chain that asks conditions, with its rule and no other.
pub(crate) fn conditions(Conditions { chain, rule }: &Conditions) -> String {
    let mut text = format!("add chain inet {TABLE} {chain}\nflush chain inet {TABLE} {chain}\n");
    if let Some(rule) = rule {
        let comment = comment_of(chain);
        let _ = writeln!(text, "add rule inet {TABLE} {chain} {rule} goto translate comment \"{comment}\"");
    }
    text
}

/// The comment of the rule of a chain that asks conditions. The name of the chain is a function of what is asked, so that a
/// rule which has it asks that, unless who changed the rule took care to keep it.
pub(crate) fn comment_of(chain: &ChainName) -> String {
    format!("{TABLE} {chain}")
}

/// Policies and a chain for an operator, and what of the way there is missing.
pub(crate) fn admin(chain: &AdminChain, has_policies: bool, is_led_to: bool) -> String {
    let policies = if has_policies { "" } else { program::POLICIES };
    let way = if is_led_to { String::new() } else { format!("add rule inet {TABLE} {ADMIN} jump {chain}\n") };
    format!("{policies}add chain inet {TABLE} {chain}\n{way}")
}

fn without_stand_in(family: Family) -> String {
    let word = family.word();
    format!("table {word} {STAND_IN} {{ }}\ndelete table {word} {STAND_IN}\n")
}

/// The program, what was besides it, and its elements; without those whose names `nft` could not read, or whose chain is
/// not known here, which repair puts back, and those that are nobody's.
fn with(family: Family, besides: &Besides, elements: &[Element]) -> String {
    let Besides { conditions, rest } = besides;
    let mut text = program::text(family).to_owned();
    let _ = writeln!(text, "table {} {TABLE} {{\n{rest}}}", family.word());
    let is_known = |element: &&Element| match &element.data {
        Some(Data::Chain(chain)) => conditions.contains(chain),
        _ => true,
    };
    for elements in elements.chunk_by(|one, next| one.key.set == next.key.set) {
        let kept = elements.iter().filter(|element| is_plain(element)).filter(is_known);
        let written: Vec<String> = kept.map(written).collect();
        if let (Some(first), false) = (elements.first(), written.is_empty()) {
            let (word, set) = (family.word(), first.key.set.name());
            let _ = writeln!(text, "add element {word} {TABLE} {set} {{ {} }}", written.join(", "));
        }
    }
    text
}

/// Whether `nft` reads the names as they are: it knows no way to say a quotation mark, and `*` at the end is a pattern.
fn is_plain(element: &Element) -> bool {
    let is_plain = |name: &str| !name.contains(|c: char| c.is_control() || ['"', '\\', '*'].contains(&c));
    let links = element.key.parts.iter().filter_map(|part| match part {
        Part::Link(link) => Some(link.as_str()),
        _ => None,
    });
    !element.owner.is_empty() && links.chain([element.owner.as_str()]).all(is_plain)
}

/// An element as `nft` reads it; in [`Set::Source6`] and [`Set::Gateway6`] the address is bits of a packet, and so is a number
/// of VXLAN with the 8 behind it.
fn written(element: &Element) -> String {
    let parts = element.key.parts.iter().map(|part| match part {
        Part::Ipv6(address) if matches!(element.key.set, Set::Source6 | Set::Gateway6) => {
            format!("{:#034x}", address.to_bits())
        }
        Part::Vni(vni) => (u32::from(*vni) << 8).to_string(),
        part => part.to_string(),
    });
    let data = element.data.as_ref().map(|data| format!(" : {data}")).unwrap_or_default();
    format!("{} comment \"{}\"{data}", parts.collect::<Vec<_>>().join(" . "), element.owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_the_program_is_kept_as_it_is_shown() {
        let shown = "table inet netd {\n\tset open {\n\t\ttype ifname\n\t}\n\n\tset mine {\n\t\ttype mark\n\t\telements = { 0x1,\n\t\t\t     0x2 }\n\t}\n\n\tchain admin {\n\t\tjump CNI-ADMIN\n\t}\n\n\tchain forward {\n\t\tjump admin\n\t}\n\n\tchain CNI-ADMIN {\n\t\tmeta mark @mine drop\n\t}\n\n\tchain when-1 {\n\t\tip ttl 7 goto translate\n\t}\n}\n";
        let besides = Besides::read(shown, program::text(Family::Inet));
        let expected = "set mine {\n\t\ttype mark\n\t\telements = { 0x1,\n\t\t\t     0x2 }\n}\nchain admin {\n\t\tjump CNI-ADMIN\n}\nchain forward {\n\t\tjump admin\n}\nchain CNI-ADMIN {\n\t\tmeta mark @mine drop\n}\nchain when-1 {\n\t\tip ttl 7 goto translate\n}\n";
        assert_eq!(besides.rest, expected);
        assert_eq!(besides.conditions, ["when-1".parse().unwrap()]);
    }
}
