use super::*;
use crate::network::Upstreams;

const QUESTION: &[u8] = b"\x03wWw\x07eXample\x03com\0\0\x41\0\x01";

fn forward(flags: [u8; 2], counts: [u8; 4], question: &[u8], rest: &[u8]) -> Forward {
    let [questions, answers, authority, additional] = counts;
    let header = [0x12, 0x34, flags[0], flags[1], 0, questions, 0, answers, 0, authority, 0, additional];
    let request = [&header[..], question, rest].concat();
    let question_end = HEADER + question.len();
    Forward { upstreams: Upstreams::Host, question_end, request, limit: 512, edns: None, alias: None }
}

fn opt(ttl: [u8; 4], options: &[u8]) -> Vec<u8> {
    let length = u8::try_from(options.len()).unwrap();
    [&[0, 0, 41, 0x10, 0], &ttl[..], &[0, length], options].concat()
}

fn with_opt(ttl: [u8; 4], options: &[u8]) -> Option<Plain> {
    Plain::of(&forward([1, 0], [1, 0, 0, 1], QUESTION, &opt(ttl, options)))
}

#[test]
fn a_plain_request_is_asked_in_our_words() {
    let lower = b"\x03www\x07example\x03com\0\0\x41\0\x01";
    let asked = |flags, counts, rest: &[u8]| Plain::of(&forward(flags, counts, QUESTION, rest)).unwrap().query().octets;
    let expected = |header: [u8; 12], rest: &[u8]| [&header[..], lower, rest].concat();
    assert_eq!(asked([1, 0], [1, 0, 0, 0], b""), expected([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], b""));
    assert_eq!(asked([0, 0x30], [1, 0, 0, 0], b""), expected([0, 0, 0, 0x30, 0, 1, 0, 0, 0, 0, 0, 0], b""));
    let edns = [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];
    let header = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    assert_eq!(asked([1, 0], [1, 0, 0, 1], &opt([0; 4], b"")), expected(header, &edns));
    let signed = [0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0];
    assert_eq!(asked([1, 0], [1, 0, 0, 1], &opt([0, 0, 0x80, 0], b"")), expected(header, &signed));
}

#[test]
fn all_that_the_answer_depends_on_makes_another_question() {
    let plain = |flags, question: &[u8]| Plain::of(&forward(flags, [1, 0, 0, 0], question, b"")).unwrap();
    let one = plain([1, 0], QUESTION);
    assert_eq!(one, plain([1, 0], b"\x03WWW\x07example\x03COM\0\0\x41\0\x01"));
    let others = [
        ("RD", plain([0, 0], QUESTION)),
        ("AD", plain([1, 0x20], QUESTION)),
        ("CD", plain([1, 0x10], QUESTION)),
        ("EDNS", with_opt([0; 4], b"").unwrap()),
        ("DO", with_opt([0, 0, 0x80, 0], b"").unwrap()),
        // 97 is to 65 as `a` is to `A`.
        ("type", plain([1, 0], b"\x03www\x07example\x03com\0\0\x61\0\x01")),
        ("name", plain([1, 0], b"\x03wwx\x07example\x03com\0\0\x41\0\x01")),
    ];
    for (what, other) in &others {
        assert_ne!(&one, other, "{what}");
    }
    assert_ne!(others[3].1, others[4].1, "EDNS with and without DO");
}

#[test]
fn options_between_neighbours_make_no_difference_and_others_are_relayed() {
    let cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
    let padding = [0, 12, 0, 2, 0, 0];
    assert_eq!(with_opt([0; 4], &cookie), with_opt([0; 4], b""));
    assert_eq!(with_opt([0; 4], &[&cookie[..], &padding].concat()), with_opt([0; 4], b""));
    assert_eq!(with_opt([0; 4], &[0, 15, 0, 2, 0, 22]), with_opt([0; 4], b""), "as dnsmasq asks after a SERVFAIL");
    for (what, options) in [
        ("client subnet", &[0, 8, 0, 4, 0, 1, 0, 0][..]),
        ("NSID", &[0, 3, 0, 0]),
        ("one never heard of", &[0xfd, 0xe9, 0, 0]),
        ("after a cookie", &[0, 10, 0, 0, 0, 3, 0, 0]),
        ("one that is cut", &[0, 10, 0, 8, 1]),
        ("less than one", &[0, 10]),
    ] {
        assert_eq!(with_opt([0; 4], options), None, "{what}");
    }
}

#[test]
fn what_says_more_than_we_can_is_relayed() {
    let edns = opt([0; 4], b"");
    let key = [0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0];
    for (what, request) in [
        ("AA", forward([0x05, 0], [1, 0, 0, 0], QUESTION, b"")),
        ("TC", forward([0x03, 0], [1, 0, 0, 0], QUESTION, b"")),
        ("Z", forward([1, 0x40], [1, 0, 0, 0], QUESTION, b"")),
        ("an answer", forward([1, 0], [1, 1, 0, 0], QUESTION, &edns)),
        ("a signature", forward([1, 0], [1, 0, 0, 1], QUESTION, &key)),
        ("EDNS and a signature", forward([1, 0], [1, 0, 0, 2], QUESTION, &[&edns[..], &key].concat())),
        ("EDNS of another version", forward([1, 0], [1, 0, 0, 1], QUESTION, &opt([0, 1, 0, 0], b""))),
        ("unknown flags", forward([1, 0], [1, 0, 0, 1], QUESTION, &opt([0, 0, 0x80, 1], b""))),
        ("an owner", forward([1, 0], [1, 0, 0, 1], QUESTION, &[&b"\x01a"[..], &edns].concat())),
        ("more than it counts", forward([1, 0], [1, 0, 0, 0], QUESTION, b"\0")),
    ] {
        assert_eq!(Plain::of(&request), None, "{what}");
        let query = Query::relayed(&request);
        assert_eq!((&query.octets[2..], query.is_plain), (&request.request[2..], false), "{what}");
        assert_eq!(query.octets[..2], [0, 0], "another id makes no other question");
    }
}

#[test]
fn questions_differ_in_type_and_class_whatever_letters_these_would_be() {
    let question = |kind: &[u8]| [&b"\x01a\0"[..], kind].concat();
    assert!(is_same_question(&question(&[0, 0x41, 0, 1]), b"\x01A\0\0\x41\0\x01"));
    assert!(!is_same_question(&question(&[0, 0x41, 0, 1]), &question(&[0, 0x61, 0, 1])));
    assert!(!is_same_question(&question(&[0, 1, 0, 1]), &question(&[0, 1, 0, 3])));
    assert!(!is_same_question(&question(&[0, 1, 0, 1]), b"\x01a\0"));
}
