//! Chains: whether a program is loaded, and what other programs drop.

use netd_model::element::Family;
use rustix::io::Errno;

use super::{HEADER, NFPROTO_UNSPEC, NFTABLES, TABLE, anew::STAND_IN, comment, header, number};
use crate::wire::{Attributes, NLM_F_DUMP, Requests, array, text, u8_of};

pub(super) const NFT_MSG_NEWCHAIN: u16 = NFTABLES + 3;
const NFT_MSG_GETCHAIN: u16 = NFTABLES + 4;
const NFT_MSG_DELCHAIN: u16 = NFTABLES + 5;

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_USE: u16 = 6;
const NFTA_CHAIN_USERDATA: u16 = 12;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NF_DROP: u32 = 0;

/// A chain of a hook, of whatever program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookedChain {
    /// `ip`, `ip6`, `inet`, ... or a number.
    pub family: String,
    /// The table.
    pub table: String,
    /// The chain.
    pub name: String,
    /// Where packets meet it.
    pub hook: Hook,
    /// When: the lower the earlier.
    pub priority: i32,
    /// Whether packets that no rule accepts are dropped.
    pub drops: bool,
}

/// Where a chain meets packets that are routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// To this host.
    Input,
    /// Through this host.
    Forward,
    /// Elsewhere.
    Other,
}

impl HookedChain {
    /// Whether it is another program's and holds back packets of the hook that nobody lets through: by its policy, or, as
    /// firewalld does, by its last rule.
    pub fn is_closed(&self, hook: Hook) -> bool {
        let is_of_ip = matches!(self.family.as_str(), "ip" | "ip6" | "inet");
        let is_ours = [TABLE, STAND_IN].contains(&self.table.as_str());
        is_of_ip && self.hook == hook && !is_ours && (self.drops || self.is_firewalld())
    }

    /// Whether it is firewalld's.
    pub fn is_firewalld(&self) -> bool {
        self.table == "firewalld" && matches!(self.name.as_str(), "filter_INPUT" | "filter_FORWARD")
    }
}

/// Whether packets meet the chain.
pub(super) fn has_hook(attributes: &Attributes<'_>) -> bool {
    attributes.find(NFTA_CHAIN_HOOK).is_some()
}

/// A chain of a program; no answer if it is not there.
pub(crate) fn get(requests: &mut Requests, family: Family, name: &str) {
    get_of(requests, number(family), TABLE, name);
}

/// A chain of any program; no answer if it is not there.
pub(crate) fn get_of(requests: &mut Requests, family: u8, table: &str, name: &str) {
    requests.push_forgiving(NFT_MSG_GETCHAIN, 0, &[Errno::NOENT], |body| {
        header(body, family).text(NFTA_CHAIN_TABLE, table).text(NFTA_CHAIN_NAME, name);
    });
}

/// Removes a chain that is there.
pub(super) fn delete(requests: &mut Requests, family: u8, table: &str, name: &str) {
    requests.push(NFT_MSG_DELCHAIN, 0, |body| {
        header(body, family).text(NFTA_CHAIN_TABLE, table).text(NFTA_CHAIN_NAME, name);
    });
}

/// Reads the body of an answer to [`get_of`]: whether packets that no rule accepts are dropped.
pub(super) fn read_drops(body: &[u8]) -> bool {
    Attributes::after(body, HEADER).find(NFTA_CHAIN_POLICY).and_then(be32) == Some(NF_DROP)
}

/// All chains of all programs.
pub(crate) fn get_all(requests: &mut Requests) {
    requests.push(NFT_MSG_GETCHAIN, NLM_F_DUMP, |body| {
        header(body, NFPROTO_UNSPEC);
    });
}

/// Reads the body of an answer to [`get`]: how many rules the chain has, the jumps to it counted with them, and its comment.
pub(crate) fn read(body: &[u8]) -> Option<(u32, Option<&str>)> {
    let attributes = Attributes::after(body, HEADER);
    let uses = attributes.find(NFTA_CHAIN_USE).and_then(be32)?;
    Some((uses, attributes.find(NFTA_CHAIN_USERDATA).and_then(comment)))
}

/// Reads the body of an answer to [`get_all`]. None where the chain has no hook.
pub(crate) fn read_hooked(body: &[u8]) -> Option<HookedChain> {
    const NF_INET_LOCAL_IN: u32 = 1;
    const NF_INET_FORWARD: u32 = 2;
    let family = match u8_of(body)? {
        1 => "inet".to_owned(),
        2 => "ip".to_owned(),
        3 => "arp".to_owned(),
        5 => "netdev".to_owned(),
        7 => "bridge".to_owned(),
        10 => "ip6".to_owned(),
        number => number.to_string(),
    };
    let attributes = Attributes::after(body, HEADER);
    let word = |kind| attributes.find(kind).and_then(text).map(str::to_owned);
    let hook = Attributes::of(attributes.find(NFTA_CHAIN_HOOK)?);
    Some(HookedChain {
        family,
        table: word(NFTA_CHAIN_TABLE)?,
        name: word(NFTA_CHAIN_NAME)?,
        hook: match hook.find(NFTA_HOOK_HOOKNUM).and_then(be32)? {
            NF_INET_LOCAL_IN => Hook::Input,
            NF_INET_FORWARD => Hook::Forward,
            _ => Hook::Other,
        },
        priority: hook.find(NFTA_HOOK_PRIORITY).and_then(array).map(i32::from_be_bytes)?,
        drops: attributes.find(NFTA_CHAIN_POLICY).and_then(be32) == Some(NF_DROP),
    })
}

fn be32(value: &[u8]) -> Option<u32> {
    array(value).map(u32::from_be_bytes)
}
