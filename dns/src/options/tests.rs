use super::*;

const QUESTION: &[u8] = b"\x03www\x07example\0\0\x01\0\x01";
const A: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xcb\0\x71\x07";

/// A message with an answer, and these additional records.
fn message(additional: &[&[u8]]) -> Vec<u8> {
    let count = u8::try_from(additional.len()).unwrap();
    [&[0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, count][..], QUESTION, A, &additional.concat()].concat()
}

fn opt(options: &[u8]) -> Vec<u8> {
    let length = u8::try_from(options.len()).unwrap();
    [&[0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, length][..], options].concat()
}

#[test]
fn a_reason_is_put_beside_other_options() {
    for options in [&b""[..], b"\0\x0a\0\x02ab"] {
        let expected = message(&[&opt(&[options, b"\0\x0f\0\x02\0\x16"].concat())]);
        assert_eq!(explained(message(&[&opt(options)]), Why::NoUpstream, 512), expected);
    }
    let failure = [&[0, 0, 0x81, 0x82, 0, 0, 0, 0, 0, 0, 0, 1][..], &opt(b"")].concat();
    assert!(explained(failure, Why::Network, 512).ends_with(b"\0\x06\0\x0f\0\x02\0\x17"), "without a question too");
}

#[test]
fn who_knows_no_edns_or_has_no_room_hears_no_reason() {
    let (with_opt, room) = (message(&[&opt(b"")]), message(&[&opt(&[0; 6])]).len());
    let cases = [(message(&[]), 512), (message(&[A]), 512), (with_opt.clone(), room - 1), (vec![0; 5], 512)];
    for (message, limit) in cases {
        assert_eq!(explained(message.clone(), Why::Stale, limit), message);
    }
    assert_eq!(explained(with_opt, Why::Stale, room).len(), room);
}

#[test]
fn opt_is_taken_out_with_what_comes_after_it_and_nothing_before() {
    assert_eq!(rewritten(&message(&[A, &opt(b"x")]), |_| None), Some(message(&[A])));
    assert_eq!(rewritten(&message(&[A, &opt(b""), A]), |_| None), Some(message(&[A])));
    assert_eq!(rewritten(&message(&[&opt(b"1"), A]), |_| Some(b"23".to_vec())), Some(message(&[&opt(b"23")])));
    assert_eq!(rewritten(&message(&[A]), |_| None), None);
    let whole = message(&[&opt(b"\0\x0a\0\x02ab")]);
    for end in 0..whole.len() {
        assert_eq!(rewritten(&whole[..end], |_| None), None, "cut at {end}");
    }
}

#[test]
fn options_are_told_apart_and_a_cut_one_is_none() {
    let options = b"\0\x0a\0\x02ab\0\x0c\0\0\0\x0f\0\x09x";
    assert_eq!(each(options).collect::<Vec<_>>(), [(10, &options[..6]), (12, &options[6..10])]);
}

#[test]
fn options_become_unknown_where_they_stand_and_nothing_else_changes() {
    let known = message(&[&opt(b"\0\x08\0\x04\0\0\0\0\0\x03\0\0")]);
    let unknown = message(&[&opt(b"\xff\xfe\0\x04\0\0\0\0\xff\xfe\0\0")]);
    assert_eq!(with_unknown_options(&known), Some(unknown));
    assert_eq!(with_unknown_options(&message(&[&opt(b"")])), None);
    assert_eq!(with_unknown_options(&message(&[])), None);
}
