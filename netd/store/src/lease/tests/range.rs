//! Ranges: the reference's rules and words.

use super::*;

fn range(subnet: &str, start: &str, end: &str, gateway: &str) -> Result<String, String> {
    let range = Range::new(subnet.parse().unwrap(), start.parse().ok(), end.parse().ok(), gateway.parse().ok());
    range.map(|range| format!("{range} {}", range.gateway())).map_err(|error| error.to_string())
}

#[test]
fn what_is_not_said_is_the_whole_subnet_and_its_first_address_the_gateway() {
    for (subnet, start, end, gateway, expected) in [
        ("192.0.2.0/24", "", "", "", "192.0.2.1-192.0.2.254 192.0.2.1"),
        ("192.0.2.0/30", "", "", "", "192.0.2.1-192.0.2.2 192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.40", "192.0.2.50", "192.0.2.254", "192.0.2.40-192.0.2.50 192.0.2.254"),
        ("192.0.2.0/24", "192.0.2.0", "192.0.2.255", "", "192.0.2.0-192.0.2.255 192.0.2.1"),
        ("192.0.2.0/24", "::ffff:192.0.2.9", "", "", "192.0.2.9-192.0.2.254 192.0.2.1"),
        ("2001:db8:1::/64", "", "", "", "2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff 2001:db8:1::1"),
        ("2001:db8:1::/126", "", "", "", "2001:db8:1::1-2001:db8:1::3 2001:db8:1::1"),
        ("0.0.0.0/0", "", "", "", "0.0.0.1-255.255.255.254 0.0.0.1"),
    ] {
        assert_eq!(range(subnet, start, end, gateway), Ok(expected.to_owned()), "{subnet} {start} {end}");
    }
}

#[test]
fn a_range_that_makes_no_sense_is_refused_in_the_words_of_the_reference() {
    let bits = "Network has host bits set. For a subnet mask of length";
    for (subnet, start, end, expected) in [
        ("192.0.2.12/24", "", "", format!("{bits} 24 the network address is 192.0.2.0")),
        ("192.168.127.0/23", "", "", format!("{bits} 23 the network address is 192.168.126.0")),
        ("2001:db8:1::24:19ff:fee1:c44a/64", "", "", format!("{bits} 64 the network address is 2001:db8:1::")),
        ("192.0.2.0/31", "", "", "Network 192.0.2.0/31 too small to allocate from".into()),
        ("192.0.2.0/32", "", "", "Network 192.0.2.0/32 too small to allocate from".into()),
        ("2001:db8::/127", "", "", "Network 2001:db8::/127 too small to allocate from".into()),
        ("2001:db8::/128", "", "", "Network 2001:db8::/128 too small to allocate from".into()),
        ("192.0.2.0/24", "192.0.3.0", "", "RangeStart 192.0.3.0 not in network 192.0.2.0/24".into()),
        ("192.0.2.0/24", "fd00::1", "", "RangeStart fd00::1 not in network 192.0.2.0/24".into()),
        ("192.0.2.0/24", "", "192.0.4.0", "RangeEnd 192.0.4.0 not in network 192.0.2.0/24".into()),
        ("192.0.2.0/24", "192.0.2.50", "192.0.2.40", "RangeStart 192.0.2.50 not in network 192.0.2.0/24".into()),
        ("192.0.2.0/24", "", "192.0.2.0", "RangeEnd 192.0.2.0 not in network 192.0.2.0/24".into()),
        ("::ffff:10.0.0.0/120", "", "", "IPNet IP and Mask version mismatch".into()),
        ("::/0", "", "", "IPNet IP and Mask version mismatch".into()),
    ] {
        assert_eq!(range(subnet, start, end, ""), Err(expected), "{subnet} {start}-{end}");
    }
}

#[test]
fn the_ranges_of_a_set_are_of_one_family_and_apart() {
    let range = |subnet: &str| Range::new(subnet.parse().unwrap(), None, None, None).unwrap();
    let refused = |subnets: &[&str]| {
        RangeSet::new(subnets.iter().map(|subnet| range(subnet)).collect()).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(refused(&["10.1.0.0/24", "10.1.1.0/24"]), Ok(()));
    assert_eq!(refused(&[]), Err("empty range set".into()));
    assert_eq!(refused(&["10.1.0.0/24", "fd00::/64"]), Err("mixed address families".into()));
    let overlap = "subnets 10.1.0.1-10.1.3.254 and 10.1.2.1-10.1.2.254 overlap";
    assert_eq!(refused(&["10.1.0.0/22", "10.1.2.0/24"]), Err(overlap.into()));
}

#[test]
fn a_set_knows_its_addresses_and_reads_as_the_reference_writes_it() {
    let set = set("10.1.0.0/24 10.1.0.5-10.1.0.9,10.2.0.0/24");
    assert_eq!(set.to_string(), "10.1.0.5-10.1.0.9,10.2.0.1-10.2.0.254");
    for (address, subnet) in
        [("10.1.0.5", "10.1.0.0/24"), ("10.1.0.9", "10.1.0.0/24"), ("10.2.0.1", "10.2.0.0/24"), ("10.1.0.4", "")]
    {
        let found = set.range_for(ip(address)).map(|range| range.subnet().to_string()).unwrap_or_default();
        assert_eq!(found, subnet, "{address}");
    }
}
