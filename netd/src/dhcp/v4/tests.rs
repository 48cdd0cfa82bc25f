//! What a client says, and what it makes of what servers say, good and bad.

use dhcproto::v4::{Decodable, Decoder, Opcode};

use super::*;
use crate::dhcp::sample;

const XID: u32 = 0x0102_0304;

/// An option: its number, and its octets.
type Written<'a> = (u8, &'a [u8]);

/// What every useful answer has: type, server, mask, time.
const USUAL: [Written<'static>; 4] =
    [(53, &[5]), (54, &[10, 1, 0, 1]), (1, &[255, 255, 255, 0]), (51, &[0, 0, 14, 16])];

/// The frame of a server, with options as they are written.
fn answer(options: &[Written<'_>]) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let address = Ipv4Addr::new(10, 1, 0, 7);
    let mut message = Message::new_with_id(XID, none, address, none, none, &sample::wish().mac.octets());
    message.set_opcode(Opcode::BootReply);
    let mut octets = message.to_vec().unwrap();
    for (code, value) in options {
        for part in value.chunks(255) {
            octets.extend([&[*code, u8::try_from(part.len()).unwrap()], part].concat());
        }
    }
    octets.push(255);
    framed(&octets)
}

fn framed(message: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 7]);
    let mut frame = Vec::new();
    builder.ipv4([10, 1, 0, 1], [10, 1, 0, 7], 64).udp(67, 68).write(&mut frame, message).unwrap();
    frame
}

/// What is read from an answer with these options in place of the usual ones of the same number.
fn told(options: &[Written<'_>]) -> Option<Given> {
    let usual = USUAL.iter().filter(|(code, _)| options.iter().all(|(other, _)| other != code));
    let all: Vec<Written<'_>> = usual.chain(options).copied().collect();
    match read(&sample::wish(), XID, &answer(&all))? {
        Reply::Acknowledge(given) => Some(given),
        other => panic!("{other:?}"),
    }
}

fn routes(options: &[Written<'_>]) -> Vec<String> {
    let route = |(network, router): (ipnetwork::IpNetwork, Option<std::net::IpAddr>)| {
        router.map_or_else(|| network.to_string(), |router| format!("{network} {router}"))
    };
    told(options).unwrap().terms.routes.into_iter().map(route).collect()
}

#[test]
fn an_answer_is_read() {
    let given = told(&[
        (3, &[10, 1, 0, 1, 10, 1, 0, 2]),
        (6, &[10, 1, 0, 53, 10, 1, 0, 54]),
        (15, b"example.org\0"),
        (119, b"\x03lab\x07example\x03org\0\x03web\xc0\x04"),
    ])
    .unwrap();
    assert_eq!(given.server, Ipv4Addr::new(10, 1, 0, 1));
    assert_eq!(given.mac.map(|mac| mac.to_string()).unwrap(), "02:00:00:00:00:01");
    let Terms { address, router, nameservers, domain, search, .. } = given.terms;
    assert_eq!((address.to_string(), router.unwrap().to_string()), ("10.1.0.7/24".to_owned(), "10.1.0.1".to_owned()));
    assert_eq!(nameservers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.0.53", "10.1.0.54"]);
    assert_eq!((&*domain, search), ("example.org", vec!["lab.example.org".to_owned(), "web.example.org".to_owned()]));
}

#[test]
fn classless_routes_go_before_the_router_and_before_classful_ones() {
    let router: Written<'_> = (3, &[10, 1, 0, 1]);
    let classful: Written<'_> = (33, &[172, 16, 5, 5, 10, 1, 0, 3, 10, 9, 9, 9, 10, 1, 0, 4]);
    let classless = [0, 10, 1, 0, 9, 22, 192, 168, 255, 10, 1, 0, 8, 32, 10, 2, 0, 1, 0, 0, 0, 0];
    assert_eq!(routes(&[router]), ["0.0.0.0/0 10.1.0.1"]);
    assert_eq!(routes(&[router, classful]), ["172.16.0.0/16 10.1.0.3", "10.0.0.0/8 10.1.0.4", "0.0.0.0/0 10.1.0.1"]);
    let expected = ["0.0.0.0/0 10.1.0.9", "192.168.252.0/22 10.1.0.8", "10.2.0.1/32"];
    assert_eq!(routes(&[router, classful, (121, &classless)]), expected);
    // 51 routes of five octets each and one more do not fit into one option (RFC 3396).
    let many: Vec<u8> = (0..60).flat_map(|net| [8, net, 10, 1, 0, 9]).collect();
    assert_eq!(routes(&[(121, &many)]).len(), 60);
}

#[test]
fn an_option_that_is_malformed_is_as_if_it_were_not_there() {
    let router: Written<'_> = (3, &[10, 1, 0, 1]);
    for bad in [
        &[33, 10, 1, 0, 9][..],
        &[24, 10, 2],
        &[24, 10, 2, 0, 10, 1, 0],
        &[255],
        &[],
        // A whole route before half of one is none either.
        &[0, 10, 1, 0, 9, 8],
    ] {
        assert_eq!(routes(&[router, (121, bad)]), ["0.0.0.0/0 10.1.0.1"], "{bad:?}");
    }
    for bad in [&[10, 1, 0][..], &[], &[0, 0, 0, 0], &[10, 1, 0, 1, 10]] {
        assert_eq!(told(&[(3, bad)]).unwrap().terms.router, None, "{bad:?}");
        assert!(told(&[(6, bad)]).unwrap().terms.nameservers.is_empty(), "{bad:?}");
    }
    assert_eq!(routes(&[(33, &[0, 0, 0, 0, 10, 1, 0, 1, 224, 0, 0, 1, 10, 1, 0, 1])]), [""; 0]);
    assert_eq!(routes(&[(33, &[172, 16, 0, 0, 10, 1, 0])]), [""; 0]);
    for bad in [&b"a b"[..], b"a\nnameserver 10.9.9.9", b"\xff", b"", b"."] {
        assert_eq!(told(&[(15, bad)]).unwrap().terms.domain, "", "{bad:?}");
    }
    for bad in [&b"\x3flab"[..], b"\xc0\x00", b"\x03a b\0", b"\x04a\nb.\0"] {
        assert_eq!(told(&[(119, bad)]).unwrap().terms.search, [""; 0], "{bad:?}");
    }
    // A client's name that is no text stands before the time of the lease.
    assert!(told(&[(12, b"\xff\xfe")]).is_some());
}

#[test]
fn an_answer_without_what_is_needed_is_none() {
    for bad in [
        [(1, &[][..])],
        [(1, &[255, 0, 255, 0])],
        [(1, &[0, 0, 0, 0])],
        [(51, &[0, 0, 0, 0])],
        [(51, &[0, 0, 1])],
        [(54, &[0, 0, 0, 0])],
        [(54, &[10, 1])],
        [(53, &[])],
        [(53, &[5, 5])],
        [(53, &[99])],
        [(53, &[1])],
    ] {
        assert_eq!(told(&bad), None, "{bad:?}");
    }
    let wish = sample::wish();
    assert_eq!(read(&wish, XID, &answer(&[(53, &[6])])), Some(Reply::Refuse));
    assert!(matches!(read(&wish, XID, &answer(&[&[(53, &[2][..])], &USUAL[1..]].concat())), Some(Reply::Offer(_))));
}

#[test]
fn what_is_not_for_us_is_not_heard() {
    let wish = sample::wish();
    let good = answer(&USUAL);
    assert!(read(&wish, XID, &good).is_some());
    assert_eq!(read(&wish, XID + 1, &good), None);
    assert_eq!(read(&Wish { mac: "02:00:00:00:00:08".parse().unwrap(), ..wish.clone() }, XID, &good), None);
    // Of the message: a request, another kind of hardware address, another cookie.
    for (offset, octet) in [(0, 1), (2, 16), (2, 255), (236, 0)] {
        let mut bad = good.clone();
        bad[14 + 20 + 8 + offset] = octet;
        assert_eq!(read(&wish, XID, &bad), None, "{offset} {octet}");
    }
}

#[test]
fn no_octets_whatever_are_of_harm() {
    let wish = sample::wish();
    let good = answer(&USUAL);
    for length in 0..good.len() {
        // Half of a message says nothing, or less.
        let _read = read(&wish, XID, &good[..length]);
        let _read = read(&wish, XID, &framed(&good[14 + 20 + 8..][..length.saturating_sub(42)]));
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bad = good.clone();
        for _ in 0..random.usize(1..8) {
            let at = random.usize(..bad.len());
            bad[at] = random.u8(..);
        }
        let _read = read(&wish, XID, &bad);
        let options: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..)).collect();
        let _read = read(&wish, XID, &framed(&[&good[14 + 20 + 8..][..240], &options].concat()));
    }
}

/// What a frame says: from, to, and the message.
fn said(say: Say<'_>, wish: &Wish) -> (String, Message) {
    let frame = frame(wish, XID, Duration::from_secs(3), say);
    let packet = SlicedPacket::from_ethernet(&frame).unwrap();
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (&packet.net, &packet.transport) else { panic!() };
    let (header, ports) = (ip.header(), (udp.source_port(), udp.destination_port()));
    assert_eq!(ports, (68, 67));
    let way = format!("{} {} {:02x?}", header.source_addr(), header.destination_addr(), &frame[..6]);
    (way, Message::decode(&mut Decoder::new(udp.payload())).unwrap())
}

#[test]
fn each_question_is_in_the_words_of_the_standard() {
    let (wish, lease) = (sample::wish(), sample::lease());
    let (everybody, server) = ("[ff, ff, ff, ff, ff, ff]", "[02, 00, 00, 00, 00, 01]");
    let wanted = Some(Ipv4Addr::new(10, 1, 0, 7));
    // Where it goes; ciaddr, requested address and server identifier: RFC 2131, tables 4 and 5.
    for (say, kind, way, own, asked, identified) in [
        (
            Say::Discover(None),
            MessageType::Discover,
            format!("0.0.0.0 255.255.255.255 {everybody}"),
            false,
            false,
            false,
        ),
        (
            Say::Discover(wanted),
            MessageType::Discover,
            format!("0.0.0.0 255.255.255.255 {everybody}"),
            false,
            true,
            false,
        ),
        (Say::Request(&lease), MessageType::Request, format!("0.0.0.0 255.255.255.255 {everybody}"), false, true, true),
        (Say::Renew(&lease), MessageType::Request, format!("10.1.0.7 10.1.0.1 {server}"), true, false, false),
        (
            Say::Rebind(&lease),
            MessageType::Request,
            format!("10.1.0.7 255.255.255.255 {everybody}"),
            true,
            false,
            false,
        ),
        (Say::Reboot(&lease), MessageType::Request, format!("0.0.0.0 255.255.255.255 {everybody}"), false, true, false),
        (Say::Release(&lease), MessageType::Release, format!("10.1.0.7 10.1.0.1 {server}"), true, false, true),
    ] {
        let (found, message) = said(say, &wish);
        let options = message.opts();
        assert_eq!((found, options.msg_type()), (way, Some(kind)), "{say:?}");
        assert_eq!(!message.ciaddr().is_unspecified(), own, "{say:?}");
        assert_eq!(options.contains(OptionCode::RequestedIpAddress), asked, "{say:?}");
        assert_eq!(options.contains(OptionCode::ServerIdentifier), identified, "{say:?}");
        assert_eq!(options.contains(OptionCode::ParameterRequestList), kind != MessageType::Release, "{say:?}");
        let client = DhcpOption::ClientIdentifier(b"\0c1/lan/eth0".to_vec());
        assert_eq!(options.get(OptionCode::ClientIdentifier), Some(&client), "{say:?}");
        assert_eq!((message.secs(), message.flags().broadcast()), (3, false), "{say:?}");
    }
}

#[test]
fn what_the_configuration_provides_is_told_and_goes_before_what_is_ours() {
    let provide = [(12, b"db".to_vec().into()), (61, b"\x01me".to_vec().into()), (200, b"x".to_vec().into())].into();
    let wish = Wish { provide, broadcast: true, request: vec![121, 33, 3], ..sample::wish() };
    let (_, message) = said(Say::Discover(None), &wish);
    let options = message.opts();
    assert!(message.flags().broadcast());
    assert_eq!(options.get(OptionCode::Hostname), Some(&DhcpOption::Hostname("db".to_owned())));
    assert_eq!(options.get(OptionCode::ClientIdentifier), Some(&DhcpOption::ClientIdentifier(b"\x01me".to_vec())));
    assert!(options.contains(OptionCode::Unknown(200)));
    let asked = [121, 33, 3].map(OptionCode::from).to_vec();
    assert_eq!(options.get(OptionCode::ParameterRequestList), Some(&DhcpOption::ParameterRequestList(asked)));
}
