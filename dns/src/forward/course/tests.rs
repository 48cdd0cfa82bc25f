use std::net::SocketAddr;

use super::*;

fn server(last: u8) -> Upstream {
    SocketAddr::from(([192, 0, 2, last], 53)).into()
}

/// Who is asked when, in milliseconds, while nobody answers; `over` says whose failure is heard at what time.
fn asked(servers: u8, over: &[(u64, u8)]) -> Vec<(u64, u8)> {
    let start = Instant::now();
    let mut course = Course::new((1..=servers).map(server).collect(), start);
    let mut asked = Vec::new();
    let mut over = over.iter().peekable();
    for millis in 0..4000 {
        let now = start + Duration::from_millis(millis);
        while let Some((_, last)) = over.next_if(|(at, _)| *at == millis) {
            course.over(&server(*last), now);
        }
        assert!(course.next() <= course.end());
        let is_due = course.next() <= now;
        let before = asked.len();
        while let Some(due) = course.due(now) {
            let last = (1..=9).find(|last| due == server(*last)).unwrap();
            asked.push((millis, last));
        }
        assert_eq!(is_due, asked.len() > before, "it says when, at {millis}");
    }
    asked
}

#[test]
fn the_next_is_asked_when_one_is_slow_and_all_once_more_that_are_silent() {
    assert_eq!(asked(1, &[]), [(0, 1), (1000, 1), (2000, 1)]);
    assert_eq!(asked(2, &[]), [(0, 1), (250, 2), (1000, 1), (2000, 2)]);
    assert_eq!(asked(3, &[]), [(0, 1), (250, 2), (500, 3), (1000, 1), (2000, 2)]);
    assert_eq!(asked(5, &[]), [(0, 1), (250, 2), (500, 3), (1000, 1), (2000, 2)], "three are enough");
    assert_eq!(asked(0, &[]), []);
}

#[test]
fn after_a_failure_the_next_is_asked_at_once_and_who_failed_not_again() {
    assert_eq!(asked(2, &[(10, 1)]), [(0, 1), (10, 2), (1000, 2), (2000, 2)]);
    assert_eq!(asked(3, &[(10, 1), (20, 2)]), [(0, 1), (10, 2), (20, 3), (1000, 3), (2000, 3)]);
    assert_eq!(asked(2, &[(10, 1), (20, 2)]), [(0, 1), (10, 2)]);
    assert_eq!(asked(3, &[(260, 2)]), [(0, 1), (250, 2), (260, 3), (1000, 1), (2000, 3)]);
}
