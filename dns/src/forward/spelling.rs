//! What an attacker who does not see the question must guess, besides the port: its id, and the case of its letters
//! (draft-vixie-dnsext-dns0x20).

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

use super::plain::Query;
use crate::message::HEADER;

/// Letters of a name that are spelled by chance; there is no need for more.
const LETTERS: usize = 64;
/// Octets of type and class at the end of a question.
const KIND_AND_CLASS: usize = 4;

/// An id that nobody can guess.
pub(super) fn fresh_id() -> io::Result<[u8; 2]> {
    let mut id = [0; 2];
    getrandom(&mut id, GetRandomFlags::empty())?;
    Ok(id)
}

/// The query with the letters of its name in any case. One that is not in our own words may be signed, and stays.
pub(super) fn respelled(query: &Query) -> io::Result<Query> {
    let mut query = query.clone();
    if !query.is_plain {
        return Ok(query);
    }
    let mut chance = [0; LETTERS / 8];
    getrandom(&mut chance, GetRandomFlags::empty())?;
    let mut chance = u64::from_le_bytes(chance);
    let name = query.octets.get_mut(HEADER..query.question_end.saturating_sub(KIND_AND_CLASS)).unwrap_or_default();
    // Octets of length are at most 63, and no letters.
    for letter in name.iter_mut().filter(|octet| octet.is_ascii_alphabetic()) {
        if chance & 1 == 1 {
            *letter = letter.to_ascii_uppercase();
        }
        chance >>= 1;
    }
    Ok(query)
}
