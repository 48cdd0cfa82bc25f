//! Rules: `struct fib_rule_hdr` and its attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netd_model::object::{Rule, Side};
use rustix::io::Errno;

use super::{AF_INET, AF_INET6, address_of, family, octets};
use crate::wire::{Attributes, Body, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, Requests, array, u32_of};

const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;

/// `struct fib_rule_hdr`: family, two lengths of prefixes, TOS, table, two of no use, action, flags.
const HEADER: usize = 12;

const FRA_SRC: u16 = 2;
const FRA_TABLE: u16 = 15;

/// Look the packet up in a table.
const FR_ACT_TO_TBL: u8 = 1;

/// Reads the body of an answer: a rule that sends packets to a table.
pub(crate) fn read(side: Side, body: &[u8]) -> Option<Rule> {
    let [inet, _, length, _, table, _, _, action, ..] = array::<HEADER>(body)?;
    if action != FR_ACT_TO_TBL {
        return None;
    }
    let any = if inet == AF_INET { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let attributes = Attributes::after(body, HEADER);
    let source = attributes.find(FRA_SRC).and_then(address_of).unwrap_or(any);
    let table = attributes.find(FRA_TABLE).and_then(u32_of).unwrap_or(u32::from(table));
    Some(Rule { side, source: IpNetwork::new(source, length).ok()?, table })
}

/// All rules of one family.
pub(crate) fn get_all(requests: &mut Requests, is_ipv6: bool) {
    requests.push(RTM_GETRULE, NLM_F_DUMP, |body| {
        body.fixed(&[if is_ipv6 { AF_INET6 } else { AF_INET }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    });
}

/// Adds a rule, whose priority the kernel chooses. That the very same one is there is success.
pub(crate) fn add(requests: &mut Requests, wanted: &Rule) {
    requests.push_forgiving(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &[Errno::EXIST], |body| named(body, wanted));
}

/// Removes a rule.
pub(crate) fn delete(requests: &mut Requests, unwanted: &Rule) {
    requests.push_forgiving(RTM_DELRULE, 0, &[Errno::NOENT], |body| named(body, unwanted));
}

fn named(body: &mut Body<'_>, rule: &Rule) {
    let source = rule.source;
    body.fixed(&[family(source.ip()), 0, source.prefix(), 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0])
        .bytes(FRA_SRC, &octets(source.ip()))
        .u32(FRA_TABLE, rule.table);
}
