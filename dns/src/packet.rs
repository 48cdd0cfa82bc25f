//! From a packet to what is done about it: one pure function, the same for UDP and TCP.

use std::net::IpAddr;

use fastrand::Rng;

use crate::answer::View;
use crate::message::{Code, HEADER, Refusal, Request, Sections, Transport};
use crate::network::Upstreams;
use crate::record::Answer;
use crate::response::MAX_UDP_RESPONSE;
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
    /// What the client gets if nobody answers.
    pub failure: Vec<u8>,
}

impl Forward {
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

/// Decides about a packet: octets in, octets out, and no effect. Sets of addresses are shuffled by `rng`, and
/// those that are near come first.
pub fn respond(zones: &Zones, origin: Origin<'_>, packet: &[u8], rng: &mut Rng) -> Action {
    let request = match Request::parse(packet) {
        Ok(request) => request,
        Err(Refusal::Silence) => return Action::Ignore,
        Err(Refusal::Response(response)) => return Action::Refuse(response),
    };
    let Some(view) = View::new(zones, origin.listener, origin.source) else {
        return Action::Refuse(request.refused());
    };
    let (code, sections) = match view.answer(&request.question) {
        Answer::Records(mut answers) => {
            rng.shuffle(&mut answers);
            view.put_near_first(&mut answers);
            let additional = view.additional(&answers);
            (Code::NoError, Sections { answers, additional, authority: None })
        }
        Answer::NoData(soa) => (Code::NoError, Sections::negative(soa)),
        Answer::NxDomain(soa) => (Code::NxDomain, Sections::negative(soa)),
        Answer::Forward(upstreams) => return forward(&request, packet, upstreams, origin.transport),
    };
    Action::Answer(request.respond(code, view.forwards(), &sections, origin.transport))
}

fn forward(request: &Request, packet: &[u8], upstreams: Upstreams, transport: Transport) -> Action {
    let limit = match transport {
        Transport::Udp => MAX_UDP_RESPONSE.min(request.udp_limit().into()),
        Transport::Tcp => u16::MAX.into(),
    };
    Action::Forward(Forward {
        upstreams,
        request: packet.get(..request.end).unwrap_or(packet).to_vec(),
        question_end: request.question_end,
        limit,
        failure: request.server_failure(),
    })
}
