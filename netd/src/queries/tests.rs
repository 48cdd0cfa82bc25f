use std::{
    num::NonZeroU32,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::*;

fn note() -> dns::Note {
    dns::Note {
        at: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_764_573_809_123_456_789),
        network: Some("web/web.internal".into()),
        container: Some("c1".into()),
        source: [10, 1, 0, 7].into(),
        question: Some(("C1.web.internal".to_owned(), "AAAA".to_owned())),
        outcome: dns::Outcome::Answered,
        code: Some(3),
        took: Duration::from_nanos(12_999),
    }
}

#[test]
fn a_line_says_who_asked_what_and_what_became_of_it() {
    let text = line(&note());
    let expected = json!({
        "time": "2025-12-01T07:23:29.123456Z", "network": "web", "container": "c1", "source": "10.1.0.7",
        "name": "C1.web.internal", "type": "AAAA", "outcome": "answered", "rcode": "NXDOMAIN", "duration_us": 12,
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    assert!(text.ends_with("}\n") && text.lines().count() == 1);
    let nothing = dns::Note { network: None, container: None, question: None, code: None, ..note() };
    let nothing: Value = serde_json::from_str(&line(&nothing)).unwrap();
    for key in ["network", "container", "name", "type", "rcode"] {
        assert_eq!(nothing[key], Value::Null, "{key}");
    }
    let hostile = dns::Note { question: Some(("a\"\\n\n".to_owned(), "A".to_owned())), ..note() };
    assert_eq!(line(&hostile).lines().count(), 1);
    assert_eq!([2, 16, 11].map(rcode), ["SERVFAIL", "BADVERS", "RCODE11"]);
}

/// Asks a server of nothing, and waits until it refuses.
async fn ask(server: &dns::Server, port: u16) {
    let address = IpAddr::from([127, 253, 7, 1]);
    let listener = dns::Listener { device: None, address, port, networks: Vec::new() };
    assert!(server.set_listeners(vec![listener]).await.is_empty());
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    socket.connect((address, port)).await.unwrap();
    socket.send(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x02c1\0\0\x01\0\x01").await.unwrap();
    assert!(socket.recv(&mut [0; 512]).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_and_nobody_waits() {
    let port = 10_000 + u16::try_from(std::process::id() % 20_011).unwrap();
    let server = dns::Server::new();
    let notes = server.take_notes(NonZeroU32::MIN);
    for _ in 0..3 {
        ask(&server, port).await;
    }
    server.take_no_notes();
    take(&notes, Path::new("/dev/full"));
    assert_eq!(server.figures().lost_notes, 3);
    let folder = tempfile::tempdir().unwrap();
    take(&server.take_notes(NonZeroU32::MIN), &folder.path().join("none/queries.log"));
    ask(&server, port).await;
    assert_eq!(server.figures().lost_notes, 4);
}
