//! What comes of a question that others must answer.

use std::collections::BTreeSet;

use hickory_proto::op::Edns;
use hickory_proto::rr::rdata::opt::EdnsOption;

use super::upstream::{
    answers, denies, fails, is_silent, is_spoofed, is_spoofed_in_another_case, lowers, lowers_over_udp, overflows,
    refuses, truncates, truncates_everywhere, truncates_for_good, vouches,
};
use super::*;
use crate::{StaticData, StaticRecord};

const OUTSIDE: &str = "www.Example.com.";

/// The answer to one question when these are the upstreams in order, how long it took, and how often each was asked.
async fn forwarded(scripts: &[upstream::Script]) -> (Message, Duration, Vec<usize>) {
    let host = Host::new().await;
    let mut upstreams = Vec::new();
    for (last, &script) in (50..).zip(scripts) {
        upstreams.push(host.upstream(last, script).await);
    }
    host.server.set_upstreams(upstreams.iter().map(|upstream| upstream.address.into()).collect());
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

/// A host with `far`, an alias of ours to a name of others.
async fn with_alias() -> Host {
    let host = Host::new().await;
    let target: crate::Name = "www.example.com".parse().unwrap();
    let record = StaticRecord { name: "far".parse().unwrap(), data: StaticData::Alias(target), ttl: 60 };
    host.serve(|network| Network { records: vec![record], ..network });
    host
}

/// What they say of it is told of ours, also from the cache, and also a failure.
#[tokio::test(start_paused = true)]
async fn what_upstreams_say_of_the_target_of_an_alias_is_told_of_the_alias() {
    let host = with_alias().await;
    let asked = question("Far.web.internal.");
    let failure = host.ask(7, &asked).await;
    assert_eq!((code(&failure), &failure.queries), (ResponseCode::ServFail, &asked.queries));
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    for _ in 0..2 {
        let response = host.ask(7, &asked).await;
        assert_eq!((response.metadata.id, &response.queries), (0x1234, &asked.queries));
        let owners: Vec<String> = response.answers.iter().map(|record| record.name.to_string()).collect();
        assert_eq!(owners, ["Far.web.internal.", "www.example.com."]);
        assert!(matches!(&response.answers[0].data, RData::CNAME(name) if name.0.to_string() == "www.example.com."));
    }
    assert_eq!(upstream.asked(), 1);
}

/// RFC 4035 3.2.3: all of an answer is authentic, or the answer is not.
#[tokio::test(start_paused = true)]
async fn an_answer_is_not_authentic_where_an_alias_of_ours_leads_to_it() {
    let host = with_alias().await;
    let upstream = host.upstream(50, vouches).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    for (name, is_authentic) in [("www.example.com.", true), ("far.web.internal.", false)] {
        let response = host.ask(7, &question(name)).await;
        assert_eq!(
            (code(&response), response.metadata.authentic_data),
            (ResponseCode::NoError, is_authentic),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_behind_an_alias_is_asked_for_again_by_tcp() {
    let host = with_alias().await;
    let upstream = host.upstream(50, truncates).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    for name in ["far.web.internal.", "Far.web.internal."] {
        let asked = question(name);
        let over_udp = host.ask(7, &asked).await;
        assert_eq!((code(&over_udp), &over_udp.queries), (ResponseCode::NoError, &asked.queries));
        assert!(over_udp.metadata.truncation, "{over_udp}");
        let over_tcp = exchange_over_tcp(&mut host.connect(7).await, &asked).await;
        assert_eq!((over_tcp.metadata.truncation, over_tcp.answers.len()), (false, 101));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_upstream_is_raced_by_the_next_ones() {
    let (response, took, asked) = forwarded(&[is_silent, answers]).await;
    assert_eq!((code(&response), took.as_millis() / 10, asked), (ResponseCode::NoError, 25, vec![1, 1]));
    let (response, took, asked) = forwarded(&[is_silent, is_silent, answers, answers]).await;
    assert_eq!((code(&response), took.as_millis() / 10, asked), (ResponseCode::NoError, 50, vec![1, 1, 1, 0]));
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_a_slow_upstream_counts_if_the_next_ones_are_slower() {
    let host = Host::new().await;
    let (slow, dead) = (host.upstream(50, answers).await, host.upstream(51, is_silent).await);
    slow.becomes(answers, Duration::from_millis(700));
    host.server.set_upstreams(servers(&[slow.address, dead.address]));
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!((code(&response), took.as_millis() / 10), (ResponseCode::NoError, 70));
    assert_eq!((slow.asked(), dead.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn after_four_seconds_of_silence_the_client_hears_servfail() {
    let cases: [(&[upstream::Script], Vec<usize>); 3] = [
        (&[is_silent], vec![3]),
        (&[is_silent, is_silent], vec![2, 2]),
        (&[is_silent, is_silent, is_silent, answers], vec![2, 2, 1, 0]),
    ];
    for (scripts, asked) in cases {
        let (response, took, times) = forwarded(scripts).await;
        assert_eq!((code(&response), times), (ResponseCode::ServFail, asked));
        assert_eq!(took.as_millis() / 50, 80, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_datagram_that_is_lost_is_sent_again() {
    let host = Host::new().await;
    let upstream = host.upstream(50, is_silent).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let lost = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        upstream.becomes(answers, Duration::ZERO);
    };
    let request = question(OUTSIDE);
    let (((response, took), ()), asked) = (tokio::join!(timed(host.ask(7, &request)), lost), upstream.asked());
    assert_eq!((code(&response), took.as_millis() / 10, asked), (ResponseCode::NoError, 100, 2));
}

#[tokio::test(start_paused = true)]
async fn a_dead_upstream_costs_its_time_once_and_is_tried_again_when_it_may_live() {
    let host = Host::new().await;
    let (flaps, other) = (host.upstream(50, is_silent).await, host.upstream(51, answers).await);
    host.server.set_upstreams(servers(&[flaps.address, other.address]));
    let ask = async |name: &str| {
        let (response, took) = timed(host.ask(7, &question(name))).await;
        assert_eq!(code(&response), ResponseCode::NoError, "{name}");
        took.as_millis() / 10
    };
    for name in ["a.example.", "b.example.", "c.example."] {
        assert_eq!(ask(name).await, 25, "{name}");
    }
    // Three times slower than the other one: it is asked last.
    assert_eq!((ask("d.example.").await, flaps.asked()), (0, 3));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((ask("e.example.").await, flaps.asked()), (25, 4), "one question finds out");
    assert_eq!((ask("f.example.").await, flaps.asked()), (0, 4));
    flaps.becomes(answers, Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = other.asked();
    for name in ["g.example.", "h.example."] {
        assert_eq!(ask(name).await, 0, "{name}");
    }
    assert_eq!((flaps.asked(), other.asked()), (6, before), "it has its place again");
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
    host.server.set_upstreams(servers(&[host.at(50), upstream.address]));
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!((code(&response), took), (ResponseCode::NoError, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn we_do_not_ask_ourselves() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[host.at(1), upstream.address]));
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!((code(&response), took), (ResponseCode::NoError, Duration::ZERO));
    assert_eq!(counted(&host.server), [(CountedKind::A, Outcome::Forwarded, 1)], "the question came once");
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_not_asked() {
    let host = Host::new().await;
    // As a filter of names that runs in a container: what it does not know it asks of the gateway.
    let (in_container, other) = (host.upstream(7, is_silent).await, host.upstream(51, answers).await);
    host.server.set_upstreams(servers(&[in_container.address, other.address]));
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!((code(&response), took, in_container.asked()), (ResponseCode::NoError, Duration::ZERO, 0));
    host.server.set_upstreams(servers(&[in_container.address]));
    let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
    assert_eq!((code(&response), took, in_container.asked()), (ResponseCode::ServFail, Duration::ZERO, 0));
    in_container.becomes(answers, Duration::ZERO);
    assert_eq!(code(&host.ask(8, &question("other.example.")).await), ResponseCode::NoError, "others ask it");
}

#[tokio::test(start_paused = true)]
async fn a_network_with_upstreams_of_its_own_asks_those() {
    let host = Host::new().await;
    let (theirs, own) = (host.upstream(50, denies).await, host.upstream(51, answers).await);
    host.server.set_upstreams(servers(&[theirs.address]));
    let upstreams = Upstreams::Own(servers(&[own.address]).into());
    host.serve(|network| Network { upstreams, ..network });
    assert_eq!(code(&host.ask(7, &question(OUTSIDE)).await), ResponseCode::NoError);
    assert_eq!((theirs.asked(), own.asked()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn our_names_and_an_internal_network_ask_nobody() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    for name in ["c1.", "c1.web.internal.", "nobody.", "nobody.web.internal.", "x.local.", "localhost."] {
        host.ask(7, &question(name)).await;
    }
    host.serve(|network| Network { upstreams: Upstreams::None, ..network });
    assert_eq!(code(&host.ask(7, &question(OUTSIDE)).await), ResponseCode::NXDomain);
    assert_eq!(upstream.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_completed_over_tcp_for_all_who_ask() {
    let host = Host::new().await;
    let upstream = host.upstream(50, truncates).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let over_udp = host.ask(7, &question(OUTSIDE)).await;
    assert!(over_udp.metadata.truncation && (1..100).contains(&over_udp.answers.len()), "what fits: {over_udp}");
    assert_eq!(upstream.asked(), 2, "over UDP and TCP");
    let over_tcp = exchange_over_tcp(&mut host.connect(7).await, &question(OUTSIDE)).await;
    assert!(!over_tcp.metadata.truncation);
    assert_eq!(addresses(&over_tcp).len(), 100);
    assert_eq!(upstream.asked(), 2, "it was kept whole");
}

#[tokio::test(start_paused = true)]
async fn where_the_whole_answer_is_not_to_be_had_the_client_gets_the_truncated_one_and_it_is_not_kept() {
    let host = Host::new().await;
    let upstream = host.upstream(50, truncates_for_good).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    for asked in [2, 4] {
        let (response, took) = timed(host.ask(7, &question(OUTSIDE))).await;
        assert!(response.metadata.truncation && addresses(&response).len() == 1);
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(upstream.asked(), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stays_cut_counts_only_if_no_other_upstream_has_the_whole() {
    let cases: [([upstream::Script; 2], bool, usize); 3] = [
        ([truncates_everywhere, answers], false, 1),
        ([truncates_everywhere, fails], true, 1),
        ([fails, truncates_everywhere], true, 2),
    ];
    for (scripts, is_cut, second) in cases {
        let (response, took, asked) = forwarded(&scripts).await;
        assert_eq!((code(&response), response.metadata.truncation), (ResponseCode::NoError, is_cut));
        assert_eq!((took, asked[1]), (Duration::ZERO, second));
    }
}

#[tokio::test(start_paused = true)]
async fn one_connection_serves_many_questions_until_it_is_idle() {
    let host = Host::new().await;
    let upstream = host.upstream(50, truncates).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    for name in ["a.example.", "b.example.", "c.example."] {
        assert!(host.ask(7, &question(name)).await.metadata.truncation, "{name}");
    }
    assert_eq!((upstream.asked(), upstream.connections()), (6, 1));
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(host.ask(7, &question("d.example.")).await.metadata.truncation);
    assert_eq!((upstream.asked(), upstream.connections()), (8, 2));
}

#[tokio::test(start_paused = true)]
async fn names_are_spelled_by_chance_towards_upstreams_and_as_they_came_towards_clients() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let name = "some.very.long.name.with.many.letters.Example.";
    let response = host.ask(7, &question(name)).await;
    let spelled = upstream.questions().remove(0);
    assert!(spelled.eq_ignore_ascii_case(name) && spelled != name && spelled != name.to_lowercase(), "{spelled}");
    let owner = response.answers[0].name.to_string();
    assert_eq!((response.queries[0].name.to_string(), owner), (name.to_owned(), name.to_owned()));
}

/// RFC 5452 9.2: each question has an id and a port of its own, which tell nothing of those of the next.
#[tokio::test(start_paused = true)]
async fn ids_and_ports_towards_upstreams_are_chance() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    for number in 0..32 {
        host.ask(7, &question(&format!("name-{number}.example."))).await;
    }
    let (ids, ports): (BTreeSet<u16>, BTreeSet<u16>) = upstream.guesses().into_iter().unzip();
    // Of 32 by chance a few may be the same.
    assert!(ids.len() > 28 && ports.len() > 28, "{ids:?} {ports:?}");
    let steps =
        |of: &BTreeSet<u16>| of.iter().zip(of.iter().skip(1)).map(|(one, next)| next - one).collect::<BTreeSet<_>>();
    assert!(steps(&ids).len() > 8, "they do not follow one another: {ids:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_other_letters_is_not_believed_over_udp() {
    let host = Host::new().await;
    let upstream = host.upstream(50, is_spoofed_in_another_case).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let response = host.ask(7, &question(OUTSIDE)).await;
    // Over TCP the same server is asked, and there its first answer counts.
    assert_eq!((code(&response), upstream.connections()), (ResponseCode::NoError, 1));
}

#[tokio::test(start_paused = true)]
async fn servers_that_spell_names_anew_are_asked_over_tcp_and_believed_where_that_is_not_there() {
    let cases: [(upstream::Script, u128); 2] = [(lowers, 0), (lowers_over_udp, 9)];
    for (script, tenths) in cases {
        let (response, took, _) = forwarded(&[script]).await;
        assert_eq!((code(&response), took.as_millis() / 100), (ResponseCode::NoError, tenths));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_plain_is_relayed_as_it_came_and_not_kept() {
    let host = Host::new().await;
    let upstream = host.upstream(50, answers).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let mut request = question("wWw.example.com.");
    let mut edns = Edns::new();
    edns.options_mut().insert(EdnsOption::Unknown(65_001, vec![1, 2, 3]));
    request.set_edns(edns);
    for asked in [1, 2] {
        assert_eq!(code(&host.ask(7, &request).await), ResponseCode::NoError);
        assert_eq!(upstream.asked(), asked);
    }
    assert_eq!(upstream.questions(), ["wWw.example.com."; 2]);
    // The same at a time is one question: else a circle that leads back here would have no end.
    upstream.becomes(answers, Duration::from_millis(200));
    let mut other = request.clone();
    other.metadata.id ^= 1;
    let (one, two) = tokio::join!(host.ask(7, &request), host.ask(8, &other));
    assert_eq!((one.metadata.id, two.metadata.id, upstream.asked()), (request.metadata.id, other.metadata.id, 3));
    assert_eq!((code(&one), code(&two)), (ResponseCode::NoError, ResponseCode::NoError));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_client_cannot_take_is_cut() {
    let (response, _, _) = forwarded(&[overflows]).await;
    assert!(response.metadata.truncation && (1..100).contains(&response.answers.len()));
}

#[tokio::test(start_paused = true)]
async fn a_source_with_too_many_questions_in_flight_hears_servfail_and_others_are_served() {
    let host = Host::new().await;
    let upstream = host.upstream(50, is_silent).await;
    host.server.set_upstreams(servers(&[upstream.address]));
    let socket = UdpSocket::bind((host.address(7), 0)).await.unwrap();
    socket.connect(host.at(1)).await.unwrap();
    for id in 0..190 {
        let mut request = question(OUTSIDE);
        request.metadata.id = id;
        socket.send(&request.to_vec().unwrap()).await.unwrap();
    }
    let start = Instant::now();
    for _ in 128..190 {
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
    assert!(counted(&host.server).contains(&(CountedKind::A, Outcome::Failed, 191)));
}
