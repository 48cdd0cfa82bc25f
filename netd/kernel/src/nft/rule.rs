//! Rules: whether a chain has some, and those that another program left.

use netd_model::{element::Family, name::ChainName};
use rustix::io::Errno;

use super::{HEADER, NFTABLES, TABLE, comment, header, number};
use crate::wire::{Attributes, NLM_F_DUMP, Requests, array, text};

const NFT_MSG_GETCHAIN: u16 = NFTABLES + 4;
const NFT_MSG_DELCHAIN: u16 = NFTABLES + 5;
const NFT_MSG_GETRULE: u16 = NFTABLES + 7;
const NFT_MSG_DELRULE: u16 = NFTABLES + 8;

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
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

/// A chain of another program, in a table of IPv4 or of IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignChain {
    /// Whether the table is of IPv6.
    pub is_ipv6: bool,
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

impl ForeignChain {
    fn family(&self) -> u8 {
        if self.is_ipv6 { 10 } else { 2 }
    }
}

/// All rules of a chain that asks conditions; none where there is no such chain.
pub(crate) fn get_conditions(requests: &mut Requests, chain: &ChainName) {
    requests.push_forgiving(NFT_MSG_GETRULE, NLM_F_DUMP, &[Errno::NOENT], |body| {
        header(body, number(Family::Inet)).text(NFTA_RULE_TABLE, TABLE).text(NFTA_RULE_CHAIN, chain.as_str());
    });
}

/// Whether there is such a chain; no answer if not.
pub(crate) fn get_chain(requests: &mut Requests, chain: &ForeignChain) {
    requests.push_forgiving(NFT_MSG_GETCHAIN, 0, &[Errno::NOENT], |body| {
        header(body, chain.family()).text(NFTA_CHAIN_TABLE, &chain.table).text(NFTA_CHAIN_NAME, &chain.name);
    });
}

/// All rules of a chain; none where there is no such chain.
pub(crate) fn get_all(requests: &mut Requests, chain: &ForeignChain) {
    requests.push_forgiving(NFT_MSG_GETRULE, NLM_F_DUMP, &[Errno::NOENT], |body| {
        header(body, chain.family()).text(NFTA_RULE_TABLE, &chain.table).text(NFTA_RULE_CHAIN, &chain.name);
    });
}

/// Reads the body of an answer to [`get_all`].
pub(crate) fn read(chain: &ForeignChain, body: &[u8]) -> Option<ForeignRule> {
    let attributes = Attributes::after(body, HEADER);
    // A kernel may answer with those of all chains.
    let is_its = attributes.find(NFTA_RULE_CHAIN).and_then(text) == Some(&chain.name)
        && attributes.find(NFTA_RULE_TABLE).and_then(text) == Some(&chain.table);
    let handle = attributes.find(NFTA_RULE_HANDLE).and_then(array).map(u64::from_be_bytes)?;
    let comment = attributes.find(NFTA_RULE_USERDATA).and_then(comment).map(str::to_owned);
    let expressions = attributes.find(NFTA_RULE_EXPRESSIONS).unwrap_or_default();
    let target =
        Attributes::of(expressions).filter(|(kind, _)| *kind == NFTA_LIST_ELEM).find_map(|(_, one)| target(one));
    is_its.then_some(ForeignRule { chain: chain.clone(), handle, comment, target })
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
    requests.push(NFT_MSG_DELCHAIN, 0, |body| {
        header(body, chain.family()).text(NFTA_CHAIN_TABLE, &chain.table).text(NFTA_CHAIN_NAME, &chain.name);
    });
}
