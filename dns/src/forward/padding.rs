//! Padding of questions over TLS, so that their length says little about them (RFC 7830, RFC 8467). Pure.

use super::plain::Query;
use crate::options::{PADDING, each, rewritten};
use crate::response::Response;

#[cfg(test)]
mod tests;

/// The length of a question is a multiple of so many octets, RFC 8467 4.1.
const BLOCK: usize = 128;
/// Octets of code and length before what an option says.
const OPTION_HEAD: usize = 4;

/// The query as it goes over TLS. Of a client that knows no EDNS it has an OPT of ours; one that is not in our own words
/// stays as it is.
pub(super) fn padded(query: &Query) -> Query {
    if !query.is_plain {
        return query.clone();
    }
    let query = query.with_edns();
    let length = query.octets.len() + OPTION_HEAD;
    let padding = length.next_multiple_of(BLOCK) - length;
    let option = |_: &[u8]| {
        let length = u16::try_from(padding).ok()?.to_be_bytes();
        Some([&PADDING.to_be_bytes()[..], &length, &vec![0; padding]].concat())
    };
    match rewritten(&query.octets, option) {
        Some(octets) => Query { octets, ..query },
        None => query,
    }
}

/// The response as the query would have got it without that: padding is for TLS alone (RFC 7830 6), and OPT for who knows
/// it.
pub(super) fn unpadded(response: Response, query: &Query) -> Response {
    if !query.is_plain {
        return response;
    }
    let is_other = |&(code, _): &(u16, &[u8])| code != PADDING;
    let others = |options: &[u8]| {
        query.has_edns().then(|| each(options).filter(is_other).flat_map(|(_, it)| it).copied().collect())
    };
    match rewritten(response.octets(), others) {
        Some(octets) => response.with_octets(octets),
        None => response,
    }
}
