//! A program over an older one whose sets have another shape: a set that is there keeps its shape, so it must go.
//!
//! A packet under way in the old rules must find the old elements, which are gone at the very moment at which a set
//! goes. So rules go in one transaction and their sets in the next, and in between a second table does the work. Our
//! table says the version last of all: whoever comes after one that was killed half-way finds an older one, and goes on.

use std::fmt::Write as _;

use netd_model::{
    element::{Data, Element, Family, Part, Set},
    object::Conditions,
};

use super::{TABLE, program};

/// The table that stands in.
const STAND_IN: &str = "netd-next";

/// First transaction: the program with all elements in a second table, and no rules in ours.
pub(crate) fn stand_in(family: Family, conditions: &[Conditions], elements: &[Element]) -> String {
    let (word, program) = (family.word(), with(family, conditions, elements));
    let program = program.replace(&format!("{word} {TABLE} "), &format!("{word} {STAND_IN} "));
    format!("{}{program}flush table {word} {TABLE}\n", without_stand_in(family))
}

/// Second transaction: our table anew, with all elements, and no rules in the other. By its version it is older than any.
pub(crate) fn anew(family: Family, conditions: &[Conditions], elements: &[Element]) -> String {
    let (word, program) = (family.word(), with(family, conditions, elements));
    let older = program.replace(&format!("\"netd {}\"", family.version()), "\"netd 0\"");
    format!("delete table {word} {TABLE}\n{older}flush table {word} {STAND_IN}\n")
}

/// Third transaction, and the only one where no set has another shape: the program, and no other table.
pub(crate) fn program(family: Family) -> String {
    without_stand_in(family) + program::text(family)
}

/// How a rule of conditions ends.
pub(super) const VERDICT: &str = " goto translate";

/// The chains that ask conditions, each with its rule; one that is there is as it should be.
pub(crate) fn chains(conditions: &[Conditions]) -> String {
    let mut text = String::new();
    for Conditions { chain, rule } in conditions {
        let rule = rule.as_deref().unwrap_or_default();
        let _ = writeln!(text, "add chain inet {TABLE} {chain}\nflush chain inet {TABLE} {chain}");
        let _ = writeln!(text, "add rule inet {TABLE} {chain} {rule}{VERDICT}");
    }
    text
}

fn without_stand_in(family: Family) -> String {
    let word = family.word();
    format!("table {word} {STAND_IN} {{ }}\ndelete table {word} {STAND_IN}\n")
}

/// The program and its elements; without those whose names `nft` could not read, or whose chain is not known here, which
/// repair puts back, and those that are nobody's.
fn with(family: Family, conditions: &[Conditions], elements: &[Element]) -> String {
    let mut text = program::text(family).to_owned() + &chains(conditions);
    let is_known = |element: &&Element| match &element.data {
        Some(Data::Chain(chain)) => conditions.iter().any(|known| known.chain == *chain),
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

/// An element as `nft` reads it; in [`Set::Source6`] and [`Set::Gateway6`] the address is bits of a packet.
fn written(element: &Element) -> String {
    let parts = element.key.parts.iter().map(|part| match part {
        Part::Ipv6(address) if matches!(element.key.set, Set::Source6 | Set::Gateway6) => {
            format!("{:#034x}", address.to_bits())
        }
        part => part.to_string(),
    });
    let data = element.data.as_ref().map(|data| format!(" : {data}")).unwrap_or_default();
    format!("{} comment \"{}\"{data}", parts.collect::<Vec<_>>().join(" . "), element.owner)
}
