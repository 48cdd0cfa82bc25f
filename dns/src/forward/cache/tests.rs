use super::*;
use crate::fixture::upstreams;
use crate::forward::plain::Query;
use crate::network::Upstreams;

const ID: [u8; 2] = [0xab, 0xcd];

/// A request for a name of these letters, spelled so.
fn forward(name: &str) -> Forward {
    let length = u8::try_from(name.len()).unwrap();
    let question = [&[length], name.as_bytes(), &[0, 0, 1, 0, 1]].concat();
    let request = [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &question].concat();
    Forward { upstreams: Upstreams::Host, question_end: request.len(), request, limit: 512, edns: None, alias: None }
}

fn key(servers: &[&str], forward: &Forward) -> Key {
    Key { servers: upstreams(servers), plain: Plain::of(forward).unwrap() }
}

/// An address for this name, of so many seconds, by an upstream that spells the name once more.
fn response(key: &Key, ttl: u32, spell: impl Fn(&[u8]) -> Vec<u8>) -> Arc<Response> {
    let query = key.plain.query();
    let question = query.question().unwrap();
    let name = spell(&question[..question.len() - 4]);
    let header = [ID[0], ID[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    let record = [&name[..], &[0, 1, 0, 1], &ttl.to_be_bytes(), &[0, 4, 192, 0, 2, 1]].concat();
    let octets = [&header, question, &record].concat();
    Arc::new(Response::matching(&octets, ID, &query).unwrap())
}

fn keep(cache: &Cache, key: &Key, ttl: u32, now: Instant) {
    cache.keep(key.clone(), &response(key, ttl, <[u8]>::to_vec), now);
}

/// What is known, with the seconds to live that it says.
fn known(cache: &Cache, key: &Key, forward: &Forward, now: Instant) -> (&'static str, u32) {
    let ttl = |octets: Vec<u8>| u32::from_be_bytes(octets[octets.len() - 10..][..4].try_into().unwrap());
    match cache.look(key, forward, now) {
        Known::Fresh(octets) => ("fresh", ttl(octets)),
        Known::Stale(octets) => ("stale", ttl(octets)),
        Known::Expired(past) => ("expired", ttl(past.stale(forward))),
        Known::Failure(_) => ("failure", 0),
        Known::Nothing => ("nothing", 0),
    }
}

#[test]
fn times_to_live_run_down_and_then_it_is_past_and_at_last_forgotten() {
    let (cache, forward, start) = (Cache::default(), forward("www"), Instant::now());
    let key = key(&["192.0.2.53:53"], &forward);
    keep(&cache, &key, 60, start);
    for (millis, expected) in [
        (0, ("fresh", 60)),
        (999, ("fresh", 60)),
        (1000, ("fresh", 59)),
        (59_999, ("fresh", 1)),
        (60_000, ("expired", 30)),
        (3_659_999, ("expired", 30)),
        (3_660_000, ("nothing", 0)),
    ] {
        let now = start + Duration::from_millis(millis);
        assert_eq!(known(&cache, &key, &forward, now), expected, "after {millis} ms");
    }
}

#[test]
fn after_a_failure_the_past_is_given_at_once_for_a_while_and_without_one_the_failure() {
    let (cache, forward, start) = (Cache::default(), forward("www"), Instant::now());
    let key = key(&["192.0.2.53:53"], &forward);
    keep(&cache, &key, 10, start);
    let later = start + Duration::from_secs(11);
    let Known::Expired(past) = cache.look(&key, &forward, later) else { panic!("it is past") };
    cache.keep_failure(key.clone(), Some(past), None, Duration::from_secs(1), later);
    for (seconds, expected) in [(0, ("stale", 10)), (4, ("stale", 10)), (5, ("expired", 10))] {
        assert_eq!(known(&cache, &key, &forward, later + Duration::from_secs(seconds)), expected);
    }
    let key = self::key(&["192.0.2.54:53"], &forward);
    cache.keep_failure(key.clone(), None, None, Duration::from_secs(1), start);
    for (millis, expected) in [(999, ("failure", 0)), (1000, ("nothing", 0))] {
        assert_eq!(known(&cache, &key, &forward, start + Duration::from_millis(millis)), expected);
    }
}

#[test]
fn other_upstreams_or_the_same_in_another_order_are_another_view() {
    let (cache, forward, now) = (Cache::default(), forward("www"), Instant::now());
    keep(&cache, &key(&["192.0.2.53:53", "192.0.2.54:53"], &forward), 60, now);
    for (servers, expected) in [
        (&["192.0.2.53:53", "192.0.2.54:53"][..], "fresh"),
        (&["192.0.2.54:53", "192.0.2.53:53"], "nothing"),
        (&["192.0.2.53:53"], "nothing"),
        (&["192.0.2.53:54", "192.0.2.54:53"], "nothing"),
    ] {
        assert_eq!(known(&cache, &key(servers, &forward), &forward, now).0, expected, "{servers:?}");
    }
}

#[test]
fn each_client_gets_its_own_id_and_spelling_everywhere() {
    let (cache, upper, now) = (Cache::default(), forward("WwW"), Instant::now());
    let key = key(&["192.0.2.53:53"], &upper);
    cache.keep(key.clone(), &response(&key, 60, <[u8]>::to_ascii_uppercase), now);
    let Known::Fresh(octets) = cache.look(&key, &upper, now) else { panic!("it is fresh") };
    let name = b"\x03WwW\0";
    assert_eq!(octets[..2], [0x12, 0x34]);
    assert_eq!(octets[12..][..5], *name);
    assert_eq!(octets[21..][..5], *name, "the owner too");
}

#[test]
fn what_must_not_be_kept_is_not() {
    let (cache, forward, now) = (Cache::default(), forward("www"), Instant::now());
    let key = key(&["192.0.2.53:53"], &forward);
    keep(&cache, &key, 0, now);
    assert_eq!(known(&cache, &key, &forward, now).0, "nothing");
    // An error without the question: nothing says what it is about.
    let error = [ID[0], ID[1], 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0];
    let error = Response::matching(&error, ID, &Query { octets: vec![0; 17], ..key.plain.query() }).unwrap();
    cache.keep(key.clone(), &Arc::new(error), now);
    assert_eq!(known(&cache, &key, &forward, now).0, "nothing");
}

#[test]
fn it_is_bounded_in_octets_and_what_is_asked_again_and_again_stays() {
    let (cache, now) = (Cache::new(1 << 20), Instant::now());
    let hot = forward("hot");
    let hot_key = key(&["192.0.2.53:53"], &hot);
    keep(&cache, &hot_key, 60, now);
    for number in 0..20_000 {
        let forward = forward(&format!("junk-{number}"));
        keep(&cache, &key(&["192.0.2.53:53"], &forward), 60, now);
        assert_eq!(known(&cache, &hot_key, &hot, now).0, "fresh", "after {number}");
    }
    let Kept { entries, bytes, hits, misses, evictions } = cache.figures();
    assert!(bytes <= 1 << 20 && bytes > 1 << 19, "{bytes} octets");
    assert!(entries > 1000, "{entries} entries");
    assert_eq!((entries + evictions, hits, misses), (20_001, 20_000, 0));
    let again = forward("hot");
    keep(&cache, &key(&["192.0.2.53:53"], &again), 60, now);
    assert_eq!(cache.figures().evictions, evictions, "what takes the place of its like puts nobody out");
}
