//! Questions and what answers them, without their encoding.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::Name;
use crate::name::QuestionName;
use crate::network::{Text, Upstreams};

/// A question of class IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) name: QuestionName,
    pub(crate) kind: Kind,
}

/// A record type, as its number (IANA "DNS Parameters").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(pub(crate) u16);

/// What the server says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These records, all owned by the name in the question.
    Records(Vec<Record>),
    /// The name exists, without records of this type (RFC 2308 2.2).
    NoData(Soa),
    /// Neither the name nor one below it exists (RFC 8020).
    NxDomain(Soa),
    /// Another name has what is asked for: this record says which.
    Alias(Record),
    /// It is not ours to say: ask these.
    Forward(Upstreams),
}

/// A record; its owner is the name in the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Seconds.
    pub(crate) ttl: u32,
    pub(crate) data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Ptr(Name),
    Cname(Name),
    Srv(Srv),
    Txt(Text),
    Soa(Soa),
    /// The answer to a question for any type, RFC 8482 4.2.
    NotAny,
}

/// Where a service is. All are alike: who asks takes any (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Srv {
    pub(crate) port: u16,
    pub(crate) target: Name,
}

/// The start of authority: it names the zone that a negative answer comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Soa {
    /// The zone. Names that are in none of ours (bare ones, special ones) are the root's.
    pub(crate) owner: Name,
    pub(crate) serial: u32,
    /// Seconds that a negative answer may be kept (RFC 2308 5).
    pub(crate) ttl: u32,
}

impl Record {
    /// The name that an alias leads to, as it is asked for; of another record the root.
    pub(crate) fn target(&self) -> QuestionName {
        match &self.data {
            Data::Cname(target) => QuestionName::from(target),
            _ => QuestionName::from(&Name::root()),
        }
    }
}

impl Kind {
    pub(crate) const A: Self = Self(1);
    pub(crate) const CNAME: Self = Self(5);
    pub(crate) const SOA: Self = Self(6);
    pub(crate) const PTR: Self = Self(12);
    pub(crate) const TXT: Self = Self(16);
    pub(crate) const AAAA: Self = Self(28);
    pub(crate) const SRV: Self = Self(33);
    pub(crate) const ANY: Self = Self(255);

    const OPT: Self = Self(41);

    /// Whether it asks for something other than records: OPT, TKEY, TSIG, IXFR, AXFR (RFC 6895 3.1).
    pub(crate) fn is_meta(self) -> bool {
        self == Self::OPT || (249..=252).contains(&self.0)
    }
}
