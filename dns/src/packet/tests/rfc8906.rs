//! RFC 8906 8: what a server must not be silent about.

use super::*;

fn code(request: &Message) -> ResponseCode {
    response(request).metadata.response_code
}

/// 8.1.1 and 8.1.2.
#[test]
fn types_known_and_unknown_are_answered() {
    for kind in [RecordType::A, RecordType::SOA, RecordType::Unknown(1000), RecordType::Unknown(65_535)] {
        assert_eq!(code(&query("db.web.internal.", kind)), ResponseCode::NoError, "{kind}");
    }
}

/// 8.1.3.
#[test]
fn header_flags_do_not_matter() {
    let flags: [fn(&mut Message); 4] = [
        |message| message.metadata.checking_disabled = true,
        |message| message.metadata.authentic_data = true,
        |message| message.metadata.recursion_desired = false,
        |message| message.metadata.authoritative = true,
    ];
    for set in flags {
        let mut request = query("db.", RecordType::A);
        set(&mut request);
        let response = response(&request);
        assert_eq!(addresses(&response).len(), 1);
        assert!(!response.metadata.authentic_data);
    }
}

/// 8.1.4.
#[test]
fn another_opcode_is_not_implemented() {
    for opcode in 1..=15 {
        let mut packet = query("db.", RecordType::A).to_vec().unwrap();
        packet[2] = opcode << 3;
        let whole = octets(act(&packet, Transport::Udp)).unwrap();
        assert_eq!(whole, [&[0x12, 0x34, 0x80 | opcode << 3, 4][..], &[0; 8]].concat(), "opcode {opcode}");
        let header_only = octets(act(&packet[..HEADER], Transport::Tcp)).unwrap();
        assert_eq!(header_only, whole, "whatever follows the header");
    }
}

/// 8.2.
#[test]
fn edns_in_any_form_is_answered() {
    for (version, dnssec_ok, z, option, expected) in [
        (0, false, 0, false, 0),
        (1, false, 0, false, 16),
        (0, false, 0, true, 0),
        (0, false, 0x4000, false, 0),
        (1, false, 0x4000, false, 16),
        (1, false, 0, true, 16),
        (0, true, 0, false, 0),
        (1, true, 0, false, 16),
        (255, true, 0x7fff, true, 16),
    ] {
        let mut request = with_edns(query("db.", RecordType::A), 4096);
        let edns = request.edns.as_mut().unwrap();
        edns.set_version(version).set_dnssec_ok(dnssec_ok);
        edns.flags_mut().z = z;
        if option {
            edns.options_mut().insert(EdnsOption::Unknown(100, Vec::new()));
        }
        let response = response(&request);
        assert_eq!(u16::from(response.metadata.response_code), expected, "version {version}, flags {z:#x}");
        assert_eq!(response.edns.unwrap().version(), 0);
    }
}

/// 8.2.7: a server that is told of a small buffer may cut, and keeps OPT.
#[test]
fn a_small_buffer_cuts_no_more_than_it_must() {
    let response = response(&with_edns(query("web.", RecordType::A), 512));
    assert_eq!((addresses(&response).len(), response.metadata.truncation), (2, false));
    assert!(response.edns.is_some());
}

/// 8.2.10, with the forms of a client's subnet that dig(1) has: of a family, and of none.
#[test]
fn several_options_that_are_defined_are_answered_and_none_is_repeated() {
    let (nsid, expire, cookie) = (vec![0, 3, 0, 0], vec![0, 9, 0, 0], vec![0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    let subnets: [&[u8]; 4] = [
        &[0, 8, 0, 4, 0, 0, 0, 0],
        &[0, 8, 0, 4, 0, 1, 0, 0],
        &[0, 8, 0, 7, 0, 1, 24, 0, 192, 0, 2],
        &[0, 8, 0, 6, 0, 2, 16, 0, 0x20, 1],
    ];
    for subnet in subnets {
        let options = [&nsid[..], &cookie, &expire, subnet].concat();
        let mut packet = with_edns(query("db.", RecordType::A), 4096).to_vec().unwrap();
        packet.truncate(packet.len() - 2);
        packet.extend(u16::try_from(options.len()).unwrap().to_be_bytes());
        packet.extend(options);
        let response = Message::from_vec(&octets(act(&packet, Transport::Udp)).unwrap()).unwrap();
        assert_eq!(response.metadata.response_code, ResponseCode::NoError, "{subnet:?}");
        assert_eq!(addresses(&response).len(), 1);
        assert!(response.edns.unwrap().options().options.is_empty());
    }
}

/// RFC 9619.
#[test]
fn a_request_has_one_question() {
    let mut none = query("db.", RecordType::A);
    none.queries.clear();
    assert_eq!(code(&none), ResponseCode::FormErr);
    let mut two = query("db.", RecordType::A);
    two.add_query(Query::query(Name::from_ascii("db.").unwrap(), RecordType::AAAA));
    assert_eq!(code(&two), ResponseCode::FormErr);
    assert!(response(&two).queries.is_empty());
}

#[test]
fn other_classes_are_refused() {
    for class in [DNSClass::CH, DNSClass::HS, DNSClass::NONE, DNSClass::ANY, DNSClass::Unknown(4660)] {
        for (name, kind) in [("db.", RecordType::A), ("version.bind.", RecordType::TXT)] {
            let mut request = query(name, kind);
            request.queries[0].query_class = class;
            assert_eq!(code(&request), ResponseCode::Refused, "{name} {class}");
        }
    }
}

#[test]
fn zones_are_not_transferred_and_transactions_not_signed() {
    for kind in [RecordType::AXFR, RecordType::IXFR, RecordType::TSIG, RecordType::Unknown(249), RecordType::OPT] {
        for name in ["web.internal.", "example.com."] {
            assert_eq!(code(&query(name, kind)), ResponseCode::Refused, "{name} {kind}");
        }
    }
}

#[test]
fn a_response_is_not_answered() {
    let mut response = query("db.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    assert_eq!(act(&response.to_vec().unwrap(), Transport::Udp), Action::Ignore);
}
