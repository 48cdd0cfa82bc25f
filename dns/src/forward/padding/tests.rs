use super::*;
use crate::message::HEADER;

const ID: [u8; 2] = [0xab, 0xcd];

/// A question for a name of so many octets, with or without OPT.
fn query(name: usize, has_edns: bool) -> Query {
    let label = |length: usize| [&[u8::try_from(length).unwrap()][..], &vec![b'x'; length]].concat();
    let labels: Vec<u8> = std::iter::repeat_n(label(49), name / 50).flatten().chain(label(name % 50)).collect();
    let question = [&labels[..], b"\0\0\x01\0\x01"].concat();
    let octets = [&[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &question].concat();
    let query = Query { question_end: octets.len(), octets, is_plain: true };
    if has_edns { query.with_edns() } else { query }
}

/// A response to it, with an answer and these additional records.
fn response(query: &Query, additional: &[&[u8]]) -> Response {
    let count = u8::try_from(additional.len()).unwrap();
    let question = query.question().unwrap();
    let header = [ID[0], ID[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, count];
    let answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xcb\0\x71\x07";
    let octets = [&header[..], question, answer, &additional.concat()].concat();
    Response::matching(&octets, ID, query).unwrap()
}

#[test]
fn every_question_has_a_length_of_whole_blocks_and_is_otherwise_the_same() {
    for name in [2, 20, 49, 90, 91, 92, 93, 94, 95, 96, 97, 98, 140, 223] {
        for has_edns in [false, true] {
            let query = query(name, has_edns);
            let padded = padded(&query);
            let length = padded.octets.len();
            assert!(length.is_multiple_of(BLOCK) && length - query.octets.len() < BLOCK + 15, "{name}: {length}");
            assert_eq!(padded.octets[HEADER..padded.question_end], query.octets[HEADER..query.question_end]);
            assert_eq!(padded.octets[..11], query.octets[..11]);
            let opt = &padded.octets[padded.question_end..];
            assert_eq!(opt[..9], [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0]);
            assert_eq!(opt[11..13], PADDING.to_be_bytes());
            assert!(opt[15..].iter().all(|octet| *octet == 0), "RFC 7830 3");
        }
    }
}

#[test]
fn what_is_not_in_our_words_is_not_touched() {
    let query = Query { is_plain: false, ..query(20, true) };
    assert_eq!(padded(&query), query);
    let response = response(&query, &[b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0c\0\x02\0\0"]);
    assert_eq!(unpadded(response.clone(), &query), response);
}

#[test]
fn a_client_hears_no_padding_and_no_opt_that_it_did_not_send() {
    let padded: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0c\0\x02\0\0\0\x0f\0\x02\0\x03";
    let bare: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x03";
    let (knows, knows_not) = (query(20, true), query(20, false));
    assert_eq!(unpadded(response(&knows, &[padded]), &knows), response(&knows, &[bare]));
    assert_eq!(unpadded(response(&knows_not, &[padded]), &knows_not), response(&knows_not, &[]));
    assert_eq!(unpadded(response(&knows_not, &[]), &knows_not), response(&knows_not, &[]));
}
