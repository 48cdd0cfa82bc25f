//! Netlink on the wire, for rtnetlink and `nf_tables` alike: netlink(7), `include/uapi/linux/netlink.h`.
//!
//! Requests are written and answers read attribute by attribute, and of an answer only what is asked for: an attribute
//! that a newer kernel adds or lengthens cannot break an ADD. (Crates with a type per message parse all of it or
//! nothing, change with every release, and have none for `nf_tables` sets. Measured: with netlink-packet-route, +4 % CPU
//! per attach, and all-or-nothing parsing; so rtnetlink and nftables are witnesses in the tests instead.)

mod answer;
mod request;
mod socket;

#[cfg(test)]
mod tests;

pub(crate) use answer::{Attributes, array, text, u8_of, u16_of, u32_of};
pub(crate) use request::{Body, Requests};
pub(crate) use socket::{Fault, Notices, Protocol, Refusal, Socket};

/// The answer is several messages, ended by `NLMSG_DONE`.
const NLM_F_MULTI: u16 = 0x2;
/// The dump met a change and may lack or repeat things.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// The message of a refusal was cut after its header.
const NLM_F_CAPPED: u16 = 0x100;
/// Attributes follow the message of a refusal.
const NLM_F_ACK_TLVS: u16 = 0x200;

/// Every request has it.
const NLM_F_REQUEST: u16 = 0x1;
/// Answer success as well.
pub(crate) const NLM_F_ACK: u16 = 0x4;

/// Tell who asks what it tells everybody.
pub(crate) const NLM_F_ECHO: u16 = 0x8;
/// Make it if it is not there.
pub(crate) const NLM_F_CREATE: u16 = 0x400;
/// Refuse if it is there.
pub(crate) const NLM_F_EXCL: u16 = 0x200;
/// Put it in place of what is there.
pub(crate) const NLM_F_REPLACE: u16 = 0x100;
/// Put it beside what is there.
pub(crate) const NLM_F_APPEND: u16 = 0x800;
/// All things of a kind (`NLM_F_ROOT | NLM_F_MATCH`).
pub(crate) const NLM_F_DUMP: u16 = 0x300;

/// In the kind of an attribute: it is one of attributes (`NLA_F_NESTED`). Most of the kernel does not look.
pub(crate) const NESTED: u16 = 0x8000;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// `struct nlmsghdr`: length, kind, flags, sequence, port.
const HEADER: usize = 16;

/// Messages and attributes start at multiples of 4.
const fn aligned(length: usize) -> usize {
    (length + 3) & !3
}
