//! An upstream's response: whether it is one to our question, and what the client gets of it. Pure.

use crate::message::HEADER;
use crate::packet::Forward;

#[cfg(test)]
mod tests;

/// Octets of a UDP response that are read; a longer one counts as truncated.
pub(crate) const MAX_UDP_RESPONSE: usize = 4096;

/// Flags and codes of the third and fourth octet, RFC 1035 4.1.1.
const RESPONSE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;
const CODE: u8 = 0x0f;
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NAME_ERROR: u8 = 3;
const REFUSED: u8 = 5;

/// A response that matches its request.
#[derive(Debug)]
pub(crate) struct Response {
    octets: Vec<u8>,
    flags: [u8; 2],
    has_question: bool,
}

/// What a response is to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// An answer: this is sent.
    Usable(Vec<u8>),
    /// The server could not. This is sent if no other server can either: it may say why.
    ServerFailure(Vec<u8>),
    /// The server does not want to. The client must not hear so, it would take us for the server that does not.
    Refused,
}

impl Response {
    /// The response in `octets`, if it is one to this request: same id, same question but for case (RFC 5452 9.1).
    ///
    /// An error may come without the question, as old servers send it that do not know EDNS.
    pub(crate) fn matching(octets: &[u8], id: [u8; 2], forward: &Forward) -> Option<Self> {
        let (&header, _) = octets.split_first_chunk::<HEADER>()?;
        let [id_high, id_low, high, low, questions @ ..] = header;
        let [count_high, count_low, ..] = questions;
        let is_answer = [NO_ERROR, NAME_ERROR].contains(&(low & CODE));
        let matches = match [count_high, count_low] {
            [0, 0] => !is_answer,
            [0, 1] => {
                let question = octets.get(HEADER..forward.question_end);
                question.zip(forward.question()).is_some_and(|(got, sent)| got.eq_ignore_ascii_case(sent))
            }
            _ => false,
        };
        let matches = matches && [id_high, id_low] == id && high & RESPONSE != 0;
        let has_question = count_low == 1;
        matches.then(|| Self { octets: octets.to_vec(), flags: [high, low], has_question })
    }

    /// Whether more of it, which came over UDP, is to be had over TCP.
    pub(crate) fn is_truncated(&self) -> bool {
        self.flags[0] & TRUNCATED != 0 || self.octets.len() > MAX_UDP_RESPONSE
    }

    /// What the client gets: its own id, its own spelling of the name, and no more octets than it takes.
    pub(crate) fn relay(mut self, forward: &Forward) -> Reply {
        if self.octets.len() > forward.limit {
            self.octets = cut(forward, self.flags);
        } else if let Some(id) = forward.id() {
            self.octets = with_id(&self.octets, id);
            let question = self.octets.get_mut(HEADER..forward.question_end).filter(|_| self.has_question);
            if let Some((got, sent)) = question.zip(forward.question()) {
                got.copy_from_slice(sent);
            }
        }
        match self.flags[1] & CODE {
            SERVER_FAILURE => Reply::ServerFailure(self.octets),
            REFUSED => Reply::Refused,
            _ => Reply::Usable(self.octets),
        }
    }
}

/// The message under another id.
pub(crate) fn with_id(message: &[u8], id: [u8; 2]) -> Vec<u8> {
    let rest = message.get(id.len()..).unwrap_or_default();
    [&id, rest].concat()
}

/// A response of header, question and OPT that tells the client to come again by TCP. It is the one for a failure, but
/// for the flags.
fn cut(forward: &Forward, flags: [u8; 2]) -> Vec<u8> {
    let mut octets = forward.failure.clone();
    if let [_, _, high, low, ..] = &mut octets[..] {
        *high = flags[0] | TRUNCATED;
        *low = flags[1];
    }
    octets
}
