//! What comes of a question that others must answer.

use super::upstream::{answers, denies, fails, is_silent, is_spoofed, overflows, refuses, truncates};
use super::*;

const OUTSIDE: &str = "www.Example.com.";

/// The answer to one question when these are the upstreams in order, how long it took, and how often each was asked.
async fn forwarded(scripts: &[upstream::Script]) -> (Message, Duration, Vec<usize>) {
    let host = Host::new().await;
    let mut upstreams = Vec::new();
    for (last, &script) in (50..).zip(scripts) {
        upstreams.push(host.upstream(last, script).await);
    }
    host.server.set_upstreams(upstreams.iter().map(|upstream| upstream.address).collect());
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!(response.metadata.id, 0x1234);
    assert_eq!(response.queries, question(OUTSIDE).queries);
    (response, took, upstreams.iter().map(Upstream::asked).collect())
}

#[tokio::test(start_paused = true)]
async fn the_first_upstream_answers_and_the_second_is_not_asked() {
    let (response, took, asked) = forwarded(&[answers, answers]).await;
    assert_eq!(addresses(&response), [IpAddr::from([192, 0, 2, 1])]);
    assert!(response.metadata.recursion_available && !response.metadata.authoritative, "as the upstream said");
    assert_eq!((took, asked), (Duration::ZERO, vec![1, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_leaves_the_next_ones_their_time() {
    let (response, took, asked) = forwarded(&[is_silent, answers]).await;
    assert_eq!((code(&response), asked), (ResponseCode::NoError, vec![1, 1]));
    assert!((1..=2).contains(&took.as_secs()), "{took:?}");
    let (response, took, asked) = forwarded(&[is_silent, is_silent, answers, answers]).await;
    assert_eq!((code(&response), asked), (ResponseCode::NoError, vec![1, 1, 1, 0]));
    assert!((2..=3).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_four_seconds_of_silence_the_client_hears_servfail() {
    let cases: [(&[upstream::Script], Vec<usize>); 3] = [
        (&[is_silent], vec![2]),
        (&[is_silent, is_silent], vec![1, 1]),
        (&[is_silent, is_silent, is_silent, answers], vec![1, 1, 1, 0]),
    ];
    for (scripts, asked) in cases {
        let (response, took, times) = forwarded(scripts).await;
        assert_eq!((code(&response), times), (ResponseCode::ServFail, asked));
        assert_eq!(took.as_millis() / 50, 80, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_fails_or_refuses_is_passed_over_at_once() {
    let scripts: [upstream::Script; 2] = [fails, refuses];
    for script in scripts {
        let (response, took, asked) = forwarded(&[script, answers]).await;
        assert_eq!((code(&response), took, asked), (ResponseCode::NoError, Duration::ZERO, vec![1, 1]));
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_or_refuse_the_client_hears_servfail_at_once() {
    let combinations: [[upstream::Script; 2]; 4] =
        [[fails, fails], [refuses, refuses], [fails, refuses], [refuses, fails]];
    for scripts in combinations {
        let (response, took, asked) = forwarded(&scripts).await;
        assert_eq!((code(&response), took, asked), (ResponseCode::ServFail, Duration::ZERO, vec![1, 1]));
    }
}

#[tokio::test(start_paused = true)]
async fn no_such_name_is_an_answer() {
    let (response, _, asked) = forwarded(&[denies, answers]).await;
    assert_eq!((code(&response), asked), (ResponseCode::NXDomain, vec![1, 0]));
}

#[tokio::test(start_paused = true)]
async fn forged_answers_are_passed_over() {
    let (response, _, _) = forwarded(&[is_spoofed]).await;
    assert_eq!(addresses(&response), [IpAddr::from([192, 0, 2, 1])]);
}

#[tokio::test(start_paused = true)]
async fn without_upstreams_the_client_hears_servfail_at_once() {
    let (response, took, _) = forwarded(&[]).await;
    assert_eq!((code(&response), took), (ResponseCode::ServFail, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_listens_the_next_is_asked_at_once() {
    let host = Host::new().await;
    let upstream = host.upstream(51, answers).await;
    host.server.set_upstreams(vec![host.at(50), upstream.address]);
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!((code(&response), took), (ResponseCode::NoError, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn we_do_not_ask_ourselves() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(vec![host.at(1), upstream.address]);
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!((code(&response), took), (ResponseCode::NoError, Duration::ZERO));
    let expected = Counters { forwarded: 1, ..Counters::default() };
    assert_eq!(host.server.counters(), expected, "the question came once");
}

#[tokio::test(start_paused = true)]
async fn a_network_with_upstreams_of_its_own_asks_those() {
    let host = Host::new().await;
    let (theirs, own) = (host.upstream(50, denies).await, host.upstream(51, answers).await);
    host.server.set_upstreams(vec![theirs.address]);
    let upstreams = Upstreams::Own(Arc::from([own.address]));
    host.serve(|network| Network { upstreams, ..network });
    assert_eq!(code(&host.ask(7, &question(OUTSIDE)).await), ResponseCode::NoError);
    assert_eq!((theirs.asked(), own.asked()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn our_names_and_an_internal_network_ask_nobody() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(vec![upstream.address]);
    for name in ["c1.", "c1.web.internal.", "nobody.", "nobody.web.internal.", "x.local.", "localhost."] {
        host.ask(7, &question(name)).await;
    }
    host.serve(|network| Network { upstreams: Upstreams::None, ..network });
    assert_eq!(code(&host.ask(7, &question(OUTSIDE)).await), ResponseCode::NXDomain);
    assert_eq!(upstream.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_relayed_over_udp_and_completed_over_tcp() {
    let host = Host::new().await;
    let upstream = host.upstream(50, truncates).await;
    host.server.set_upstreams(vec![upstream.address]);
    let over_udp = host.ask(7, &question(OUTSIDE)).await;
    assert!(over_udp.metadata.truncation && over_udp.answers.is_empty());
    assert_eq!(upstream.asked(), 1);
    let over_tcp = exchange_over_tcp(&mut host.connect(7).await, &question(OUTSIDE)).await;
    assert!(!over_tcp.metadata.truncation);
    assert_eq!(addresses(&over_tcp).len(), 100);
    assert_eq!(upstream.asked(), 3, "over UDP and TCP");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_client_cannot_take_is_cut() {
    let (response, _, _) = forwarded(&[overflows]).await;
    assert!(response.metadata.truncation && response.answers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_source_with_too_many_questions_in_flight_hears_servfail_and_others_are_served() {
    let host = Host::new().await;
    let upstream = host.upstream(50, is_silent).await;
    host.server.set_upstreams(vec![upstream.address]);
    let socket = UdpSocket::bind((host.address(7), 0)).await.unwrap();
    socket.connect(host.at(1)).await.unwrap();
    for id in 0..200 {
        let mut request = question(OUTSIDE);
        request.metadata.id = id;
        socket.send(&request.to_vec().unwrap()).await.unwrap();
    }
    let start = Instant::now();
    for _ in 128..200 {
        assert_eq!(code(&receive(&socket).await), ResponseCode::ServFail);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    let (local, took) = timed(host.ask(7, &question("c1."))).await;
    assert_eq!((addresses(&local), took), (vec![host.address(7)], Duration::ZERO));
    let (other, took) = timed(host.ask(8, &question(OUTSIDE))).await;
    assert_eq!(code(&other), ResponseCode::ServFail);
    assert!(took > Duration::from_secs(3), "it was forwarded: {took:?}");
    for _ in 0..128 {
        assert_eq!(code(&receive(&socket).await), ResponseCode::ServFail);
    }
    assert_eq!(host.server.counters().failed, 201);
}
