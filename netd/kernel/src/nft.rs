//! What `nf_tables` is asked and told, message by message: encoding and decoding; and the programs, which `nft` loads.
//!
//! The numbers are those of `include/uapi/linux/netfilter/{nfnetlink,nf_tables}.h`. Numbers in attributes are in network
//! byte order.

pub(crate) mod anew;
pub(crate) mod chain;
pub(crate) mod element;
pub(crate) mod gate;
pub(crate) mod program;
pub(crate) mod rule;

use netd_model::element::{Family, Set};

use crate::wire::{Attributes, Body, Requests, array, text};

/// The table of either family.
const TABLE: &str = "netd";

/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of every kind of message.
const NFTABLES: u16 = 10 << 8;
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;

/// `struct nfgenmsg`: family, version, resource.
const HEADER: usize = 4;

const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_INET: u8 = 1;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
const NFPROTO_BRIDGE: u8 = 7;

/// The first record of every user data of nft(8): a comment with its zero byte.
const COMMENT: u8 = 0;

fn number(family: Family) -> u8 {
    match family {
        Family::Inet => NFPROTO_INET,
        Family::Bridge => NFPROTO_BRIDGE,
    }
}

/// A transaction: all of what `write` adds, or nothing.
pub(crate) fn transaction(write: impl FnOnce(&mut Requests)) -> Requests {
    let mut requests = Requests::new();
    let edge = |requests: &mut Requests, kind| {
        requests.push(kind, 0, |body| {
            let [high, low] = NFTABLES.to_be_bytes();
            body.fixed(&[NFPROTO_UNSPEC, 0, low, high]);
        });
    };
    edge(&mut requests, NFNL_MSG_BATCH_BEGIN);
    write(&mut requests);
    edge(&mut requests, NFNL_MSG_BATCH_END);
    requests
}

fn header<'a, 'b>(body: &'a mut Body<'b>, family: u8) -> &'a mut Body<'b> {
    body.fixed(&[family, 0, 0, 0])
}

/// The comment in user data as nft(8) writes it: records of kind, length, value.
fn comment(mut data: &[u8]) -> Option<&str> {
    while let Some([kind, length]) = array(data) {
        let end = 2 + usize::from(length);
        let value = data.get(2..end)?;
        if kind == COMMENT {
            return text(value);
        }
        data = data.get(end..)?;
    }
    None
}

/// User data with this comment, cut after the 127 bytes that nft(8) takes.
fn with_comment(comment: &str) -> Vec<u8> {
    let value: Vec<u8> = comment.bytes().take(127).chain([0]).collect();
    let length = u8::try_from(value.len()).expect("invariant: at most 128");
    [&[COMMENT, length], value.as_slice()].concat()
}

/// Whether a notice says that something of ours went that overlay networks need: elements of other sets go with each
/// container.
pub(crate) fn matters_to_overlays(kind: u16, body: &[u8]) -> bool {
    const SET_NAME: u16 = 2;
    let set = Attributes::after(body, HEADER).find(SET_NAME).and_then(text);
    let is_of_overlays = || Set::OF_OVERLAYS.iter().any(|of_overlays| set == Some(of_overlays.name()));
    kind != chain::NFT_MSG_NEWCHAIN && matters(kind, body) && (kind != element::NFT_MSG_DELSETELEM || is_of_overlays())
}

/// Whether a notice is about something of ours that went, or a chain that meets packets, of whatever program: it may
/// drop what our links live on.
pub(crate) fn matters(kind: u16, body: &[u8]) -> bool {
    /// Table, chain, rule, set, element.
    const REMOVALS: [u16; 5] = [NFTABLES + 2, NFTABLES + 5, NFTABLES + 8, NFTABLES + 11, NFTABLES + 14];
    /// Of all these messages, the first attribute is the name of the table.
    const TABLE_NAME: u16 = 1;
    let attributes = Attributes::after(body, HEADER);
    let is_ours = || attributes.find(TABLE_NAME).and_then(text) == Some(TABLE);
    (REMOVALS.contains(&kind) && is_ours()) || (kind == chain::NFT_MSG_NEWCHAIN && chain::has_hook(&attributes))
}
