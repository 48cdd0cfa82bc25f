use super::*;

/// Which hosts are looked at again after a key was heard of.
fn stale(board: &mut Board, news: News) -> String {
    board.hear(vec![news], 0);
    match std::mem::take(&mut board.stale) {
        Stale::All => "all".to_owned(),
        Stale::Hosts(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

fn put(key: &str, revision: i64, document: &str) -> News {
    let key: Key = key.parse().unwrap();
    let document = Document::parse(&key, document.as_bytes());
    News::Put(Found { key, revision, lease: 0, document })
}

#[test]
fn only_hosts_that_something_changed_for_are_looked_at_again() {
    let mut board = Board::default();
    let owner = |host: &str| format!(r#"{{"version":1,"host":"{host}"}}"#);
    let part = "of/lab/subnets/10.40.1.0-24";
    assert_eq!(stale(&mut board, put(part, 5, &owner("h1"))), "h1");
    assert_eq!(stale(&mut board, put(part, 6, &owner("h1"))), "", "with another lease");
    assert_eq!(stale(&mut board, put(part, 7, &owner("h2"))), "h1 h2", "it was one's and is the other's");
    assert_eq!(stale(&mut board, put(part, 8, "{")), "", "what it said last holds");
    assert_eq!(stale(&mut board, News::Delete(part.parse().unwrap(), 4)), "", "an old event");
    assert_eq!(stale(&mut board, News::Delete(part.parse().unwrap(), 9)), "h2");
    let alive = r#"{"version":1,"instance":"x","vtep":"192.0.2.1"}"#;
    assert_eq!(stale(&mut board, put("alive/h3", 10, alive)), "h3");
    board.tree.hold(Instant::now() + UNTIL_FOUND);
    assert_eq!(stale(&mut board, News::Delete("alive/h3".parse().unwrap(), 11)), "", "it is believed");
    assert_eq!(stale(&mut board, put("networks/lab", 12, "{}")), "all");
}
