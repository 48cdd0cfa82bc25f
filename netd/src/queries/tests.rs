use std::{
    io,
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

/// A disk that is full once, in the middle of a line.
struct OnceFull {
    written: Vec<u8>,
    was_full: Option<std::sync::mpsc::Sender<()>>,
}

impl Write for &mut OnceFull {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = if self.was_full.is_some() { 9 - self.written.len() } else { bytes.len() };
        if room == 0 {
            self.was_full.take().unwrap().send(()).unwrap();
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.extend(&bytes[..room]);
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_line_after_one_that_was_cut_is_whole() {
    let port = 10_000 + u16::try_from(std::process::id() % 20_011).unwrap();
    let server = dns::Server::new();
    let notes = server.take_notes(NonZeroU32::MIN);
    let (sender, receiver) = std::sync::mpsc::channel();
    let writing = thread::spawn(move || {
        let mut disk = OnceFull { written: Vec::new(), was_full: Some(sender) };
        write(&notes, &mut disk, Path::new("log"));
        disk.written
    });
    ask(&server, port).await;
    tokio::task::spawn_blocking(move || receiver.recv()).await.unwrap().unwrap();
    ask(&server, port).await;
    server.take_no_notes();
    let written = String::from_utf8(writing.join().unwrap()).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(serde_json::from_str::<Value>(lines[1]).is_ok(), "{written}");
}
