//! Hosts that share an etcd, and what happens to that.

use std::{
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use tests::{Host, Lab, eventually, throughout};

use super::{
    SECOND,
    cluster::{Cluster, Shape, TTL, device, join, switch},
};

/// Members of an etcd, each a host of its own.
struct Etcd {
    hosts: Vec<Host>,
    folder: PathBuf,
    processes: Vec<Option<Child>>,
}

/// The numbers of the members begin after this one, as hosts on the switch.
const FIRST: usize = 100;

impl Etcd {
    fn new(lab: &Lab, switch: &Host, count: usize) -> Self {
        let hosts: Vec<Host> = (1..=count).map(|number| lab.host(&format!("e{number}"))).collect();
        for (host, number) in hosts.iter().zip(FIRST + 1..) {
            join(switch, host, number, Shape::default());
        }
        let mut etcd = Self { hosts, folder: lab.folder().join("etcd"), processes: (0..count).map(|_| None).collect() };
        (0..count).for_each(|member| etcd.start(member));
        etcd
    }

    fn url(member: usize, port: u16) -> String {
        format!("http://192.168.50.{}:{port}", FIRST + 1 + member)
    }

    /// The lines of `[cluster]`.
    fn store(&self) -> String {
        let endpoints: Vec<String> = (0..self.hosts.len()).map(|member| Self::url(member, 2379)).collect();
        format!("store = 'etcd'\nendpoints = {endpoints:?}")
    }

    fn start(&mut self, member: usize) {
        let host = &self.hosts[member];
        let (clients, peers) = (Self::url(member, 2379), Self::url(member, 2380));
        let members = (0..self.hosts.len()).map(|member| format!("e{member}={}", Self::url(member, 2380)));
        let mut command = host.command("etcd");
        command
            .args(["--heartbeat-interval", "20", "--election-timeout", "200", "--data-dir"])
            .arg(self.folder.join(member.to_string()))
            .args(["--name", &format!("e{member}")])
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &members.collect::<Vec<_>>().join(",")])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.processes[member] = Some(command.spawn().expect("etcd is installed: apt install etcd-server"));
    }

    /// As in a power cut.
    fn kill(&mut self, member: usize) {
        if let Some(mut process) = self.processes[member].take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        (0..self.processes.len()).for_each(|member| self.kill(member));
    }
}

#[test]
fn three_members_may_die_one_by_one_and_come_back() {
    let lab = Lab::new();
    let switch = switch(&lab);
    let mut etcd = Etcd::new(&lab, &switch, 3);
    let mut cluster = Cluster::with_store(&lab, &switch, 2, Shape::default(), etcd.store());
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    eventually(SECOND * 5, || c1.dig("c2").addresses() == [c2.address("eth0")]);
    eventually(SECOND * 3, || c1.pings("c2") && c2.pings("c1"));

    // The one that is asked.
    etcd.kill(0);
    let c3 = cluster.container(2, "c3");
    eventually(SECOND * 8, || c1.dig("c3").addresses() == [c3.address("eth0")]);
    assert_eq!(c1.dig("c2").addresses(), [c2.address("eth0")]);

    etcd.kill(1);
    etcd.kill(2);
    let is_found = || c1.dig("c2").addresses() == [c2.address("eth0")];
    throughout(Duration::from_secs(TTL + 3), || is_found() && c1.pings(&c2.address("eth0")));
    let late = cluster.container(1, "late");
    assert_eq!(c1.dig("late").addresses(), [late.address("eth0")], "containers are still added");
    cluster.netd[0].take().unwrap().kill();
    cluster.start(1);
    throughout(SECOND * 3, || c1.pings(&c2.address("eth0")));

    (0..3).for_each(|member| etcd.start(member));
    eventually(SECOND * 10, || c2.dig("late").addresses() == [late.address("eth0")]);
    eventually(SECOND * 10, || c1.dig("c2").addresses() == [c2.address("eth0")]);
    assert!(c2.pings("late"));
    cluster.stop();
}

#[test]
fn a_host_that_starts_while_the_store_is_lost_goes_on_with_what_it_knew() {
    let lab = Lab::new();
    let switch = switch(&lab);
    let mut etcd = Etcd::new(&lab, &switch, 1);
    let mut cluster = Cluster::with_store(&lab, &switch, 2, Shape::default(), etcd.store());
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    eventually(SECOND * 5, || c1.dig("c2").addresses() == [c2.address("eth0")]);
    eventually(SECOND * 3, || c1.pings("c2"));
    etcd.kill(0);
    cluster.netd[0].take().unwrap().stop();
    cluster.start(1);
    let h1 = cluster.hosts[0].clone();
    let is_whole = || c1.dig("c2").addresses() == [c2.address("eth0")] && c1.pings(&c2.address("eth0"));
    assert!(is_whole(), "from the first answer on");
    eventually(SECOND * 2, || h1.netd_show("peers").contains(" s ago, before netd started"));
    assert!(h1.netd_show("peers").contains("networks and names stay as they were before netd started"));
    // What was known is older than a host lives without a sign of life.
    throughout(Duration::from_secs(TTL + 3), is_whole);
    h1.sh(&format!("ip route del 10.40.2.0/24 dev {}", device(&h1)));
    eventually(SECOND * 2, || c1.pings(&c2.address("eth0")));
    let late = cluster.container(1, "late");
    assert!(late.pings(&c2.address("eth0")));
    assert_eq!(late.dig("c2").addresses(), [c2.address("eth0")]);

    etcd.start(0);
    eventually(SECOND * 10, || c2.dig("late").addresses() == [late.address("eth0")]);
    throughout(Duration::from_secs(TTL + 3), is_whole);
    let shown = h1.netd_show("peers");
    assert!(!shown.contains("before netd started") && !shown.contains("error: "), "{shown}");
    cluster.stop();
}

#[test]
fn a_host_that_is_cut_off_from_the_store_keeps_all_and_loses_its_names_elsewhere() {
    let lab = Lab::new();
    let switch = switch(&lab);
    let etcd = Etcd::new(&lab, &switch, 1);
    let cluster = Cluster::with_store(&lab, &switch, 2, Shape::default(), etcd.store());
    let [c1, c2] = [1, 2].map(|number| cluster.container(number, &format!("c{number}")));
    eventually(SECOND * 5, || c1.dig("c2").addresses() == [c2.address("eth0")]);
    eventually(SECOND * 5, || c2.dig("c1").addresses() == [c1.address("eth0")]);
    let h2 = &cluster.hosts[1];
    h2.sh("nft 'add table ip cut; add chain ip cut out { type filter hook output priority 0; }; \
           add rule ip cut out ip daddr 192.168.50.101 drop'");
    eventually(Duration::from_secs(TTL + 2), || c1.dig("c2").status == "NXDOMAIN");
    assert_eq!(c2.dig("c1").addresses(), [c1.address("eth0")], "who is cut off goes on with what it knows");
    assert!(c1.pings(&c2.address("eth0")) && c2.pings(&c1.address("eth0")));
    eventually(SECOND * 10, || h2.netd_show("peers").contains("error: "));
    h2.sh("nft delete table ip cut");
    eventually(SECOND * 10, || c1.dig("c2").addresses() == [c2.address("eth0")]);
    cluster.stop();
}

#[test]
fn a_network_is_made_and_removed_on_every_host_by_one_command() {
    let lab = Lab::new();
    let switch = switch(&lab);
    let etcd = Etcd::new(&lab, &switch, 1);
    let cluster = Cluster::with_store(&lab, &switch, 2, Shape::default(), etcd.store());
    let h1 = &cluster.hosts[0];
    let netd = |words: &str| h1.run(&format!("{} {words} --config {}/netd.toml", built(), h1.folder().display()));
    assert!(netd("network create web --subnet 10.60.0.0/16,fd60::/48 --internal").success());
    let lease = |host: &Host| host.run_dir().join("overlays/web.json");
    eventually(SECOND * 5, || cluster.hosts.iter().all(|host| lease(host).exists()));
    let again = netd("network create web --subnet 10.61.0.0/16");
    assert!(again.stderr.contains("network web is there already"), "{}", again.stderr);
    let listed = netd("network list").text();
    assert!(listed.lines().any(|line| line.starts_with("web ") && line.contains("10.60.0.0/16,fd60::/48")), "{listed}");
    let conflist = h1.folder().join("run/10-netd-web.conflist");
    eventually(SECOND * 5, || conflist.exists());
    assert!(netd("network show web").text().contains("\"host\": \"h2\""));
    assert!(netd("network delete web").success());
    eventually(SECOND * 8, || !conflist.exists());
    eventually(SECOND * 8, || cluster.hosts.iter().all(|host| !lease(host).exists()));
    // One network, one device: that of the other network.
    eventually(SECOND * 5, || h1.ip("link show type vxlan").as_array().unwrap().len() == 1);
    drop(device(h1));
    cluster.stop();
}

#[test]
fn a_host_that_does_not_come_back_is_forgotten_by_one_command() {
    let lab = Lab::new();
    let switch = switch(&lab);
    let etcd = Etcd::new(&lab, &switch, 1);
    let mut cluster = Cluster::with_store(&lab, &switch, 2, Shape::default(), etcd.store());
    let h1 = cluster.hosts[0].clone();
    let forget = || h1.run(&format!("{} host forget h2 --config {}/netd.toml", built(), h1.folder().display()));
    let routes = || h1.run(&format!("ip route show dev {}", device(&h1))).stdout;
    eventually(SECOND * 5, || routes().contains("10.40.2.0/24"));
    // The way to a host comes before its word that it lives.
    eventually(SECOND * 5, || h1.netd_show("peers").lines().any(|line| line.contains("h2") && line.contains("alive")));
    let refused = forget();
    assert!(refused.stderr.contains("host h2 lives at 192.168.50.2") && !refused.success(), "{refused:?}");
    cluster.netd[1].take().unwrap().stop();
    eventually(SECOND * 10, || forget().stdout.contains("10.40.2.0/24 of network lab is free"));
    eventually(SECOND * 5, || !routes().contains("10.40.2.0/24"));
    cluster.stop();
}

#[test]
fn a_network_of_the_store_that_this_netd_cannot_read_stays_on_the_host_as_it_was() {
    let lab = Lab::new();
    let switch = switch(&lab);
    let etcd = Etcd::new(&lab, &switch, 1);
    let mut cluster = Cluster::with_store(&lab, &switch, 1, Shape::default(), etcd.store());
    let h1 = cluster.hosts[0].clone();
    let create = format!("network create web --subnet 10.60.0.0/16 --config {}/netd.toml", h1.folder().display());
    assert!(h1.run(&format!("{} {create}", built())).success());
    let (lease, conflist) = (h1.run_dir().join("overlays/web.json"), h1.folder().join("run/10-netd-web.conflist"));
    eventually(SECOND * 5, || lease.exists() && conflist.exists());
    let devices = || h1.ip("link show type vxlan").as_array().unwrap().len();
    eventually(SECOND * 5, || devices() == 2);
    cluster.netd[0].take().unwrap().stop();
    std::fs::remove_file(h1.folder().join("lib/netd/remembered.json")).unwrap();
    // {"version":2,"new":1}
    let newer = r#"{"key": "L25ldGQvZGVmYXVsdC92MS9uZXR3b3Jrcy93ZWI=", "value": "eyJ2ZXJzaW9uIjoyLCJuZXciOjF9"}"#;
    h1.sh(&format!("curl -sf http://192.168.50.101:2379/v3/kv/put -d '{newer}'"));
    cluster.start(1);
    eventually(SECOND * 5, || h1.netd_show("peers").contains("network web: what the store says of it cannot be read"));
    throughout(SECOND * 4, || lease.exists() && conflist.exists() && devices() == 2);
    cluster.stop();
}

fn built() -> String {
    tests::built("netd").display().to_string()
}
