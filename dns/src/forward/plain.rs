//! What upstreams are asked for a request. Pure.
//!
//! A plain request, of a question and at most OPT, is asked in our own words, so that one answer serves all who ask the
//! same. Any other is relayed octet by octet, for itself alone: who signed it, or put an option into it that this server
//! has never heard of, gets the answer to just that.

use crate::header::{AUTHENTIC_DATA, CHECKING_DISABLED, RECURSION_DESIRED};
use crate::message::HEADER;
use crate::packet::Forward;

#[cfg(test)]
mod tests;

/// Octets of type and class after the name of a question.
const KIND_AND_CLASS: usize = 4;

/// Flags of ours, beside RD, AD and CD in one octet.
const EDNS: u8 = 0x02;
const SIGNED: u8 = 0x04;

/// DO, in the flags of OPT (RFC 3225).
const DNSSEC_OK: [u8; 2] = [0x80, 0];
/// OPT up to what we can take over UDP without fragments, 1232 octets.
const OPT: [u8; 7] = [0, 0, 41, 0x04, 0xd0, 0, 0];

/// Options that are between two neighbours, and say nothing about the answer: COOKIE, TCP-KEEPALIVE, PADDING (RFC 7873,
/// RFC 7828, RFC 7830); and EDE, which a request has (RFC 8914) where dnsmasq asks again with the OPT of a SERVFAIL.
const BETWEEN_NEIGHBOURS: [u16; 4] = [10, 11, 12, 15];

/// All of a plain request that its answer depends on: the question, RD, AD, CD, DO, and whether it knows EDNS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Plain {
    flags: u8,
    /// In lower case.
    question: Box<[u8]>,
}

/// A message for an upstream; its first two octets are an id that is not yet chosen, and zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Query {
    pub(crate) octets: Vec<u8>,
    /// Octets up to the end of the question.
    pub(crate) question_end: usize,
    /// Whether it is in our own words.
    pub(crate) is_plain: bool,
}

impl Plain {
    /// The request, if it is plain.
    pub(crate) fn of(forward: &Forward) -> Option<Self> {
        let (&header, _) = forward.request.split_first_chunk::<HEADER>()?;
        let [_, _, high, low, 0, 1, 0, 0, 0, 0, 0, records @ (0 | 1)] = header else { return None };
        if high & !RECURSION_DESIRED != 0 || low & !(AUTHENTIC_DATA | CHECKING_DISABLED) != 0 {
            return None;
        }
        let opt = forward.request.get(forward.question_end..)?;
        let edns = match records {
            0 => opt.is_empty().then_some(0)?,
            _ => plain_edns(opt)?,
        };
        let mut question: Box<[u8]> = forward.question()?.into();
        name_of(&mut question)?.make_ascii_lowercase();
        Some(Self { flags: high | low | edns, question })
    }

    /// The same in our own words.
    pub(crate) fn query(&self) -> Query {
        let has_edns = self.flags & EDNS != 0;
        let low = self.flags & (AUTHENTIC_DATA | CHECKING_DISABLED);
        let header = [0, 0, self.flags & RECURSION_DESIRED, low, 0, 1, 0, 0, 0, 0, 0, u8::from(has_edns)];
        let mut octets = [&header, &*self.question].concat();
        let question_end = octets.len();
        if has_edns {
            octets.extend(opt(if self.flags & SIGNED == 0 { [0, 0] } else { DNSSEC_OK }));
        }
        Query { octets, question_end, is_plain: true }
    }

    /// Octets that it holds.
    pub(crate) fn len(&self) -> usize {
        self.question.len()
    }
}

/// OPT with these flags and no options.
fn opt(flags: [u8; 2]) -> impl Iterator<Item = u8> {
    OPT.into_iter().chain(flags).chain([0, 0])
}

impl Query {
    /// A request that is not plain, as it came.
    pub(crate) fn relayed(forward: &Forward) -> Self {
        let mut octets = forward.request.clone();
        if let Some(id) = octets.first_chunk_mut() {
            *id = [0; 2];
        }
        Self { octets, question_end: forward.question_end, is_plain: false }
    }

    /// The question.
    pub(crate) fn question(&self) -> Option<&[u8]> {
        self.octets.get(HEADER..self.question_end)
    }

    /// Whether it has OPT, if it is in our own words: that is all that follows the question then.
    pub(super) fn has_edns(&self) -> bool {
        self.octets.len() > self.question_end
    }

    /// The same with an OPT that says no more than that we know it, unless it has one.
    pub(super) fn with_edns(&self) -> Self {
        let mut query = self.clone();
        if !query.has_edns() {
            query.octets.extend(opt([0, 0]));
            if let Some([.., count]) = query.octets.first_chunk_mut::<HEADER>() {
                *count = 1;
            }
        }
        query
    }
}

/// Whether two questions are the same but for the case of letters in the name.
pub(crate) fn is_same_question(one: &[u8], other: &[u8]) -> bool {
    let split = |question: &[u8]| question.split_last_chunk::<KIND_AND_CLASS>().map(|(name, &rest)| (name.len(), rest));
    let names = one.len().saturating_sub(KIND_AND_CLASS);
    split(one) == split(other)
        && one.get(..names).zip(other.get(..names)).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// The name in a question. Type and class are numbers, and no letters: HTTPS is 65, as `A` is.
fn name_of(question: &mut [u8]) -> Option<&mut [u8]> {
    question.split_last_chunk_mut::<KIND_AND_CLASS>().map(|(name, _)| name)
}

/// The flags for an OPT that says no more than we can say in our own words (RFC 6891 6.1).
fn plain_edns(opt: &[u8]) -> Option<u8> {
    let (&[0, 0, 41, _, _, 0, 0, high, low, length_high, length_low], options) = opt.split_first_chunk()? else {
        return None;
    };
    let signed = match [high, low] {
        [0, 0] => 0,
        DNSSEC_OK => SIGNED,
        _ => return None,
    };
    let is_whole = options.len() == usize::from(u16::from_be_bytes([length_high, length_low]));
    (is_whole && are_between_neighbours(options)).then_some(EDNS | signed)
}

fn are_between_neighbours(mut options: &[u8]) -> bool {
    while let Some((&[a, b, c, d], rest)) = options.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([c, d]));
        match rest.get(length..) {
            Some(after) if BETWEEN_NEIGHBOURS.contains(&u16::from_be_bytes([a, b])) => options = after,
            _ => return false,
        }
    }
    options.is_empty()
}
