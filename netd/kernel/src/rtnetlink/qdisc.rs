//! Queueing disciplines: `struct tcmsg` and its attributes, of `include/uapi/linux/{rtnetlink,pkt_sched}.h`.

use netd_model::{
    name::LinkName,
    object::{Place, Qdisc, QdiscKind, Side},
};
use rustix::io::Errno;

use crate::wire::{Attributes, Body, NLM_F_ACK, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, Requests, array, text, u32_of};

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
const RTM_GETQDISC: u16 = 38;

/// `struct tcmsg`: family, three of padding, index, handle, parent, info.
pub(super) const HEADER: usize = 20;

pub(super) const TCA_KIND: u16 = 1;
pub(super) const TCA_OPTIONS: u16 = 2;

const TC_H_ROOT: u32 = 0xffff_ffff;
const TC_H_INGRESS: u32 = 0xffff_fff1;
/// `1:`, of ours at a root.
const OURS: u32 = 0x0001_0000;
/// `ffff:`, of what has filters only.
const FILTERS: u32 = 0xffff_0000;

const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;

/// `struct tc_tbf_qopt`: two of `struct tc_ratespec`, limit, buffer, MTU.
const TBF: usize = 36;
/// Where in it the rate is: four of flags and sizes come first in a `struct tc_ratespec`.
const TBF_RATE: usize = 8;
const TBF_LIMIT: usize = 24;
const TBF_BUFFER: usize = 28;

/// The one at a place of an interface; no answer if there is none but the kernel's own.
pub(crate) fn get(requests: &mut Requests, index: u32, place: Place) {
    // Before 6.8 the kernel answers who asks only if that asks for an echo; of its own it says nothing at all.
    requests.push_forgiving(RTM_GETQDISC, NLM_F_ECHO | NLM_F_ACK, &[Errno::NOENT, Errno::NODEV], |body| {
        header(body, index, 0, parent(place), 0);
    });
}

/// Reads the body of an answer about an interface: one that somebody asked for has a handle.
pub(crate) fn read(side: Side, link: &LinkName, body: &[u8]) -> Option<Qdisc> {
    let [_, _, _, _, _, _, _, _, h0, h1, h2, h3, ..] = array::<HEADER>(body)?;
    if u32::from_ne_bytes([h0, h1, h2, h3]) == 0 {
        return None;
    }
    let attributes = Attributes::after(body, HEADER);
    let kind = match attributes.find(TCA_KIND).and_then(text)? {
        "tbf" => tbf(&Attributes::of(attributes.find(TCA_OPTIONS)?))?,
        "ingress" => QdiscKind::Ingress,
        "clsact" => QdiscKind::Clsact,
        other => QdiscKind::Other(other.to_owned()),
    };
    Some(Qdisc { side, link: link.clone(), kind })
}

/// Adds one, where there is none.
pub(crate) fn add(requests: &mut Requests, wanted: &Qdisc, index: u32) {
    requests.push(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, |body| {
        let handle = if wanted.place() == Place::Root { OURS } else { FILTERS };
        header(body, index, handle, parent(wanted.place()), 0).text(TCA_KIND, wanted.kind.word());
        if let QdiscKind::Tbf { rate, limit, buffer } = wanted.kind {
            body.nest(TCA_OPTIONS, |body| {
                body.bytes(TCA_TBF_PARMS, &tbf_parameters(rate, limit, buffer));
                if u32::try_from(rate).is_err() {
                    body.bytes(TCA_TBF_RATE64, &rate.to_ne_bytes());
                }
            });
        }
    });
}

/// Removes one of this kind.
pub(crate) fn delete(requests: &mut Requests, unwanted: &Qdisc, index: u32) {
    requests.push_forgiving(RTM_DELQDISC, 0, &[Errno::NOENT, Errno::NODEV], |body| {
        header(body, index, 0, parent(unwanted.place()), 0).text(TCA_KIND, unwanted.kind.word());
    });
}

fn tbf(options: &Attributes<'_>) -> Option<QdiscKind> {
    let parameters: [u8; TBF] = options.find(TCA_TBF_PARMS).and_then(array)?;
    let number = |at: usize| parameters.get(at..).and_then(u32_of);
    let large = options.find(TCA_TBF_RATE64).and_then(array).map(u64::from_ne_bytes);
    let rate = large.or(number(TBF_RATE).map(u64::from))?;
    Some(QdiscKind::Tbf { rate, limit: number(TBF_LIMIT)?, buffer: number(TBF_BUFFER)? })
}

/// `struct tc_tbf_qopt` without a peak rate. Of a rate that it cannot hold, another attribute says the whole.
fn tbf_parameters(rate: u64, limit: u32, buffer: u32) -> [u8; TBF] {
    let mut parameters = [0; TBF];
    let rate = u32::try_from(rate).unwrap_or(u32::MAX);
    for (at, number) in [(TBF_RATE, rate), (TBF_LIMIT, limit), (TBF_BUFFER, buffer)] {
        if let Some(place) = parameters.get_mut(at..at + 4) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
    }
    parameters
}

fn parent(place: Place) -> u32 {
    match place {
        Place::Root => TC_H_ROOT,
        Place::Filters => TC_H_INGRESS,
    }
}

/// `struct tcmsg`.
pub(super) fn header<'a, 'b>(
    body: &'a mut Body<'b>,
    index: u32,
    handle: u32,
    parent: u32,
    info: u32,
) -> &'a mut Body<'b> {
    let mut header = [0; HEADER];
    for (place, value) in header.chunks_exact_mut(4).zip([0, index, handle, parent, info]) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    body.fixed(&header)
}
