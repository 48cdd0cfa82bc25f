//! RFC 1035 3.5, RFC 3596 2.5.

use super::*;

fn parse(text: &str) -> Option<Reverse> {
    let labels: Vec<&[u8]> = text.split('.').map(str::as_bytes).collect();
    Reverse::parse(&QuestionName::from_labels(labels.into_iter()).unwrap())
}

#[test]
fn reverse_names_are_read_strictly() {
    let ones = ["1"; 32].join(".");
    for (text, prefix, exact) in [
        ("7.0.1.10.in-addr.arpa", "10.1.0.7/32", true),
        ("7.0.1.10.IN-ADDR.ARPA", "10.1.0.7/32", true),
        ("0.1.10.in-addr.arpa", "10.1.0.0/24", true),
        ("10.in-addr.arpa", "10.0.0.0/8", true),
        ("in-addr.arpa", "0.0.0.0/0", true),
        ("x.7.0.1.10.in-addr.arpa", "10.1.0.7/32", false),
        ("256.0.1.10.in-addr.arpa", "10.1.0.0/24", false),
        ("07.0.1.10.in-addr.arpa", "10.1.0.0/24", false),
        ("+7.0.1.10.in-addr.arpa", "10.1.0.0/24", false),
        ("0-25.0.1.10.in-addr.arpa", "10.1.0.0/24", false),
        ("7.0.x.10.in-addr.arpa", "10.0.0.0/8", false),
        ("1.0.d.f.ip6.arpa", "fd01::/16", true),
        ("10.d.f.ip6.arpa", "fd00::/8", false),
        ("g.d.f.ip6.arpa", "fd00::/8", false),
        (&format!("{ones}.ip6.arpa"), "1111:1111:1111:1111:1111:1111:1111:1111/128", true),
        (&format!("1.{ones}.ip6.arpa"), "1111:1111:1111:1111:1111:1111:1111:1111/128", false),
    ] {
        let expected = Reverse { prefix: prefix.parse().unwrap(), exact };
        assert_eq!(parse(text), Some(expected), "{text}");
    }
}

#[test]
fn other_names_are_no_reverse_names() {
    for text in ["arpa", "db", "7.0.1.10.in-addr.arpa.web", "7.in-addr", "e164.arpa", "xin-addr.arpa"] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn only_a_whole_name_is_an_address() {
    let address = |text| parse(text).and_then(Reverse::address);
    assert_eq!(address("7.0.1.10.in-addr.arpa"), Some("10.1.0.7".parse().unwrap()));
    assert_eq!(address("0.1.10.in-addr.arpa"), None);
    assert_eq!(address("x.7.0.1.10.in-addr.arpa"), None);
}

#[test]
fn a_subnet_has_the_name_of_the_block_around_it() {
    for (subnet, name) in [
        ("10.1.0.0/24", "0.1.10.in-addr.arpa"),
        ("172.16.16.0/20", "16.172.in-addr.arpa"),
        ("10.1.0.7/32", "7.0.1.10.in-addr.arpa"),
        ("fd00:1::/64", "0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa"),
        ("fd00::/10", "d.f.ip6.arpa"),
        ("0.0.0.0/0", "in-addr.arpa"),
    ] {
        assert_eq!(reverse_name(subnet.parse().unwrap()).unwrap().to_string(), name, "{subnet}");
    }
}
