//! How long a response may be kept, and where it must be changed meanwhile (RFC 2308, RFC 2181 8). Pure.
//!
//! A response is read as far as its times to live ask for; what its records say stays unread, so that types that this
//! server has never heard of are kept as well. One that cannot be read to its last octet is not kept.

use std::ops::Range;
use std::time::Duration;

use crate::header::{CODE, NAME_ERROR, NO_ERROR, TRUNCATED};
use crate::message::HEADER;

#[cfg(test)]
mod tests;

/// The longest time that anything is kept.
const MAX_POSITIVE: Duration = Duration::from_hours(24);
/// The longest time that it is kept that there is nothing: what is looked for is often about to come.
const MAX_NEGATIVE: Duration = Duration::from_mins(5);

const IN: u16 = 1;
const SOA: u16 = 6;
const SIG: u16 = 24;
const OPT: u16 = 41;
const TSIG: u16 = 250;

/// A pointer to an earlier name, RFC 1035 4.1.4.
const POINTER: u8 = 0xc0;
/// Five numbers at the end of an SOA record, of which the last bounds the time to live of negative answers.
const SOA_NUMBERS: usize = 20;

/// A response that may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// For how long.
    pub(crate) time: Duration,
    /// Where its times to live stand, in seconds as 32 bits.
    pub(crate) ttls: Box<[u16]>,
    /// Where the name of the question is spelled out once more.
    pub(crate) spelled: Box<[u16]>,
}

/// A record, by where its parts stand.
#[derive(Debug)]
struct Record {
    owner: usize,
    kind: u16,
    class: u16,
    ttl_at: usize,
    ttl: u32,
    data: Range<usize>,
}

/// Reads from here on.
struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Lifetime {
    /// How long the response may be kept whose question ends there; none if not at all.
    pub(crate) fn of(octets: &[u8], question_end: usize) -> Option<Self> {
        let (&header, _) = octets.split_first_chunk::<HEADER>()?;
        let [_, _, high, low, _, _, counts @ ..] = header;
        let counts = counts.as_chunks::<2>().0.iter().map(|&count| u16::from_be_bytes(count));
        let mut reader = Reader { octets, at: question_end };
        let sections: Vec<Vec<Record>> = counts.map(|count| reader.records(count)).collect::<Option<_>>()?;
        let [answers, authority, additional] = &sections[..] else { return None };
        if reader.at != octets.len() || high & TRUNCATED != 0 {
            return None;
        }
        if has_opt(answers) || has_opt(authority) || !is_plain(additional) {
            return None;
        }
        let records = || sections.iter().flatten().filter(|record| record.kind != OPT);
        let ttl = records().map(|record| seconds(record.ttl)).min();
        let start = authority.iter().find(|record| record.kind == SOA);
        let time = match (low & CODE, start) {
            (NO_ERROR | NAME_ERROR, Some(start)) => ttl?.min(seconds(minimum(octets, start)?)).min(MAX_NEGATIVE),
            (NO_ERROR, None) if !answers.is_empty() => ttl?.min(MAX_POSITIVE),
            _ => return None,
        };
        let name = octets.get(HEADER..question_end.checked_sub(4)?)?;
        let is_spelled = |at: &usize| octets.get(*at..at + name.len()).is_some_and(|is| is.eq_ignore_ascii_case(name));
        let ttls = records().map(|record| u16::try_from(record.ttl_at)).collect::<Result<_, _>>().ok()?;
        let spelled = records().map(|record| record.owner).filter(is_spelled).map(u16::try_from);
        let spelled = spelled.collect::<Result<_, _>>().ok()?;
        (!time.is_zero()).then_some(Self { time, ttls, spelled })
    }

    /// Octets that it holds.
    pub(crate) fn len(&self) -> usize {
        size_of::<u16>() * (self.ttls.len() + self.spelled.len())
    }
}

/// The end of the last whole answer that ends at or before `limit`, and how many answers that are (RFC 2181 9).
pub(crate) fn answers_within(octets: &[u8], question_end: usize, limit: usize) -> (usize, u16) {
    let Some((&[.., high, low, _, _, _, _], _)) = octets.split_first_chunk::<HEADER>() else {
        return (question_end, 0);
    };
    let mut reader = Reader { octets, at: question_end };
    let mut within = (question_end, 0);
    for count in 1..=u16::from_be_bytes([high, low]) {
        match reader.record() {
            Some(record) if record.data.end <= limit && record.kind != OPT => within = (record.data.end, count),
            _ => break,
        }
    }
    within
}

/// Where OPT stands in the additional section, and how many records are before it there.
pub(crate) fn opt_in(octets: &[u8]) -> Option<(Range<usize>, u16)> {
    let (&[_, _, _, _, counts @ ..], _) = octets.split_first_chunk::<HEADER>()?;
    let mut counts = counts.as_chunks::<2>().0.iter().map(|&count| u16::from_be_bytes(count));
    let mut reader = Reader { octets, at: HEADER };
    for _ in 0..counts.next()? {
        reader.name()?;
        reader.number::<4>()?;
    }
    for count in [counts.next()?, counts.next()?] {
        (0..count).try_for_each(|_| reader.record().map(drop))?;
    }
    for index in 0..counts.next()? {
        let record = reader.record()?;
        if record.kind == OPT {
            return Some((record.owner..record.data.end, index));
        }
    }
    None
}

/// More than 31 bits are none (RFC 2181 8).
fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(i32::try_from(ttl).map_or(0, |_| ttl.into()))
}

/// The last number of an SOA record, if that is one.
fn minimum(octets: &[u8], record: &Record) -> Option<u32> {
    let mut reader = Reader { octets, at: record.data.start };
    reader.name()?;
    reader.name()?;
    let numbers = octets.get(reader.at..record.data.end)?;
    (numbers.len() == SOA_NUMBERS).then(|| numbers.last_chunk().map(|&last| u32::from_be_bytes(last)))?
}

fn has_opt(records: &[Record]) -> bool {
    records.iter().any(|record| record.kind == OPT)
}

/// Whether nothing in the additional section is for one receiver alone: a signature, or a code that stands in OPT.
fn is_plain(additional: &[Record]) -> bool {
    let is_signature = |record: &Record| record.kind == TSIG || record.kind == SIG && record.class != IN;
    let mut options = additional.iter().filter(|record| record.kind == OPT);
    // The first octet of what would be the time to live is the upper part of the code (RFC 6891 6.1.3).
    let has_code = options.next().is_some_and(|record| record.ttl >> 24 != 0);
    !additional.iter().any(is_signature) && !has_code && options.next().is_none()
}

impl Reader<'_> {
    fn records(&mut self, count: u16) -> Option<Vec<Record>> {
        (0..count).map(|_| self.record()).collect()
    }

    fn record(&mut self) -> Option<Record> {
        let owner = self.at;
        self.name()?;
        let [kind, class] = [self.number()?, self.number()?].map(u16::from_be_bytes);
        let ttl_at = self.at;
        let ttl = u32::from_be_bytes(self.number()?);
        let length = usize::from(u16::from_be_bytes(self.number()?));
        let data = self.at..self.at + length;
        self.octets.get(data.clone())?;
        self.at = data.end;
        Some(Record { owner, kind, class, ttl_at, ttl, data })
    }

    /// Passes over a name. A pointer must lead back, past the header.
    fn name(&mut self) -> Option<()> {
        let start = self.at;
        loop {
            let [length] = self.number()?;
            if length & POINTER == POINTER {
                let [low] = self.number()?;
                let target = usize::from(u16::from_be_bytes([length & !POINTER, low]));
                return (HEADER..start).contains(&target).then_some(());
            }
            if length & POINTER != 0 {
                return None;
            }
            if length == 0 {
                return Some(());
            }
            self.at += usize::from(length);
        }
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&number, _) = self.octets.get(self.at..)?.split_first_chunk()?;
        self.at += N;
        Some(number)
    }
}
