//! One host comes or goes: its entries change and no others, and nobody looks at everything for nothing.

use std::{
    io::Read,
    process::{Child, Stdio},
};

use tests::{Host, Lab, eventually, holds_within};

use super::{
    SECOND,
    cluster::{Cluster, Shape, device},
};

/// What the kernel told of neighbours, forwarding entries and routes until now.
struct Monitor(Vec<Child>);

impl Monitor {
    fn start(host: &Host) -> Self {
        let monitor = |script: &str| {
            let mut command = host.command("sh");
            command.args(["-c", &format!("exec {script}")]).stdout(Stdio::piped()).spawn().unwrap()
        };
        let monitor = Self(["ip monitor neigh route", "bridge monitor fdb"].map(monitor).into());
        // Sockets by the process and the groups they hear: nothing is done before both hear some.
        let hears = |child: &Child| {
            let sockets = host.sh("cat /proc/net/netlink");
            let columns = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let of_child = columns.filter(|columns| columns.get(2) == Some(&child.id().to_string().as_str()));
            of_child.into_iter().any(|columns| columns.get(3).is_some_and(|groups| *groups != "00000000"))
        };
        eventually(SECOND * 2, || monitor.0.iter().all(hears));
        monitor
    }

    fn stop(self) -> String {
        let mut said = String::new();
        for mut child in self.0 {
            child.kill().unwrap();
            child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
            child.wait().unwrap();
        }
        said
    }
}

#[test]
fn of_a_host_that_comes_or_goes_its_own_entries_change_and_no_others() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 4, Shape::default());
    let h1 = &cluster.hosts[0];
    let device = device(h1);
    let routes = || h1.sh(&format!("ip route show dev {device}"));
    // What crosses from a host is told a moment after the host, and the route to it is made anew.
    eventually(SECOND * 3, || routes().matches("mtu 1450").count() == 3);
    for (numbers, is_there) in [(&[1, 2, 3][..], false), (&[1, 2, 3, 4], true)] {
        let monitor = Monitor::start(h1);
        cluster.write_peers(numbers);
        eventually(SECOND * 3, || routes().contains("10.40.4.0/24") == is_there);
        let said = monitor.stop();
        let on_device: Vec<&str> = said.lines().filter(|line| line.contains(&device)).collect();
        assert!(on_device.len() >= 3, "neighbour, forwarding entry, route: {said}");
        let is_of_fourth = |line: &&str| line.contains("10.40.4.0") || line.contains("192.168.50.4");
        assert!(on_device.iter().all(is_of_fourth), "{said}");
    }
    cluster.stop();
}

#[test]
fn what_netd_does_itself_does_not_make_it_look_without_end() {
    let lab = Lab::new();
    let cluster = Cluster::new(&lab, 2, Shape::default());
    let (h1, netd) = (&cluster.hosts[0], cluster.netd[0].as_ref().unwrap());
    let verbose = format!("log = 'info,netd::rounds=debug'\n{}", cluster.settings(1));
    std::fs::write(h1.folder().join("netd.toml"), verbose).unwrap();
    h1.sh(&format!("kill -HUP {}", netd.pid()));
    eventually(SECOND * 3, || netd.log().contains("settings read"));
    let looks = || netd.log().matches("overlay network looked at").count();
    h1.sh(&format!("ip link del {}", device(h1)));
    eventually(SECOND * 2, || looks() > 0 && h1.sh("ip route").contains("10.40.2.0/24"));
    let goes_on = |before: usize| holds_within(SECOND * 5 / 2, || looks() > before);
    assert!((0..4).any(|_| !goes_on(looks())), "{}", netd.log());
    cluster.stop();
}
