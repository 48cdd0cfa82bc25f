//! An upstream's response: whether it is one to our question, and what the client gets of it. Pure.

use crate::forward::{Lifetime, Query, answers_within, is_same_question};
use crate::header::{CODE, NAME_ERROR, NO_ERROR, REFUSED, RESPONSE, SERVER_FAILURE, TRUNCATED};
use crate::message::HEADER;
use crate::packet::Forward;

#[cfg(test)]
mod tests;

/// Octets of a UDP response that are read; a longer one counts as truncated.
pub(crate) const MAX_UDP_RESPONSE: usize = 4096;

/// A response that matches what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    octets: Vec<u8>,
    question_end: usize,
}

/// What a response says of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answers.
    Answers,
    /// It could not. The response is sent if no other server can either: it may say why.
    Fails,
    /// It does not want to. The client must not hear so, it would take us for the server that does not.
    Refuses,
}

impl Response {
    /// The response in `octets`, if it is one to `query`, sent with this id: the same question, but for case (RFC 5452 9.1).
    ///
    /// An error may come without the question, as old servers send it that do not know EDNS.
    pub(crate) fn matching(octets: &[u8], id: [u8; 2], query: &Query) -> Option<Self> {
        let (&header, _) = octets.split_first_chunk::<HEADER>()?;
        let [id_high, id_low, high, low, questions_high, questions_low, ..] = header;
        let is_answer = [NO_ERROR, NAME_ERROR].contains(&(low & CODE));
        let question_end = match [questions_high, questions_low] {
            [0, 0] if !is_answer => HEADER,
            [0, 1] => {
                let question = octets.get(HEADER..query.question_end).zip(query.question());
                question.filter(|(got, sent)| is_same_question(got, sent)).map(|_| query.question_end)?
            }
            _ => return None,
        };
        let matches = [id_high, id_low] == id && high & RESPONSE != 0;
        matches.then(|| Self { octets: octets.to_vec(), question_end })
    }

    /// Whether the question has the case that it was sent in. Where it has not, the response may be forged.
    pub(crate) fn is_spelled_as(&self, query: &Query) -> bool {
        self.question_end == HEADER || self.octets.get(HEADER..self.question_end) == query.question()
    }

    /// Whether more of it is to be had over TCP.
    pub(crate) fn is_truncated(&self) -> bool {
        self.is_cut() || self.octets.len() > MAX_UDP_RESPONSE
    }

    /// Whether it says itself that it is not whole.
    pub(crate) fn is_cut(&self) -> bool {
        self.flags()[0] & TRUNCATED != 0
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self.flags()[1] & CODE {
            SERVER_FAILURE => Verdict::Fails,
            REFUSED => Verdict::Refuses,
            _ => Verdict::Answers,
        }
    }

    /// Whether there is no such name.
    pub(crate) fn denies(&self) -> bool {
        self.flags()[1] & CODE == NAME_ERROR
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The same response in other octets, up to the end of the question as these are.
    pub(crate) fn with_octets(self, octets: Vec<u8>) -> Self {
        Self { octets, ..self }
    }

    /// How long it may be kept; none if not at all.
    pub(crate) fn lifetime(&self) -> Option<Lifetime> {
        if self.question_end == HEADER { None } else { Lifetime::of(&self.octets, self.question_end) }
    }

    /// What the client gets: its own id, its own spelling of the name, and no more octets than it takes.
    pub(crate) fn relay(&self, forward: &Forward) -> Vec<u8> {
        self.relay_as(self.octets.clone(), forward)
    }

    /// The same of `octets`, which are this response with other times to live.
    pub(crate) fn relay_as(&self, mut octets: Vec<u8>, forward: &Forward) -> Vec<u8> {
        if let Some((id, question)) = forward.id().zip(forward.question()) {
            if let Some(got) = octets.first_chunk_mut() {
                *got = id;
            }
            let got = octets.get_mut(HEADER..self.question_end).filter(|got| got.len() == question.len());
            if let Some(got) = got {
                got.copy_from_slice(question);
            }
        }
        if octets.len() > forward.limit { self.cut(&octets, forward) } else { octets }
    }

    /// A response that tells the client to come again by TCP: header, question, as many whole answers as fit, and OPT. It
    /// is the one for a failure, but for the flags. Old clients do not come again, and use the answers that are there.
    fn cut(&self, octets: &[u8], forward: &Forward) -> Vec<u8> {
        let frame = forward.failure();
        let (question, opt) = frame.split_at_checked(forward.question_end).unwrap_or((&frame, &[]));
        let room = forward.limit.saturating_sub(opt.len());
        let (end, count) = match self.question_end {
            HEADER => (HEADER, 0),
            question_end => answers_within(octets, question_end, room),
        };
        let answers = octets.get(self.question_end..end).unwrap_or_default();
        let mut cut = [question, answers, opt].concat();
        let [high, low] = self.flags();
        if let [_, _, flags, code, _, _, count_high, count_low, ..] = &mut cut[..] {
            (*flags, *code) = (high | TRUNCATED, low);
            [*count_high, *count_low] = count.to_be_bytes();
        }
        cut
    }

    fn flags(&self) -> [u8; 2] {
        match self.octets[..] {
            [_, _, high, low, ..] => [high, low],
            _ => [0, 0],
        }
    }
}

/// The message under another id.
pub(crate) fn with_id(message: &[u8], id: [u8; 2]) -> Vec<u8> {
    let rest = message.get(id.len()..).unwrap_or_default();
    [&id, rest].concat()
}
