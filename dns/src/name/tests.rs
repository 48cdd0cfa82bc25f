//! RFC 1035 2.3.1 and 2.3.4, RFC 1123 2.1, RFC 2181 11.

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn asked(labels: &[&[u8]]) -> QuestionName {
    QuestionName::from_labels(labels.iter().copied()).unwrap()
}

#[test]
fn names_are_lower_cased_and_absolute() {
    for (text, shown) in [
        ("db", "db"),
        ("DB.Web.Internal.", "db.web.internal"),
        ("_http._tcp.db", "_http._tcp.db"),
        ("a-b_c.7", "a-b_c.7"),
        ("7f3a", "7f3a"),
    ] {
        assert_eq!(name(text).to_string(), shown);
    }
}

#[test]
fn bad_names_are_refused_with_what_is_wrong() {
    let long_label = "a".repeat(64);
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(62)].join(".");
    for (text, fault) in [
        ("", Fault::Empty),
        (".", Fault::Empty),
        ("..", Fault::EmptyLabel),
        ("a..b", Fault::EmptyLabel),
        (".a", Fault::EmptyLabel),
        ("-a", Fault::Hyphen),
        ("a-.b", Fault::Hyphen),
        ("a b", Fault::Character(' ')),
        ("a\nb", Fault::Character('\n')),
        ("a/b", Fault::Character('/')),
        ("a\0b", Fault::Character('\0')),
        ("../../etc", Fault::EmptyLabel),
        ("münchen", Fault::Character('ü')),
        ("a*", Fault::Character('*')),
        (&long_label, Fault::LongLabel),
        (&long, Fault::Long),
        (&"x".repeat(300), Fault::Long),
    ] {
        let error = text.parse::<Name>().unwrap_err();
        assert_eq!(error.fault, fault, "{text:?}");
        assert!(error.name.chars().count() <= SHOWN && text.starts_with(&error.name), "{text:?}");
    }
}

#[test]
fn an_error_names_the_value_and_the_fault() {
    let error = "a\nb".parse::<Name>().unwrap_err();
    let text = r#"domain name "a\nb": holds '\n'; only letters, digits, '-' and '_' may stand in a label"#;
    assert_eq!(error.to_string(), text);
}

#[test]
fn the_longest_name_has_253_characters() {
    let longest = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
    assert_eq!(longest.len(), 253);
    assert_eq!(name(&longest).to_string(), longest);
    assert_eq!(name(&format!("{longest}.")).to_string(), longest);
}

#[test]
fn a_name_below_a_domain_may_be_too_long() {
    let half = ["a".repeat(63), "b".repeat(63)].join(".");
    assert_eq!(name("db").below(&name("web.internal")).unwrap(), name("db.web.internal"));
    let error = name(&half).below(&name(&half)).unwrap_err();
    assert_eq!(error.fault, Fault::Long);
}

#[test]
fn a_question_may_hold_any_octets() {
    let name = asked(&[b"\xff.\0", b"WEB"]);
    assert_eq!(name.octets(), b"\x03\xff.\0\x03web");
    assert_eq!(QuestionName::from_labels([&[b'a'; 63][..]; 4].into_iter()), None, "RFC 1035 2.3.4");
}

#[test]
fn a_relative_name_ends_where_a_label_does() {
    let domain = name("web.internal");
    for (labels, relative) in [
        (&[b"db".as_slice(), b"web", b"internal"][..], Some(b"\x02db".as_slice())),
        (&[b"web", b"internal"], Some(b"")),
        (&[b"internal"], None),
        (&[b"xweb", b"internal"], None),
        // One label whose octets end as the domain's do, lengths included.
        (&[b"\x03web\x08internal"], None),
        (&[b"a", b"\x03web\x08internal"], None),
    ] {
        assert_eq!(asked(labels).relative_to(domain.octets()), relative, "{labels:?}");
    }
}

#[test]
fn suffixes_are_the_name_and_all_above_it() {
    let name = asked(&[b"a", b"b", b"c"]);
    let suffixes: Vec<&[u8]> = name.suffixes().collect();
    assert_eq!(suffixes, [b"\x01a\x01b\x01c".as_slice(), b"\x01b\x01c", b"\x01c"]);
    assert_eq!(asked(&[]).suffixes().count(), 0);
}

#[test]
fn only_one_label_is_a_single_label() {
    assert!(asked(&[b"db"]).is_single_label());
    assert!(!asked(&[b"db", b"web"]).is_single_label());
    assert!(!asked(&[]).is_single_label());
}
