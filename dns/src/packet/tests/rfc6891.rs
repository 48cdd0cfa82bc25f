//! RFC 6891: EDNS.

use super::*;

#[test]
fn opt_is_answered_with_opt_on_every_kind_of_answer() {
    let mut no_question = query("db.", RecordType::A);
    no_question.queries.clear();
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries[0].query_class = DNSClass::CH;
    let mut notify = query("db.", RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    for request in [
        notify,
        query("db.", RecordType::A),
        query("db.", RecordType::AAAA),
        query("nobody.", RecordType::A),
        query("db.", RecordType::AXFR),
        chaos,
        no_question,
    ] {
        assert_eq!(response(&request).edns, None, "{request}");
        let edns = response(&with_edns(request, 4096)).edns.expect("OPT");
        assert_eq!((edns.version(), edns.max_payload(), edns.rcode_high()), (0, 1232, 0));
        assert!(!edns.flags().dnssec_ok && edns.flags().z == 0 && edns.options().options.is_empty());
    }
}

#[test]
fn do_is_copied_and_other_flags_and_options_are_not() {
    let mut request = with_edns(query("db.", RecordType::A), 4096);
    let edns = request.edns.as_mut().unwrap();
    edns.set_dnssec_ok(true);
    edns.flags_mut().z = 0x7fff;
    edns.options_mut().insert(EdnsOption::Unknown(10, vec![1; 8]));
    edns.options_mut().insert(EdnsOption::Unknown(65_001, vec![1, 2, 3]));
    let response = response(&request);
    assert_eq!(addresses(&response).len(), 1);
    let edns = response.edns.unwrap();
    assert!(edns.flags().dnssec_ok && edns.flags().z == 0 && edns.options().options.is_empty());
}

#[test]
fn an_unknown_version_is_badvers_in_version_0() {
    let mut request = with_edns(query("db.", RecordType::A), 4096);
    request.edns.as_mut().unwrap().set_version(1);
    let response = response(&request);
    assert_eq!(response.metadata.response_code.low(), 0);
    let edns = response.edns.unwrap();
    assert_eq!((edns.rcode_high(), edns.version()), (1, 0));
    assert!(response.answers.is_empty());
}

#[test]
fn two_opt_records_are_a_format_error() {
    let mut packet = with_edns(query("db.", RecordType::A), 4096).to_vec().unwrap();
    let opt = packet[packet.len() - 11..].to_vec();
    packet.extend(opt);
    packet[11] = 2;
    let octets = octets(act(&packet, Transport::Udp)).unwrap();
    assert_eq!(Message::from_vec(&octets).unwrap().metadata.response_code, ResponseCode::FormErr);
}
