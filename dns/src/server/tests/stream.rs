//! RFC 7766: questions over TCP.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::upstream::{answers, is_silent};
use super::*;

/// Reads until the server closes; what it sent before, and how long that took.
async fn closed(mut stream: TcpStream) -> (Vec<u8>, Duration) {
    let mut octets = Vec::new();
    let (end, took) = timed(timeout(PATIENCE, stream.read_to_end(&mut octets))).await;
    // A reset is a close, too.
    let _ = end.expect("the server closes");
    (octets, took)
}

#[tokio::test(start_paused = true)]
async fn several_questions_are_answered_over_one_connection() {
    let host = Host::new().await;
    let mut stream = host.connect(7).await;
    for (name, last) in [("c1.", 7), ("c2.web.internal.", 8), ("c1.", 7)] {
        let response = exchange_over_tcp(&mut stream, &question(name)).await;
        assert_eq!(addresses(&response), [host.address(last)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_may_come_octet_by_octet() {
    let host = Host::new().await;
    let mut stream = host.connect(7).await;
    stream.set_nodelay(true).unwrap();
    let request = question("c1.").to_vec().unwrap();
    let length = u16::try_from(request.len()).unwrap().to_be_bytes();
    for octet in [&length, &request[..]].concat() {
        stream.write_all(&[octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(addresses(&receive_over_tcp(&mut stream).await), [host.address(7)]);
}

#[tokio::test(start_paused = true)]
async fn a_local_answer_overtakes_a_slow_forwarded_one() {
    let host = Host::new().await;
    let upstream = host.upstream(50, is_silent).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let mut stream = host.connect(7).await;
    let mut requests = Vec::new();
    for (id, name) in [(1, "www.example.com."), (2, "c1.")] {
        let mut request = question(name);
        request.metadata.id = id;
        frame::write(&mut requests, &request.to_vec().unwrap()).await.unwrap();
    }
    stream.write_all(&requests).await.unwrap();
    let mut frames = Frames::new(65_535);
    for (id, expected) in [(2, ResponseCode::NoError), (1, ResponseCode::ServFail)] {
        let octets = timeout(PATIENCE, frames.next(&mut stream)).await.unwrap().unwrap().unwrap();
        let response = Message::from_vec(&octets).unwrap();
        assert_eq!((response.metadata.id, code(&response)), (id, expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_a_bounded_number_of_questions_in_flight() {
    let host = Host::new().await;
    let upstream = host.upstream(50, is_silent).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let mut stream = host.connect(7).await;
    let mut all = Vec::new();
    for number in 0..40 {
        frame::write(&mut all, &question(&format!("{number}.example.com.")).to_vec().unwrap()).await.unwrap();
    }
    stream.write_all(&all).await.unwrap();
    let mut frames = Frames::new(65_535);
    assert!(timeout(Duration::from_millis(900), frames.next(&mut stream)).await.is_err(), "no answer yet");
    assert_eq!(upstream.asked(), 16);
    for _ in 0..40 {
        let octets = timeout(PATIENCE, frames.next(&mut stream)).await.unwrap().unwrap().unwrap();
        assert_eq!(code(&Message::from_vec(&octets).unwrap()), ResponseCode::ServFail);
    }
    assert_eq!(upstream.asked(), 120, "each was tried three times");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_said_all_still_gets_its_answers() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let mut stream = host.connect(7).await;
    frame::write(&mut stream, &question("www.example.com.").to_vec().unwrap()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(addresses(&receive_over_tcp(&mut stream).await).len(), 1);
    assert_eq!(closed(stream).await, (Vec::new(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_ten_seconds() {
    let host = Host::new().await;
    let (sent, took) = closed(host.connect(7).await).await;
    assert!(sent.is_empty());
    assert_eq!(took.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn octets_that_make_no_whole_question_do_not_keep_a_connection_open() {
    let host = Host::new().await;
    let (mut reader, mut writer) = host.connect(7).await.into_split();
    let drip = tokio::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for octet in [0, 100].into_iter().chain([0; 100]) {
            second.tick().await;
            if writer.write_all(&[octet]).await.is_err() {
                break;
            }
        }
    });
    let (_, took) = timed(timeout(PATIENCE, reader.read_to_end(&mut Vec::new()))).await;
    drip.abort();
    assert_eq!(took.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn lengths_that_make_no_sense_close_the_connection() {
    let host = Host::new().await;
    for length in [0_u16, 4097, 65_535] {
        let mut stream = host.connect(7).await;
        stream.write_all(&length.to_be_bytes()).await.unwrap();
        assert_eq!(closed(stream).await, (Vec::new(), Duration::ZERO), "{length}");
    }
    assert_eq!(addresses(&host.ask(7, &question("c1.")).await), [host.address(7)]);
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_are_answered_and_noise_is_not() {
    let host = Host::new().await;
    let mut stream = host.connect(7).await;
    frame::write(&mut stream, b"noise").await.unwrap();
    let mut malformed = question("c1.").to_vec().unwrap();
    malformed.truncate(15);
    frame::write(&mut stream, &malformed).await.unwrap();
    assert_eq!(code(&receive_over_tcp(&mut stream).await), ResponseCode::FormErr);
    let response = exchange_over_tcp(&mut stream, &question("c1.")).await;
    assert_eq!(addresses(&response), [host.address(7)]);
}

#[tokio::test(start_paused = true)]
async fn a_source_with_too_many_connections_gets_no_more_and_others_do() {
    let host = Host::new().await;
    let mut held = Vec::new();
    for _ in 0..16 {
        let mut stream = host.connect(7).await;
        exchange_over_tcp(&mut stream, &question("c1.")).await;
        held.push(stream);
    }
    assert_eq!(closed(host.connect(7).await).await, (Vec::new(), Duration::ZERO));
    exchange_over_tcp(&mut host.connect(8).await, &question("c1.")).await;
    assert_eq!(addresses(&host.ask(7, &question("c1.")).await).len(), 1, "UDP is not concerned");
    drop(held);
    let mut again = host.connect(7).await;
    exchange_over_tcp(&mut again, &question("c1.")).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_let_go() {
    let host = Host::new().await;
    let stream = host.connect(7).await;
    let (mut reader, mut writer) = stream.into_split();
    let request = question("c1.").to_vec().unwrap();
    let mut one = Vec::new();
    frame::write(&mut one, &request).await.unwrap();
    let many = one.repeat(1000);
    let (_, took) = timed(timeout(PATIENCE, async { while writer.write_all(&many).await.is_ok() {} })).await;
    assert_eq!(took.as_secs(), 5);
    let _ = reader.read_to_end(&mut Vec::new()).await;
}
