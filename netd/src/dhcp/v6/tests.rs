//! What a client says, and what it makes of what servers say, good and bad.

use dhcproto::v6::{StatusCode, UnknownOption};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::*;
use crate::dhcp::sample;

const XID: u32 = 0x01_0203;

fn lease() -> Lease {
    let lease = sample::lease();
    let terms = Terms { address: "fd50::7/128".parse().unwrap(), ..lease.terms };
    Lease { server: b"\0\x01server".to_vec().into(), terms, ..lease }
}

fn status(status: Status) -> DhcpOption {
    DhcpOption::StatusCode(StatusCode { status, msg: String::new() })
}

/// An association with this address and these options besides.
fn association(addr: &str, valid_life: u32, more: Vec<DhcpOption>) -> DhcpOption {
    let addr = addr.parse().unwrap();
    let mut opts = DhcpOptions::new();
    opts.insert(DhcpOption::IAAddr(IAAddr { addr, preferred_life: 60, valid_life, opts: DhcpOptions::new() }));
    for option in more {
        opts.insert(option);
    }
    DhcpOption::IANA(IANA { id: ASSOCIATION, t1: 30, t2: 50, opts })
}

/// A server's message with these options besides the identifiers.
fn answer(kind: MessageType, options: Vec<DhcpOption>) -> Vec<u8> {
    let mut message = Message::new(kind);
    message.set_xid_num(XID);
    message.opts_mut().insert(DhcpOption::ClientId(client(&sample::wish())));
    message.opts_mut().insert(DhcpOption::ServerId(b"\0\x01server".to_vec()));
    for option in options {
        message.opts_mut().insert(option);
    }
    message.to_vec().unwrap()
}

fn told(options: Vec<DhcpOption>) -> Option<Reply> {
    read(&sample::wish(), XID, &answer(MessageType::Reply, options))
}

#[test]
fn an_answer_is_read() {
    let servers = DhcpOption::DomainNameServers(vec!["fd50::53".parse().unwrap()]);
    let domains = DhcpOption::DomainSearchList(vec!["lab.example.org.".parse().unwrap()]);
    let options = vec![association("fd50::7", 100, vec![]), servers, domains];
    let wish = sample::wish();
    let Some(Reply::Advertise(given)) = read(&wish, XID, &answer(MessageType::Advertise, options.clone())) else {
        panic!()
    };
    assert_eq!(given.terms.address.to_string(), "fd50::7/128");
    assert_eq!(given.terms.nameservers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["fd50::53"]);
    assert_eq!(given.terms.search, ["lab.example.org"]);
    assert_eq!(given.spans, Spans::new(100, Some(30), Some(50)).unwrap());
    assert_eq!(told(options), Some(Reply::Give(given)));
}

#[test]
fn a_reply_that_gives_no_address_is_a_refusal() {
    let good = || association("fd50::7", 100, vec![]);
    for bad in [
        vec![],
        vec![good(), status(Status::UnspecFail)],
        vec![association("fd50::7", 100, vec![status(Status::NoBinding)])],
        vec![association("fd50::7", 0, vec![])],
        vec![association("::", 100, vec![])],
        vec![association("ff02::1", 100, vec![])],
        vec![DhcpOption::IANA(IANA { id: ASSOCIATION + 1, t1: 0, t2: 0, opts: DhcpOptions::new() })],
    ] {
        assert_eq!(told(bad.clone()), Some(Reply::Refuse), "{bad:?}");
        assert_eq!(read(&sample::wish(), XID, &answer(MessageType::Advertise, bad.clone())), None, "{bad:?}");
    }
    assert!(matches!(told(vec![status(Status::Success), good()]), Some(Reply::Give(_))));
}

#[test]
fn what_is_not_for_us_is_not_heard() {
    let wish = sample::wish();
    let good = answer(MessageType::Reply, vec![association("fd50::7", 100, vec![])]);
    assert!(read(&wish, XID, &good).is_some());
    assert_eq!(read(&wish, XID + 1, &good), None);
    let mut other = wish.clone();
    other.id.container = "c2".parse().unwrap();
    assert_eq!(read(&other, XID, &good), None);
    let question = message(&wish, XID, Duration::ZERO, Say::Solicit(None));
    assert_eq!(read(&wish, XID, &question), None);
}

#[test]
fn no_octets_whatever_are_of_harm() {
    let wish = sample::wish();
    let unknown = DhcpOption::Unknown(UnknownOption::new(OptionCode::Unknown(999), vec![1, 2]));
    let good = answer(MessageType::Reply, vec![association("fd50::7", 100, vec![]), unknown]);
    for length in 0..good.len() {
        let _read = read(&wish, XID, &good[..length]);
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bad = good.clone();
        for _ in 0..random.usize(1..8) {
            let at = random.usize(4..bad.len());
            bad[at] = random.u8(..);
        }
        let _read = read(&wish, XID, &bad);
        let options: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..64)).collect();
        let _read = read(&wish, XID, &[&good[..4], &options].concat());
    }
}

#[test]
fn each_question_is_in_the_words_of_the_standard() {
    let (wish, lease) = (sample::wish(), lease());
    let wanted = "fd50::7".parse().ok();
    for (say, kind, has_server, has_address) in [
        (Say::Solicit(None), MessageType::Solicit, false, false),
        (Say::Solicit(wanted), MessageType::Solicit, false, true),
        (Say::Request(&lease), MessageType::Request, true, true),
        (Say::Renew(&lease), MessageType::Renew, true, true),
        (Say::Rebind(&lease), MessageType::Rebind, false, true),
        (Say::Release(&lease), MessageType::Release, true, true),
    ] {
        let octets = message(&wish, XID, Duration::from_millis(1200), say);
        let message = Message::decode(&mut Decoder::new(&octets)).unwrap();
        let options = message.opts();
        assert_eq!((message.msg_type(), message.xid_num()), (kind, XID));
        assert_eq!(options.get(OptionCode::ServerId).is_some(), has_server, "{say:?}");
        assert_eq!(options.get(OptionCode::ElapsedTime), Some(&DhcpOption::ElapsedTime(120)), "{say:?}");
        let Some(DhcpOption::IANA(association)) = options.get(OptionCode::IANA) else { panic!("{say:?}") };
        assert_eq!(association.opts.get(OptionCode::IAAddr).is_some(), has_address, "{say:?}");
    }
}

#[test]
fn an_address_goes_back_in_a_frame_from_the_interface_to_all_servers() {
    let lease = lease();
    let frame = release(&lease, XID, "fe80::7".parse().unwrap());
    let packet = SlicedPacket::from_ethernet(&frame).unwrap();
    let (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Udp(udp))) = (&packet.net, &packet.transport) else { panic!() };
    let header = ip.header();
    let way = (header.source_addr().to_string(), header.destination_addr().to_string());
    assert_eq!(way, ("fe80::7".to_owned(), "ff02::1:2".to_owned()));
    assert_eq!(
        (frame[..6].to_vec(), udp.source_port(), udp.destination_port()),
        (vec![0x33, 0x33, 0, 1, 0, 2], 546, 547)
    );
    assert_eq!(udp.payload(), message(&lease.wish, XID, Duration::ZERO, Say::Release(&lease)));
}
