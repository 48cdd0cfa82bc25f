//! Hosts that fall silent, come back, or leave.

use std::{process::Stdio, time::Duration};

use tests::{Host, Lab, built, eventually, throughout};

use super::{
    SECOND,
    cluster::{Cluster, Shape, TTL, device},
};

#[test]
fn a_silent_host_loses_its_names_and_keeps_its_routes() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab, 2, Shape::default());
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    eventually(SECOND * 3, || c1.dig("c2").addresses() == [c2.address("eth0")]);
    cluster.netd[1].take().unwrap().kill();
    eventually(Duration::from_secs(TTL + 2), || c1.dig("c2").status == "NXDOMAIN");
    assert!(c1.pings(&c2.address("eth0")), "its containers live");
    eventually(SECOND * 2, || cluster.hosts[0].netd_show("peers").contains("silent"));
    cluster.start(2);
    eventually(SECOND * 7, || c1.dig("c2").addresses() == [c2.address("eth0")]);
    cluster.stop();
}

#[test]
fn no_packet_is_lost_while_netd_starts_again() {
    let lab = Lab::new();
    let (mut cluster, [c1, c2]) = Cluster::pair(&lab, Shape::default());
    let target = c2.address("eth0");
    let mut ping = c1.command("ping");
    ping.args(["-n", "-i", "0.005", "-c", "400", "-W", "2", &target]).stdout(Stdio::piped());
    let ping = ping.spawn().unwrap();
    cluster.netd[0].take().unwrap().stop();
    cluster.start(1);
    let said = String::from_utf8(ping.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.contains("400 packets transmitted, 400 received"), "{said}");
    cluster.stop();
}

#[test]
fn what_led_to_a_host_that_leaves_the_file_goes() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 3, Shape::default());
    let h1 = &cluster.hosts[0];
    let device = device(h1);
    let leads_to = |number: usize| {
        let texts = [
            format!("bridge fdb show dev {device}"),
            format!("ip route show dev {device}"),
            format!("ip neigh show dev {device}"),
            "nft list set inet netd peer4".to_owned(),
        ];
        let words = [format!("192.168.50.{number}"), format!("10.40.{number}.0")];
        texts.iter().filter(|text| words.iter().any(|word| h1.run(text).stdout.contains(word))).count()
    };
    eventually(SECOND * 3, || leads_to(2) == 4 && leads_to(3) == 4);
    cluster.write_peers(&[1, 2]);
    eventually(SECOND * 5, || leads_to(3) == 0);
    assert_eq!(leads_to(2), 4);
    cluster.stop();
}

/// Tells netd of h1 that there is no overlay network any more.
fn take_out_of_the_settings(cluster: &Cluster) {
    let h1 = &cluster.hosts[0];
    let settings = cluster.settings(1);
    std::fs::write(h1.folder().join("netd.toml"), settings.split("[[network]]").next().unwrap()).unwrap();
    h1.sh(&format!("kill -HUP {}", cluster.netd[0].as_ref().unwrap().pid()));
}

fn is_conflist(entry: &std::fs::DirEntry) -> bool {
    entry.path().extension().is_some_and(|extension| extension == "conflist")
}

fn has_lease(host: &Host) -> bool {
    host.run_dir().join("overlays/lab.json").exists()
}

#[test]
fn a_network_that_leaves_the_settings_goes_and_nothing_else() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, Shape::default());
    let h1 = &cluster.hosts[0];
    let name = device(h1);
    h1.sh("ip link add other type vxlan id 5 dstport 4789; ip link set other group 1852142692");
    take_out_of_the_settings(&cluster);
    eventually(SECOND * 5, || h1.link(&name).is_null());
    eventually(SECOND * 5, || !has_lease(h1));
    assert!(!h1.sh("nft list ruleset").contains("elements"));
    assert!(!h1.link("other").is_null(), "another netd's");
    cluster.stop();
}

#[test]
fn a_network_that_leaves_the_settings_stays_while_it_has_containers() {
    let lab = Lab::new();
    let (cluster, [c1, c2]) = Cluster::pair(&lab, Shape::default());
    let h1 = &cluster.hosts[0];
    let name = device(h1);
    take_out_of_the_settings(&cluster);
    throughout(SECOND * 3, || c1.pings(&c2.address("eth0")));
    h1.sh(&format!("ip link del {name}"));
    eventually(SECOND * 2, || c1.pings(&c2.address("eth0")));
    assert_eq!(std::fs::read_dir(h1.folder().join("run")).unwrap().flatten().filter(is_conflist).count(), 0);
    c1.detach().unwrap();
    eventually(SECOND * 5, || h1.link(&name).is_null());
    eventually(SECOND * 5, || !has_lease(h1));
    cluster.stop();
}

#[test]
fn a_paused_network_is_not_taken_away() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, Shape::default());
    let h1 = &cluster.hosts[0];
    let name = device(h1);
    let command = |words: &str| h1.run(&format!("{} {words}", built("netd").display())).text();
    command("pause lab");
    // The network after it shows that its turn is over.
    let next = h1.run_dir().join("overlays/next.json");
    std::fs::copy(h1.run_dir().join("overlays/lab.json"), &next).unwrap();
    take_out_of_the_settings(&cluster);
    eventually(SECOND * 5, || !next.exists());
    assert!(has_lease(h1) && !h1.link(&name).is_null());
    command("resume lab");
    eventually(SECOND * 5, || !has_lease(h1) && h1.link(&name).is_null());
    cluster.stop();
}
