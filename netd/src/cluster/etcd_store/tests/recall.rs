//! What a host knows while its netd starts and the store is not there.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{LATER, Lab, NETWORK, networks};
use crate::{cluster::fixture::Host, settings::Settings};

/// Where it stands.
fn file(settings: &Settings) -> PathBuf {
    settings.state_dir.join("remembered.json")
}

/// Whether what is known of each peer is from before netd started.
fn is_recalled(host: &Host) -> bool {
    let view = host.cluster.view();
    let mut peers = view.networks.values().flat_map(|network| network.peers.values());
    peers.all(|peer| peer.recalled.is_some())
}

/// Looks for a while that a host shows one of these.
async fn shows_only(host: &Host, texts: &[&str]) {
    let begin = Instant::now();
    while begin.elapsed() < LATER {
        assert!(texts.contains(&host.text().as_str()), "{}", host.text());
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_host_that_starts_while_the_store_is_lost_knows_what_it_knew() {
    let mut lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let mut h2 = lab.start(2).await;
    h2.measures(1350);
    h1.shows("h2 alive c2").await;
    h1.until(|host| host.mtus() == [Some(1350)]).await;
    h2.shows("h1 alive c1").await;
    let part = h1.part();
    h1.cluster.stop().await;
    lab.kill_etcd();
    let mut h1 = Lab::begin(&lab.settings(1, NETWORK));
    h1.has_error("networks and names stay as they were before netd started").await;
    assert_eq!((h1.text(), h1.part(), h1.mtus()), ("h2 alive c2".to_owned(), part.clone(), vec![Some(1350)]));
    assert!(is_recalled(&h1) && !h1.cluster.view().is_whole);
    h1.tell(&["late"]);
    shows_only(&h1, &["h2 alive c2"]).await;
    h1.cluster.stop().await;
    let mut h1 = Lab::begin(&lab.settings(1, NETWORK));
    h1.shows("h2 alive c2").await;
    h1.tell(&["late"]);

    lab.start_etcd("data");
    shows_only(&h1, &["h2 alive c2"]).await;
    h1.until(|host| host.cluster.view().errors.is_empty() && host.cluster.view().is_whole).await;
    assert!(h1.part() == part && !is_recalled(&h1));
    h2.shows("h1 alive late").await;
}

#[tokio::test]
async fn what_the_store_does_not_have_any_more_is_believed_a_while_after_it_was_read() {
    let mut lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    h1.cluster.stop().await;
    lab.kill_etcd();
    h2.cluster.stop().await;
    let mut h1 = Lab::begin(&lab.settings(1, NETWORK));
    h1.shows("h2 alive c2").await;
    lab.start_etcd("data");
    h1.until(|host| !is_recalled(host)).await;
    let begin = Instant::now();
    h1.shows("h2 silent c2").await;
    assert!(begin.elapsed() > Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn what_another_host_cluster_or_network_knew_and_what_cannot_be_read_is_as_if_it_were_not_there() {
    let mut lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let _h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    h1.cluster.stop().await;
    lab.kill_etcd();
    let settings = lab.settings(1, NETWORK);
    let text = fs::read_to_string(file(&settings)).unwrap();
    let with = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        changed
    };
    for (text, is_known) in [
        (text.clone(), true),
        (with("\"cluster\":\"default\"", "\"cluster\":\"other\""), false),
        (with("\"store\":\"etcd\"", "\"store\":\"static\""), false),
        (with("\"identity\":\"", "\"identity\":\"0"), false),
        (with("\"host\":\"h1\"", "\"host\":\"h9\""), false),
        (with("10.40.0.0/16", "10.41.0.0/16"), false),
        (with("\"version\":1", "\"version\":2"), false),
        (text[..text.len() / 2].to_owned(), false),
        (String::new(), false),
        (with("\"of/lab/names/h2/0\"", "\"of/lab/names/h2/x\""), true),
    ] {
        fs::write(file(&settings), &text).unwrap();
        let mut h1 = Lab::begin(&settings);
        h1.has_error("connect to etcd").await;
        assert_eq!(h1.text().starts_with("h2 alive"), is_known, "{text:.300}");
        h1.cluster.stop().await;
        assert_eq!(fs::read_to_string(file(&settings)).unwrap(), text, "it was not in touch with the store");
    }
    lab.start_etcd("data");
    let mut h1 = Lab::begin(&settings);
    h1.has_part().await;
    h1.shows("h2 alive c2").await;
}

#[tokio::test]
async fn what_is_known_is_written_while_netd_runs_and_not_at_each_change() {
    let mut lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let mut h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    h2.shows("h1 alive c1").await;
    let file = file(&lab.settings(1, NETWORK));
    let (begin, mut written) = (Instant::now(), 0);
    let mut is_there = false;
    for number in 0.. {
        h2.tell(&[&format!("c{number}")]);
        h1.shows(&format!("h2 alive c{number}")).await;
        if file.exists() && !is_there {
            (is_there, written) = (true, number);
        }
        if begin.elapsed() > Duration::from_secs(7) {
            break;
        }
    }
    assert!(is_there && written > 20, "{written} changes were not waited for");
    let text = fs::read_to_string(&file).unwrap();
    let number = (0..=written + 1).rev().find(|number| text.contains(&format!("[\"c{number}\"]"))).unwrap();
    assert!(number + 3 > written, "{number} {written}");

    // As in a crash.
    drop(h1);
    lab.kill_etcd();
    let mut h1 = Lab::begin(&lab.settings(1, NETWORK));
    h1.shows(&format!("h2 alive c{number}")).await;
}

#[tokio::test]
async fn networks_that_people_made_outlive_the_store_and_netd_that_are_lost_together() {
    let mut lab = Lab::new();
    let settings = lab.settings(1, "");
    let made = lab.settings(9, NETWORK).networks.usable.remove(0);
    let mut h1 = Lab::begin(&settings);
    drop(lab.session().await);
    networks::create(&settings, made.clone(), true).await.unwrap();
    h1.has_part().await;
    let part = h1.part();
    h1.cluster.stop().await;
    lab.kill_etcd();
    // Of the same address, so that etcd gives it the same number: only its revision is another one.
    lab.start_etcd("empty");
    drop(lab.session().await);
    let mut h1 = Lab::begin(&settings);
    h1.until(|host| host.cluster.view().is_whole).await;
    sleep(LATER).await;
    assert_eq!(h1.part(), part);
    let there = networks::list(&settings).await.unwrap();
    assert_eq!(there.networks.values().map(|it| &*it.network).collect::<Vec<_>>(), [&made]);
    networks::delete(&settings, &made.overlay.name, true).await.unwrap();
    h1.until(|host| host.part().is_empty()).await;
    h1.until(|host| host.cluster.view().networks.is_empty() && host.cluster.view().errors.is_empty()).await;
    h1.cluster.stop().await;
    let mut h1 = Lab::begin(&settings);
    h1.until(|host| host.cluster.view().is_whole).await;
    assert!(networks::list(&settings).await.unwrap().networks.is_empty(), "it is the same store");
}

#[tokio::test]
async fn a_network_that_stands_in_the_store_again_is_deleted_without_an_error() {
    let mut lab = Lab::new();
    let settings = lab.settings(1, "");
    let made = lab.settings(9, NETWORK).networks.usable.remove(0);
    let mut h1 = Lab::begin(&settings);
    drop(lab.session().await);
    networks::create(&settings, made.clone(), true).await.unwrap();
    h1.has_part().await;
    lab.kill_etcd();
    h1.has_error("meanwhile").await;
    lab.start_etcd("empty");
    drop(lab.session().await);
    h1.until(|host| host.cluster.view().errors.is_empty()).await;
    while networks::list(&settings).await.unwrap().networks.is_empty() {
        sleep(Duration::from_millis(20)).await;
    }
    let begin = Instant::now();
    networks::delete(&settings, &made.overlay.name, true).await.unwrap();
    while begin.elapsed() < LATER {
        assert_eq!(h1.cluster.view().errors, Vec::<String>::new());
        sleep(Duration::from_millis(5)).await;
    }
    assert!(h1.cluster.view().networks.is_empty() && networks::list(&settings).await.unwrap().networks.is_empty());
}
