//! OPT in a message as it is on the wire, and the options that stand in it (RFC 6891 6.1.2). No other record is read. Pure.

use crate::forward::opt_in;
use crate::message::OPT;

#[cfg(test)]
mod tests;

/// EXTENDED DNS ERROR, RFC 8914 2.
const ERROR: u16 = 15;
/// PADDING, RFC 7830 3.
pub(crate) const PADDING: u16 = 12;
/// For local use, and never given to anybody (RFC 6891 9).
const UNKNOWN: u16 = 65_534;
/// Where the number of additional records stands in a header.
const ADDITIONAL: usize = 10;

/// Why an answer is not what was hoped for: an info code of RFC 8914 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Upstreams fail, and this is what one of them said before.
    Stale,
    /// It was decided here that nobody is asked for it.
    Blocked,
    /// Who asks is on no network of the listener.
    Prohibited,
    /// The same as stale, of a name that did not exist.
    StaleDenial,
    /// No upstream answered.
    NoUpstream,
    /// This host could not ask.
    Network,
}

impl Why {
    /// As an option of OPT, without a text.
    pub(crate) fn option(self) -> [u8; 6] {
        let ([high, low], [code_high, code_low]) = (ERROR.to_be_bytes(), self.code().to_be_bytes());
        [high, low, 0, 2, code_high, code_low]
    }

    fn code(self) -> u16 {
        match self {
            Self::Stale => 3,
            Self::Blocked => 15,
            Self::Prohibited => 18,
            Self::StaleDenial => 19,
            Self::NoUpstream => 22,
            Self::Network => 23,
        }
    }
}

/// The message with a reason in its OPT. It stays as it is where it has none, because the client or its upstream knows none,
/// and where it would have more octets than `limit`.
pub(crate) fn explained(message: Vec<u8>, why: Why, limit: usize) -> Vec<u8> {
    let with_reason = |options: &[u8]| Some([options, &why.option()].concat());
    rewritten(&message, with_reason).filter(|explained| explained.len() <= limit).unwrap_or(message)
}

/// The message with other options in its OPT, or without OPT where `change` gives none; none if it has no OPT or cannot be
/// read up to there. OPT is the last record then: what came after it could point beyond it, and is left out (RFC 2181 9).
pub(crate) fn rewritten(message: &[u8], change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (opt, index) = opt_in(message)?;
    let (before, opt) = (message.get(..opt.start)?, message.get(opt)?);
    let (head, options) = opt.split_at_checked(OPT.into())?;
    let head = head.get(..head.len() - size_of::<u16>())?;
    let (mut octets, count) = match change(options) {
        Some(options) => {
            let length = u16::try_from(options.len()).ok()?.to_be_bytes();
            ([before, head, &length, &options].concat(), index + 1)
        }
        None => (before.to_vec(), index),
    };
    *octets.get_mut(ADDITIONAL..)?.first_chunk_mut()? = count.to_be_bytes();
    Some(octets)
}

/// The message with a code in each option of its OPT that nobody knows; none if it has none or cannot be read up to there.
pub(crate) fn with_unknown_options(message: &[u8]) -> Option<Vec<u8>> {
    let (opt, _) = opt_in(message)?;
    let mut at = opt.start + usize::from(OPT);
    let mut octets = message.to_vec();
    for (_, option) in each(message.get(at..opt.end)?) {
        *octets.get_mut(at..)?.first_chunk_mut()? = UNKNOWN.to_be_bytes();
        at += option.len();
    }
    (at > opt.start + usize::from(OPT)).then_some(octets)
}

/// Each option in OPT, by its code and with its head; what is not whole is left out.
pub(crate) fn each(mut options: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (&[a, b, high, low], rest) = options.split_first_chunk()?;
        let length = options.len() - rest.len() + usize::from(u16::from_be_bytes([high, low]));
        let (option, after) = options.split_at_checked(length)?;
        options = after;
        Some((u16::from_be_bytes([a, b]), option))
    })
}
