//! RFC 5452 9: which packets count as a response, and what the client gets of them.

use super::*;
use crate::network::Upstreams;

const QUESTION: &[u8] = b"\x03wWw\x07example\x03com\0\0\x01\0\x01";
const OURS: [u8; 2] = [0xab, 0xcd];

/// A request of a client that takes `limit` octets.
fn forward(limit: usize) -> Forward {
    let request = [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], QUESTION].concat();
    Forward { upstreams: Upstreams::Host, question_end: request.len(), request, limit, edns: None, alias: None }
}

fn message(id: [u8; 2], flags: [u8; 2], questions: u8, body: &[u8]) -> Vec<u8> {
    [&id[..], &flags, &[0, questions, 0, 0, 0, 0, 0, 0], body].concat()
}

fn matching(octets: &[u8]) -> Option<Response> {
    Response::matching(octets, OURS, &Query::relayed(&forward(512)))
}

fn relayed(octets: &[u8], limit: usize) -> Option<Vec<u8>> {
    Some(matching(octets)?.relay(&forward(limit)))
}

#[test]
fn a_response_is_relayed_under_the_clients_id_and_spelling() {
    let upper = QUESTION.to_ascii_uppercase();
    let got = message(OURS, [0x85, 0xa0], 1, &[&upper[..], b"records"].concat());
    let expected = message([0x12, 0x34], [0x85, 0xa0], 1, &[QUESTION, b"records"].concat());
    assert_eq!(relayed(&got, 512), Some(expected));
}

#[test]
fn what_does_not_match_is_no_response() {
    let other = b"\x03xxx\x07example\x03com\0\0\x01\0\x01";
    let other_kind = b"\x03www\x07example\x03com\0\0\x1c\0\x01";
    let other_class = b"\x03www\x07example\x03com\0\0\x01\0\x03";
    for (what, octets) in [
        ("another id", message([0xab, 0xce], [0x81, 0x80], 1, QUESTION)),
        ("a request", message(OURS, [0x01, 0x80], 1, QUESTION)),
        ("another name", message(OURS, [0x81, 0x80], 1, other)),
        ("another type", message(OURS, [0x81, 0x80], 1, other_kind)),
        ("another class", message(OURS, [0x81, 0x80], 1, other_class)),
        ("two questions", message(OURS, [0x81, 0x80], 2, &QUESTION.repeat(2))),
        ("an answer without a question", message(OURS, [0x81, 0x80], 0, &[])),
        ("no such name without a question", message(OURS, [0x81, 0x83], 0, &[])),
        ("a cut question", message(OURS, [0x81, 0x80], 1, &QUESTION[..5])),
        ("less than a header", OURS.to_vec()),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(relayed(&octets, 512), None, "{what}");
    }
}

#[test]
fn an_error_may_come_without_the_question() {
    let got = message(OURS, [0x81, 0x81], 0, &[]);
    assert_eq!(relayed(&got, 512), Some(message([0x12, 0x34], [0x81, 0x81], 0, &[])));
}

#[test]
fn servers_that_fail_or_refuse_are_told_from_those_that_answer() {
    for code in 0..=15 {
        let expected = match code {
            2 => Verdict::Fails,
            5 => Verdict::Refuses,
            _ => Verdict::Answers,
        };
        let response = matching(&message(OURS, [0x81, 0x80 | code], 1, QUESTION)).unwrap();
        assert_eq!(response.verdict(), expected, "code {code}");
    }
}

#[test]
fn another_spelling_is_told_from_ours() {
    let query = Query::relayed(&forward(512));
    let spelled = |question: &[u8]| matching(&message(OURS, [0x81, 0x80], 1, question)).unwrap().is_spelled_as(&query);
    assert!(spelled(QUESTION));
    assert!(!spelled(&QUESTION.to_ascii_lowercase()));
    assert!(matching(&message(OURS, [0x81, 0x81], 0, &[])).unwrap().is_spelled_as(&query), "there is none");
}

#[test]
fn what_the_client_cannot_take_is_cut_to_whole_answers() {
    let record = [&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &[192, 0, 2, 1]].concat();
    let mut got = message(OURS, [0x85, 0xb3], 1, &[QUESTION, &record.repeat(40)].concat());
    got[7] = 40;
    let mut cut = [&forward(512).failure()[..], &record.repeat(29)].concat();
    cut[2..8].copy_from_slice(&[0x87, 0xb3, 0, 1, 0, 29]);
    assert!(cut.len() <= 512 && cut.len() + record.len() > 512);
    assert_eq!(relayed(&got, 512), Some(cut), "TC set, the other flags and the code as they came");
    assert!(relayed(&got, 1232).is_some_and(|octets| octets.len() == got.len()));
}

#[test]
fn what_cannot_be_read_is_cut_to_the_question() {
    let got = message(OURS, [0x85, 0xb3], 1, &[QUESTION, &[7; 600]].concat());
    let mut cut = forward(512).failure();
    cut[2..4].copy_from_slice(&[0x87, 0xb3]);
    assert_eq!(relayed(&got, 512), Some(cut));
}

#[test]
fn a_response_that_fills_the_buffer_counts_as_truncated() {
    let response = |length| {
        let body = [QUESTION, &vec![0; length - HEADER - QUESTION.len()]].concat();
        matching(&message(OURS, [0x81, 0x80], 1, &body)).unwrap()
    };
    assert!(!response(MAX_UDP_RESPONSE).is_truncated());
    assert!(response(MAX_UDP_RESPONSE + 1).is_truncated());
}

/// What an upstream may send: one octet in a few is anything, and the end may be missing.
#[test]
fn whatever_an_upstream_sends_is_read_without_harm() {
    let mut rng = fastrand::Rng::with_seed(5452);
    let record = [&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &[192, 0, 2, 1]].concat();
    let mut good = message(OURS, [0x81, 0x80], 1, &[QUESTION, &record.repeat(40)].concat());
    good[7] = 40;
    let mut kept = 0;
    for _ in 0..50_000 {
        let mut octets = good.clone();
        for _ in 0..rng.usize(0..6) {
            let at = rng.usize(2..octets.len());
            octets[at] = rng.u8(..);
        }
        octets.truncate(if rng.u8(..) < 64 { rng.usize(..=octets.len()) } else { octets.len() });
        let Some(response) = matching(&octets) else { continue };
        for limit in [512, 1232] {
            let told = response.relay(&forward(limit));
            assert!(told.len() <= limit && told[..2] == [0x12, 0x34], "{octets:?}");
        }
        if let Some(lifetime) = response.lifetime() {
            kept += 1;
            assert!(!lifetime.time.is_zero() && lifetime.ttls.len() <= 40, "{octets:?}");
            let mut ends = lifetime.ttls.iter().map(|at| usize::from(*at) + 4);
            assert!(ends.all(|end| end <= octets.len()), "{octets:?}");
        }
    }
    assert!(kept > 1000, "{kept}");
}
