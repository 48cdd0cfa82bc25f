use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use netd_model::name::NetworkName;
use tokio::time::sleep;

use super::{
    fixture::{Lab, NETWORK, whole},
    networks,
    session::Heard,
};
use crate::{
    cluster::fixture::Host,
    settings::{
        Settings,
        cluster::{self, Place},
        network::Network,
    },
};

mod forget;
mod recall;
mod secure;

/// Long enough that what would be withdrawn is: the time to live, and what is believed beyond it.
const LATER: Duration = Duration::from_millis(3_500);

#[tokio::test]
async fn hosts_get_parts_of_their_network_and_hear_of_each_others_names() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let mut h2 = lab.start(2).await;
    let mut h3 = lab.start(3).await;
    let parts = [&h1, &h2, &h3].map(Host::part);
    assert_eq!(parts, [1, 2, 3].map(|number| format!("10.40.{number}.0/24 fd40:0:0:{number}::/64")));
    h1.shows("h2 alive c2, h3 alive c3").await;
    h2.shows("h1 alive c1, h3 alive c3").await;
    h3.shows("h1 alive c1, h2 alive c2").await;
    let begin = Instant::now();
    h1.tell(&["a", "b"]);
    h2.shows("h1 alive a b, h3 alive c3").await;
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    h1.tell(&[]);
    h3.shows("h1 alive , h2 alive c2").await;
}

#[tokio::test]
async fn what_crosses_from_a_host_stands_in_the_store_and_outlives_its_netd() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    assert_eq!(h1.mtus(), [None]);
    for bytes in [1450, 1350] {
        h2.measures(bytes);
        h1.until(|host| host.mtus() == [Some(bytes)]).await;
    }
    h2.cluster.stop().await;
    let h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    assert_eq!(h1.mtus(), [Some(1350)], "it has not measured it again yet");
    drop(h2);
}

#[tokio::test]
async fn a_host_that_is_gone_falls_silent_and_comes_back_with_its_part() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    let part = h2.part();
    h2.cluster.stop().await;
    let begin = Instant::now();
    h1.shows("h2 silent c2").await;
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    let mut h3 = lab.start(3).await;
    assert_ne!(h3.part(), part, "it stays reserved");
    h3.shows("h1 alive c1, h2 silent c2").await;
    let mut h2 = Lab::begin(&lab.settings(2, NETWORK));
    h2.has_part().await;
    sleep(LATER).await;
    assert_eq!(h1.text(), "h2 silent c2, h3 alive c3", "it does not know its names yet");
    h2.tell(&[]);
    h1.shows("h2 alive , h3 alive c3").await;
    assert_eq!(h2.part(), part);
}

#[tokio::test]
async fn a_part_that_was_reserved_long_enough_is_free() {
    let lab = Lab::new();
    let mut h1 = lab.start_with(1, "").await;
    let h2 = Lab::begin(&lab.settings(2, &format!("lease_retention = 2\n{NETWORK}")));
    let mut h2 = h2;
    h2.has_part().await;
    h2.tell(&["c2"]);
    h1.shows("h2 alive c2").await;
    let part = h2.part();
    h2.cluster.stop().await;
    h1.shows("").await;
    let h3 = lab.start(3).await;
    assert_eq!(h3.part(), part);
    let mut h2 = Lab::begin(&lab.settings(2, NETWORK));
    // It knows which part it had, and learns that this is another host's by now.
    h2.until(|host| host.part() == "10.40.3.0/24 fd40:0:0:3::/64").await;
}

#[tokio::test]
async fn many_hosts_that_start_at_once_get_different_parts() {
    let lab = Lab::new();
    let mut hosts: Vec<Host> = (1..=20).map(|host| Lab::begin(&lab.settings(host, NETWORK))).collect();
    let mut parts = BTreeSet::new();
    for host in &mut hosts {
        host.has_part().await;
        host.tell(&["c"]);
        parts.insert(host.part());
    }
    assert_eq!(parts.len(), 20);
    for host in &mut hosts {
        host.until(|host| host.text().matches("alive c").count() == 19).await;
    }
}

#[tokio::test]
async fn of_two_hosts_with_one_name_or_one_address_the_earlier_goes_on_and_both_are_told() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let mut h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    h2.shows("h1 alive c1").await;
    let state = lab.settings(3, "").state_dir;
    for (name, address, words) in [
        ("h1", lab.address(3), "the name h1 is that of another host, reached at "),
        ("h3", lab.address(1), "is that of host h1: choose another `host.address` for h3"),
    ] {
        let mut late = Lab::begin(&lab.settings_of(name, address, &state, NETWORK));
        late.has_error(&format!("this host cannot be in the cluster: {}", "")).await;
        late.has_error(words).await;
        h1.has_error("another host wants to be in the cluster, in vain: ").await;
        h1.has_error(words).await;
        assert_eq!((late.part(), h1.text()), (String::new(), "h2 alive c2".to_owned()));
        late.cluster.stop().await;
        h1.until(|host| host.cluster.view().errors.is_empty()).await;
    }
    assert_eq!(h2.text(), "h1 alive c1");
}

#[tokio::test]
async fn a_host_of_the_other_address_family_is_left_out_and_named_on_both_sides() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let settings = lab.settings(2, NETWORK);
    let place = Some(Place::Address("2001:db8::2".parse().unwrap()));
    let host = cluster::Host { place, ..settings.host.clone() };
    let mut h2 = Lab::begin(&Settings { host, ..settings });
    h2.has_part().await;
    h1.has_error("peer h2 left out of network lab: its address 2001:db8::2 is of IPv6, that of this host of IPv4")
        .await;
    h2.has_error("peer h1 left out of network lab: its address ").await;
    assert_eq!((h1.text(), h2.text()), (String::new(), String::new()));
}

#[tokio::test]
async fn a_copy_of_the_state_directory_is_found_out_while_the_first_lives() {
    let lab = Lab::new();
    let h1 = lab.start(1).await;
    let part = h1.part();
    let mut copy = Lab::begin(&lab.settings_of("h1", lab.address(9), &lab.settings(1, "").state_dir, NETWORK));
    copy.has_error("lives at").await;
    h1.cluster.stop().await;
    copy.has_part().await;
    assert_eq!(copy.part(), part, "it moved there");
}

#[tokio::test]
async fn a_store_that_is_lost_changes_nothing_and_neither_does_its_return() {
    let mut lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let mut h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    h2.shows("h1 alive c1").await;
    lab.kill_etcd();
    h1.has_error("networks and names stay as they are meanwhile").await;
    h2.tell(&["new"]);
    sleep(LATER).await;
    assert_eq!((h1.text(), h2.text()), ("h2 alive c2".to_owned(), "h1 alive c1".to_owned()));
    lab.start_etcd("data");
    let watched = async {
        let begin = Instant::now();
        while begin.elapsed() < LATER {
            let text = h1.text();
            assert!(["h2 alive c2", "h2 alive new"].contains(&text.as_str()), "{text}");
            assert!(!h1.part().is_empty());
            sleep(Duration::from_millis(5)).await;
        }
    };
    watched.await;
    h1.shows("h2 alive new").await;
    h1.until(|host| host.cluster.view().errors.is_empty()).await;
}

#[tokio::test]
async fn another_store_in_its_place_is_filled_anew_and_nothing_is_withdrawn_meanwhile() {
    let mut lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let mut h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    h2.shows("h1 alive c1").await;
    let parts = [h1.part(), h2.part()];
    lab.kill_etcd();
    h1.has_error("meanwhile").await;
    lab.start_etcd("empty");
    let begin = Instant::now();
    while begin.elapsed() < LATER {
        assert_eq!((h1.text(), h2.text()), ("h2 alive c2".to_owned(), "h1 alive c1".to_owned()));
        assert_eq!([h1.part(), h2.part()], parts);
        sleep(Duration::from_millis(5)).await;
    }
    let mut h3 = lab.start(3).await;
    h3.shows("h1 alive c1, h2 alive c2").await;
    assert!(!parts.contains(&h3.part()));
}

#[tokio::test]
async fn a_host_that_was_cut_off_longer_than_the_store_remembers_reads_all_of_it() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let _h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    let mut session = lab.session().await;
    let at = session.head().await.unwrap();
    let mut client = lab.client().await;
    client.compact(at.revision, None).await.unwrap();
    let mut watch = session.watch(1).await.unwrap();
    assert!(matches!(watch.next().await.unwrap(), Heard::Compacted));
    let (news, listed) = session.list().await.unwrap();
    assert!(listed.revision >= at.revision && news.len() > 10, "{}", news.len());
}

#[tokio::test]
async fn what_others_remove_is_put_back_and_what_they_write_harms_nobody_else() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let mut h2 = lab.start(2).await;
    let mut h3 = lab.start(3).await;
    h1.shows("h2 alive c2, h3 alive c3").await;
    let mut client = lab.client().await;
    let all = etcd_client::DeleteOptions::new().with_prefix();
    client.delete(whole("of/lab/hosts/h2").trim_end_matches("h2"), Some(all)).await.unwrap();
    h1.until(|host| host.text() == "h2 alive c2, h3 alive c3").await;
    for (key, value, words) in [
        ("of/lab/names/h2/0", "{", "some of its names cannot be read: it is malformed"),
        ("of/lab/hosts/h2", "{\"version\": 2}", "the form 2, which is newer than 1: update netd on this host"),
        ("of/lab/hosts/h2", "\u{0}", "malformed"),
    ] {
        client.put(whole(key), value, None).await.unwrap();
        // Its host writes it again: what is wrong for longer is a host that cannot.
        h2.until(|host| host.cluster.view().errors.is_empty()).await;
        h1.until(|host| host.cluster.view().errors.is_empty()).await;
        h1.shows("h2 alive c2, h3 alive c3").await;
        let of_nobody = key.replace("h2", "h9");
        client.put(whole(&of_nobody), value, None).await.unwrap();
        h1.has_error(&format!("{of_nobody} in the store: ")).await;
        h3.has_error(words.split(": ").last().unwrap()).await;
        assert_eq!(h1.text(), "h2 alive c2, h3 alive c3");
        client.delete(whole(&of_nobody), None).await.unwrap();
    }
    client.put(super::key::prefix("default") + "no such thing", "x", None).await.unwrap();
    h3.tell(&["still"]);
    h1.shows("h2 alive c2, h3 alive still").await;
    let foreign = r#"{"version":1,"host":"h9","network":"lab","vtep":"192.0.2.9","mac":"02:00:00:00:00:09","subnets":["10.40.3.0/24"]}"#;
    client.put(whole("of/lab/hosts/h9"), foreign, None).await.unwrap();
    h3.tell(&["again"]);
    h1.shows("h2 alive c2, h3 alive again").await;
}

#[tokio::test]
async fn networks_are_made_and_removed_for_all_hosts() {
    let lab = Lab::new();
    let mut h1 = Lab::begin(&lab.settings(1, ""));
    let settings = lab.settings(9, NETWORK);
    let network = settings.networks.usable[0].clone();
    h1.until(|host| host.cluster.view().is_whole).await;
    let made = networks::create(&settings, network.clone(), false).await.unwrap();
    assert_eq!((made.network, made.hosts), (network.clone(), 1));
    h1.has_part().await;
    let error = networks::create(&settings, network.clone(), false).await.unwrap_err();
    assert!(error.starts_with("network lab is there already"), "{error}");

    let other = |name: &str, subnet: &str| -> Network {
        let mut other = network.clone();
        other.overlay.name = name.parse().unwrap();
        (other.overlay.subnets, other.host_prefix) = (vec![subnet.parse().unwrap()], vec![24]);
        other
    };
    let error = networks::create(&settings, other("db", "10.40.128.0/17"), false).await.unwrap_err();
    assert_eq!(error, "subnet \"10.40.128.0/17\" overlaps \"10.40.0.0/16\" of network lab");
    let error = networks::create(&settings, other("db", "10.50.0.0/16"), true).await.unwrap_err();
    assert!(error.ends_with("is that of network lab: choose another"), "{error}");
    let made = networks::create(&settings, other("db", "10.50.0.0/16"), false).await.unwrap();
    assert_eq!(u32::from(made.network.overlay.vni), u32::from(network.overlay.vni) + 1, "it was not chosen");
    let names =
        |host: &Host| host.cluster.view().networks.keys().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    h1.until(|host| names(host) == "db lab").await;
    assert_eq!(networks::list(&settings).await.unwrap().networks.len(), 2);

    let lab_network: NetworkName = "lab".parse().unwrap();
    networks::delete(&settings, &"db".parse().unwrap(), false).await.unwrap();
    h1.until(|host| names(host) == "lab").await;
    h1.tell(&["c1"]);
    let used = async || {
        networks::list(&settings).await.unwrap().networks[&lab_network]
            .peers
            .values()
            .any(|peer| !peer.names.containers.is_empty())
    };
    while !used().await {
        sleep(Duration::from_millis(20)).await;
    }
    let error = networks::delete(&settings, &lab_network, false).await.unwrap_err();
    assert_eq!(error, "network lab has containers on h1: remove them, or use --force");
    networks::delete(&settings, &lab_network, true).await.unwrap();
    h1.until(|host| names(host).is_empty()).await;
    let error = networks::delete(&settings, &lab_network, false).await.unwrap_err();
    assert!(error.starts_with("there is no network lab"), "{error}");
    let (left, _) = lab.session().await.list().await.unwrap();
    assert!(left.iter().all(|news| !format!("{news:?}").contains("Member(")), "{left:?}");
}

#[tokio::test]
async fn a_network_that_differs_in_settings_and_store_is_as_in_the_store() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let mut h2 = Lab::begin(&lab.settings(2, &NETWORK.replace("10.40", "10.41")));
    h2.has_error("network lab: the settings are not as the store").await;
    h2.has_part().await;
    assert_eq!(h2.part(), "10.40.2.0/24 fd40:0:0:2::/64");
    networks::delete(&lab.settings(9, ""), &"lab".parse().unwrap(), true).await.unwrap();
    h1.has_error("network lab was deleted and stands in the settings").await;
    h1.until(|host| host.part().is_empty()).await;
}

#[tokio::test]
async fn a_network_that_cannot_be_read_or_cannot_be_here_is_known_by_name() {
    let lab = Lab::new();
    let mut client = lab.client().await;
    let mut h1 = lab.start(1).await;
    client.put(whole("networks/newer"), r#"{"version":2,"new":1}"#, None).await.unwrap();
    client.put(whole("networks/torn"), "{", None).await.unwrap();
    let names =
        |host: &Host| host.cluster.view().unusable.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    h1.until(|host| names(host) == "newer torn").await;
    client.delete(whole("networks/torn"), None).await.unwrap();
    h1.until(|host| names(host) == "newer").await;
    assert!(!h1.part().is_empty(), "the other one is unharmed");
}

#[tokio::test]
async fn a_network_without_room_is_an_error_of_the_host_that_has_none() {
    let lab = Lab::new();
    let small = "[[network]]\nname = 'lab'\ndriver = 'overlay'\nsubnet = ['10.40.0.0/23']\n";
    let mut hosts: Vec<Host> = (1..=3).map(|host| Lab::begin(&lab.settings(host, small))).collect();
    let has_end = |host: &Host| !host.part().is_empty() || !host.cluster.view().errors.is_empty();
    for host in &mut hosts {
        host.until(has_end).await;
    }
    let mut parts: Vec<String> = hosts.iter().map(Host::part).collect();
    parts.sort();
    assert_eq!(parts, ["", "10.40.0.0/24", "10.40.1.0/24"]);
    let late = hosts.iter_mut().find(|host| host.part().is_empty()).unwrap();
    late.has_error("network lab: all /24 of 10.40.0.0/23 are taken by other hosts").await;
}

#[tokio::test]
async fn a_store_that_is_not_there_is_an_error_that_says_where_it_was_looked_for() {
    let mut lab = Lab::new();
    drop(lab.session().await);
    lab.kill_etcd();
    let mut h1 = Lab::begin(&lab.settings(1, NETWORK));
    h1.has_error(&format!("connect to etcd at {}:2379: Connection refused", lab.address(254))).await;
    assert!(!h1.cluster.view().is_whole);
    lab.start_etcd("data");
    h1.has_part().await;
    assert!(h1.cluster.view().is_whole);
}
