//! `netd dhcp`: leases that are renewed, that outlive it, that are lost and had again.

use std::{
    os::fd::OwnedFd,
    path::Path,
    time::{Duration, Instant},
};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send, socket_with,
};
use serde_json::json;
use tests::{Daemon, Lab, eventually, throughout};

use super::link::{SOON, dnsmasq, given, lan, macvlan, of_ipam, udhcpd};

/// How often a server said that an address is the client's.
fn acknowledged(server: &Daemon) -> usize {
    server.log().matches("sending ACK").count()
}

fn offered(server: &Daemon) -> usize {
    server.log().matches("sending OFFER").count()
}

#[test]
fn a_lease_is_renewed_also_by_a_keeper_that_was_killed_and_started_again() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = udhcpd(&far, "192.168.50.100");
    let keeper = host.keeper();
    let c1 = host.container("c1");
    let attachment = c1.add(&macvlan());
    assert_eq!(attachment.address().as_deref(), Some("192.168.50.100"));
    // While the server looks whether anybody has the address, it may be asked twice.
    let before_all = offered(&server);
    eventually(SOON, || acknowledged(&server) >= 3);
    keeper.kill();
    let before = acknowledged(&server);
    let keeper = host.keeper();
    eventually(SOON, || acknowledged(&server) >= before + 2);
    keeper.stop();
    let keeper = host.keeper();
    let before = acknowledged(&server);
    eventually(SOON, || acknowledged(&server) >= before + 2);
    assert_eq!(attachment.check(), Ok(()));
    assert_eq!(offered(&server), before_all, "nothing was asked for anew: {}", server.log());
    attachment.del().unwrap();
    let before = acknowledged(&server);
    throughout(Duration::from_secs(3), || acknowledged(&server) == before);
    assert_eq!(host.leftovers(), [""; 0]);
    drop(keeper);
}

#[test]
fn a_lease_that_is_taken_back_is_said_to_be_and_had_again() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = udhcpd(&far, "192.168.50.100");
    let keeper = host.keeper();
    let c1 = host.container("c1");
    let attachment = c1.add(&macvlan());
    server.kill();
    // It does not give this address any more.
    let server = udhcpd(&far, "192.168.50.150");
    eventually(SOON, || attachment.check().is_err_and(|refusal| refusal.code == 103));
    eventually(SOON, || keeper.log().contains("lease lost"));
    assert_eq!(c1.addresses("eth0")[0], "192.168.50.100/24", "the interface stays as it is");
    server.kill();
    let _server = udhcpd(&far, "192.168.50.100");
    // It is asked for again each minute, and at once by a keeper that is started.
    drop(keeper);
    let keeper = host.keeper();
    eventually(SOON, || attachment.check().is_ok());
    eventually(SOON, || keeper.log().contains("lease had again"));
    attachment.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn a_lease_that_nobody_renews_runs_out() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = udhcpd(&far, "192.168.50.100");
    let keeper = host.keeper();
    let attachment = host.container("c1").add(&macvlan());
    server.kill();
    assert_eq!(attachment.check(), Ok(()));
    eventually(SOON, || attachment.check().is_err_and(|refusal| refusal.code == 103));
    eventually(SOON, || keeper.log().contains("how=\"run out\""));
    attachment.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

#[test]
fn what_of_ipv6_is_renewed() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    // The shortest lease of dnsmasq is two minutes; when it is to be renewed, it may say.
    let server = dnsmasq(&far, "--dhcp-range=fd50::100,fd50::1ff,64,2m");
    let keeper = host.keeper();
    let c1 = host.container("c1");
    let attachment = c1.add(&of_ipam("families", &json!(["ipv6"])));
    let file = std::fs::read_dir(host.run_dir().join("dhcp")).unwrap().next().unwrap().unwrap().path();
    let lease = std::fs::read_to_string(&file).unwrap();
    keeper.stop();
    for (moment, word) in [("renew", "DHCPRENEW"), ("rebind", "DHCPREBIND")] {
        // The keeper finds a lease of which this is due.
        let mut due: serde_json::Value = serde_json::from_str(&lease).unwrap();
        due["times"]["renew"] = 1.into();
        due["times"][moment] = 1.into();
        std::fs::write(&file, due.to_string()).unwrap();
        let keeper = host.keeper();
        eventually(SOON, || server.log().contains(word) && keeper.log().contains("lease renewed"));
        assert_eq!(attachment.check(), Ok(()));
        keeper.stop();
    }
    attachment.del().unwrap();
    eventually(SOON, || given(&far).is_empty());
}

#[test]
fn del_needs_no_keeper_and_waits_for_none() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = dnsmasq(&far, "--dhcp-range=fd50::100,fd50::1ff,64,1h");
    let keeper = host.keeper();
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|name| host.container(name));
    let both = of_ipam("families", &json!(["ipv4", "ipv6"]));
    let [first, second, third] = [&c1, &c2, &c3].map(|container| container.add(&both));
    eventually(SOON, || given(&far).len() == 6);
    keeper.freeze();
    let start = Instant::now();
    first.del().unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    eventually(SOON, || given(&far).len() == 4);
    keeper.thaw();
    keeper.kill();
    second.del().unwrap();
    eventually(SOON, || given(&far).len() == 2);
    assert_eq!(server.log().matches("DHCPRELEASE").count(), 4);
    // With its namespace gone, nobody can be told.
    c3.vanish();
    third.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
    let _keeper = host.keeper();
    first.del().unwrap();
}

#[test]
fn an_add_that_is_killed_while_it_waits_keeps_nothing() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let keeper = host.keeper();
    let attachment = host.container("c1").attachment(&macvlan(), "eth0");
    let settled = host.kernel_text();
    let call = attachment.call("ADD", 0, None);
    let trace = std::thread::scope(|scope| {
        let add = scope.spawn(|| call.run_under(&["timeout", "--signal=KILL", "2"]));
        add.join().unwrap()
    });
    assert!(!trace.success());
    // The keeper saw it go: a server that comes now is asked nothing any more.
    let server = dnsmasq(&far, "");
    throughout(Duration::from_secs(5), || !server.log().contains("DHCPDISCOVER"));
    attachment.del().unwrap();
    assert_eq!([host.changes_since(&settled), host.leftovers()].concat(), [""; 0]);
    attachment.add().unwrap();
    attachment.del().unwrap();
    eventually(SOON, || given(&far).is_empty());
    drop(keeper);
}

#[test]
fn a_container_that_is_gone_is_not_kept_alive() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let server = udhcpd(&far, "192.168.50.100");
    let _keeper = host.keeper();
    let c1 = host.container("c1");
    let attachment = c1.add(&macvlan());
    eventually(SOON, || acknowledged(&server) >= 2);
    c1.vanish();
    // Its lease ends, and what is known of it goes then, without a DEL.
    eventually(SOON, || std::fs::read_dir(host.run_dir().join("dhcp")).unwrap().next().is_none());
    let before = acknowledged(&server);
    throughout(Duration::from_secs(3), || acknowledged(&server) == before);
    attachment.del().unwrap();
    assert_eq!(host.leftovers(), [""; 0]);
}

fn client(path: &Path) -> OwnedFd {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    socket
}

#[test]
fn one_keeper_is_enough_and_nonsense_does_not_disturb_it() {
    let lab = Lab::new();
    let [host, far] = lan(&lab);
    let _server = dnsmasq(&far, "");
    let _keeper = host.keeper();
    let second = host.run(&format!("{} dhcp", tests::built("netd").display()));
    assert!(!second.success() && second.stderr.contains("another keeper of leases runs here"), "{second:?}");
    let socket = host.folder().join("run/cni/dhcp.sock");
    let _silent: Vec<_> = (0..20).map(|_| client(&socket)).collect();
    for words in ["x", "{\"keep\": 7}", "{\"keep\": {\"wish\": {}, \"families\": []}}", &"x".repeat(100_000)] {
        let client = client(&socket);
        send(&client, words.as_bytes(), SendFlags::empty()).unwrap();
        let mut answer = [0; 1000];
        let (_, length) = recv(&client, answer.as_mut_slice(), RecvFlags::empty()).unwrap();
        let answer = str::from_utf8(&answer[..length]).unwrap();
        assert!(answer.starts_with("{\"failed\":\"the question is not understood: "), "{answer}");
    }
    let attachment = host.container("c1").add(&macvlan());
    attachment.del().unwrap();
}
