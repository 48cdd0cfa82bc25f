use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

const FAILED: Landed = Landed::Failure { said: None, is_ours: false };

#[tokio::test(start_paused = true)]
async fn who_asks_the_same_waits_for_the_same_and_nothing_is_left() {
    let flights = Arc::new(Flights::default());
    let started = Arc::new(AtomicUsize::new(0));
    let course = || {
        started.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            FAILED
        }
    };
    let mut waiting: Vec<_> = (0..100).map(|_| flights.join(&'a', course)).collect();
    waiting.push(flights.join(&'b', course));
    assert_eq!(started.load(Ordering::SeqCst), 2);
    // It does not end with those who began to wait.
    waiting.drain(..50);
    for mut flight in waiting {
        assert_eq!(flight.landed().await, FAILED);
    }
    tokio::task::yield_now().await;
    assert!(flights.open.lock().unwrap().is_empty());
    let mut flight = flights.join(&'a', course);
    assert_eq!(started.load(Ordering::SeqCst), 3);
    flight.landed().await;
}

#[tokio::test]
async fn a_flight_that_is_broken_off_is_a_failure() {
    let flights = Arc::new(Flights::default());
    let mut flight = flights.join(&'a', || async { panic!("broken off, as the test wants it") });
    assert!(matches!(flight.landed().await, Landed::Failure { said: None, .. }));
    assert!(flights.open.lock().unwrap().is_empty());
}
