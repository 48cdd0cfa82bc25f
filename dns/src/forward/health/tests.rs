use std::net::SocketAddr;

use super::*;

const SERVERS: [u8; 3] = [1, 2, 3];

fn server(last: u8) -> Upstream {
    SocketAddr::from(([192, 0, 2, last], 53)).into()
}

fn order(health: &Health, now: Instant) -> Vec<u8> {
    let order = health.order(SERVERS.into_iter().map(server), now);
    order.iter().map(|is| SERVERS.into_iter().find(|last| server(*last) == *is).unwrap()).collect()
}

#[test]
fn who_is_silent_is_asked_last_and_tried_again_ever_more_seldom() {
    let (health, start) = (Health::default(), Instant::now());
    assert_eq!(order(&health, start), [1, 2, 3]);
    health.was_silent(&server(1), start);
    let mut tried = Vec::new();
    for second in 0..200 {
        let now = start + Duration::from_secs(second);
        if order(&health, now) == [1, 2, 3] {
            tried.push(second);
            assert_eq!(order(&health, now), [2, 3, 1], "by one question at a time");
            health.was_silent(&server(1), now);
        }
    }
    assert_eq!(tried, [2, 6, 14, 30, 62, 126, 190]);
    health.answered(&server(1));
    assert_eq!(order(&health, start), [1, 2, 3]);
    assert!(health.silent.lock().unwrap().is_empty());
}

#[test]
fn who_is_slow_three_times_in_a_row_counts_as_silent() {
    let (health, now) = (Health::default(), Instant::now());
    for _ in 0..2 {
        health.was_slow(&server(2), now);
        health.was_slow(&server(2), now);
        assert_eq!(order(&health, now), [1, 2, 3]);
        health.answered(&server(2));
    }
    for _ in 0..3 {
        health.was_slow(&server(2), now);
    }
    assert_eq!(order(&health, now), [1, 3, 2]);
}

#[test]
fn many_questions_that_fail_together_count_as_one() {
    let (health, now) = (Health::default(), Instant::now());
    for _ in 0..100 {
        health.was_silent(&server(1), now);
    }
    assert_eq!(order(&health, now + FIRST_REST), [1, 2, 3]);
}

#[test]
fn when_all_are_silent_their_order_stays() {
    let (health, now) = (Health::default(), Instant::now());
    for last in SERVERS {
        health.was_silent(&server(last), now);
    }
    assert_eq!(order(&health, now), [1, 2, 3]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let (health, now) = (Health::default(), Instant::now());
    for port in 1..=u16::MAX {
        health.was_slow(&SocketAddr::from(([192, 0, 2, 1], port)).into(), now);
    }
    assert!(health.silent.lock().unwrap().len() <= MAX_REMEMBERED);
}
