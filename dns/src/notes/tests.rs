use super::*;
use crate::Transport;
use crate::fixture::{listener, zones};

/// A question for the A record of `c1.web.internal`, spelled so.
const PACKET: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x02C1\x03web\x08internal\0\0\x01\0\x01";

/// Begins a note about a packet, and ends it as answered with NXDOMAIN.
fn noted(wanted: &Wanted, packet: &[u8], source: &str, rng: &mut Rng) -> bool {
    let (listener, zones) = (listener(&["back", "web"]), zones());
    let origin = Origin { listener: &listener, source: source.parse().unwrap(), transport: Transport::Udp };
    let begun = wanted.begin(&zones, origin, packet, Instant::now, rng);
    begun.map(|note| note.end(Outcome::Answered, Some(&[0, 0, 0x85, 0x83]))).is_some()
}

#[test]
fn a_note_says_who_asked_what_and_what_it_heard() {
    let (wanted, mut rng) = (Wanted::default(), Rng::with_seed(7));
    assert!(!noted(&wanted, PACKET, "10.1.0.7", &mut rng), "nobody wants any");
    let notes = wanted.take(NonZeroU32::MIN);
    for (source, network, container) in [
        ("10.1.0.7", "web", Some("c1")),
        ("10.2.0.9", "back", Some("db")),
        ("10.1.0.99", "web", None),
        ("192.0.2.1", "back", None),
    ] {
        assert!(noted(&wanted, PACKET, source, &mut rng));
        let note = notes.waiting().unwrap();
        assert_eq!(note.network, Some(network.into()), "{source}");
        assert_eq!(note.container, container.map(Into::into), "{source}");
        assert_eq!(note.question, Some(("C1.web.internal".to_owned(), "A".to_owned())));
        assert_eq!((note.source, note.outcome), (source.parse().unwrap(), Outcome::Answered));
        assert_eq!(note.code, Some(3));
        assert!(note.at.elapsed().unwrap() >= note.took);
    }
}

#[test]
fn a_question_is_told_as_far_as_it_is_one() {
    let header: &[u8] = &[0; HEADER];
    let told = |octets: &[u8]| question(&[header, octets].concat());
    let question = |name: &str, kind: &str| Some((name.to_owned(), kind.to_owned()));
    assert_eq!(told(b"\0\0\x1c\0\x01"), question(".", "AAAA"));
    assert_eq!(told(b"\x03a.b\x02\xff\n\0\xff\0\0\x01"), question("a\\.b.\\xff\\n", "TYPE65280"));
    let long = [&b"\x3f"[..], &[b'x'; 63]].concat();
    let of = |labels: usize| told(&[&long.repeat(labels)[..], b"\0\0\x01"].concat());
    assert!(of(3).is_some() && of(4).is_none(), "a name of more than 255 octets is none");
    for short in [&b""[..], b"\x01", b"\x01a", b"\x01a\0", b"\x01a\0\0", b"\xc0\x0c\0\x01", b"\x40"] {
        assert_eq!(told(short), None, "{short:?}");
    }
    assert_eq!(super::question(b"short"), None);
}

#[test]
fn a_code_is_whole_where_it_is_ours() {
    let opt =
        |high: u8| [&[0, 0, 0x80, 0x80, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0, 0, 41, 4, 208, high, 0, 0, 0, 0, 0]].concat();
    assert_eq!([code(&opt(1)), code(&opt(0)), code(&[0; 3])], [Some(16), Some(0), None]);
    assert_eq!(code(&[0, 0, 0x81, 0x85, 0, 0]), Some(5));
}

#[test]
fn one_of_so_many_is_noted_by_chance() {
    let (wanted, mut rng) = (Wanted::default(), Rng::with_seed(7));
    let notes = wanted.take(NonZeroU32::new(10).unwrap());
    let count = (0..10_000).filter(|_| noted(&wanted, PACKET, "10.1.0.7", &mut rng)).count();
    assert!((900..1100).contains(&count), "{count}");
    assert_eq!(std::iter::from_fn(|| notes.waiting().ok()).count(), count);
}

#[test]
fn what_finds_no_room_is_lost_and_counted_and_nobody_waits() {
    let (wanted, mut rng) = (Wanted::default(), Rng::with_seed(7));
    let notes = wanted.take(NonZeroU32::MIN);
    for _ in 0..ROOM + 5 {
        assert!(noted(&wanted, PACKET, "10.1.0.7", &mut rng));
    }
    assert_eq!(wanted.lost(), 5);
    notes.lose(1);
    let others = wanted.take(NonZeroU32::MIN);
    assert_eq!(std::iter::from_fn(|| notes.next().ok()).count(), ROOM, "then they end");
    assert!(noted(&wanted, PACKET, "10.1.0.7", &mut rng) && others.waiting().is_ok());
    drop(others);
    noted(&wanted, PACKET, "10.1.0.7", &mut rng);
    assert_eq!(wanted.lost(), 7, "nobody takes them");
    wanted.end();
    assert!(!wanted.is_any() && !noted(&wanted, PACKET, "10.1.0.7", &mut rng));
}
