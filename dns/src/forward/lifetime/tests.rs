//! For how long which response is kept, as RFC 2308 and RFC 2181 8 have it.

use super::*;

const NAME: &[u8] = b"\x03www\x07example\x03com\0";
const POINTER_TO_QUESTION: &[u8] = b"\xc0\x0c";
const DAY: u32 = 24 * 60 * 60;

fn question_end() -> usize {
    HEADER + NAME.len() + 4
}

fn message(flags: [u8; 2], [answers, authority, additional]: [&[Vec<u8>]; 3]) -> Vec<u8> {
    let count = |records: &[Vec<u8>]| u8::try_from(records.len()).unwrap();
    let counts = [0, 1, 0, count(answers), 0, count(authority), 0, count(additional)];
    let records = [answers, authority, additional].concat().concat();
    [&[0, 0, flags[0], flags[1]], &counts[..], NAME, &[0, 1, 0, 1], &records].concat()
}

fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [owner, &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length.to_be_bytes(), data].concat()
}

fn a(ttl: u32) -> Vec<u8> {
    record(POINTER_TO_QUESTION, 1, ttl, &[192, 0, 2, 1])
}

fn soa(ttl: u32, minimum: u32) -> Vec<u8> {
    let names = b"\x02ns\xc0\x10\x01m\xc0\x10";
    record(&[0xc0, 0x10], SOA, ttl, &[&names[..], &[0; 16], &minimum.to_be_bytes()].concat())
}

fn opt(code: u8) -> Vec<u8> {
    record(&[0], OPT, u32::from(code) << 24, &[])
}

fn time(flags: [u8; 2], sections: [&[Vec<u8>]; 3]) -> Option<u64> {
    Lifetime::of(&message(flags, sections), question_end()).map(|lifetime| lifetime.time.as_secs())
}

const OK: [u8; 2] = [0x81, 0x80];
const NO_NAME: [u8; 2] = [0x81, 0x83];

#[test]
fn it_is_the_least_of_all_records_and_bounded() {
    let unknown = |ttl| record(POINTER_TO_QUESTION, 65_280, ttl, b"whatever");
    let ns = |ttl| record(POINTER_TO_QUESTION, 2, ttl, POINTER_TO_QUESTION);
    for (what, expected, sections) in [
        ("one answer", Some(60), [&[a(60)][..], &[], &[]]),
        ("two answers", Some(5), [&[a(60), a(5)], &[], &[]]),
        ("a type never heard of", Some(7), [&[unknown(7)], &[], &[]]),
        ("authority", Some(9), [&[a(60)], &[ns(9)], &[]]),
        ("additional", Some(8), [&[a(60)], &[ns(9)], &[a(8)]]),
        ("EDNS has no time", Some(60), [&[a(60)], &[], &[opt(0)]]),
        ("no time", None, [&[a(0)], &[], &[]]),
        ("one without time", None, [&[a(60), a(0)], &[], &[]]),
        ("31 bits", Some(86_400), [&[a(0x7fff_ffff)], &[], &[]]),
        ("32 bits are none (RFC 2181 8)", None, [&[a(0x8000_0000)], &[], &[]]),
        ("a day", Some(86_400), [&[a(DAY)], &[], &[]]),
        ("a week", Some(86_400), [&[a(7 * DAY)], &[], &[]]),
    ] {
        assert_eq!(time(OK, sections), expected, "{what}");
    }
}

#[test]
fn that_there_is_nothing_is_kept_as_long_as_the_zone_says() {
    let alias = || record(POINTER_TO_QUESTION, 5, 50, b"\x01x\xc0\x10");
    for (what, expected, flags, sections) in [
        ("the SOA's own time", Some(20), NO_NAME, [&[][..], &[soa(20, 40)][..], &[][..]]),
        ("its minimum", Some(30), NO_NAME, [&[], &[soa(40, 30)], &[]]),
        ("no data", Some(30), OK, [&[], &[soa(40, 30)], &[opt(0)]]),
        ("five minutes at most", Some(300), NO_NAME, [&[], &[soa(DAY, DAY)], &[]]),
        ("an alias that leads to nothing", Some(30), NO_NAME, [&[alias()], &[soa(60, 30)], &[]]),
        ("an alias of less time", Some(50), OK, [&[alias()], &[soa(60, 60)], &[]]),
        ("no time", None, NO_NAME, [&[], &[soa(60, 0)], &[]]),
        ("no SOA (RFC 2308 5)", None, NO_NAME, [&[], &[], &[]]),
        ("no data and no SOA", None, OK, [&[], &[], &[]]),
        ("an alias to nothing without SOA", None, NO_NAME, [&[alias()], &[], &[]]),
        ("a referral", None, OK, [&[], &[record(POINTER_TO_QUESTION, 2, 60, POINTER_TO_QUESTION)], &[]]),
        ("an SOA of other data", None, NO_NAME, [&[], &[record(&[0], SOA, 60, b"\0\0short")], &[]]),
    ] {
        assert_eq!(time(flags, sections), expected, "{what}");
    }
}

#[test]
fn what_is_not_for_everybody_is_not_kept() {
    let signature = record(&[0], TSIG, 0, b"");
    for (what, flags, sections) in [
        ("truncated", [0x83, 0x80], [&[a(60)][..], &[][..], &[][..]]),
        ("format error", [0x81, 0x81], [&[a(60)], &[], &[]]),
        ("server failure", [0x81, 0x82], [&[a(60)], &[soa(60, 60)], &[]]),
        ("refused", [0x81, 0x85], [&[a(60)], &[], &[]]),
        ("a code in EDNS", OK, [&[a(60)], &[], &[opt(1)]]),
        ("two OPT", OK, [&[a(60)], &[], &[opt(0), opt(0)]]),
        ("OPT as answer", OK, [&[a(60), opt(0)], &[], &[]]),
        ("signed", OK, [&[a(60)], &[], &[signature]]),
    ] {
        assert_eq!(time(flags, sections), None, "{what}");
    }
}

#[test]
fn what_cannot_be_read_to_its_last_octet_is_not_kept() {
    let good = message(OK, [&[a(60), record(NAME, 65_280, 60, b"data")], &[soa(60, 60)], &[opt(0)]]);
    let end = question_end();
    assert!(Lifetime::of(&good, end).is_some());
    for length in 0..good.len() {
        assert_eq!(Lifetime::of(&good[..length], end), None, "cut to {length}");
    }
    assert_eq!(Lifetime::of(&[&good[..], b"\0"].concat(), end), None, "more than it counts");
    let pointing = |to: u16| message(OK, [&[record(&to.to_be_bytes(), 1, 60, &[192, 0, 2, 1])], &[], &[]]);
    assert!(Lifetime::of(&pointing(0xc00c), end).is_some());
    for to in [0xc00b, 0xc000, 0xc000 | u16::try_from(end).unwrap(), 0xffff, 0x400c, 0x800c] {
        assert_eq!(Lifetime::of(&pointing(to), end), None, "a name that is {to:#x}");
    }
}

#[test]
fn it_knows_where_times_and_spelled_names_stand() {
    let upper = NAME.to_ascii_uppercase();
    let message = message(OK, [&[a(60), record(&upper, 1, 70, &[192, 0, 2, 2])], &[], &[opt(0)]]);
    let lifetime = Lifetime::of(&message, question_end()).unwrap();
    let second = question_end() + 16;
    let at = |at: usize| u16::try_from(at).unwrap();
    assert_eq!(*lifetime.ttls, [at(question_end() + 6), at(second + NAME.len() + 4)]);
    assert_eq!(*lifetime.spelled, [at(second)]);
    for (at, expected) in lifetime.ttls.iter().zip([60, 70_u32]) {
        assert_eq!(message[usize::from(*at)..][..4], expected.to_be_bytes());
    }
}

#[test]
fn whole_answers_are_counted_up_to_a_limit() {
    let message = message(OK, [&[a(60), a(60), a(60)], &[soa(60, 60)], &[]]);
    let end = question_end();
    for (limit, expected) in [
        (end, (end, 0)),
        (end + 15, (end, 0)),
        (end + 16, (end + 16, 1)),
        (end + 40, (end + 32, 2)),
        (4096, (end + 48, 3)),
    ] {
        assert_eq!(answers_within(&message, end, limit), expected);
    }
    assert_eq!(answers_within(&message[..end + 20], end, 4096), (end + 16, 1), "and not beyond what can be read");
}
