//! What upstreams answered, for those who ask again.

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::opt::EdnsOption;

use super::upstream::{answers, denies_for_a_minute, fails, is_silent, refuses};
use super::*;

const OUTSIDE: &str = "www.example.com.";
const MINUTE: Duration = Duration::from_mins(1);

/// The code and the first time to live that a container hears, and how long it took in milliseconds.
async fn heard(host: &Host, last: u8, name: &str) -> (ResponseCode, Option<u32>, u128) {
    let (response, took) = timed(host.ask(last, &question(name))).await;
    let first = response.answers.iter().chain(&response.authorities).next();
    (code(&response), first.map(|record| record.ttl), took.as_millis() / 10 * 10)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_time_for_everybody_and_its_time_runs_down() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::NoError, Some(60), 0));
    tokio::time::sleep(Duration::from_millis(20_500)).await;
    assert_eq!(heard(&host, 8, "WWW.example.COM.").await, (ResponseCode::NoError, Some(40), 0));
    assert_eq!(upstream.asked(), 1);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::NoError, Some(60), 0));
    assert_eq!(upstream.asked(), 2);
    assert_eq!(counted(&host.server), [(CountedKind::A, Outcome::Forwarded, 2), (CountedKind::A, Outcome::Cached, 1)]);
    let Figures { kept, asked, .. } = host.server.figures();
    assert_eq!((kept.entries, kept.hits, kept.misses, kept.evictions), (1, 1, 2, 0));
    assert!((400..600).contains(&kept.bytes), "{}", kept.bytes);
    assert_eq!(asked.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn that_a_name_does_not_exist_is_kept_as_long_as_its_zone_says() {
    let host = Host::new().await;
    let upstream = host.upstream(50, denies_for_a_minute).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    for (after, ttl, asked) in [(0, 3600, 1), (59, 3541, 1), (2, 3600, 2)] {
        tokio::time::sleep(Duration::from_secs(after)).await;
        assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::NXDomain, Some(ttl), 0));
        assert_eq!(upstream.asked(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_the_same_meanwhile_waits_for_the_same_answer() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    upstream.becomes(answers, Duration::from_millis(100));
    host.server.set_upstreams(servers(&[upstream.address]));
    let mut asking = JoinSet::new();
    for id in 0..50 {
        let (from, to) = (host.address(if id % 2 == 0 { 7 } else { 8 }), host.at(1));
        let name = if id % 3 == 0 { "WWW.EXAMPLE.COM." } else { OUTSIDE };
        let mut request = question(name);
        request.metadata.id = id;
        asking.spawn(async move { (exchange(from, to, &request).await, request) });
    }
    let mut answered = 0;
    while let Some(asked) = asking.join_next().await {
        let (response, request) = asked.unwrap();
        assert_eq!((response.metadata.id, &response.queries), (request.metadata.id, &request.queries));
        assert_eq!(response.queries[0].name.to_string(), request.queries[0].name.to_string(), "in its spelling");
        answered += addresses(&response).len();
    }
    assert_eq!((answered, upstream.asked()), (50, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_kept_for_five_seconds_and_silence_for_one() {
    let cases: [(upstream::Script, u64); 3] = [(fails, 5), (refuses, 1), (is_silent, 1)];
    for (script, kept) in cases {
        let host = Host::new().await;
        let upstream = host.upstream(50, script).await;
        host.server.set_upstreams(servers(&[upstream.address]));
        assert_eq!(heard(&host, 7, OUTSIDE).await.0, ResponseCode::ServFail);
        let asked = upstream.asked();
        upstream.becomes(answers, Duration::ZERO);
        tokio::time::sleep(Duration::from_millis(kept * 1000 - 100)).await;
        assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::ServFail, None, 0));
        assert_eq!(upstream.asked(), asked);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::NoError, Some(60), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_upstreams_fail_what_they_answered_is_given_for_an_hour_more() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    heard(&host, 7, OUTSIDE).await;
    upstream.becomes(fails, Duration::ZERO);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::NoError, Some(30), 0), "RFC 8767 4");
    let asked = upstream.asked();
    assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::NoError, Some(30), 0));
    assert_eq!(upstream.asked(), asked, "and they have peace for a while");
    assert_eq!(heard(&host, 7, "other.example.com.").await.0, ResponseCode::ServFail);
    tokio::time::sleep(58 * MINUTE).await;
    assert_eq!(heard(&host, 7, OUTSIDE).await.0, ResponseCode::NoError);
    assert_eq!(upstream.asked(), asked + 2, "they are asked again");
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(heard(&host, 7, OUTSIDE).await.0, ResponseCode::ServFail);
    assert!(counted(&host.server).contains(&(CountedKind::A, Outcome::Stale, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_client_need_not_wait_for_silent_upstreams_where_there_is_an_old_answer() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    heard(&host, 7, OUTSIDE).await;
    tokio::time::sleep(MINUTE).await;
    upstream.becomes(answers, Duration::from_millis(2500));
    assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::NoError, Some(30), 1800));
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The question stayed on its way, and its answer was kept.
    assert_eq!(heard(&host, 7, OUTSIDE).await, (ResponseCode::NoError, Some(60), 0));
}

#[tokio::test(start_paused = true)]
async fn no_network_hears_what_the_upstreams_of_another_say() {
    let host = Host::new().await;
    let (one, other) = (host.upstream(50, answers).await, host.upstream(51, denies_for_a_minute).await);
    for (upstream, expected) in [(&one, ResponseCode::NoError), (&other, ResponseCode::NXDomain)] {
        let upstreams = Upstreams::Own(servers(&[upstream.address]).into());
        host.serve(|network| Network { upstreams, ..network });
        assert_eq!(heard(&host, 7, OUTSIDE).await.0, expected);
    }
    assert_eq!((one.asked(), other.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn other_resolvers_of_the_host_are_asked_anew() {
    let host = Host::new().await;
    let (one, other) = (host.upstream(50, answers).await, host.upstream(51, denies_for_a_minute).await);
    host.server.set_upstreams(servers(&[one.address]));
    assert_eq!(heard(&host, 7, OUTSIDE).await.0, ResponseCode::NoError);
    host.server.set_upstreams(servers(&[other.address]));
    assert_eq!(heard(&host, 7, OUTSIDE).await.0, ResponseCode::NXDomain);
}

#[tokio::test(start_paused = true)]
async fn who_knows_edns_hears_that_an_answer_is_old_or_why_there_is_none() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let reasons = async |name| {
        let mut request = question(name);
        request.edns = Some(Edns::new());
        let response = host.ask(7, &request).await;
        let options = response.edns.map(|edns| edns.options().options.clone()).unwrap_or_default();
        options.into_iter().map(|(_, option)| option).collect::<Vec<_>>()
    };
    let reason = |code| vec![EdnsOption::Unknown(15, vec![0, code])];
    assert_eq!(reasons(OUTSIDE).await, []);
    upstream.becomes(denies_for_a_minute, Duration::ZERO);
    assert_eq!(reasons("none.example.com.").await, []);
    upstream.becomes(is_silent, Duration::ZERO);
    for _ in ["asked", "kept"] {
        assert_eq!(reasons("other.example.com.").await, reason(22));
    }
    tokio::time::sleep(MINUTE).await;
    for _ in ["asked", "kept"] {
        assert_eq!(reasons(OUTSIDE).await, reason(3));
        assert_eq!(reasons("none.example.com.").await, reason(19));
    }
    assert_eq!(
        code(&host.ask(8, &question(OUTSIDE)).await),
        ResponseCode::ServFail,
        "without EDNS it is another question"
    );
}
