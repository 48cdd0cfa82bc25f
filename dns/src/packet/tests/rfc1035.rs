//! RFC 1035 4.1: header, question and records; RFC 2308: those of negative answers; case (draft-vixie-dnsext-dns0x20).

use super::*;

#[test]
fn an_address_is_answered_with_authority() {
    let request = query("db.web.internal.", RecordType::A);
    let response = response(&request);
    let metadata = response.metadata;
    assert_eq!((metadata.id, metadata.message_type, metadata.op_code), (0x1234, MessageType::Response, OpCode::Query));
    assert_eq!(metadata.response_code, ResponseCode::NoError);
    assert!(metadata.authoritative && metadata.recursion_available);
    assert!(!metadata.truncation && !metadata.authentic_data);
    assert_eq!(response.queries, request.queries);
    assert_eq!(addresses(&response), [Ipv4Addr::new(10, 1, 0, 9)]);
    assert_eq!(response.answers[0].ttl, 5);
    assert_eq!(response.answers[0].name, request.queries[0].name);
    assert!(response.authorities.is_empty() && response.additionals.is_empty());
}

#[test]
fn of_the_flags_only_rd_and_cd_are_copied() {
    const OPCODE: u16 = 0x7800;
    let (qr, aa, ra, rd, cd) = (0x8000, 0x0400, 0x0080, 0x0100, 0x0010);
    for flags in (0..qr).filter(|flags| flags & OPCODE == 0) {
        let mut packet = query("db.", RecordType::A).to_vec().unwrap();
        packet[2..4].copy_from_slice(&flags.to_be_bytes());
        let octets = octets(act(&packet, Transport::Udp)).unwrap();
        let answered = u16::from_be_bytes([octets[2], octets[3]]);
        assert_eq!(answered, qr | aa | ra | flags & (rd | cd), "{flags:#06x}");
    }
}

#[test]
fn recursion_is_not_offered_where_nothing_is_forwarded() {
    let request = query("cache.", RecordType::A).to_vec().unwrap();
    let source = "10.2.0.10".parse().unwrap();
    let origin = Origin { listener: &listener(&["back"]), source, transport: Transport::Udp };
    let octets = octets(respond(&fixture::zones(), origin, &request, &mut Rng::with_seed(7))).unwrap();
    let response = Message::from_vec(&octets).unwrap();
    assert!(response.metadata.authoritative && !response.metadata.recursion_available);
}

#[test]
fn the_question_comes_back_octet_by_octet() {
    for name in ["dB.WeB.iNtErNaL.", "DB.", "nObOdY.", "XX.web.internal."] {
        let request = query(name, RecordType::A).to_vec().unwrap();
        let octets = octets(act(&request, Transport::Udp)).unwrap();
        assert_eq!(octets[HEADER..request.len()], request[HEADER..], "{name}");
    }
}

#[test]
fn the_owner_of_an_answer_is_spelled_as_the_question() {
    let request = query("dB.wEb.internal.", RecordType::A).to_vec().unwrap();
    let octets = octets(act(&request, Transport::Udp)).unwrap();
    assert_eq!(Message::from_vec(&octets).unwrap().answers[0].name.to_ascii(), "dB.wEb.internal.");
    assert_eq!(octets[request.len()..][..2], [0xc0, 12], "a pointer to the question");
}

#[test]
fn negative_answers_hold_the_soa_of_their_zone_and_its_low_ttl() {
    for (name, kind, code, zone) in [
        ("db.web.internal.", RecordType::AAAA, ResponseCode::NoError, "web.internal."),
        ("db.web.internal.", RecordType::HTTPS, ResponseCode::NoError, "web.internal."),
        ("nobody.web.internal.", RecordType::A, ResponseCode::NXDomain, "web.internal."),
        ("nobody.", RecordType::A, ResponseCode::NXDomain, "."),
        ("77.0.1.10.in-addr.arpa.", RecordType::PTR, ResponseCode::NXDomain, "0.1.10.in-addr.arpa."),
    ] {
        let response = response(&query(name, kind));
        assert_eq!(response.metadata.response_code, code, "{name}");
        assert!(response.answers.is_empty(), "{name}");
        let [authority] = &response.authorities[..] else { panic!("{name}: {response}") };
        assert_eq!((authority.name.to_ascii().as_str(), authority.ttl), (zone, 5), "{name}");
        let RData::SOA(soa) = &authority.data else { panic!("{name}: {authority}") };
        assert_eq!((soa.serial, soa.minimum), (42, 5), "{name}");
    }
}

#[test]
fn ptr_and_soa_are_written() {
    let pointer = response(&query("7.0.1.10.in-addr.arpa.", RecordType::PTR)).answers.remove(0);
    assert_eq!(pointer.data.to_string(), "web1.web.internal.");
    let soa = response(&query("web.internal.", RecordType::SOA)).answers.remove(0);
    assert_eq!(soa.data.to_string(), "web.internal. nobody.invalid. 42 3600 3600 3600 5");
}

/// RFC 8482 4.2.
#[test]
fn any_is_answered_with_hinfo() {
    let answer = response(&query("db.", RecordType::ANY)).answers.remove(0);
    assert_eq!(answer.ttl, 8482);
    assert!(matches!(&answer.data, RData::HINFO(info) if &*info.cpu == b"RFC8482" && info.os.is_empty()), "{answer}");
}

/// RFC 2181 8.
#[test]
fn a_ttl_that_looks_negative_is_the_largest() {
    let attachments = vec![attachment("c1", &["10.9.0.7"], &["c1"], u32::MAX)];
    let zones = ZonesBuilder::new(1).network(network("n", "n.internal", &[], &[], attachments)).build();
    let source = "10.9.0.7".parse().unwrap();
    let origin = Origin { listener: &listener(&["n"]), source, transport: Transport::Udp };
    let request = query("c1.", RecordType::A).to_vec().unwrap();
    let octets = octets(respond(&zones, origin, &request, &mut Rng::with_seed(7))).unwrap();
    assert_eq!(Message::from_vec(&octets).unwrap().answers[0].ttl, 0x7fff_ffff);
}
