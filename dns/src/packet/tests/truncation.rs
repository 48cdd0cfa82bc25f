//! RFC 1035 4.2.1, RFC 2181 9, RFC 6891 6.2.3: what does not fit.

use super::*;

/// The answer to a name that `count` containers bear, and its octets.
fn crowd(count: u8, request: &Message, transport: Transport) -> (Message, usize) {
    let member = |octet: u8| attachment(&format!("c{octet}"), &[&format!("10.9.0.{octet}")], &["crowd"], 5);
    let attachments = (1..=count).map(member).collect();
    let zones = ZonesBuilder::new(1).network(network("n", "n.internal", &["10.9.0.0/24"], &[], attachments)).build();
    let origin = Origin { listener: &listener(&["n"]), source: "10.9.0.1".parse().unwrap(), transport };
    let octets = octets(respond(&zones, origin, &request.to_vec().unwrap(), &mut Rng::with_seed(7))).unwrap();
    let message = Message::from_vec(&octets).unwrap();
    assert_eq!(message.to_vec().unwrap().len(), octets.len(), "nothing follows the last record");
    (message, octets.len())
}

fn question() -> Message {
    query("crowd.", RecordType::A)
}

#[test]
fn an_answer_is_cut_at_whole_records_to_what_the_client_takes() {
    for (request, limit) in [
        (question(), 512),
        (with_edns(question(), 0), 512),
        (with_edns(question(), 600), 600),
        (with_edns(question(), 1232), 1232),
        (with_edns(question(), 65_535), 1232),
    ] {
        let (response, length) = crowd(200, &request, Transport::Udp);
        assert!(response.metadata.truncation);
        assert!(length <= limit && length + 16 > limit, "{length} octets where {limit} may be");
        assert_eq!(response.edns.is_some(), request.edns.is_some(), "OPT is kept");
        assert!(addresses(&response).len() > 25);
    }
}

#[test]
fn an_answer_that_just_fits_is_not_cut() {
    // 12 octets of header, 11 of question, 16 for each address: 30 fit into 512.
    let (fits, length) = crowd(30, &question(), Transport::Udp);
    assert_eq!((fits.metadata.truncation, length, addresses(&fits).len()), (false, 503, 30));
    let (cut, length) = crowd(31, &question(), Transport::Udp);
    assert_eq!((cut.metadata.truncation, length, addresses(&cut).len()), (true, 503, 30));
}

#[test]
fn over_tcp_the_answer_is_complete() {
    let (response, _) = crowd(200, &with_edns(question(), 512), Transport::Tcp);
    assert!(!response.metadata.truncation);
    assert_eq!(addresses(&response).len(), 200);
}

/// Old clients use a truncated answer as it is; they must not all go to the same containers.
#[test]
fn a_truncated_answer_holds_any_of_the_addresses() {
    let (response, _) = crowd(200, &question(), Transport::Udp);
    let last = addresses(&response).into_iter().map(|address| address.octets()[3]).max();
    assert!(last > Some(100), "{last:?}");
}
