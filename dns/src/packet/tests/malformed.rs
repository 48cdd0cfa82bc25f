//! Packets that no client means to send.

use super::*;

const HEADER_OF_ONE_QUESTION: [u8; HEADER] = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const NAME_ERROR: Option<u8> = Some(3);
const FORMAT_ERROR: Option<u8> = Some(1);

fn code(packet: &[u8]) -> Option<u8> {
    octets(act(packet, Transport::Udp)).map(|octets| octets[3] & 15)
}

/// The code of the answer to a question of class IN for the A record of a name in wire form.
fn code_for(name: &[u8]) -> Option<u8> {
    code(&[&HEADER_OF_ONE_QUESTION, name, &[0, 1, 0, 1]].concat())
}

#[test]
fn less_than_a_header_is_ignored() {
    let packet = query("db.", RecordType::A).to_vec().unwrap();
    for length in 0..HEADER {
        assert_eq!(act(&packet[..length], Transport::Udp), Action::Ignore);
    }
}

#[test]
fn a_packet_cut_anywhere_is_a_format_error() {
    let packet = with_edns(query("db.web.internal.", RecordType::A), 4096).to_vec().unwrap();
    for length in HEADER..packet.len() {
        let octets = octets(act(&packet[..length], Transport::Udp)).unwrap();
        assert_eq!(octets, [&[0x12, 0x34, 0x81, 1][..], &[0; 8]].concat(), "{length} octets");
    }
    assert_eq!(code(&packet), Some(0));
}

#[test]
fn a_name_that_is_not_written_in_full_is_a_format_error() {
    let label = [&[63][..], &[b'a'; 63]].concat();
    for name in [
        &b"\xc0\x0c"[..],                       // a pointer to itself
        b"\xc0\x04",                            // a pointer into the header, where a name could be read
        b"\x02db\xc0\x0a",                      // the same behind a label
        b"\xc0\xff",                            // a pointer past the end
        b"\x40db",                              // an extended label, RFC 6891 5
        b"\x80db",                              // a reserved one
        &[&label.repeat(4)[..], &[0]].concat(), // longer than a name may be
    ] {
        assert_eq!(code_for(name), FORMAT_ERROR, "{name:?}");
    }
}

#[test]
fn counts_that_promise_more_than_there_is_are_format_errors() {
    for position in [4, 6, 8, 10] {
        let mut packet = query("db.", RecordType::A).to_vec().unwrap();
        packet[position..position + 2].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(code(&packet), FORMAT_ERROR, "count at {position}");
    }
}

/// Labels may hold anything (RFC 2181 11): such a name is not ours, and not harmful.
#[test]
fn strange_octets_in_a_name_are_looked_up_like_others() {
    for label in [&b"a.b"[..], b"\n/..", b"\xff\xfe", b"\0", b"\x02db"] {
        let length = u8::try_from(label.len()).unwrap();
        assert_eq!(code_for(&[&[length], label, b"\x03web\x08internal\0"].concat()), NAME_ERROR, "{label:?}");
    }
}

/// The seeded generator: requests with a few octets changed, cut, or run together, and noise.
#[test]
fn no_packet_makes_the_path_panic_or_answer_nonsense() {
    let mut rng = Rng::with_seed(0x5eed);
    let seeds = seeds();
    let zones = fixture::zones();
    let networks = listener(&["web"]);
    for round in 0..30_000 {
        let packet = mutated(&seeds, &mut rng);
        let transport = if rng.bool() { Transport::Udp } else { Transport::Tcp };
        let origin = Origin { listener: &networks, source: "10.1.0.7".parse().unwrap(), transport };
        let action = respond(&zones, origin, &packet, &mut rng);
        if let Some(fault) = fault(&packet, &action, transport) {
            panic!("round {round}: {fault}: {packet:02x?}");
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let names =
        ["db.", "web.web.internal.", "nobody.", "www.example.com.", "7.0.1.10.in-addr.arpa.", "localhost.", "."];
    let kinds = [RecordType::A, RecordType::AAAA, RecordType::PTR, RecordType::SOA, RecordType::ANY];
    let plain = names.iter().flat_map(|name| kinds.map(|kind| query(name, kind)));
    let messages = plain.flat_map(|message| [message.clone(), with_edns(message, 1400)]);
    messages.map(|message| message.to_vec().unwrap()).collect()
}

fn mutated(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut packet = rng.choice(seeds).unwrap().clone();
    match rng.u8(0..8) {
        0 => {
            let length = rng.usize(0..600);
            packet = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        }
        1 => packet.truncate(rng.usize(0..packet.len())),
        2 => packet.extend(rng.choice(seeds).unwrap()),
        _ => {}
    }
    for _ in 0..rng.usize(0..6) {
        let telling = [0, 1, 2, 11, 12, 63, 64, 0x7f, 0x80, 0xc0, 0xff, rng.u8(..)];
        if !packet.is_empty() {
            let position = rng.usize(0..packet.len());
            packet[position] = *rng.choice(&telling).unwrap();
        }
    }
    packet
}

/// What is wrong with an action, of what must hold for every packet.
fn fault(packet: &[u8], action: &Action, transport: Transport) -> Option<&'static str> {
    let failure = if let Action::Forward(forward) = action { forward.failure() } else { Vec::new() };
    let (octets, limit) = match action {
        Action::Ignore if packet.len() < HEADER || packet[2] & 0x80 != 0 => return None,
        Action::Ignore => return Some("silence"),
        Action::Forward(forward) if packet.starts_with(&forward.request) => (&failure, 512),
        Action::Forward(_) => return Some("something else is forwarded"),
        Action::Refuse(octets) => (octets, 512),
        Action::Answer(octets) if transport == Transport::Udp => (octets, 1232),
        Action::Answer(octets) => (octets, 65_535),
    };
    let Ok(message) = Message::from_vec(octets) else { return Some("unreadable") };
    let in_full = |name: &Name| HEADER + name.iter().map(|label| label.len() + 1).sum::<usize>() + 5;
    let question_end = message.queries.first().map_or(HEADER, |query| in_full(&query.name));
    let same_question = packet.get(HEADER..question_end) == octets.get(HEADER..question_end);
    let faults = [
        (octets.len() > limit, "too long"),
        (octets[..2] != packet[..2], "another id"),
        (message.metadata.message_type != MessageType::Response, "no response"),
        (!same_question, "another question"),
    ];
    faults.into_iter().find(|(is_so, _)| *is_so).map(|(_, fault)| fault)
}
