//! Octets in, octets out. The client's side of the wire is hickory's.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::*;
use crate::fixture::{self, attachment, listener, network};
use crate::{Network, ZonesBuilder};

mod malformed;
mod rfc1035;
mod rfc6891;
mod rfc8906;
mod rfc8914;
mod truncation;

/// A request as `dig NAME TYPE` would make it, without EDNS.
fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn with_edns(mut message: Message, payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    message.set_edns(edns);
    message
}

/// What the listener of `web` does about a packet of c1.
fn act(packet: &[u8], transport: Transport) -> Action {
    let origin = Origin { listener: &listener(&["web"]), source: "10.1.0.7".parse().unwrap(), transport };
    respond(&fixture::zones(), origin, packet, &mut Rng::with_seed(7))
}

fn octets(action: Action) -> Option<Vec<u8>> {
    match action {
        Action::Refuse(octets) | Action::Answer(octets) => Some(octets),
        Action::Ignore | Action::Forward(_) => None,
    }
}

/// The response that is sent at once.
fn response(request: &Message) -> Message {
    let octets = octets(act(&request.to_vec().unwrap(), Transport::Udp)).expect("a response");
    Message::from_vec(&octets).unwrap()
}

fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let address = |record: &Record| match record.data {
        RData::A(a) => a.0,
        ref other => panic!("{other:?}"),
    };
    message.answers.iter().map(address).collect()
}

#[test]
fn addresses_are_shuffled_for_each_answer() {
    let request = query("web.", RecordType::A).to_vec().unwrap();
    let zones = fixture::zones();
    let origin =
        Origin { listener: &listener(&["web"]), source: "10.1.0.7".parse().unwrap(), transport: Transport::Udp };
    let mut rng = Rng::with_seed(7);
    let mut first = [0, 0];
    for _ in 0..100 {
        let octets = octets(respond(&zones, origin, &request, &mut rng)).unwrap();
        match addresses(&Message::from_vec(&octets).unwrap())[..] {
            [a, b] if a < b => first[0] += 1,
            [a, b] if a > b => first[1] += 1,
            ref other => panic!("{other:?}"),
        }
    }
    assert!(first.iter().all(|&times| times > 25), "{first:?}");
}

#[test]
fn addresses_that_are_near_come_first_and_are_shuffled_among_themselves() {
    let at = ["10.40.1.2", "10.40.1.3", "10.40.2.2", "10.40.3.2"];
    let web = attachment("c1", &[&at[..], &["fd40:2::2", "fd40:1::2"]].concat(), &["web"], 5);
    let lab = network("lab", "lab.internal", &["10.40.0.0/16", "fd40::/16"], &[], vec![web]);
    let near = ["10.40.1.0/24", "fd40:1::/32"].map(|subnet| subnet.parse().unwrap()).to_vec();
    let zones = ZonesBuilder::new(1).network(Network { near, ..lab }).build();
    let origin =
        Origin { listener: &listener(&["lab"]), source: "10.40.1.2".parse().unwrap(), transport: Transport::Udp };
    let mut rng = Rng::with_seed(7);
    let mut ask = |kind| {
        let octets = octets(respond(&zones, origin, &query("web.", kind).to_vec().unwrap(), &mut rng)).unwrap();
        Message::from_vec(&octets).unwrap()
    };
    let orders: BTreeSet<Vec<Ipv4Addr>> = (0..100).map(|_| addresses(&ask(RecordType::A))).collect();
    assert_eq!(orders.len(), 4, "{orders:?}");
    assert!(orders.iter().flat_map(|order| &order[..2]).all(|address| address.octets()[2] == 1), "{orders:?}");
    assert!((0..10).all(|_| ask(RecordType::AAAA).answers[0].data.to_string() == "fd40:1::2"));
}

#[test]
fn a_source_of_no_network_is_refused_and_told_nothing() {
    let request = query("db.", RecordType::A).to_vec().unwrap();
    let origin =
        Origin { listener: &listener(&["web"]), source: "192.0.2.1".parse().unwrap(), transport: Transport::Udp };
    let action = respond(&fixture::zones(), origin, &request, &mut Rng::with_seed(7));
    assert!(matches!(action, Action::Refuse(_)));
    let response = Message::from_vec(&octets(action).unwrap()).unwrap();
    assert_eq!(response.metadata.response_code, ResponseCode::Refused);
    assert!(!response.metadata.authoritative && !response.metadata.recursion_available);
    assert!(response.answers.is_empty() && response.authorities.is_empty());
}

#[test]
fn the_failure_of_what_is_forwarded_is_the_one_that_would_be_written() {
    for (bits, edns) in (0..16).flat_map(|bits| [None, Some(false), Some(true)].map(|edns| (bits, edns))) {
        let mut request = query("www.Example.com.", RecordType::Unknown(65_280));
        request.metadata.recursion_desired = bits & 1 != 0;
        request.metadata.checking_disabled = bits & 2 != 0;
        request.metadata.authentic_data = bits & 4 != 0;
        request.metadata.authoritative = bits & 8 != 0;
        if let Some(signed) = edns {
            request = with_edns(request, 4000);
            let edns = request.edns.as_mut().unwrap();
            edns.set_dnssec_ok(signed);
            edns.options_mut().insert(EdnsOption::Unknown(65_001, vec![1, 2, 3]));
        }
        let came = request.to_vec().unwrap();
        let Action::Forward(forward) = act(&came, Transport::Udp) else { panic!("not forwarded") };
        assert_eq!(forward.failure(), Request::parse(&came).unwrap().server_failure(), "{request}");
    }
}

#[test]
fn what_is_forwarded_is_the_request_as_it_came() {
    let mut request = with_edns(query("www.Example.com.", RecordType::Unknown(65_280)), 2000);
    request.metadata.checking_disabled = true;
    let edns = request.edns.as_mut().unwrap();
    edns.set_dnssec_ok(true);
    edns.options_mut().insert(EdnsOption::Unknown(65_001, vec![1, 2, 3]));
    let sent = request.to_vec().unwrap();
    let Action::Forward(forward) = act(&[&sent[..], b"trailing octets"].concat(), Transport::Udp) else {
        panic!("not forwarded");
    };
    assert_eq!(forward.request, sent);
    assert_eq!(forward.upstreams, Upstreams::Host);
    assert_eq!(forward.limit, 1232);
    assert_eq!(forward.id(), Some([0x12, 0x34]));
    let failure = Message::from_vec(&forward.failure()).unwrap();
    assert_eq!(failure.metadata.response_code, ResponseCode::ServFail);
    assert!(failure.metadata.recursion_available && failure.metadata.checking_disabled);
    assert_eq!(failure.queries, request.queries);
    assert!(failure.edns.unwrap().flags().dnssec_ok);
}

#[test]
fn a_response_over_udp_is_relayed_up_to_what_the_client_takes_and_every_path_carries() {
    let limit = |request: Message, transport| match act(&request.to_vec().unwrap(), transport) {
        Action::Forward(forward) => forward.limit,
        other => panic!("{other:?}"),
    };
    let plain = || query("example.com.", RecordType::A);
    assert_eq!(limit(plain(), Transport::Udp), 512);
    assert_eq!(limit(with_edns(plain(), 100), Transport::Udp), 512, "RFC 6891 6.2.3");
    assert_eq!(limit(with_edns(plain(), 600), Transport::Udp), 600);
    assert_eq!(limit(with_edns(plain(), 65_535), Transport::Udp), 1232);
    assert_eq!(limit(plain(), Transport::Tcp), 65_535);
}
