//! What a container sends to port 53.

use std::cell::RefCell;
use std::net::IpAddr;

use dns::{
    Action, Attachment, LONGEST_USUAL, Network, NetworkId, Origin, Port, Protocol, StaticData, StaticRecord, Transport,
    Upstreams, Zones, ZonesBuilder, respond, respond_usual,
};
use fastrand::Rng;
use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};

/// The longest response that goes into one UDP packet to anyone (DNS flag day 2020).
const LONGEST_OVER_UDP: usize = 1_232;

/// Where an alias of the network leads, and in wire form.
const FAR: &str = "db.example.com";
const FAR_OCTETS: &[u8] = b"\x02db\x07example\x03com\0";
/// Octets of a header.
const HEADER: usize = 12;

thread_local! {
    static ZONES: Zones = zones();
    static RNG: RefCell<Rng> = const { RefCell::new(Rng::with_seed(53)) };
}

/// Questions as containers ask them.
pub fn seeds() -> Vec<Vec<u8>> {
    let questions = [
        ("db.web.internal.", RecordType::A),
        ("db.", RecordType::AAAA),
        ("9.0.1.10.in-addr.arpa.", RecordType::PTR),
        ("web.internal.", RecordType::SOA),
        ("example.com.", RecordType::ANY),
        ("nobody.web.internal.", RecordType::TXT),
        ("many.web.internal.", RecordType::A),
        ("far.web.internal.", RecordType::A),
        ("far.", RecordType::AAAA),
        ("_http._tcp.db.web.internal.", RecordType::SRV),
    ];
    let packet = |(name, kind): &(&str, RecordType)| {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.parse::<Name>().expect("invariant: it is a name"), *kind));
        message
    };
    let mut messages: Vec<Message> = questions.iter().map(packet).collect();
    let mut with_edns = messages.clone();
    for message in &mut with_edns {
        message.set_edns(Edns::new());
    }
    messages.append(&mut with_edns);
    messages.iter().map(|message| message.to_vec().expect("invariant: it fits")).collect()
}

/// Decides about a packet, from a container and from a stranger, over both transports.
pub fn target(packet: &[u8]) {
    let container = IpAddr::from([10, 1, 0, 7]);
    for (source, transport) in [(container, Transport::Udp), (container, Transport::Tcp)] {
        decided(packet, source, transport);
    }
    let for_a_stranger = decided(packet, IpAddr::from([192, 0, 2, 66]), Transport::Udp);
    assert!(matches!(for_a_stranger, Action::Ignore | Action::Refuse(_)), "a stranger was served");
}

fn decided(packet: &[u8], source: IpAddr, transport: Transport) -> Action {
    let listener: [NetworkId; 1] = ["web".into()];
    let origin = Origin { listener: &listener, source, transport };
    let (usual, action) = ZONES.with(|zones| {
        RNG.with_borrow_mut(|rng| {
            let (mut same, mut room) = (rng.clone(), [0; LONGEST_USUAL]);
            let length = respond_usual(zones, origin, packet, &mut same, &mut room);
            (length.map(|length| room[..length].to_vec()), respond(zones, origin, packet, rng))
        })
    });
    if let Some(usual) = usual {
        assert_eq!(Action::Answer(usual), action, "the short way says something else");
    }
    match &action {
        Action::Ignore => {}
        Action::Refuse(response) | Action::Answer(response) => is_response(response, packet, transport),
        Action::Forward(forward) => {
            let request = &forward.request;
            let is_led_far = packet.get(..HEADER) == request.get(..HEADER)
                && request.get(HEADER..).is_some_and(|asked| asked.starts_with(FAR_OCTETS));
            assert!(is_led_far || packet.starts_with(request), "others are asked what was not asked");
            is_response(&forward.failure(), packet, transport);
        }
    }
    action
}

/// Another implementation reads the response as one to this packet, and it is no longer than its transport takes.
fn is_response(response: &[u8], packet: &[u8], transport: Transport) {
    let message = Message::from_vec(response).expect("a response is a message");
    assert_eq!(message.metadata.message_type, MessageType::Response, "a response says that it is one");
    assert_eq!(response.get(..2), packet.get(..2), "a response has the id of the request");
    if matches!(transport, Transport::Udp) {
        assert!(response.len() <= LONGEST_OVER_UDP, "{} bytes over UDP", response.len());
    }
}

fn zones() -> Zones {
    let parse = |names: &[&str]| names.iter().map(|name| name.parse().expect("invariant: it is a name")).collect();
    let address = |last| IpAddr::from([10, 1, 0, last]);
    let attachment = |container: &str, last, names: &[&str]| Attachment {
        is_healthy: container != "sick",
        container: container.into(),
        addresses: vec![address(last)],
        names: parse(names),
        ports: vec![Port {
            name: "http".parse().expect("invariant: it is a name"),
            protocol: Protocol::Tcp,
            number: 80,
        }],
        texts: vec!["version=7".parse().expect("invariant: it is short")],
        upstreams: None,
        ttl: 5,
    };
    // One name that more containers bear than a packet takes.
    let many = (10..250).map(|last| attachment(&format!("many-{last}"), last, &["many"]));
    let few = [
        attachment("c1", 7, &["web1", "web"]),
        attachment("db", 9, &["db", "a.cluster"]),
        attachment("sick", 8, &["web2", "web"]),
    ];
    let network = Network {
        id: "web".into(),
        domain: "web.internal".parse().expect("invariant: it is a name"),
        subnets: vec!["10.1.0.0/24".parse().expect("invariant: it is a subnet")],
        gateways: vec![address(1)],
        near: vec!["10.1.0.0/25".parse().expect("invariant: it is a subnet")],
        upstreams: Upstreams::Host,
        split_domains: Vec::new(),
        forward_single_label: false,
        records: vec![StaticRecord {
            name: "far".parse().expect("invariant: it is a name"),
            data: StaticData::Alias(FAR.parse().expect("invariant: it is a name")),
            ttl: 5,
        }],
        attachments: few.into_iter().chain(many).collect(),
    };
    ZonesBuilder::new(42).network(network).build()
}
