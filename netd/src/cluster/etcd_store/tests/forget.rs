//! Hosts that do not come back.

use super::{Lab, NETWORK};
use crate::{
    cluster::{etcd_store::document::Document, etcd_store::session::News, hosts::forget},
    settings::Settings,
};

/// What stands in the store of a host, one key a line.
async fn of_host(lab: &Lab, host: &str) -> Vec<String> {
    let (news, _) = Box::pin(lab.session()).await.list().await.unwrap();
    let found = news.into_iter().filter_map(|news| match news {
        News::Put(found) => Some(found),
        News::Delete(..) | News::Unknown(_) => None,
    });
    let is_own = |document: &Document| matches!(document, Document::Owner(owner) if owner.host.as_str() == host);
    let own = found
        .filter(|it| it.key.host().is_some_and(|it| it.as_str() == host) || it.document.as_ref().is_ok_and(is_own));
    own.map(|found| found.key.to_string()).collect()
}

#[tokio::test]
async fn a_host_that_is_not_there_is_forgotten_and_one_that_lives_is_not() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    let part = h2.part();
    let settings = lab.settings(9, "");
    let name = "h2".parse().unwrap();
    let error = forget(&settings, &name).await.unwrap_err();
    assert_eq!(error, format!("host h2 lives at {}: stop its netd and wait for 1 s", lab.address(2)));
    h2.cluster.stop().await;
    h1.shows("h2 silent c2").await;
    assert_eq!(of_host(&lab, "h2").await.len(), 6, "name, address, member, two parts, names");

    let freed = forget(&settings, &name).await.unwrap();
    let freed: Vec<String> = freed.iter().map(|(network, part)| format!("{network} {part}")).collect();
    assert_eq!(freed, ["lab 10.40.2.0/24", "lab fd40:0:0:2::/64"]);
    assert_eq!(of_host(&lab, "h2").await, Vec::<String>::new());
    h1.shows("").await;
    let error = forget(&settings, &name).await.unwrap_err();
    assert_eq!(error, "there is no host h2 in the cluster, see `netd show peers`");

    let h3 = lab.start(3).await;
    assert_eq!(h3.part(), part, "it is free");
    let mut h2 = Lab::begin(&lab.settings(2, NETWORK));
    h2.until(|host| host.part() == "10.40.3.0/24 fd40:0:0:3::/64").await;
    h2.tell(&["back"]);
    h1.shows("h2 alive back, h3 alive c3").await;
}

#[tokio::test]
async fn a_host_with_more_names_than_fit_in_a_transaction_is_forgotten_whole() {
    let lab = Lab::new();
    let mut h1 = lab.start(1).await;
    let h2 = lab.start(2).await;
    h1.shows("h2 alive c2").await;
    h2.cluster.stop().await;
    h1.shows("h2 silent c2").await;
    let mut client = lab.client().await;
    let names = r#"{"version":1,"host":"h2","network":"lab","containers":[]}"#;
    for shard in 1..150 {
        client.put(super::whole(&format!("of/lab/names/h2/{shard}")), names, None).await.unwrap();
    }
    forget(&lab.settings(9, ""), &"h2".parse().unwrap()).await.unwrap();
    assert_eq!(of_host(&lab, "h2").await, Vec::<String>::new());
    h1.shows("").await;
    assert!(!of_host(&lab, "h1").await.is_empty());
}

#[tokio::test]
async fn hosts_that_stand_in_a_file_are_forgotten_there() {
    let name = "h2".parse().unwrap();
    let of = async |text: &str| forget(&Settings::parse(text).unwrap(), &name).await.unwrap_err();
    let error = of("[host]\nname = 'h1'\n[cluster]\nstore = 'static'\npeers = '/etc/p.toml'\n").await;
    assert_eq!(error, "hosts of this cluster stand in a file: take h2 out of /etc/p.toml");
    assert!(of("").await.contains("in no cluster"));
}
