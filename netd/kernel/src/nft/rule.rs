//! Rules: whether a chain has some and where they lead; those that another program left, and what they name.

use std::{cmp::Ordering, net::IpAddr};

use netd_model::element::Family;
use rustix::io::Errno;

use super::{HEADER, NFPROTO_IPV4, NFPROTO_IPV6, NFTABLES, TABLE, chain, comment, header, number};
use crate::{
    rtnetlink::octets,
    wire::{Attributes, NLM_F_DUMP, Requests, array, text},
};

const NFT_MSG_GETRULE: u16 = NFTABLES + 7;
const NFT_MSG_DELRULE: u16 = NFTABLES + 8;

const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_USERDATA: u16 = 7;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CHAIN: u16 = 2;

/// What packets a table of another program sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignFamily {
    /// Those of IPv4.
    Ipv4,
    /// Those of IPv6.
    Ipv6,
    /// Those of both.
    Inet,
    /// Frames.
    Bridge,
}

/// A chain of another program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignChain {
    /// The family of the table.
    pub family: ForeignFamily,
    /// The table.
    pub table: String,
    /// The chain.
    pub name: String,
}

/// A rule in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignRule {
    /// The chain that it is in.
    pub chain: ForeignChain,
    /// The number that the kernel gave it.
    pub handle: u64,
    /// Its comment, as nft(8) writes one.
    pub comment: Option<String>,
    /// The chain that packets go on in.
    pub target: Option<String>,
}

impl ForeignFamily {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// As nft(8) writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ip6",
            Self::Inet => "inet",
            Self::Bridge => "bridge",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Ipv4 => NFPROTO_IPV4,
            Self::Ipv6 => NFPROTO_IPV6,
            Self::Inet => number(Family::Inet),
            Self::Bridge => number(Family::Bridge),
        }
    }
}

impl ForeignChain {
    /// The family of its table.
    pub(crate) fn family(&self) -> u8 {
        self.family.number()
    }
}

/// All rules of one of our chains; none where there is no such chain.
pub(crate) fn get_ours(requests: &mut Requests, chain: &str) {
    get_of(requests, number(Family::Inet), TABLE, Some(chain));
}

/// All rules of a chain, or of all chains of a table.
pub(super) fn get_of(requests: &mut Requests, family: u8, table: &str, chain: Option<&str>) {
    requests.push_forgiving(NFT_MSG_GETRULE, NLM_F_DUMP, &[Errno::NOENT], |body| {
        let body = header(body, family).text(NFTA_RULE_TABLE, table);
        if let Some(chain) = chain {
            body.text(NFTA_RULE_CHAIN, chain);
        }
    });
}

/// Where the rule in the body of an answer to [`get_ours`] leads, if it is one of the chain.
pub(crate) fn read_target(chain: &str, body: &[u8]) -> Option<String> {
    let attributes = Attributes::after(body, HEADER);
    let is_its = attributes.find(NFTA_RULE_CHAIN).and_then(text) == Some(chain);
    is_its.then(|| targets(&attributes)).flatten()
}

/// Whether the rule in the body of an answer to [`get_ours`] has this comment, if it is one of the chain.
pub(crate) fn read_has_comment(chain: &str, expected: &str, body: &[u8]) -> Option<bool> {
    let attributes = Attributes::after(body, HEADER);
    let is_its = attributes.find(NFTA_RULE_CHAIN).and_then(text) == Some(chain);
    is_its.then(|| attributes.find(NFTA_RULE_USERDATA).and_then(comment) == Some(expected))
}

/// All rules of a chain; none where there is no such chain.
pub(crate) fn get_all(requests: &mut Requests, chain: &ForeignChain) {
    get_of(requests, chain.family(), &chain.table, Some(&chain.name));
}

/// Reads the body of an answer to [`get_all`].
pub(crate) fn read(chain: &ForeignChain, body: &[u8]) -> Option<ForeignRule> {
    let attributes = Attributes::after(body, HEADER);
    // A kernel may answer with those of all chains.
    let is_its = attributes.find(NFTA_RULE_CHAIN).and_then(text) == Some(&chain.name)
        && attributes.find(NFTA_RULE_TABLE).and_then(text) == Some(&chain.table);
    let handle = attributes.find(NFTA_RULE_HANDLE).and_then(array).map(u64::from_be_bytes)?;
    let comment = attributes.find(NFTA_RULE_USERDATA).and_then(comment).map(str::to_owned);
    let target = targets(&attributes);
    is_its.then_some(ForeignRule { chain: chain.clone(), handle, comment, target })
}

/// Where a rule sends packets on.
fn targets(rule: &Attributes<'_>) -> Option<String> {
    let expressions = rule.find(NFTA_RULE_EXPRESSIONS).unwrap_or_default();
    Attributes::of(expressions).filter(|(kind, _)| *kind == NFTA_LIST_ELEM).find_map(|(_, one)| target(one))
}

/// Where an expression sends packets on, if it does nothing else.
fn target(expression: &[u8]) -> Option<String> {
    let attributes = Attributes::of(expression);
    if attributes.find(NFTA_EXPR_NAME).and_then(text) != Some("immediate") {
        return None;
    }
    let data = Attributes::of(attributes.find(NFTA_EXPR_DATA)?).find(NFTA_IMMEDIATE_DATA)?;
    let verdict = Attributes::of(data).find(NFTA_DATA_VERDICT)?;
    Attributes::of(verdict).find(NFTA_VERDICT_CHAIN).and_then(text).map(str::to_owned)
}

/// Removes a rule that is there.
pub(crate) fn delete(requests: &mut Requests, rule: &ForeignRule) {
    requests.push(NFT_MSG_DELRULE, 0, |body| {
        header(body, rule.chain.family())
            .text(NFTA_RULE_TABLE, &rule.chain.table)
            .text(NFTA_RULE_CHAIN, &rule.chain.name)
            .bytes(NFTA_RULE_HANDLE, &rule.handle.to_be_bytes());
    });
}

/// Removes a chain with all its rules.
pub(crate) fn delete_chain(requests: &mut Requests, chain: &ForeignChain) {
    requests.push(NFT_MSG_DELRULE, 0, |body| {
        header(body, chain.family()).text(NFTA_RULE_TABLE, &chain.table).text(NFTA_RULE_CHAIN, &chain.name);
    });
    chain::delete(requests, chain.family(), &chain.table, &chain.name);
}

/// Whether the rule in the body of an answer compares something with the subnet of an address, or with one around it.
pub(super) fn covers(body: &[u8], address: IpAddr, prefix: u8) -> bool {
    const FEWEST: u8 = 8;
    (FEWEST..=prefix).any(|prefix| compares(body, address, prefix))
}

/// Whether the rule in the body of an answer compares something with this subnet. A prefix of whole bytes is compared with
/// so many, another with all and a mask.
pub(crate) fn compares(body: &[u8], address: IpAddr, prefix: u8) -> bool {
    const NFTA_DATA_VALUE: u16 = 1;
    let whole = usize::from(prefix / 8);
    let masked = octets(address).into_iter().enumerate().map(|(index, octet)| match index.cmp(&whole) {
        Ordering::Less => octet,
        Ordering::Equal => octet & !(u8::MAX >> (prefix % 8)),
        Ordering::Greater => 0,
    });
    let mut value: Vec<u8> = masked.collect();
    if prefix.is_multiple_of(8) {
        value.truncate(whole);
    }
    let length = u16::try_from(4 + value.len()).unwrap_or_default();
    let data = [&length.to_ne_bytes(), &NFTA_DATA_VALUE.to_ne_bytes(), value.as_slice()].concat();
    body.windows(data.len()).any(|bytes| bytes == data)
}

/// Whether the rule in the body of an answer has this word in it, be it the name of an interface or a comment: both end
/// with a zero byte, whatever expression they are in. Before it is a header or a length, and no letter: the end of a longer
/// word is none.
pub(super) fn says(body: &[u8], word: &str) -> bool {
    let ended = [word.as_bytes(), &[0]].concat();
    let is_begin =
        |at: usize| at.checked_sub(1).and_then(|at| body.get(at)).is_none_or(|byte| !byte.is_ascii_graphic());
    body.windows(ended.len()).enumerate().any(|(at, bytes)| bytes == ended && is_begin(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_ends_like_another_is_another() {
        let of_name = [&[12, 0, 1, 0], b"my-web0\0\0\0".as_slice()].concat();
        let of_comment = [&[0, 15], b"netd from web0\0".as_slice()].concat();
        for (body, word, expected) in [
            (&of_name, "my-web0", true),
            (&of_name, "web0", false),
            (&of_name, "my-web", false),
            (&of_comment, "netd from web0", true),
            (&of_comment, "web0", true),
            (&of_comment, "from web", false),
        ] {
            assert_eq!(says(body, word), expected, "{word}");
        }
    }
}
