//! What a container hears to a question, and why, for people. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hickory_proto::rr::RecordType;
use thiserror::Error;

use crate::answer::View;
use crate::name::QuestionName;
use crate::network::Upstreams;
use crate::record::{Answer, Data, Kind, Question, Record};
use crate::{NetworkId, Zones};

mod found;
#[cfg(test)]
mod tests;

pub use found::{Found, What};

/// A question as a person writes it, from a container that asks a listener.
#[derive(Clone, Copy, Debug)]
pub struct Inquiry<'a> {
    /// The networks that the listener is for.
    pub listener: &'a [NetworkId],
    /// The address of the container.
    pub source: IpAddr,
    /// The name, such as `db.web.internal`.
    pub name: &'a str,
    /// The type, such as `AAAA` or `TYPE65`.
    pub kind: &'a str,
}

/// Why something cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InquiryError {
    /// Not a name.
    #[error("{0:?} is no name that can be asked for: labels of 1 to 63 bytes, 253 in all")]
    Name(String),
    /// Not a type.
    #[error("{0:?} is no type of a record, like A, AAAA, SRV or TYPE65")]
    Kind(String),
}

/// What is heard, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The networks that the source sees, the listener's first. Where there are none, its question is refused.
    pub networks: Vec<NetworkId>,
    /// What decides.
    pub rule: Rule,
    /// What says so: of each alias, and of the name that they lead to.
    pub found: Vec<Found>,
    /// The response code; nothing where upstreams say it.
    pub status: Option<&'static str>,
    /// The records, as `web1.web.internal 5 A 10.1.0.7`.
    pub records: Vec<String>,
    /// How long it may be kept that there is nothing, in seconds.
    pub negative_ttl: Option<u32>,
    /// Who is asked.
    pub upstreams: Option<Upstreams>,
}

/// What decides about a question; the first that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The source is no container of the listener's networks.
    Stranger,
    /// The name means the same everywhere, as `localhost` does.
    Special,
    /// The name is in a domain of a network of this host.
    Domain,
    /// The name stands without its domain, and a container or a record of a network bears it.
    Bare,
    /// The name is one that runtimes have for the host, or above one.
    Host,
    /// The name is of an address in a subnet of this host.
    Reverse,
    /// A domain, another name or a subnet of a network is below the name, which so exists.
    Above,
    /// Nobody here bears the name, and certain servers are asked for the domain that it is in.
    Split,
    /// Nobody here bears the name, and it may be asked elsewhere.
    Forward,
    /// Nobody here bears the name, and it is not asked elsewhere.
    Nowhere,
}

impl Zones {
    /// What is heard to a question, and why. The same function decides that answers packets.
    ///
    /// # Errors
    /// It is no question.
    pub fn explain(&self, inquiry: Inquiry<'_>) -> Result<Explanation, InquiryError> {
        let question = question(inquiry.name, inquiry.kind)?;
        let Some(view) = View::new(self, inquiry.listener, inquiry.source) else {
            return Ok(Explanation::new(Rule::Stranger, Some("REFUSED")));
        };
        let (aliases, rule, answer) = view.follow(&question);
        let Question { name: mut owner, kind } = question;
        let (mut records, mut found) = (Vec::new(), Vec::new());
        for alias in aliases {
            records.push(written(&owner, &alias));
            let name = std::mem::replace(&mut owner, alias.target());
            found.extend(view.found(&Question { name, kind }));
        }
        found.extend(view.found(&Question { name: owner.clone(), kind }));
        let mut explanation = Explanation::new(rule, Some("NOERROR"));
        explanation.networks = view.networks().cloned().collect();
        explanation.found = found;
        match answer {
            Answer::Records(found) => records.extend(found.iter().map(|record| written(&owner, record))),
            Answer::NoData(soa) => explanation.negative_ttl = Some(soa.ttl),
            Answer::NxDomain(soa) => {
                explanation.status = Some("NXDOMAIN");
                explanation.negative_ttl = Some(soa.ttl);
            }
            Answer::Alias(alias) => records.push(written(&owner, &alias)),
            Answer::Forward(upstreams) => {
                explanation.status = None;
                explanation.upstreams = Some(upstreams);
            }
        }
        explanation.records = records;
        Ok(explanation)
    }
}

impl Explanation {
    fn new(rule: Rule, status: Option<&'static str>) -> Self {
        let (networks, found, records) = (Vec::new(), Vec::new(), Vec::new());
        Self { networks, rule, found, status, records, negative_ttl: None, upstreams: None }
    }
}

fn question(name: &str, kind: &str) -> Result<Question, InquiryError> {
    let refuse = || InquiryError::Name(name.chars().take(80).collect());
    let relative = name.strip_suffix('.').unwrap_or(name);
    let labels = relative.split('.').filter(|_| !relative.is_empty()).map(str::as_bytes);
    let name = QuestionName::from_labels(labels).ok_or_else(refuse)?;
    let upper = kind.to_ascii_uppercase();
    let number = upper.strip_prefix("TYPE").and_then(|number| number.parse().ok());
    let number = number.or_else(|| RecordType::from_str(&upper).ok().map(u16::from));
    let kind = number.map(Kind).filter(|kind| !kind.is_meta());
    Ok(Question { name, kind: kind.ok_or_else(|| InquiryError::Kind(upper.chars().take(80).collect()))? })
}

fn written(owner: &QuestionName, Record { ttl, data }: &Record) -> String {
    let owner = spelled(owner.labels());
    let said = match data {
        Data::A(v4) => format!("A {v4}"),
        Data::Aaaa(v6) => format!("AAAA {v6}"),
        Data::Ptr(name) => format!("PTR {name}"),
        Data::Cname(name) => format!("CNAME {name}"),
        Data::Srv(srv) => format!("SRV 0 0 {} {}", srv.port, srv.target),
        Data::Txt(text) => format!("TXT \"{}\"", text.octets().escape_ascii()),
        Data::Soa(soa) => format!("SOA {} {}", soa.owner, soa.serial),
        Data::NotAny => "HINFO RFC8482".to_owned(),
    };
    format!("{owner} {ttl} {said}")
}

fn spelled<'a>(labels: impl Iterator<Item = &'a [u8]>) -> String {
    labels.map(|label| label.escape_ascii().to_string()).collect::<Vec<_>>().join(".")
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stranger => "who asks is no container of this network",
            Self::Special => "the name means the same everywhere",
            Self::Domain => "the name is in a domain of this host",
            Self::Bare => "a container, or a record of a network, bears the name",
            Self::Host => "the name is one of the host, or above one",
            Self::Reverse => "the address is in a subnet of this host, or a container has it",
            Self::Above => "a name of the networks is below this one",
            Self::Split => "the name is in a domain that certain servers are asked for",
            Self::Forward => "nobody here bears the name: upstreams are asked",
            Self::Nowhere => "nobody here bears the name, and nobody else is asked",
        })
    }
}
