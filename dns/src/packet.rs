//! From a packet to what is done about it: one pure function, the same for UDP and TCP.

use std::net::IpAddr;

use fastrand::Rng;

use crate::answer::View;
use crate::counters::CountedKind;
use crate::explain::Rule;
use crate::header::{AUTHORITATIVE, CHECKING_DISABLED, RECURSION_AVAILABLE, RESPONSE, SERVER_FAILURE, TRUNCATED};
use crate::message::{Alias, Code, HEADER, MAX_UDP, MIN_UDP, Refusal, Request, Sections, Transport, opt_of_ours};
use crate::name::QuestionName;
use crate::network::Upstreams;
use crate::options::{Why, explained};
use crate::record::{Answer, Record};
use crate::zone::Zone;
use crate::{NetworkId, Zones};

#[cfg(test)]
mod tests;

/// Where a packet came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The networks of the listener that it came to.
    pub listener: &'a [NetworkId],
    /// The address that it came from.
    pub source: IpAddr,
    /// How it came.
    pub transport: Transport,
}

/// What is done about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Ignore,
    /// This is sent back; nothing was looked up.
    Refuse(Vec<u8>),
    /// This is sent back, from our own data.
    Answer(Vec<u8>),
    /// Others are asked.
    Forward(Forward),
}

/// A request that others must answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Who.
    pub upstreams: Upstreams,
    /// The request as it came, without octets after its end.
    pub request: Vec<u8>,
    /// Octets of `request` up to the end of the question.
    pub(crate) question_end: usize,
    /// The octets of the largest response that the client takes.
    pub(crate) limit: usize,
    /// Whether the client knows EDNS, and if so, whether it takes signatures (DO).
    pub(crate) edns: Option<bool>,
    /// Where a name of ours led to the one that is asked for.
    pub(crate) alias: Option<Box<Alias>>,
}

impl Forward {
    /// What the client gets where nobody answers: SERVFAIL, about the question of `request`.
    pub fn failure(&self) -> Vec<u8> {
        let [id_high, id_low, high, low, ..] = self.request.first_chunk::<HEADER>().copied().unwrap_or_default();
        // Beside QR, RA and the code, opcode, RD and CD as they came.
        let high = high & !(AUTHORITATIVE | TRUNCATED) | RESPONSE;
        let low = low & CHECKING_DISABLED | RECURSION_AVAILABLE | SERVER_FAILURE;
        let header = [id_high, id_low, high, low, 0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())];
        let opt = self.edns.map(opt_of_ours);
        let opt = opt.as_ref().map_or(&[][..], <[u8; 11]>::as_slice);
        [&header, self.question().unwrap_or_default(), opt].concat()
    }

    /// The same with the reason.
    pub(crate) fn failed(&self, why: Why) -> Vec<u8> {
        explained(self.failure(), why, self.limit)
    }

    /// The client's id.
    pub(crate) fn id(&self) -> Option<[u8; 2]> {
        self.request.first_chunk().copied()
    }

    /// The name in the question as it came.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        self.question()?.split_last_chunk::<4>().map(|(name, _)| name)
    }

    /// The question as it came.
    pub(crate) fn question(&self) -> Option<&[u8]> {
        self.request.get(HEADER..self.question_end)
    }
}

/// What is decided about a packet.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    pub(crate) action: Action,
    /// The type that is asked for.
    pub(crate) kind: CountedKind,
    /// The network that the source belongs to; where it belongs to none, the listener's first.
    pub(crate) zone: Option<&'a Zone>,
}

/// Decides about a packet: octets in, octets out, and no effect. Sets of addresses are shuffled by `rng`, and
/// those that are near come first.
pub fn respond(zones: &Zones, origin: Origin<'_>, packet: &[u8], rng: &mut Rng) -> Action {
    decide(zones, origin, packet, rng).action
}

/// The same, with what is counted of it.
pub(crate) fn decide<'a>(zones: &'a Zones, origin: Origin<'_>, packet: &[u8], rng: &mut Rng) -> Decision<'a> {
    let stray = |kind, action| Decision { action, kind, zone: zones.zone_of(origin.listener, origin.source) };
    let request = match Request::parse(packet) {
        Ok(request) => request,
        Err(Refusal::Silence) => return stray(CountedKind::Other, Action::Ignore),
        Err(Refusal::Response(response)) => return stray(CountedKind::Other, Action::Refuse(response)),
    };
    let kind = CountedKind::from(request.question.kind);
    let Some(view) = View::new(zones, origin.listener, origin.source) else {
        return stray(kind, Action::Refuse(request.refused()));
    };
    Decision { action: seen(&view, &request, origin.transport, packet, rng), kind, zone: view.first() }
}

/// What is done about a request of a source that sees this.
fn seen(view: &View<'_>, request: &Request, transport: Transport, packet: &[u8], rng: &mut Rng) -> Action {
    let (aliases, rule, answer) = view.follow(&request.question);
    let is_blocked = rule == Rule::Split && matches!(answer, Answer::NxDomain(_));
    let (code, sections) = match answer {
        Answer::Records(mut answers) => {
            rng.shuffle(&mut answers);
            view.put_near_first(&mut answers);
            let additional = view.additional(&answers);
            (Code::NoError, Sections { aliases, answers, additional, authority: None })
        }
        Answer::NoData(soa) => (Code::NoError, Sections::negative(aliases, soa)),
        Answer::NxDomain(soa) => (Code::NxDomain, Sections::negative(aliases, soa)),
        Answer::Forward(upstreams) => return forward(request, packet, &aliases, upstreams, transport),
        // It was followed.
        Answer::Alias(_) => return Action::Answer(request.server_failure()),
    };
    let response = request.respond(code, view.forwards(), &sections, transport);
    Action::Answer(if is_blocked { explained(response, Why::Blocked, MIN_UDP.into()) } else { response })
}

fn forward(request: &Request, packet: &[u8], aliases: &[Record], upstreams: Upstreams, transport: Transport) -> Action {
    let limit = match transport {
        Transport::Udp => MAX_UDP.min(request.udp_limit()).into(),
        Transport::Tcp => u16::MAX.into(),
    };
    let came = packet.get(..request.end).unwrap_or(packet);
    let (question_end, asked) = match aliases.last() {
        None => (request.question_end, came.to_vec()),
        Some(last) => with_name(came, request.question_end, &last.target()),
    };
    Action::Forward(Forward {
        upstreams,
        request: asked,
        question_end,
        limit,
        edns: request.edns(),
        alias: (!aliases.is_empty()).then(|| Box::new(request.alias(aliases))),
    })
}

/// The request with another name in its question, and where that ends.
fn with_name(request: &[u8], question_end: usize, name: &QuestionName) -> (usize, Vec<u8>) {
    let (header, _) = request.split_at_checked(HEADER).unwrap_or((request, &[]));
    let (question, rest) = request.split_at_checked(question_end).unwrap_or((request, &[]));
    let type_and_class = question.last_chunk::<4>().map(<[u8; 4]>::as_slice).unwrap_or_default();
    let octets = [header, name.octets(), &[0], type_and_class, rest].concat();
    (octets.len() - rest.len(), octets)
}
